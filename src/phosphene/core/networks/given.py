"""What a person says about a model; the rest is found out by trying."""

from dataclasses import dataclass

from phosphene.core.networks.head import HeadKind
from phosphene.core.networks.outputs import Output


@dataclass(frozen=True)
class Given:
    """What a person said about a model, where they did.

    Attributes:
        name: for messages.
        size: (height, width) of the input that it was trained on.
        channels: of its input.
        output: which part of what it returns holds the logits.
        head: what its outputs are.
        labels: how many classes have names.
    """

    name: str = ""
    size: tuple[int, int] | None = None
    channels: int | None = None
    output: Output = None
    head: HeadKind | None = None
    labels: int | None = None

"""An attack, as somebody would write it: tests copy it to `phosphene.adversarial.attacks.undecided`."""

from collections.abc import Iterator
from typing import Annotated, Unpack

import torch
from jaxtyping import Float
from torch import Tensor

from phosphene.adversarial.goals import Labels
from phosphene.adversarial.photographs import Common, attack
from phosphene.adversarial.victims import Classifier, Victim
from phosphene.core.networks.network import Network
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.steps import Step
from phosphene.core.options import Bounds, Words


@attack
def undecided(
    victim: Victim | Network | Classifier,
    x: Float[Tensor, "n c h w"],
    labels: Labels,
    radius: float = 8 / 255,
    targeted: bool = False,
    until_fooled: bool = True,
    key: Key = Key(),
    *,
    steps: Annotated[int, Bounds(1, 100), Words("how many times noise is added")] = 3,
    **common: Unpack[Common],
) -> Iterator[Step]:
    """Add noise and hope."""
    start = x
    for index in range(steps + 1):
        yield Step(index, x, x.new_zeros(len(x)))
        noise = key.at(index).uniform(torch.arange(len(x)), *x.shape[1:]).to(x)
        x = (start + radius * (2 * noise - 1)).clamp(0, 1)

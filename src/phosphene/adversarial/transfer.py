"""Do examples made on one network fool another? (Szegedy et al. 2014, arXiv:1312.6199, section 4.2; tables 2 to 4)

Examples are made on each network and tried on all the others, among them networks that were trained on other pictures:
that they transfer is what makes an attack possible on a network that nobody has. Counted are pictures that both
networks name rightly, as those who are wrong already can't be fooled.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from phosphene.adversarial.cases import rounded
from phosphene.adversarial.searches import Search
from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from phosphene.core.optimization.keys import Key
from phosphene.core.units.inputs import logits

Made = Callable[[Network, Float[Tensor, "n c h w"], Int[Tensor, " n"], Key], Search]
"""(network, pictures, labels, key) -> the attack on them."""


@dataclass(frozen=True, eq=False)
class Transfer:
    """Who is fooled by examples that were made on whom.

    Attributes:
        names: of the networks.
        right: (networks, pictures), which pictures each names rightly before anything is changed.
        fooled: (made on, tried on, pictures), which each does not, after they were changed on the first.
    """

    names: tuple[str, ...]
    right: Bool[Tensor, "k n"]
    fooled: Bool[Tensor, "k k n"]

    @property
    def counted(self) -> Int[Tensor, "k k"]:
        """How many pictures both name rightly."""
        return (self.right[:, None] & self.right[None]).sum(2)

    @property
    def rates(self) -> Float[Tensor, "k k"]:
        """The part of those that fool the second; not a number where there is none."""
        both = self.right[:, None] & self.right[None]
        return (self.fooled & both).sum(2) / both.sum(2)

    @property
    def accuracies(self) -> Float[Tensor, " k"]:
        """The part of the pictures that each names rightly."""
        return self.right.float().mean(1)

    def record(self) -> dict[str, object]:
        """As plain data, ready for JSON."""
        rates = [[None if rate != rate else rate for rate in row] for row in self.rates.tolist()]
        return {
            "networks": list(self.names), "pictures": self.right.shape[1], "accuracies": self.accuracies.tolist(),
            "fooled": rates, "counted": self.counted.tolist(),
        }  # fmt: skip


def check_classes(networks: Sequence[Network]) -> None:
    """Raise a Mistake unless there are two networks that tell the same number of classes apart."""
    if len(networks) < 2:
        raise Mistake("examples are tried on other networks than the one that they were made on: give --net twice")
    first, *others = networks
    for other in others:
        if other.classes != first.classes:
            raise Mistake(
                f"{first.name} has {first.classes} classes and {other.name} {other.classes}; networks of the same "
                "classes are needed"
            )


def transferred(
    networks: Sequence[Network],
    pictures: Float[Tensor, "n c h w"],
    labels: Int[Tensor, " n"],
    made: Made,
    batch: int = 50,
    key: Key = Key(),
) -> Iterator[Transfer | None]:
    """Make examples on each network and try them on all; yields after each batch, and at last the table.

    Args:
        pictures: of 8 bits, in [0, 1]; networks of a fixed size of their own see them resized.
        made: the attack; its examples are rounded to 8 bits, as a file would hold them.
        batch: pictures at a time.
    Raises:
        Mistake: fewer than two networks, or networks of other classes.
    """
    check_classes(networks)
    k, n = len(networks), len(pictures)
    right, fooled = torch.zeros(k, n, dtype=torch.bool), torch.zeros(k, k, n, dtype=torch.bool)
    parts = torch.arange(n).split(batch)
    for i, network in enumerate(networks):
        for rows in parts:
            right[i, rows] = _named(network, pictures[rows]) == labels[rows]
    for i, network in enumerate(networks):
        for rows in parts:
            some = rows[right[i, rows]]
            if len(some):
                examples = _examples(made(network, pictures[some], labels[some], key.of(some.tolist())))
                for j, other in enumerate(networks):
                    fooled[i, j, some] = _named(other, examples) != labels[some]
            yield None
    yield Transfer(tuple(network.name for network in networks), right, fooled)


def _examples(search: Search) -> Float[Tensor, "n c h w"]:
    found, problems = search.outcome, search.problems
    radius = problems.eps
    assert not isinstance(radius, Tensor)
    return rounded(found.inputs, problems.x, float(radius), problems.norm)


def _named(network: Network, pictures: Float[Tensor, "n c h w"]) -> Int[Tensor, " n"]:
    return network.head.decided(logits(network, pictures)).cpu()

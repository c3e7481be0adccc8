"""Do examples made on one network fool another? (Szegedy et al. 2014, arXiv:1312.6199, section 4.2; tables 2 to 4)

Examples are made on each network and tried on all the others, among them networks that were trained on other pictures:
that they transfer is what makes an attack possible on a network that nobody has. Counted are pictures that both
networks name rightly, as those who are wrong already can't be fooled.

Some networks stumble over any change, so each change is tried a second time with its values shuffled: noise of the same
size in every norm. What fools no more often than that has not been transferred.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from phosphene.adversarial.cases import rounded
from phosphene.adversarial.searches import Search
from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from phosphene.core.optimization.keys import Key
from phosphene.core.pictures.eight_bit import nearest_levels
from phosphene.core.results.intervals import wilson
from phosphene.core.units.inputs import logits

SHUFFLING = 1000  # the stream of its random numbers, beside those of attacks

Made = Callable[[Network, Float[Tensor, "n c h w"], Int[Tensor, " n"], Key], Search]
"""(network, pictures, labels, key) -> the attack on them."""


class Count(NamedTuple):
    """So many of so many pictures."""

    hits: int
    of: int

    @property
    def share(self) -> float | None:
        """From 0 to 1; None of nothing."""
        return self.hits / self.of if self.of else None

    @property
    def interval(self) -> tuple[float, float]:
        """Where the share lies with 95 %."""
        return wilson(self.hits, self.of)

    @property
    def percent(self) -> str:
        """`50.5 %`, or a dash of nothing."""
        return "-" if self.share is None else f"{100 * self.share:.1f} %"

    @property
    def brackets(self) -> str:
        """The interval in per cent: `[43.6, 57.4]`."""
        low, high = self.interval
        return f"[{100 * low:.1f}, {100 * high:.1f}]"


@dataclass(frozen=True, eq=False)
class Transfer:
    """Who is fooled by examples that were made on whom.

    Attributes:
        names: of the networks, no two alike.
        right: (networks, pictures), which pictures each names rightly before anything is changed.
        fooled: (made on, tried on, pictures), which each does not, after they were changed on the first.
        shuffled: the same, after the values of these changes were shuffled.
    """

    names: tuple[str, ...]
    right: Bool[Tensor, "k n"]
    fooled: Bool[Tensor, "k k n"]
    shuffled: Bool[Tensor, "k k n"]

    @property
    def own(self) -> list[Count]:
        """How many of the pictures each names rightly."""
        return [Count(int(right.sum()), len(right)) for right in self.right]

    @property
    def pairs(self) -> list[list[Count]]:
        """(made on, tried on): of the pictures that both name rightly, how many fool the second."""
        return self._counted(self.fooled)

    @property
    def controls(self) -> list[list[Count]]:
        """The same for the shuffled changes."""
        return self._counted(self.shuffled)

    def _counted(self, fooled: Bool[Tensor, "k k n"]) -> list[list[Count]]:
        both = self.right[:, None] & self.right[None]
        hits, counted = (fooled & both).sum(2).tolist(), both.sum(2).tolist()
        return [[Count(*cell) for cell in zip(*rows, strict=True)] for rows in zip(hits, counted, strict=True)]

    def record(self) -> dict[str, object]:
        """As plain data, ready for JSON; intervals are Wilson's, of 95 %."""
        return {
            "networks": list(self.names), "pictures": self.right.shape[1],
            "accuracies": [one.share for one in self.own],
            "accuracy intervals": [list(one.interval) for one in self.own],
            "fooled": [[one.share for one in row] for row in self.pairs],
            "fooled intervals": [[list(one.interval) for one in row] for row in self.pairs],
            "fooled by shuffled": [[one.share for one in row] for row in self.controls],
            "counted": [[one.of for one in row] for row in self.pairs],
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


def told_apart(names: Sequence[str]) -> tuple[str, ...]:
    """The names, those that there are several of with a number: files in two folders may be called the same."""
    return tuple(
        f"{name} ({names[: i + 1].count(name)})" if names.count(name) > 1 else name for i, name in enumerate(names)
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
    right = torch.zeros(k, n, dtype=torch.bool)
    fooled, shuffled = torch.zeros(2, k, k, n, dtype=torch.bool)
    parts = torch.arange(n).split(batch)
    for i, network in enumerate(networks):
        for rows in parts:
            right[i, rows] = _named(network, pictures[rows]) == labels[rows]
    for i, network in enumerate(networks):
        for rows in parts:
            some = rows[right[i, rows]]
            if len(some):
                x, own = pictures[some], key.of(some.tolist())
                examples = _examples(made(network, x, labels[some], own))
                noise = noise_of(examples, x, own)
                for j, other in enumerate(networks):
                    fooled[i, j, some] = _named(other, examples) != labels[some]
                    shuffled[i, j, some] = _named(other, noise) != labels[some]
            yield None
    yield Transfer(told_apart([network.name for network in networks]), right, fooled, shuffled)


def noise_of(
    examples: Float[Tensor, "n c h w"], pictures: Float[Tensor, "n c h w"], key: Key
) -> Float[Tensor, "n c h w"]:
    """The pictures with each one's change in another order: noise of the same size in every norm, cut to [0, 1].

    Args:
        key: its problems are the pictures.
    """
    x = pictures.to(examples)
    change = (examples - x).flatten(1)
    order = key.child(SHUFFLING).uniform(torch.arange(len(change)), change.shape[1]).argsort(1)
    return nearest_levels(x + change.gather(1, order.to(change.device)).view_as(x)).clamp(0, 1)


def _examples(search: Search) -> Float[Tensor, "n c h w"]:
    found, problems = search.outcome, search.problems
    radius = problems.eps
    assert not isinstance(radius, Tensor)
    return rounded(found.inputs, problems.x, float(radius), problems.norm)


def _named(network: Network, pictures: Float[Tensor, "n c h w"]) -> Int[Tensor, " n"]:
    return network.head.decided(logits(network, pictures)).cpu()

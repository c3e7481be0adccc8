"""Does a map show what the network has learnt? Randomize its weights and see whether the map changes.

Adebayo et al. 2018 (arXiv:1810.03292): *cascading* from the output down to the input, each time one layer more; and
*independently*, one layer alone. A map that stays the same shows the picture, not what the network knows of it.

They draw the weights anew, as before training. Here the numbers of every weight tensor are shuffled among themselves:
that destroys what was learnt as well, and keeps their distribution. Networks need it whose normalization was folded
into the convolutions, or whose running statistics stay as they are: with other weights their activations would die out
or grow beyond all bounds, and then no method has anything to show. What was learnt about the mean and the spread of a
layer's weights is therefore kept, which makes this test the milder one.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from zlib import crc32

import numpy as np
import torch

from phosphene.attribution.checks.likeness import Likeness, likeness
from phosphene.attribution.maps import About, Method, found
from phosphene.attribution.question import Pictures, Question, copied, every, of_classes
from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from phosphene.core.optimization.engine import NotFinite

ENOUGH = 8
"""Layers are counted at the coarsest level of the model that has at least so many with weights."""

DEPTHS = 7
"""So many are randomized at most: the top one alone, all of them, and evenly spread in between."""


@dataclass(frozen=True)
class Depth:
    """Some neighbouring layers.

    Attributes:
        layers: their names, from the top.
        modules: the modules with weights in them.
        count: how many layers there are down to the lowest of them, from the top.
    """

    layers: Sequence[str]
    modules: Sequence[str]
    count: int


@dataclass(frozen=True)
class Randomization:
    """How alike the map remains.

    Attributes:
        depths: from the top down.
        cascading: with everything down to each depth randomized; as many as were done.
        alone: with the layers of one depth randomized alone.
    """

    depths: Sequence[Depth]
    cascading: Sequence[Likeness] = field(default_factory=list)
    alone: Sequence[Likeness] = field(default_factory=list)

    @property
    def layers(self) -> int:
        """How many layers there are in all."""
        return self.depths[-1].count


def modules(asked: Question, pictures: Pictures) -> list[str]:
    """The modules with weights of their own that the answer depends on, in the order in which they run.

    They run before the layers that are read end. For a unit, which may lie in one of several branches, what does not
    move it on the first picture is left out; modules whose output can't be read, and all of them where nothing moves it
    there, are kept.

    Raises:
        Mistake: there are none.
    """
    network = asked.network
    names = _with_weights(network, asked.term.layers)
    if not names:
        raise Mistake(f"{network.name} has no weights below {', '.join(sorted(asked.term.layers))} to be randomized")
    if of_classes(asked.units):
        return names
    idle = {name for name in names if name in network.layers and not _moves(asked.of([0]), pictures[:1], name)}
    return [name for name in names if name not in idle] or names


def _moves(asked: Question, picture: Pictures, layer: str) -> bool:
    """Whether the answer about a picture changes with what this layer says."""
    try:
        return bool(asked.layer_gradients(picture, every(picture), layer)[1].any())
    except NotFinite:
        raise
    except Mistake:  # it does not depend on it
        return False


def _with_weights(network: Network, read: Iterable[str]) -> list[str]:
    """Modules that have weights of their own and run before one of the layers that are read ends, in this order."""
    place = {name: i for i, name in enumerate(network.layers)}

    def begins(module: str) -> int:
        inside = [i for name, i in place.items() if not module or name == module or name.startswith(module + ".")]
        return min(inside) if inside else begins(module.rpartition(".")[0])

    last = max(place[name] for name in read)
    names = [name for name, module in network.model.named_modules() if any(_weights(module))]
    return sorted((name for name in names if begins(name) <= last), key=begins)


def _weights(module: torch.nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    return ((name, p) for name, p in module._parameters.items() if p is not None and p.numel() > 1)


def depths(name: str, names: Sequence[str], many: int = DEPTHS) -> list[Depth]:
    """What is randomized, from the top down: the top layer alone, then equally many in each.

    Args:
        name: of the network, for weights that are not in any of its modules but its own.
        names: of the modules with weights, in the order in which they run.
        many: at most so many, and at least two.
    """
    for level in range(1 + max(module.count(".") for module in names)):
        layers: dict[str, list[str]] = {}
        for module in names:
            layers.setdefault(".".join(module.split(".")[: level + 1]) or name, []).append(module)
        if len(layers) >= ENOUGH:
            break
    top_down = list(layers.items())[::-1]
    most = min(many, len(layers))
    counts = [1 + round(i * (len(layers) - 1) / max(most - 1, 1)) for i in range(most)]
    parts = [top_down[start:stop] for start, stop in zip([0, *counts], counts, strict=False)]
    return [
        Depth([layer for layer, _ in part], [module for _, inside in part for module in inside], count)
        for part, count in zip(parts, counts, strict=True)
    ]


def randomized(network: Network, modules: Collection[str], seed: int = 0) -> Network:
    """A copy of the network in which the numbers of each weight tensor of these modules are shuffled.

    Args:
        seed: with the name of each tensor, the key of its shuffle: a layer is randomized alike, alone or with others.
    Raises:
        Mistake: the model can't be copied.
    """
    model = copied(network)
    for module in modules:
        for name, weights in _weights(model.get_submodule(module)):
            key = np.array([seed, crc32(f"{module}.{name}".encode())], dtype=np.uint64)
            order = np.random.Generator(np.random.Philox(key=key)).permutation(weights.numel())
            shuffled = weights.detach().flatten()[torch.from_numpy(order).to(weights.device)]
            weights.data.copy_(shuffled.view_as(weights))
    return network.of(model)


def randomization(
    method: Method,
    about: About,
    asked: Question,
    pictures: Pictures,
    values: torch.Tensor,
    options: Mapping[str, Any],
    *,
    many: int = DEPTHS,
    alone: bool = True,
    seed: int = 0,
) -> Iterator[Randomization]:
    """How alike the maps of the same classes or units remain when weights are randomized, after each map.

    Args:
        values: the maps of the network itself.
        many: how many depths.
        alone: also each depth alone.
    """
    parts = depths(asked.network.name, modules(asked, pictures), many)
    so_far = Randomization(parts)

    def alike(names: Collection[str]) -> Likeness:
        other = asked.to(randomized(asked.network, names, seed))
        return likeness(values, found(method, other, pictures, **options).values, about)

    for i in range(len(parts)):
        below = [module for part in parts[: i + 1] for module in part.modules]
        so_far = Randomization(parts, [*so_far.cascading, alike(below)])
        yield so_far
    for i, part in enumerate(parts if alone else ()):
        one = so_far.cascading[0] if i == 0 else alike(part.modules)  # the top one is the cascade's first
        so_far = Randomization(parts, so_far.cascading, [*so_far.alone, one])
        yield so_far


def maps_needed(asked: Question, pictures: Pictures, many: int = DEPTHS) -> int:
    """How many maps `randomization` yields."""
    return 2 * len(depths(asked.network.name, modules(asked, pictures), many))

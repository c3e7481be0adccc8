"""Pictures of units: an ascent under way, and how its steps are shown, with their values on the pictures as shown."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from phosphene.core.networks.preprocessing import seen
from phosphene.core.optimization.ascent import Nouns, Parts, Size, ascent, mean_colour
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.objectives import values
from phosphene.core.optimization.operators import colour
from phosphene.core.optimization.parameterizations import CPPN
from phosphene.core.optimization.settings import Settings
from phosphene.core.optimization.steps import Step
from phosphene.core.optimization.terms import Term
from phosphene.core.units.presets import settings
from phosphene.core.units.units import AnyUnit, groups, unit_term


def default_side(network: Network) -> int:
    """Large enough to see something, small enough to be quick: the network's size between 128 and 160 px."""
    return min(network.size) if network.fixed else min(max(min(network.size), 128), 160)


def stretched(
    pictures: Float[Tensor, "n c h w"], center: Sequence[float], ends: float = 0.01
) -> Float[Tensor, "n c h w"]:
    """With full contrast: c + .5 (x - c) / q, clipped to [0, 1], where q is the 1 - `ends` quantile of |x - c|."""
    middle = colour(center, pictures)
    away = pictures - middle
    sizes = away.abs().flatten(1)
    q = sizes.kthvalue(math.ceil((1 - ends) * sizes.shape[1]), dim=1).values.view(-1, 1, 1, 1)
    return (middle + 0.5 * away / torch.where(q > 0, q, 0.5)).clamp(0, 1)


@torch.no_grad()
def reached(network: Network, parts: Parts, pictures: Float[Tensor, "n 3 h w"], batch: int) -> Float[Tensor, " n"]:
    """What each problem's term is on its picture, as it is, without any transform."""
    reading, found = network.planned("reading"), pictures.new_zeros(len(pictures))
    for problems, term in parts:
        for some in torch.arange(len(problems)).split(batch):
            mine = torch.tensor(problems)[some]
            found[mine] = values(reading, term, pictures[mine], some)
    return found


class Portraits:
    """Pictures of units in the making.

    Args:
        network: whose terms.
        parts: what is made large, for which problems.
        names: the identity of each problem for the random numbers.
        chosen: how.
        size: (height, width) in pixels.
        nouns: what is given instead of settings.
        start: pictures to start from.
        batch: so many views at a time go through the network.
        together: so many neighbouring problems look at one another and must not be separated.
        held: what is made small besides, on the pictures as they are, without transforms.
        render: side in pixels that pictures are shown at, where they have any size (cppn).
    Attributes:
        path: the steps.
        parts, chosen, names: as given.
    """

    def __init__(
        self, network: Network, parts: Parts, names: Sequence[int], chosen: Settings, size: Size, *,
        nouns: Nouns = Nouns(), seed: int = 0, start: Float[Tensor, "m 3 h w"] | None = None, batch: int = 16,
        together: int = 1, held: Term | None = None, render: int | None = None,
    ) -> None:  # fmt: skip
        self.network, self.parts, self.chosen, self.batch, self.names = network, parts, chosen, batch, names
        how = ascent(chosen, network, size, nouns)
        if held is not None:
            how = replace(how, priors=[*how.priors, held])
        self._way = how.trajectory(network, parts, Key(seed, names), size, start=start, batch=batch, together=together)
        if render:
            network.allowance.check_made(len(names), (render, render))
        self._render = render
        if render and not isinstance(self._way.parameterization, CPPN):
            raise Mistake(f"only a cppn can be rendered at another size, not {chosen.parameterization}; give a size")
        self.path: Iterator[Step] = self._way.steps

    def _colours(self, step: Step) -> Float[Tensor, "n 3 h w"]:
        colours = seen(self.network, step.pictures[:, :3])
        return stretched(colours, mean_colour(self.network)) if self.chosen.stretch else colours

    def shown(self, step: Step) -> Float[Tensor, "n c h w"]:
        """A step's pictures, as the network can see them, with their transparency where there is one."""
        parameterization, accumulated = self._way.parameterization, self._way.accumulated
        if self._render and isinstance(parameterization, CPPN):
            return seen(self.network, parameterization.at((self._render, self._render)).detach())
        colours = self._colours(step)
        if accumulated is not None and step.index:
            return torch.cat([colours, accumulated.visible()], 1)
        return torch.cat([colours, step.pictures[:, 3:]], 1)

    def reached(self, step: Step) -> Float[Tensor, " n"]:
        """What each problem's term is on its picture as it is shown, opaque and without transforms."""
        found = reached(self.network, self.parts, self._colours(step), self.batch)
        return torch.where(found.isfinite(), found, -step.values.to(found))  # where it fails, the last good one


def painted(
    network: Network, units: Sequence[AnyUnit], *, steps: int, side: int | None = None, seed: int = 0, batch: int = 16
) -> Float[Tensor, "n 3 side side"]:
    """A picture of each unit at once, as `visualize` paints it by its default.

    Args:
        network: whose units, run by its own plan.
        steps: moves of each.
        side: in pixels; by default `default_side`.
        seed: of the start and the transforms.
        batch: so many views at a time go through the network.
    """
    parts = [(problems, unit_term([units[i] for i in problems])) for problems in groups(units)]
    size = side or default_side(network)
    portraits = Portraits(
        network, parts, [unit.key for unit in units], settings("default", {"steps": steps}),
        (size, size), seed=seed, batch=batch,
    )  # fmt: skip
    *_, last = portraits.path
    return portraits.shown(last)[:, :3].float().cpu()

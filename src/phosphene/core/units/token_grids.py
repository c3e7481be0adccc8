"""Where the rows and columns of a picture are among the tokens of a vision transformer, found by trying.

Tokens are patches of a grid where each sees a part of the picture of its own, and those parts lie in rows and columns.
So a few pictures are changed a little: everywhere alike, increasingly downwards, and increasingly to the right. Of a
token that sees one place only, the second and third answer are as many times the first as the change is there, which is
where it looks. Class tokens and registers see nothing of the picture when they are joined to the patches. Time steps of
a recurrent network, frames, pooled and shuffled tokens, and queries that attend to everything have no such places.
"""

from collections.abc import Iterator
from functools import partial

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from phosphene.core.errors import Mistake
from phosphene.core.networks.layers import ATTENTION, Layer
from phosphene.core.networks.network import Network
from phosphene.core.networks.preprocessing import working_dtype
from phosphene.core.optimization.terms import TokenGrid

Shape = tuple[int, int]

TRIALS = 3
"""Pictures that are changed, so that no single one decides."""

RIGHT = 0.9
"""So many of the tokens have to look nearest to where their row and column are."""

MOST_OTHERS = 8
"""Tokens that see the picture and are no patches of it, such as class tokens that have looked at the patches."""

WIDE, ALIKE = 0.3, 0.8
"""Tokens of a later layer that look at places so far apart, as parts of what they did at first, have been put into
another order where those are correlated with rows or columns by less. Blocks of untrained vision transformers: .12 to 1
and .74 to 1; shuffled ones: 1 and .1.
"""

LONGEST = 2.0
"""A single row, or column, is of patches whose sides differ by no more than this; time steps see all of a line."""


def places_of(layer: Layer) -> list[int]:
    """The sizes of a layer's positions: (rows, columns), (tokens), or none."""
    places = [size for axis, size in enumerate(layer.shape, start=1) if axis != layer.channel_axis]
    return places[:1] if layer.tap.function == ATTENTION else places


def token_grid(network: Network, layer: Layer) -> tuple[TokenGrid, Shape]:
    """Where patches are among a layer's tokens, and their (rows, columns) at the network's own size.

    Raises:
        Mistake: they are no grid.
    """
    (tokens,) = places_of(layer)
    found = grid_of(network, tokens, network.size)
    mixed = layer.tap.function == ATTENTION  # each token looks at all of them there, in whatever proportions
    if found is None or not (mixed or _still_there(network, layer.name, found)):
        raise Mistake(f"the {tokens} tokens of {layer.name} are no grid of patches; write @TOKEN")
    return found


def class_token(network: Network, layer: Layer) -> int:
    """Which of a layer's tokens is the class's: the only one that is no patch.

    Raises:
        Mistake: there is none, there are several, or its number depends on the picture's size.
    """
    grid, (tokens,) = token_grid(network, layer)[0], places_of(layer)
    if (others := grid.prefix + grid.suffix) != 1:
        raise Mistake(
            f"{layer.name} has {tokens} tokens, {others} of them no patches, so it "
            f"can't be told which is the class's; write @TOKEN, for example @0"
        )
    if grid.suffix and not network.fixed:
        raise Mistake(f"{layer.name} has the class token behind the patches, whose number changes; write @TOKEN")
    return 0 if grid.prefix else tokens - 1


def grid_of(network: Network, tokens: int, size: Shape) -> tuple[TokenGrid, Shape] | None:
    """The same for so many tokens of a picture of (height, width), or None; found once, at the first such layer."""
    known = network.anatomy.native.grids
    if (tokens, size) not in known:
        known[tokens, size] = _found(network, tokens, size)
    return known[tokens, size]


def _found(network: Network, tokens: int, size: Shape) -> tuple[TokenGrid, Shape] | None:
    first: dict[int, str] = {}
    for layer in network.layers.values():
        if len(places := places_of(layer)) == 1:
            first.setdefault(places[0], layer.name)
    own = size == network.size
    for name in [first[tokens]] if own and tokens in first else [] if own else first.values():
        where, seen = looked_at(network, name, size)
        if len(seen) == tokens:
            return fitting(where, seen, size, network.fixed)
    return None


def _still_there(network: Network, layer: str, found: tuple[TokenGrid, Shape]) -> bool:
    """Whether a layer's tokens are still in this order, as far as can be told: not where each looks everywhere."""
    known, key = network.anatomy.native.grids, (layer, network.size)
    if key not in known:
        (grid, _), (where, seen) = found, looked_at(network, layer, network.size)
        placed = grid.placed(where.T, network.size)
        all_seen = bool(seen[grid.prefix : len(seen) - grid.suffix].all())
        known[key] = placed is None or not all_seen or (_follows(placed[0]) and _follows(placed[1].T))
    return bool(known[key])


def _follows(down: Float[Tensor, "rows columns"]) -> bool:
    """Whether tokens in lower rows look further down, or all look at much the same."""
    expected = torch.linspace(0, 1, len(down)).double()[:, None].expand(down.shape).flatten()
    line = down.flatten()
    if len(down) == 1 or line.std() < WIDE * expected.std():
        return True
    return bool(torch.corrcoef(torch.stack([line, expected]))[0, 1] > ALIKE)


@torch.no_grad()
def looked_at(network: Network, layer: str, size: Shape) -> tuple[Float[Tensor, "tokens 2"], Bool[Tensor, " tokens"]]:
    """Where each token of a layer looks, (down, right) as parts of the picture's height and width; and whether it does.

    With J the derivative of a token by the picture and d the change, |J (r d)| / |J d| - 1, where r grows from 1 at the
    picture's one end to 2 at its other.
    """
    height, width = size
    random = torch.Generator().manual_seed(0)
    shape = TRIALS, network.channels, height, width
    make = partial(torch.rand, shape, generator=random, dtype=torch.float64)
    reading = network.planned("reading")
    precision = torch.bfloat16 if reading.plan.precision == "bfloat16" else network.dtype
    step = torch.finfo(precision).eps ** 0.5  # where rounding and curvature err alike
    base, change = 0.25 + 0.5 * make(), step * (2 * make() - 1)
    down, right = ((1 + (torch.arange(n) + 0.5) / n) for n in size)
    changes = [0 * change, change, change * down[:, None], change * right]
    pictures = torch.cat([base + change for change in changes]).to(network.device, working_dtype(network))
    said = reading.read(pictures, [layer])[layer].double().cpu()
    tokens = said.movedim(2, 1).flatten(2).unflatten(0, (len(changes), TRIALS))
    flat, *ramps = (tokens[1:] - tokens[:1]).square().sum((1, 3)).sqrt()
    seen = flat > 1e-6 * flat.max()
    return torch.stack([ramp / flat.where(seen, 1) - 1 for ramp in ramps], 1), seen


def fitting(
    where: Float[Tensor, "tokens 2"], seen: Bool[Tensor, " tokens"], size: Shape, fixed: bool
) -> tuple[TokenGrid, Shape] | None:
    """The grid whose patches are where tokens look, with the fewest other tokens before or behind it; None if none is.

    Args:
        where: (down, right) in [0, 1], of each token.
        seen: tokens that look anywhere.
        size: (height, width) of the picture.
        fixed: whether the network takes no other size.
    """
    for prefix, suffix, shape in _possible(seen, size):
        places = where[prefix : len(where) - suffix]
        for by_columns in (False, True):
            placed = places.unflatten(0, shape[::-1]).transpose(0, 1) if by_columns else places.unflatten(0, shape)
            if _in_lines(placed[..., 0]) and _in_lines(placed[..., 1].T):
                return TokenGrid(prefix, *_columns(shape, size, fixed), suffix, by_columns), shape
    return None


def _possible(seen: Bool[Tensor, " tokens"], size: Shape) -> Iterator[tuple[int, int, Shape]]:
    """(tokens before, tokens behind, (rows, columns)) of grids that could be, those with the fewest others first.

    Tokens that see nothing are no patches; of the others at most a third.
    """
    looking = seen.nonzero().flatten().tolist()
    if not looking or len(looking) < looking[-1] - looking[0] + 1:
        return
    before, behind = looking[0], len(seen) - 1 - looking[-1]
    for others in range(min(MOST_OTHERS, max(2, len(looking) // 3)) + 1):
        patches = len(looking) - others
        shapes = [(n, patches // n) for n in range(1, patches + 1) if patches % n == 0 and patches > 1]
        shapes = [shape for shape in shapes if 1 not in shape or _square(shape, size)]
        yield from ((before + others - n, behind + n, shape) for n in range(others + 1) for shape in shapes)


def _square(shape: Shape, size: Shape) -> bool:
    sides = [side / many for side, many in zip(size, shape, strict=True)]
    return max(sides) <= LONGEST * min(sides)


def _in_lines(down: Float[Tensor, "rows columns"]) -> bool:
    """Whether tokens of a row look equally far down, and those of the next one further."""
    rows = down.median(1).values
    if len(rows) == 1:
        return True
    if (rows.diff() <= 0).any() or rows[-1] - rows[0] < 0.4 * (1 - 1 / len(rows)):
        return False
    nearest = torch.searchsorted((rows[1:] + rows[:-1]) / 2, down.contiguous())
    return bool((nearest == torch.arange(len(rows))[:, None]).double().mean() >= RIGHT)


def _columns(shape: Shape, size: Shape, fixed: bool) -> tuple[int | None, float]:
    """How many patches are in a row, where that is always so; else the height of a patch as a part of its width."""
    (rows, columns), (height, width) = shape, size
    square = TokenGrid(0).shape(rows * columns, size) == shape
    return (columns if fixed else None), (1.0 if fixed or square else height * columns / (rows * width))

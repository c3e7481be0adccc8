"""Hand-made codes as networks: histograms of oriented gradients, and a dense code like SIFT's.

    hog:8x8x9      cells of 8 x 8 px, 9 orientations of 180 degrees, blocks of 2 x 2 cells (Dalal & Triggs 2005,
                   doi:10.1109/CVPR.2005.177)
    sift:4x4x8     the same of 4 x 4 px, 8 orientations of 360 degrees, and blocks of 4 x 4 cells behind a Gaussian
                   window; every pixel votes for the nearest cells and orientations (Lowe 2004,
                   doi:10.1023/B:VISI.0000029664.99615.94)

Both are four layers. `gradients` are differences of neighbours, of the colour in which they are largest; `votes` are
their lengths, each in the bin of its direction; `histograms` are the votes' means over cells; `blocks`, their last,
are histograms side by side, normalized together. There is nothing to train, and they take pictures of any size.

Options follow a question mark: `hog:8x8x9?block=3&norm=L2&votes=soft&channels=1`. `block` is in cells, `norm` one of
skimage's block norms, and `channels=1` reads grey pictures, the mean of the colours. `votes` are hard, each for one
bin as in `skimage.feature.hog`, or soft, each shared by the two bins whose middles are next to it (Dalal & Triggs).

A hard vote does not change with the direction of its gradient, until it jumps: its derivative knows the lengths alone.
So hard votes go backward as the soft ones do (a straight-through estimate, Bengio et al. 2013, arXiv:1308.3432): the
values are skimage's, and the gradient says in which direction an edge is to be turned.
"""

import re
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from phosphene.core.errors import Mistake, check_choice
from phosphene.core.optimization.priors import power

NORMS = ("L2-Hys", "L2", "L1", "L1-sqrt")
VOTES = ("hard", "soft")
TINY = 1e-5
"""What keeps the norm of an empty block from 0 (scikit-image's `eps`)."""
CLIPPED = 0.2
"""The most that one value of a block may be, before it is normalized again (Lowe 2004; L2-Hys)."""


# Sums are written as differences here: a sum of two pictures would be a layer of its own.


class Gradients(nn.Module):
    """x(i + 1) - x(i - 1) along rows (0) and columns (1), 0 at the border, of the channel where they are longest.

    Args:
        least: (height, width) below which there is no block.
    """

    def __init__(self, least: tuple[int, int]) -> None:
        super().__init__()
        self.least = least

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n 2 h w"]:
        height, width = x.shape[2:]
        if height < self.least[0] or width < self.least[1]:
            rows, columns = self.least
            raise Mistake(f"a picture of {height} x {width} px holds no block; one is {rows} x {columns} px")
        down = F.pad(x[:, :, 2:] - x[:, :, :-2], (0, 0, 1, 1))
        right = F.pad(x[..., 2:] - x[..., :-2], (1, 1, 0, 0))
        longest = torch.hypot(down.detach(), right.detach()).argmax(1, keepdim=True)
        return torch.stack([one.gather(1, longest)[:, 0] for one in (down, right)], 1)


class Votes(nn.Module):
    """The length of each gradient, in the bin of its direction: bin i is from i to i + 1 times its width, in degrees.

    Soft, a gradient of direction d votes for bin i with 1 - |d - middle of i| / width of its length, not less than 0
    and around the circle. Where there is no gradient, and so no direction, the derivative is 0.

    Args:
        orientations: how many bins.
        degrees: 180, where opposite directions are the same, or 360.
        soft: shared by two bins; else only the backward pass is.
    """

    middles: Tensor

    def __init__(self, orientations: int, degrees: int = 180, *, soft: bool = False) -> None:
        super().__init__()
        self.degrees, self.soft = float(degrees), soft
        self.register_buffer("middles", torch.arange(orientations) + 0.5)  # in bins

    def forward(self, gradients: Float[Tensor, "n 2 h w"]) -> Float[Tensor, "n bins h w"]:
        down, right = gradients.unbind(1)
        flat = (down == 0) & (right == 0)
        right = right.masked_fill(flat, 1.0)
        length = torch.hypot(down, right).masked_fill(flat, 0.0)[:, None]
        direction = torch.rad2deg(torch.atan2(down, right)).remainder(self.degrees)[:, None]
        many, width = len(self.middles), self.degrees / len(self.middles)
        around = (direction / width - self.middles[:, None, None]).remainder(many)
        share = (around - many / 2).abs() - (many / 2 - 1)  # 1 - the distance around the circle
        soft = length * share * (share > 0)
        if self.soft:
            return soft
        # rounded up to 180 degrees, a direction is in no bin, as in scikit-image
        direction, low = direction.detach(), (self.middles - 0.5)[:, None, None]
        own = (direction >= width * low) & (direction < width * (low - -1))
        return own * length.detach() - (soft.detach() - soft)


class Neighbours(nn.Module):
    """Means over cells of which each pixel belongs to the nearest four, the more the nearer (tri-linear votes).

    Along each axis a pixel's weight is 1 - |distance to the cell's middle| / side, not less than 0; the weights of a
    cell add up to one, at the border too.

    Args:
        cell: (height, width) in pixels.
    """

    def __init__(self, cell: tuple[int, int]) -> None:
        super().__init__()
        self.cell = cell

    def forward(self, votes: Float[Tensor, "n bins h w"]) -> Float[Tensor, "n bins rows columns"]:
        (height, width), (down, across) = votes.shape[2:], self.cell
        rows, columns = height // down, width // across
        whole = votes[..., : rows * down, : columns * across]
        return F.interpolate(whole, (rows, columns), mode="bilinear", antialias=True)


class Blocks(nn.Module):
    """All blocks of neighbouring cells, each normalized; channels count row of the cell, column, orientation.

    Of a block v, with e = 1e-5: L1 is v / (|v|_1 + e), L1-sqrt its root, L2 is v / sqrt(|v|_2^2 + e^2), and L2-Hys that
    clipped at .2 and normalized again.

    Args:
        side: of a block in cells.
        norm: one of these.
        window: the deviation in cells of a Gaussian by which cells count less away from the middle; 0: all the same.
    """

    def __init__(self, side: int, norm: str = "L2-Hys", window: float = 0.0) -> None:
        super().__init__()
        self.side, self.norm, self.window = side, norm, window

    def forward(self, cells: Float[Tensor, "n bins rows columns"]) -> Float[Tensor, "n values rows_ columns_"]:
        blocks = cells.unfold(2, self.side, 1).unfold(3, self.side, 1).permute(0, 4, 5, 1, 2, 3)
        if self.window:
            away = torch.arange(self.side, dtype=cells.dtype, device=cells.device) - (self.side - 1) / 2
            weights = (-away.square() / (2 * self.window**2)).exp()
            blocks = blocks * weights[:, None, None, None, None] * weights[:, None, None, None]
        return self._normalized(blocks.flatten(1, 3))

    def _normalized(self, v: Tensor) -> Tensor:
        """Where no other function ends it there is one that changes nothing, so that this is seen as a block's end."""
        if self.norm.startswith("L1"):
            v = v / (v.abs().sum(1, keepdim=True) - -TINY)
            return power(v, 0.5) if self.norm == "L1-sqrt" else v.clamp(max=1)
        v = _unit(v)
        return _unit(v.clamp(max=CLIPPED)) if self.norm == "L2-Hys" else v.clamp(max=1)


def _unit(v: Tensor) -> Tensor:
    """v / sqrt(|v|^2 + e^2), over the channels."""
    length = torch.linalg.vector_norm(v, dim=1, keepdim=True)
    return v / torch.hypot(length, length.new_tensor(TINY))


def hog(
    cell: tuple[int, int] = (8, 8),
    orientations: int = 9,
    *,
    block: int = 2,
    norm: str = "L2-Hys",
    soft: bool = False,
) -> nn.Sequential:
    """Histograms of oriented gradients (Dalal & Triggs 2005), equal to `skimage.feature.hog`.

    Its output is (n, block * block * orientations, rows, columns); `permute(0, 2, 3, 1)`, flattened, is
    skimage's feature vector. Where it departs from the paper it does so as skimage does: without the Gaussian window
    over a block, and with hard votes.

    Args:
        cell: (height, width) in pixels.
        orientations: bins of 180 degrees.
        block: side in cells.
        norm: of a block, as in `Blocks`.
        soft: votes are shared by two bins.
    """
    least = block * cell[0], block * cell[1]
    parts = Gradients(least), Votes(orientations, soft=soft), nn.AvgPool2d(cell), Blocks(block, norm)
    return _layers(*parts)


def sift(cell: tuple[int, int] = (4, 4), orientations: int = 8, *, block: int = 4) -> nn.Sequential:
    """A descriptor like SIFT's (Lowe 2004) at every cell; (n, block * block * orientations, rows, columns).

    Like SIFT's in its votes, its window (of half the block's side; a number for each cell, and not for each pixel) and
    its norm. It is dense, so there are no keypoints, and with them no scale and no turning; nothing is blurred.

    Args:
        cell: (height, width) in pixels.
        orientations: bins of 360 degrees.
        block: side in cells.
    """
    least = block * cell[0], block * cell[1]
    window = Blocks(block, window=block / 2)
    return _layers(Gradients(least), Votes(orientations, 360, soft=True), Neighbours(cell), window)


def _layers(gradients: nn.Module, votes: nn.Module, histograms: nn.Module, blocks: nn.Module) -> nn.Sequential:
    return nn.Sequential(OrderedDict(gradients=gradients, votes=votes, histograms=histograms, blocks=blocks))


# -------------------------------------------------------------------------------------------------- their spelling

EXAMPLES = {"hog": "hog:8x8x9", "sift": "sift:4x4x8"}


def hand_made_words(kind: str) -> str:
    """What one of `EXAMPLES` is."""
    what = {"hog": "histograms of oriented gradients, for pictures of any size", "sift": "a dense code like SIFT's"}
    return f"{what[kind]}: pixels of a cell down and across, orientations"


def hand_made(kind: str, name: str, options: Mapping[str, Any]) -> tuple[nn.Module, dict[str, Any]]:
    """The module that a spec names, and what a Network wants to know.

    Args:
        kind: "hog" or "sift".
        name: ROWSxCOLUMNSxORIENTATIONS.
        options: as described above.
    Raises:
        Mistake: it is no such spelling, or an option is unknown or impossible.
    """
    spelled = re.fullmatch(r"(\d+)x(\d+)x(\d+)", name)
    down, across, orientations = (int(number) for number in spelled.groups()) if spelled else (0, 0, 0)
    if not (1 <= down <= 512 and 1 <= across <= 512 and 2 <= orientations <= 360):
        raise Mistake(
            f"'{kind}:{name}' is not a valid code; write the pixels of a cell down and across (1 to 512) and the "
            f"orientations (2 to 360), such as {EXAMPLES[kind]}"
        )
    given = _checked(kind, options)
    facts = {"size": 224, "channels": given.pop("channels", 3), "head": "numbers"}
    if kind == "sift":
        return sift((down, across), orientations, **given), facts
    soft = given.pop("votes", "hard") == "soft"
    return hog((down, across), orientations, soft=soft, **given), facts


def _checked(kind: str, options: Mapping[str, Any]) -> dict[str, Any]:
    known = ("block", "channels") if kind == "sift" else ("block", "norm", "votes", "channels")
    for name, value in options.items():
        if name not in known:
            raise Mistake(f"{kind} has no option '{name}'; there are {', '.join(known)}")
        if name in ("norm", "votes"):
            check_choice(name, value, NORMS if name == "norm" else VOTES)
        elif name == "block" and not (type(value) is int and 1 <= value <= 16):
            raise Mistake(f"{value} is not a valid value for block; it is the side of a block in cells, from 1 to 16")
        elif name == "channels" and value not in (1, 3):
            raise Mistake(f"{value} is not a valid value for channels; it is 3, or 1 for grey pictures")
    return dict(options)

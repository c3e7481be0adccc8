"""Large pictures block by block: the same gradient as of the whole picture, with memory for a part of it.

A style's value is a function of sums over the positions of layers, S = sum over p of s(f_p), and so is the distance of
its content. So two passes over blocks are enough (Galerne et al. 2022, arXiv:2212.13459, "Scaling painting style
transfer"): the first one adds up S and keeps nothing; the value L(S) and dL/dS are then those of the whole picture; and
the second one has

    dL/dx = sum over blocks of d/dx <dL/dS, S of the block>.

Every position of a layer belongs to one block, which is read with margins as wide as what a position sees: so the sums
are exact, and the gradient, which reaches into the neighbours, is added to theirs. Where the picture is one block there
is one pass, and of several blocks the last one is read once.
"""

import traceback
import warnings
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple, TypeVar

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from phosphene.core.errors import Mistake, Note, out_of_memory
from phosphene.core.networks.network import Network
from phosphene.core.networks.rectifiers import Rule
from phosphene.core.optimization.engine import Evaluation, NotFinite, Objective
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.objectives import pulled
from phosphene.core.optimization.tiles import belonging
from phosphene.core.optimization.transforms import Transform, as_is
from phosphene.style.cuts import Block, Margins, Size, affordable, blocks_of, margins_of, pixels_of


class Place(NamedTuple):
    """Where in a layer some of its features are.

    Attributes:
        rows, columns: of the layer.
        size: how many the whole layer has.
    """

    rows: slice
    columns: slice
    size: Size

    def of(self, whole: Shaped[Tensor, "*n rows columns"]) -> Tensor:
        """This part of a map of the whole layer."""
        return whole[..., self.rows, self.columns]

    @property
    def positions(self) -> Int[Tensor, " p"] | slice:
        """Which of the layer's positions it is, row by row."""
        if (self.rows, self.columns) == (slice(0, self.size[0]), slice(0, self.size[1])):
            return slice(None)
        return self.of(torch.arange(self.size[0] * self.size[1]).view(self.size)).flatten()


@dataclass(frozen=True)
class Additive:
    """A number per picture that follows from sums over the positions of a layer.

    Attributes:
        layer: that is read.
        sums: from the features of some positions, where those are, and the problems of the pictures, to what adds up.
        value: from the sums over all positions, and the problems, to the number.
        name: of the number, among the outputs.
        whole: what of it needs the features of all positions at once, which then are its sums: the picture is not cut.
    """

    layer: str
    sums: Callable[[Float[Tensor, "n c rows columns"], Place, Int[Tensor, " n"]], Sequence[Tensor]]
    value: Callable[[Sequence[Tensor], Int[Tensor, " n"]], Float[Tensor, " n"]]
    name: str = "style"
    whole: str = ""

    def __rmul__(self, weight: float) -> "Additive":
        return replace(self, value=lambda sums, rows: weight * self.value(sums, rows))


def of_code(
    layer: str, code: Float[Tensor, "problems c *places"], weight: Float[Tensor, "rows columns"] | None = None
) -> Additive:
    """|Phi(x) - code|^2 / |code|^2, as `code_distance`; a code for each problem.

    Args:
        weight: how much each position counts, in both squares.
    """
    whole = code if code.dim() == 4 else code.flatten(2)[..., None]
    size = (whole.square() if weight is None else weight.to(whole) * whole.square()).flatten(1).sum(1)

    def sums(y: Float[Tensor, "n c rows columns"], place: Place, rows: Tensor) -> list[Tensor]:
        apart = (y - place.of(whole)[rows]).square()
        return [(apart if weight is None else place.of(weight).to(y) * apart).flatten(1).sum(1)]

    return Additive(layer, sums, lambda sums, rows: sums[0] / size[rows], f"distance to the code of {layer}")


def by_blocks(
    network: Network,
    parts: Sequence[Additive],
    transform: Transform = as_is,
    rule: Rule = "gradient",
    *,
    pixels: float | None = None,
) -> Objective:
    """The sum of the parts and its gradient, one block of the picture at a time; each part by itself comes along.

    Args:
        transform: of the whole picture, one view of each; it is cut.
        rule: how the network is read.
        pixels: height times width of the largest block, with its margins; by default what memory allows. A picture
            that is no larger is read as a whole, and so is one whose layers can't be cut, which is said.
    Raises (when called):
        Mistake: not even the smallest block is so small.
        NotFinite: the value or the gradient is not finite.
    """
    cut = Blockwise(network, parts, rule, pixels)

    def objective(pictures: Float[Tensor, "n c h w"], rows: Int[Tensor, " n"], key: Key) -> Evaluation:
        with torch.inference_mode(False), torch.enable_grad():
            x = (pictures.clone() if pictures.is_inference() else pictures.detach()).requires_grad_()
            views, of = transform(x, rows, key)
            if len(of) != len(pictures):
                raise Mistake("a picture that is read by blocks has one view; leave the others out")
            each, gradients = cut.gradient(views.detach(), rows.to(x.device))
            whole = gradients if views is x else torch.autograd.grad(views, x, gradients)[0]
        values = torch.stack(each).sum(0)
        if not (values.sum() + whole.sum()).isfinite():
            wrong = [part.name for part, value in zip(parts, each, strict=True) if not value.isfinite().all()]
            what = ", ".join(dict.fromkeys(wrong)) or "the gradient"
            raise NotFinite(f"step {key.step}: {what} is not finite on {network.name}")
        outputs: dict[str, Tensor] = {}
        for part, value in zip(parts, each, strict=True):
            outputs[part.name] = value + outputs.get(part.name, 0)
        return Evaluation(values, whole, outputs)

    return objective


Found = TypeVar("Found")


class Blockwise:
    """How pictures are cut; remembers it for each size, and where memory ran out."""

    def __init__(self, network: Network, parts: Sequence[Additive], rule: Rule, pixels: float | None) -> None:
        self.network, self.parts, self.rule, self.pixels = network, parts, rule, pixels
        self.names = list(dict.fromkeys(part.layer for part in parts))
        self._cuts: dict[tuple[int, Size], list[Block]] = {}

    @cached_property
    def margins(self) -> Margins | None:
        """How far the layers see beyond a block; None where they can't be cut."""
        return None if any(part.whole for part in self.parts) else margins_of(self.network, self.names)

    def gradient(self, views: Float[Tensor, "n c h w"], rows: Int[Tensor, " n"]) -> tuple[list[Tensor], Tensor]:
        """Each part's values, and the whole gradients of the views."""
        return self._tried(lambda blocks: self._two_passes(views, rows, blocks), views)

    def values(self, views: Float[Tensor, "n c h w"], rows: Int[Tensor, " n"]) -> list[Tensor]:
        """Each part's values alone, in one pass."""

        def passed(blocks: Sequence[Block]) -> list[Tensor]:
            shapes, totals = dict[str, Size](), list[list[Tensor]]()
            for block in reversed(blocks):
                _add(totals, self._sums(views, rows, block, shapes)[1])
            return [part.value(one, rows) for part, one in zip(self.parts, totals, strict=True)]

        with torch.no_grad():
            return self._tried(passed, views)

    def _tried(self, passes: Callable[[list[Block]], Found], views: Float[Tensor, "n c h w"]) -> Found:
        """What passes over the blocks find; by smaller blocks where memory runs out."""
        many, size = len(views), (views.shape[2], views.shape[3])
        while True:
            if (many, size) not in self._cuts:  # once, as free memory comes and goes: the same seed, the same picture
                self._cuts[many, size] = self._cut(many, size)
            blocks = self._cuts[many, size]
            try:
                return passes(blocks)
            except Exception as error:  # whatever says that memory is short
                if not out_of_memory(error) or self.margins is None:
                    raise
                pixels = max((y.stop - y.start) * (x.stop - x.start) for (y, _), (x, _) in blocks) // 2
                blocks_of(size, self.margins, pixels)  # which says where there are no smaller ones
                traceback.clear_frames(error.__traceback__)  # they hold on to what filled it
                warnings.warn(Note(f"memory ran out, so it goes on by blocks of {pixels} pixels"), stacklevel=2)
                self.pixels = pixels
                self._cuts.clear()

    def _cut(self, many: int, size: Size) -> list[Block]:
        pixels = affordable(self.network, self.names, many, size) if self.pixels is None else self.pixels
        rows, columns = ((slice(0, side), slice(0, side)) for side in size)
        if size[0] * size[1] <= pixels:
            return [(rows, columns)]
        if self.margins is None or self.network.anatomy.taken(size) != size:
            wholes = ", ".join(dict.fromkeys(part.whole for part in self.parts if part.whole))
            what = wholes or f"what {self.network.name} says of a place"
            self.network.tell(
                f"{what} depends on the whole picture, so it can't be read by blocks; a smaller picture takes less "
                "memory"
            )
            return [(rows, columns)]
        return blocks_of(size, self.margins, pixels)

    def _two_passes(
        self, views: Float[Tensor, "n c h w"], rows: Int[Tensor, " n"], blocks: Sequence[Block]
    ) -> tuple[list[Tensor], Tensor]:
        """The last block is read first, as its end tells how large the layers are."""
        *others, last = blocks
        gradients, shapes = torch.zeros_like(views), dict[str, Size]()
        with ExitStack() as until:
            x, own = self._sums(views, rows, last, shapes, until)
            totals = list[list[Tensor]]()
            with torch.no_grad():
                _add(totals, own)
                for block in others:
                    _add(totals, self._sums(views, rows, block, shapes)[1])
            values, pulls = self._value(totals, rows)
            gradients[pixels_of(last)] = pulled(_product(pulls, own), x, self.network.name)
            del x, own
        for block in others:
            with ExitStack() as until:
                x, own = self._sums(views, rows, block, shapes, until)
                gradients[pixels_of(block)] += pulled(_product(pulls, own), x, self.network.name)
                del x, own
        return values, gradients

    def _sums(
        self, views: Float[Tensor, "n c h w"], rows: Int[Tensor, " n"], block: Block, shapes: dict[str, Size],
        until: ExitStack | None = None,
    ) -> tuple[Tensor, list[Sequence[Tensor]]]:  # fmt: skip
        """A block's pixels, and each part's sums over its positions, with the way back where it stays open until then.

        Args:
            shapes: of each whole layer; found out with the last block.
        """
        x = views[pixels_of(block)].clone()
        layers = self.network.read(x if until is None else x.requires_grad_(), self.names, self.rule, until)
        found = {}
        for name, y in layers.items():
            y = y if y.dim() == 4 else y.flatten(2)[..., None]
            inside, before = self._places(name, block, (views.shape[2], views.shape[3]), y.shape)
            down, across = (slice(n + own.start, n + own.stop) for n, own in zip(before, inside, strict=True))
            whole = shapes.setdefault(name, (before[0] + y.shape[2], before[1] + y.shape[3]))
            found[name] = (y[..., inside[0], inside[1]], Place(down, across, whole))
        return x, [part.sums(*found[part.layer], rows) for part in self.parts]

    def _places(self, layer: str, block: Block, size: Size, shape: Sequence[int]) -> tuple[list[slice], list[int]]:
        """Which rows and columns of what was read count, and how many of the layer are before it."""
        if all(tile == slice(0, side) for (tile, _), side in zip(block, size, strict=True)):
            return [slice(0, shape[2]), slice(0, shape[3])], [0, 0]
        field = self.network.receptive_field(layer)
        spans = list(zip(block, size, shape[2:], (field.rows.stride, field.columns.stride), strict=True))
        own = [belonging(stride, tile, square, side, length) for (tile, square), side, length, stride in spans]
        return own, [round(tile.start / stride) for (tile, _), _, _, stride in spans]

    def _value(self, totals: Sequence[Sequence[Tensor]], rows: Int[Tensor, " n"]) -> tuple[list[Tensor], list]:
        """Each part's values, and the derivative of their sum for each sum of theirs; None where it has none."""
        flat = [s.requires_grad_() for one in totals for s in one]
        values = [part.value(one, rows) for part, one in zip(self.parts, totals, strict=True)]
        whole = torch.stack([value.sum() for value in values]).sum()
        return [value.detach() for value in values], list(torch.autograd.grad(whole, flat, allow_unused=True))


def _add(totals: list[list[Tensor]], own: Sequence[Sequence[Tensor]]) -> None:
    """Add the sums of a block to those of all so far; the first ones are copied."""
    if not totals:
        totals += [[s.detach().clone() for s in one] for one in own]
        return
    for total, one in zip(totals, own, strict=True):
        for whole, part in zip(total, one, strict=True):
            whole += part


def _product(pulls: Sequence[Tensor | None], own: Sequence[Sequence[Tensor]]) -> Tensor:
    """<dL/dS, S of a block>."""
    flat = [s for one in own for s in one]
    products = [(pull * s).sum() for pull, s in zip(pulls, flat, strict=True) if pull is not None]
    return torch.stack(products).sum()[None]

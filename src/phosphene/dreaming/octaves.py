"""A dream's sizes, the smallest first, and what is carried from one to the next: what was added to the photograph."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Float
from torch import Tensor

from phosphene.core.networks.network import Network
from phosphene.core.optimization.ascent import Ascent, Nouns, Parts, Size, ascent
from phosphene.core.optimization.engine import Evaluation, Stop
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.optimizers import masked
from phosphene.core.optimization.settings import Settings
from phosphene.core.optimization.steps import Step
from phosphene.core.optimization.transforms import as_is, compose, roll
from phosphene.core.pictures.fitting import fit
from phosphene.core.units.inputs import logits, said_in_words, top
from phosphene.dreaming.tiling import Tiling


def octave_sizes(size: Size, octaves: int, zoom: float) -> list[Size]:
    """(height, width) of each octave, the smallest first; none is smaller than 32 px."""
    sizes, scale = [size], zoom
    while len(sizes) < octaves and round(min(size) / scale) >= 32:
        sizes.insert(0, (round(size[0] / scale), round(size[1] / scale)))
        scale *= zoom
    return sizes


@dataclass(frozen=True)
class Octaves:
    """How a dream goes on at each of its sizes.

    Attributes:
        sizes: the smallest first.
        parts: from the pictures that an octave starts at to what is made large, and for which problems.
        settings, nouns: of the ascents.
        jitter: range of the random shifts, in pixels.
        mask: (1, 1, h, w), how far each pixel goes of the way that it would go; None: all of it.
        tiling: by which tiles pictures are read.
        change: an octave ends where the mean absolute change from the photograph has come so far; 0: it does not.
    """

    sizes: Sequence[Size]
    parts: Callable[[Float[Tensor, "n 3 h w"]], Parts]
    settings: Settings
    nouns: Nouns
    jitter: int
    mask: Float[Tensor, "1 1 h w"] | None = None
    change: float = 0.0
    tiling: Tiling = field(default_factory=Tiling)

    def ascents(
        self, network: Network, whole: Float[Tensor, "1 3 h w"], many: int
    ) -> list[Callable[[Key, Step | None], Iterator[Step]]]:
        """An ascent for each size, which starts at the photograph and what was added at the size before.

        Args:
            whole: the photograph at the last size.
            many: how many dreams of it.
        """

        def octave(index: int) -> Callable[[Key, Step | None], Iterator[Step]]:
            def ascend(key: Key, before: Step | None) -> Iterator[Step]:
                size = self.sizes[index]
                base = start = at_size(whole, size)
                if before is not None:
                    added = before.pictures - at_size(whole, self.sizes[index - 1])
                    start = (base + _resized(added, size)).clamp(0, 1)
                start = start.expand(many, -1, -1, -1)
                how = self._ascent(network, base, size)
                return how.trajectory(network, self.parts(start), key, size, start=start).steps

            return ascend

        return [octave(index) for index in range(len(self.sizes))]

    def _ascent(self, network: Network, base: Tensor, size: Size) -> Ascent:
        how = _shifted(ascent(self.settings, network, size, self.nouns), self.jitter)
        optimizer = how.optimizer
        if self.mask is not None:
            optimizer = masked(optimizer, _resized(self.mask, size).clamp(0, 1))
        stop = _changed(base, self.change, how.stop) if self.change else how.stop
        return replace(how, redirected=False, optimizer=optimizer, stop=stop, reading=self.tiling.objective)


class Trace:
    """Of each step its value, and how far pixels have changed from the photograph; at each size's end the top class.

    Args:
        whole: the photograph.
    """

    def __init__(self, network: Network, whole: Float[Tensor, "1 3 h w"]) -> None:
        self._network, self._whole = network, whole
        self._steps: list[tuple[int, list[float], list[float]]] = []
        self._says: list[list[str]] = []

    def noted(self, path: Iterator[Step]) -> Iterator[Step]:
        """The same steps."""
        last: Step | None = None
        for step in path:
            if last is not None and step.pictures.shape != last.pictures.shape:
                self._end(last)
            self._steps.append((step.index, (-step.values).tolist(), self._change(step.pictures)))
            last = step
            yield step
        if last is not None:
            self._end(last)

    def _change(self, pictures: Float[Tensor, "n 3 h w"]) -> list[float]:
        """The mean absolute change of each; one colour at a time, as a large picture is many bytes."""
        base = at_size(self._whole, (pictures.shape[2], pictures.shape[3]))
        colours = [
            (one - of).abs().flatten(1).mean(1) for one, of in zip(pictures.unbind(1), base.unbind(1), strict=True)
        ]
        return torch.stack(colours).mean(0).tolist()

    def _end(self, step: Step) -> None:
        fed = fit(step.pictures, self._network.size)
        self._says.append([said_in_words(top(self._network, one, 1)) for one in logits(self._network, fed)])

    def of(self, problem: int) -> dict[str, list]:
        """What there is of one dream: lists of the steps, ready for JSON."""
        return {
            "step": [index for index, _, _ in self._steps],
            "value": [values[problem] for _, values, _ in self._steps],
            "change": [change[problem] for _, _, change in self._steps],
            "says": [said[problem] for said in self._says],
        }


def _changed(base: Float[Tensor, "1 3 h w"], change: float, other: Stop | None) -> Stop:
    """Where pixels have changed so far, or another stop says so."""

    def stop(pictures: Tensor, rows: Tensor, seen: Evaluation) -> Tensor:
        far = ((pictures - base).abs().flatten(1).mean(1) >= change).cpu()
        return far if other is None else far | other(pictures, rows, seen).cpu()

    return stop


def _shifted(how: Ascent, jitter: int) -> Ascent:
    """The same behind random shifts, in which what leaves on one side comes in on the other."""
    first = roll(jitter)
    return replace(how, transform=first if how.transform is as_is else compose(first, how.transform), placed=None)


def at_size(whole: Float[Tensor, "1 3 h w"], size: Size) -> Float[Tensor, "1 3 sh sw"]:
    """The photograph at an octave's size."""
    return whole if whole.shape[2:] == size else _resized(whole, size).clamp(0, 1)


def _resized(pictures: Float[Tensor, "n c h w"], size: Size) -> Float[Tensor, "n c rh rw"]:
    return torch.nn.functional.interpolate(pictures, size, mode="bicubic", antialias=True, align_corners=False)

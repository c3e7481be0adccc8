"""What a recipe gives back: pictures with names, numbers and a figure; at once, or in the making.

A `Run` is a recipe on its way: iterate over it to watch, or ask for its picture and it runs to its end first. On the
last line of a notebook's cell it is watched there.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from phosphene.core.errors import Mistake
from phosphene.core.optimization.steps import Step, Waypoints
from phosphene.core.pictures.eight_bit import to_pil
from phosphene.core.pictures.film import Film
from phosphene.core.pictures.sheets import figure, grid
from phosphene.core.pictures.writing import png_bytes, save_png
from phosphene.core.results.notebook import show, watch

Panel = tuple[str, Tensor]
"""A caption and a (1, 3 or 4, h, w) picture."""

Part = tuple[str | int, ...]
"""Which of a result's pictures: ("picture", i), ("panel", i, j), ("figure", i), ("input", i), or ("sheet",) of all."""


def seal(recipe: dict[str, Any], picture: Image.Image) -> str:
    """What tells that neither the recipe nor the pixels, alpha too, were changed afterwards: a SHA-256 of both."""
    words = json.dumps({key: value for key, value in recipe.items() if key != "seal"}, sort_keys=True)
    pixels = picture if picture.mode == "RGBA" else picture.convert("RGB")
    return hashlib.sha256(words.encode() + np.asarray(pixels).tobytes()).hexdigest()


@dataclass
class Result:
    """Pictures and what is to be said about them.

    Attributes:
        image: (n, 3, h, w) in [0, 1], or with alpha (n, 4, h, w).
        names: of each picture, as a file's name without ending.
        numbers: of each picture, ready for JSON.
        panels: of each picture, the captioned pictures of its figure.
        title: of the figure.
        input: (n or 1, 3, h, w), the pixels that were fed, where a photograph was.
        values: (n, ...), where values matter and not their picture alone.
        further_values: further ones by name, (n, ...).
        recipe: what made it: command, arguments, network, plan, seed, versions.
        drawing: the figure itself, where it is not made of panels.
        page: a self-contained HTML page about all of it, where there is more to it than a figure can show.
    """

    image: Float[Tensor, "n c h w"]
    names: Sequence[str]
    numbers: Sequence[dict[str, Any]]
    panels: Sequence[Sequence[Panel]] = ()
    title: str = ""
    input: Float[Tensor, "m 3 hi wi"] | None = None
    values: np.ndarray | None = None
    further_values: Mapping[str, np.ndarray] = field(default_factory=dict)
    recipe: dict[str, Any] = field(default_factory=dict)
    drawing: Image.Image | None = None
    page: str | None = None

    @property
    def result(self) -> "Result":
        """Itself, so that what is made at once is read like a Run."""
        return self

    def figure(self, index: int = 0) -> Image.Image:
        """The labelled figure for people."""
        return self.drawing or figure(self._panels(index), self.title)

    def figures(self) -> Image.Image:
        """The figures of all pictures in one; where there are many, smaller and eight in a row."""
        if self.drawing is not None or len(self.image) == 1:
            return self.figure()
        panels = [panel for index in range(len(self.image)) for panel in self._panels(index)]
        return figure(panels, self.title, **({"columns": 8, "side": 148} if len(panels) > 16 else {}))

    def _panels(self, index: int) -> list[Panel]:
        return list(self.panels[index]) if self.panels else [(self.names[index], self.image[index])]

    def shown(self, *part: str | int) -> Image.Image:
        """One of its pictures, in 8 bits, as it is saved.

        Raises:
            IndexError: there is no such part.
        """
        match part:
            case ("picture", int(i)):
                return to_pil(self.image[i])
            case ("panel", int(i), int(j)):
                return to_pil(self.panels[i][j][1])
            case ("figure", int(i)):
                return self.figure(i)
            case ("input", int(i)) if self.input is not None:
                return to_pil(self.input[i if len(self.input) > 1 else 0])
            case ("sheet",):
                return to_pil(grid(self.image))
        raise IndexError(f"there is no {' '.join(map(str, part))}")

    def text(self, *part: str | int) -> dict[str, str]:
        """The recipe of this part, as a PNG's text chunk."""
        if not self.recipe:
            return {}
        recipe = self.recipe | {"part": list(part)} | ({"names": list(self.names)} if part == ("sheet",) else {})
        return {"phosphene": json.dumps(recipe | {"seal": seal(recipe, self.shown(*part))})}

    def png(self, *part: str | int) -> bytes:
        """A PNG of this part that carries its recipe."""
        return png_bytes(self.shown(*part), self.text(*part))

    @property
    def whole(self) -> Part:
        """All that there is: the picture, of several the sheet."""
        return ("picture", 0) if len(self.image) == 1 else ("sheet",)

    def save(self, path: str | Path) -> Path:
        """Write the picture (several: as one sheet) as a PNG that carries its recipe."""
        path = Path(path)
        if path.suffix.lower() != ".png":
            raise Mistake(f"{path.name} can't keep every pixel; give a name that ends in .png")
        save_png(self.shown(*self.whole), path, self.text(*self.whole))
        return path

    def _repr_png_(self) -> bytes:
        return png_bytes(self.shown(*self.whole))

    def _ipython_display_(self) -> None:
        show(self)

    def pil(self, index: int = 0) -> Image.Image:
        """One picture as a PIL image."""
        return to_pil(self.image[index])


STILL = "nothing was climbed: the gradient is zero from the first step to the last"


def _with_stillness(result: Result, step: Step) -> Result:
    """The result of a climb, which says so where nothing pulled at a picture."""
    many = int(step.still.sum())
    if not (step.index and many):
        return result
    if len(result.numbers) == len(step.still):
        still = step.still.tolist()
        result.numbers = [one | ({"nothing": STILL} if s else {}) for one, s in zip(result.numbers, still, strict=True)]
    result.title += f": {STILL}" + (f", of {many} of {len(step.still)}" if many < len(step.still) else "")
    return result


class Run:
    """A recipe on its way.

    Args:
        steps: the steps; the last one is the result.
        total: how many updates there will be, for the progress.
        names: of the pictures, as files' names without ending.
        finish: from a step to the result.
        shown: from a step to what is to be seen of it, where that is not its pictures; quicker than `finish`.
        waypoints: where it can go on after it was killed, if it can.
    """

    def __init__(
        self,
        steps: Iterator[Step],
        *,
        total: int,
        names: Sequence[str],
        finish: Callable[[Step], Result],
        shown: Callable[[Step], Tensor] | None = None,
        waypoints: Waypoints | None = None,
    ) -> None:
        self.total, self.names, self.waypoints = total, names, waypoints
        self.last: Step | None = None
        self.recipe: dict[str, Any] = {}
        self._steps, self._finish = steps, finish
        self.shown = shown or (lambda step: step.pictures)
        self._result: Result | None = None
        self._over = self._stopped = False

    def __iter__(self) -> Iterator[Step]:
        for step in self._steps:
            self.last, self._result, self._over = step, None, step.index >= self.total
            yield step
        if not (self._over or self._stopped):  # it came to its end before all steps were needed
            self._over, self._result = True, None

    def stop(self) -> None:
        """Take no further step: the result is that of the steps that were taken."""
        self._steps, self._stopped = iter(()), True

    def so_far(self) -> Result:
        """The result of the steps that were taken; its recipe says where it is unfinished.

        Raises:
            Mistake: there was none yet.
        """
        if self._result is None:
            if self.last is None:
                raise Mistake("nothing was computed yet")
            self._result = _with_stillness(self._finish(self.last), self.last)
            self._result.recipe = self.recipe if self._over else self._unfinished
        return self._result

    @property
    def _unfinished(self) -> dict[str, Any]:
        """The recipe of what has not come to its end."""
        return self.recipe | ({"unfinished": True} if self.recipe else {})

    def picture_alone(self) -> Result:
        """The picture of the steps that were taken, for when nothing can be said about it: the network fails.

        Raises:
            Mistake: there was none yet.
        """
        if self.last is None:
            raise Mistake("nothing was computed yet")
        image = self.shown(self.last).detach().float().cpu()
        one = len(image) != len(self.names)
        names = list(self.names)[:1] if one else list(self.names)
        numbers: list[dict[str, Any]] = [{"steps": self.last.index} for _ in names]
        return Result(grid(image) if one else image, names, numbers, recipe=self._unfinished)

    @property
    def result(self) -> Result:
        """The result, after running to the end."""
        for _ in self:
            pass
        return self.so_far()

    @property
    def image(self) -> Float[Tensor, "n c h w"]:
        """The pictures, after running to the end."""
        return self.result.image

    @property
    def values(self) -> Any:
        """What each picture reached, after running to the end."""
        result = self.result
        return result.values if result.values is not None or self.last is None else self.last.values

    @property
    def numbers(self) -> Sequence[dict[str, Any]]:
        """What is to be said about each picture, after running to the end."""
        return self.result.numbers

    def save(self, path: str | Path) -> Path:
        """Run to the end and write the picture."""
        return self.result.save(path)

    def film(self, path: str | Path) -> Path:
        """Run to the end and write the way there as a film, .gif or .mp4 (needs PyAV); interrupted, the film so far.

        A film carries no recipe and can't be replayed; its last frame is the picture.

        Raises:
            Mistake: another ending, or a place that can't be written to; before anything is computed.
        """
        film = Film(path)
        try:
            for step in self:
                film.add(step.index, self.shown(step))
            if not len(film) and self.last is not None:  # it has run already
                film.add(self.last.index, self.shown(self.last))
        finally:
            if len(film):
                film.write()
        return film.path

    def _repr_png_(self) -> bytes:
        return self.result._repr_png_()

    def _ipython_display_(self) -> None:
        watch(self)

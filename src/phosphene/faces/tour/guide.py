"""What every stop of the tour needs: which network, which photograph, and where sections and pictures go."""

import base64
import io
import shlex
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from phosphene.core.pictures.eight_bit import to_pil
from phosphene.core.pictures.files import open_photo
from phosphene.core.results.results import Result, Run

LARGEST_INSIDE = 1_000_000  # bytes of a PNG that is put into the page as it is; larger ones go in as WebP

Ran = Callable[[str, Run], Result]
"""Runs a recipe to its end under a progress bar with this title."""


@dataclass
class Shown:
    """One picture of the page: itself, its caption, where it is at full size, and itself as a data address."""

    picture: Tensor
    caption: str
    file: str
    address: str
    width: int
    height: int
    pixelated: bool


@dataclass
class Section:
    """One stop of the tour.

    Attributes:
        pairs: its pictures belong together two by two.
        shared: its pictures are on the contact sheet.
    """

    title: str
    teaching: str
    source: str
    commands: list[str] = field(default_factory=list)
    pictures: list[Shown] = field(default_factory=list)
    answers: list[dict[str, Any]] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    pairs: bool = False
    shared: bool = False
    seconds: float = 0.0


def address(picture: Tensor, png: bytes) -> str:
    """A picture as a data address: the PNG itself, or a WebP where that is large."""
    if len(png) <= LARGEST_INSIDE:
        return f"data:image/png;base64,{base64.b64encode(png).decode()}"
    buffer = io.BytesIO()
    to_pil(picture).save(buffer, "WEBP", quality=90)
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"


@dataclass
class Guide:
    """What every stop needs: which network, which photograph, how thoroughly, and where pictures go.

    Attributes:
        network: the network to read.
        photo: the photograph, a path or `skimage:NAME`.
        spec: as the page's commands name the network.
        folder: the page's; its pictures are in `pictures` inside of it.
        fast: few steps and small pictures.
        seed: of all random numbers.
        ran: runs a recipe to its end, with a progress bar.
        anonymous: how they were made is left out of the pictures.
        sections: the page, as far as it is made.
        beside, beside_spec: a second network, to compare with.
        made: the result that each picture is of, by the picture's name.
        eps: how far an attack may move a pixel.
    """

    network: Network
    photo: str
    spec: str
    folder: Path
    fast: bool
    seed: int
    ran: Ran
    anonymous: bool = False
    sections: list[Section] = field(default_factory=list)
    beside: Network | None = None
    beside_spec: str = ""
    made: dict[str, Result] = field(default_factory=dict)
    eps: float = 2 / 255

    def command(self, words: str, *, photo: bool = True, spec: str | None = None) -> str:
        """The line that makes a picture alone, at full quality."""
        spec = spec or self.spec
        parts = words.split(" ", 1)
        given = [parts[0], *([shlex.quote(self.photo)] if photo else []), *parts[1:]]
        net = [] if spec == "embedded:photo" else ["--net", shlex.quote(spec)]
        return " ".join(["phosphene", *given, *net])

    def show(self, section: Section, caption: str, name: str, result: Result, *part: str | int) -> None:
        """Write a part of a result (its picture, unless another one is named) beside the page and into the section."""
        if self.anonymous:
            result.recipe = {}
        data = result.png(*(part or ("picture", 0)))
        (self.folder / "pictures" / f"{name}.png").write_bytes(data)
        self.made[name] = result
        picture = open_photo(result.shown(*(part or ("picture", 0))))
        height, width = picture.shape[-2:]
        small = max(height, width) < 100
        section.pictures.append(
            Shown(picture, caption, f"pictures/{name}.png", address(picture, data), width, height, small)
        )

    @contextmanager
    def stop(
        self, title: str, teaching: str, source: str, *commands: str, pairs: bool = False, shared: bool = False
    ) -> Iterator[Section]:
        """A section; what a network can't do is said in it, and the tour goes on."""
        section = Section(title, teaching, source, list(commands), pairs=pairs, shared=shared)
        start = time.perf_counter()
        self.sections.append(section)
        with self.trying(section):
            yield section
        section.seconds = time.perf_counter() - start

    @contextmanager
    def trying(self, section: Section) -> Iterator[None]:
        """What fails for this network is left out with a line that says why."""
        try:
            yield
        except Mistake as mistake:
            section.missing += [] if str(mistake) in section.missing else [str(mistake)]

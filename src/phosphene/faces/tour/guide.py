"""What every stop of the tour needs: which network, which photograph, and where sections and pictures go."""

import base64
import io
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from PIL import Image
from torch import Tensor

from phosphene.core.errors import Failure, Mistake, failed, out_of_memory
from phosphene.core.networks.network import Network
from phosphene.core.pictures.eight_bit import to_pil
from phosphene.core.pictures.files import open_photo
from phosphene.core.results.results import Result, Run

LARGEST_INSIDE = 1_000_000  # bytes of a PNG that is put into the page as it is; larger ones go in as WebP

Ran = Callable[[str, Run], Result]
"""Runs a recipe to its end under a progress bar with this title."""


@dataclass(frozen=True)
class Shown:
    """One picture of the page: its caption, its file beside the page ("" for none), and that file's bytes."""

    caption: str
    file: str
    png: bytes

    @cached_property
    def picture(self) -> Tensor:
        """(1, 3, h, w) in [0, 1]."""
        return open_photo(Image.open(io.BytesIO(self.png)))

    @cached_property
    def size(self) -> tuple[int, int]:
        """(width, height)."""
        return Image.open(io.BytesIO(self.png)).size

    @property
    def pixelated(self) -> bool:
        """Whether it is so small that its pixels are shown as squares."""
        return max(self.size) < 100

    @cached_property
    def address(self) -> str:
        """Itself as a data address: the PNG, or a WebP where that is large."""
        if len(self.png) <= LARGEST_INSIDE:
            return f"data:image/png;base64,{base64.b64encode(self.png).decode()}"
        buffer = io.BytesIO()
        to_pil(self.picture).save(buffer, "WEBP", quality=90)
        return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"


@dataclass
class Section:
    """One stop of the tour.

    Attributes:
        known: what later stops ask about, ready for JSON.
        pairs: its pictures belong together two by two, one of each network.
        shared: its pictures are on the contact sheet.
        table: rows of words below its pictures, the first one their heads.
        wide: each of its pictures is several side by side.
    """

    title: str
    teaching: str
    source: str
    commands: list[str] = field(default_factory=list)
    pictures: list[Shown] = field(default_factory=list)
    answers: list[dict[str, Any]] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    known: dict[str, Any] = field(default_factory=dict)
    pairs: bool = False
    shared: bool = False
    table: list[list[str]] = field(default_factory=list)
    wide: bool = False


@dataclass
class Guide:
    """What every stop needs: which network, which photograph, how thoroughly, and where pictures go.

    A stop depends on the earlier ones by `earlier` alone, so that it is the same whether they were made just now or
    by a tour that was stopped.

    Attributes:
        network: the network to read.
        photo: the photograph, a path or `skimage:NAME`.
        spec: as the page's commands name the network.
        fast: few steps and small pictures.
        seed: of all random numbers.
        ran: runs a recipe to its end, with a progress bar.
        anonymous: how they were made is left out of the pictures.
        beside, beside_spec: a second network, to compare with.
        made: the section of each stop so far, by its name; none where it has nothing to say.
        again: the stops that may come out otherwise when they are made again.
        failures: what went wrong that was no refusal, by the sentence that says so.
    """

    network: Network
    photo: str
    spec: str
    fast: bool
    seed: int
    ran: Ran
    anonymous: bool = False
    beside: Network | None = None
    beside_spec: str = ""
    made: dict[str, Section | None] = field(default_factory=dict)
    again: set[str] = field(default_factory=set)
    failures: dict[str, BaseException] = field(default_factory=dict)
    _now: str = ""

    @property
    def sections(self) -> list[Section]:
        """The page, as far as it is made."""
        return [section for section in self.made.values() if section is not None]

    def take(self, stop: "Stop") -> None:
        """Make a stop, the next one of the page."""
        self._now = stop.__name__
        self.made[self._now] = None
        stop(self)

    def earlier(self, stop: "Stop") -> Section | None:
        """The section of an earlier stop; what builds on one that is to be made again is to be made again, too."""
        if stop.__name__ in self.again:
            self.again.add(self._now)
        return self.made.get(stop.__name__)

    def command(self, words: str, *, photo: bool = True, spec: str | None = None) -> str:
        """The line that makes a picture alone, at full quality.

        Args:
            words: the command and its options.
            photo: whether it takes the photograph.
            spec: of the second network, whose pictures go into a folder of their own, as they have the same names.
        """
        beside = [] if spec is None else ["--out", "beside/"]
        spec = spec or self.spec
        parts = words.split(" ", 1)
        given = [parts[0], *([shlex.quote(self.photo)] if photo else []), *parts[1:]]
        net = [] if spec == "embedded:photo" else ["--net", shlex.quote(spec)]
        return " ".join(["phosphene", *given, *net, *beside])

    def show(self, section: Section, caption: str, name: str, result: Result, *part: str | int) -> None:
        """Put a part of a result (its picture, unless another one is named) into the section."""
        if self.anonymous:
            result.recipe = {}
        section.pictures.append(Shown(caption, f"pictures/{name}.png", result.png(*(part or ("picture", 0)))))

    def shown(self, stop: "Stop", name: str) -> Shown | None:
        """A picture of an earlier stop."""
        section = self.earlier(stop)
        return next((one for one in section.pictures if one.file == f"pictures/{name}.png"), None) if section else None

    @contextmanager
    def stop(
        self, title: str, teaching: str, source: str, *commands: str, pairs: bool = False, shared: bool = False
    ) -> Iterator[Section]:
        """A section; what a network can't do is said in it, and the tour goes on."""
        section = Section(title, teaching, source, list(commands), pairs=pairs, shared=shared)
        self.made[self._now] = section
        with self.trying(section):
            yield section

    @contextmanager
    def trying(self, section: Section) -> Iterator[None]:
        """What fails is left out with a line that says why; unless that is a refusal, it may work another time."""
        try:
            yield
        except (Exception, SystemExit) as error:  # whatever a stranger's code raises
            names = " or ".join(one.name for one in (self.network, self.beside if section.pairs else None) if one)
            words = failed(names, error)
            section.missing += [] if words in section.missing else [words]
            if isinstance(error, Mistake) and not isinstance(error, Failure) and not out_of_memory(error):
                self.doubt(error)
            else:
                self.again.add(self._now)
                self.failures.setdefault(words, error)

    def doubt(self, mistake: Mistake) -> None:
        """What only a foreign error was a reason for may not be so when it is tried again."""
        if isinstance(mistake.__cause__, Exception) and not isinstance(mistake.__cause__, Mistake):
            self.again.add(self._now)


Stop = Callable[[Guide], None]
"""Adds at most one section; its name is the stop's."""

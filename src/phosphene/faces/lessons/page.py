"""A lesson's page: its steps, one after the other, in one file that needs nothing else."""

import os
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from rich.console import Console

from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from phosphene.core.paths import content, given_path, is_file, is_folder, reason
from phosphene.core.pictures.files import open_photo
from phosphene.core.results.provenance import versions
from phosphene.core.units.labelled import LabelledPictures, read_labelled
from phosphene.faces.lessons import deep, linear
from phosphene.faces.lessons.linear import Lesson
from phosphene.faces.lessons.views import SIDE, WHAT, views
from phosphene.faces.running.claims import Claims, check_new
from phosphene.faces.running.destination import put
from phosphene.faces.running.progress import bars
from phosphene.faces.running.session import named
from phosphene.faces.tour.guide import Section
from phosphene.faces.tour.page import beside_spec
from phosphene.faces.tour.template import template

PAGE = "lesson-linear.html"

STEPS: tuple[Callable[[Lesson], Section], ...] = (
    linear.example, linear.templates, linear.attack, deep.one_step, deep.linearity, linear.dimension,
)  # fmt: skip
"""In the order of the page."""


@dataclass(frozen=True)
class Asked:
    """What a lesson is asked to be about.

    Attributes:
        photo: what the network is shown, a path or `skimage:NAME`.
        net: the network's spec, as the page's commands name it.
        data: pictures with classes, as `read_labelled` takes them; by default views of scikit-image's photographs.
        names: of the classes, where the data have none: with commas between them, or a file with one a line.
        size: side in px that the data are brought to.
        decay: how smooth the linear classifier is to be.
        seed: of which pictures are kept for the test, and of the random models.
        beside: the spec of another network, or none; by default the robust twin of an embedded one.
    """

    photo: str
    net: str = "embedded:photo"
    data: str | None = None
    names: str | None = None
    size: int = SIDE
    decay: float = linear.DECAY
    seed: int = 0
    beside: str | None = None

    @property
    def second(self) -> str:
        """The spec of the network beside the first; empty for none."""
        return beside_spec(self.net, self.beside)

    @property
    def command(self) -> str:
        """The line that makes the page again."""
        usual = Asked(self.photo)
        options = [
            (name, value) for name, value in vars(self).items() if name != "photo" and value != vars(usual)[name]
        ]
        words = ["phosphene", "lesson", "linear", self.photo, *(f"--{name}={value}" for name, value in options)]
        return shlex.join(words)

    @property
    def attack(self) -> str:
        """The line that attacks the photograph."""
        net = [] if self.net == "embedded:photo" else ["--net", self.net]
        return shlex.join(["phosphene", "attack", self.photo, "--eps", "2/255", *net])


def linear_lesson(
    asked: Asked,
    open_network: Callable[[], Network],
    open_beside: Callable[[], Network] | None = None,
    *,
    out: str | None = None,
    force: bool = False,
    console: Console | None = None,
) -> tuple[Path, str]:
    """Make the page of the linear lesson.

    Args:
        asked: what it is about.
        open_network: loads the network; called after photograph, data and the page's place were checked.
        open_beside: loads another one, that is looked at in the same way.
        out: the page's file, or its folder.
        force: overwrite what is there.
        console: for the progress.
    Returns:
        The page, and where it went elsewhere, a sentence that says why.
    Raises:
        Mistake: photograph, data or network can't be read, or the page can't be written.
    """
    page = given_path(out or PAGE, "page")
    if is_folder(page) or (out or "").endswith(("/", os.sep)):
        page = page / PAGE
    elif page.suffix.lower() not in (".html", ".htm"):
        raise Mistake(f"{page.name} is no page; give a name that ends in .html, or a folder that ends in /")
    check_new([page], force=force)
    open_photo(asked.photo)
    with Claims() as claims:
        claims.hold([] if force else [page])
        data, what = _data(asked)
        linear.check(data)
        network, beside = open_network(), open_beside and open_beside()
        lesson = Lesson(data, what, network, asked.photo, asked.attack, asked.decay, asked.seed, beside)
        sections: list[Section] = []
        with bars(console) as progress, named(network.name):
            task = progress.add_task("lesson", total=len(STEPS))
            for step in STEPS:
                sections.append(step(lesson))
                progress.advance(task)
        folder, elsewhere = put(
            {page: _rendered(asked, network, sections).encode(errors="backslashreplace")}, force=force
        )
    return folder / page.name, elsewhere


def _data(asked: Asked) -> tuple[LabelledPictures, str]:
    """The pictures with their classes, and what they are, in words."""
    if asked.data is None and asked.names is not None:
        raise Mistake("names are for data that are given with --data; leave them out, or give both")
    if asked.data is None:
        return views(asked.seed), WHAT
    read = read_labelled(asked.data, size=(asked.size, asked.size))
    if asked.names is not None:
        read = replace(read, classes=_named(asked.names, read.classes))
    return read, f"the {len(read)} pictures in {Path(asked.data).name}"


def _named(given: str, classes: Mapping[int, str]) -> dict[int, str]:
    """The classes under the names that somebody gives them, by number from 0 on."""
    names = [name.strip() for name in _lines(given)]
    if not all(names) or len(names) <= max(classes):
        raise Mistake(f"{len(names)} names are given for classes 0 to {max(classes)}; each needs one")
    return {number: names[number] for number in classes}


def _lines(given: str) -> Sequence[str]:
    if not is_file(given):
        return given.split(",")
    try:
        return content(given_path(given, "file of names")).decode().splitlines()
    except OSError as error:
        raise Mistake(f"{given} can't be read: {reason(error)}") from error
    except UnicodeDecodeError as error:
        raise Mistake(f"{given} is no text; the names of the classes are needed, one a line") from error


def _rendered(asked: Asked, network: Network, sections: Sequence[Section]) -> str:
    return template("lessons/page.html").render(
        title=linear.TITLE,
        lead=linear.LEAD,
        sections=sections,
        day=date.today().isoformat(),
        seed=asked.seed,
        network=network.name,
        sha256=network.sha256,
        plan=str(network.plan),
        versions=versions(),
        again=asked.command,
    )

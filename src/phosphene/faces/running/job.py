"""One picture's way from what somebody asks for to files: destination, photographs, network, recipe, judges, film."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from phosphene import catalogue
from phosphene.catalogue import Row
from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from phosphene.core.paths import is_folder
from phosphene.core.results.recipes import Recipe
from phosphene.core.results.results import Result
from phosphene.core.results.signature import Input
from phosphene.core.units.inputs import said_in_words
from phosphene.core.units.photographs import readable
from phosphene.core.units.spelling import parse_units
from phosphene.core.units.units import stems
from phosphene.faces.running import sweep
from phosphene.faces.running.destination import Destination, Written, photo_stem
from phosphene.faces.running.runner import finished
from phosphene.faces.running.session import Session
from phosphene.faces.running.sweep import Sweep

Say = Callable[[str], None]
"""Tells people something on the way."""


@dataclass(frozen=True)
class Output:
    """Where results go, and what of them.

    Attributes:
        out: a name or a folder; by default the name is made of the command.
        force: overwrite what is there.
        quiet: show no progress.
        anonymous: leave out of the files how they were made.
        film: the file of a film, if there is to be one.
    """

    out: str | None = None
    force: bool = False
    quiet: bool = False
    anonymous: bool = False
    film: str | None = None


@dataclass(frozen=True)
class Job:
    """What somebody asks for.

    Attributes:
        row: the row of the catalogue.
        recipe: its recipe; one of a family, where the row is a family's.
        method: the recipe's name among those of its command, where that has several.
        given: inputs and options by name.
        session: the network.
        output: where results go.
    """

    row: Row
    recipe: Recipe[..., Any]
    method: str | None
    given: Mapping[str, Any]
    session: Session
    output: Output

    @property
    def title(self) -> str:
        """Of its progress."""
        return f"{self.row.command} {self.method or ''}".strip()

    def parts(self, say: Say) -> list["Job"]:
        """Whole pictures have sizes of their own, so several of them are one job each, with one network."""
        for one in self.recipe.inputs:
            files = self.given.get(one.name)
            if one.one and one.many and files and self.given.get("fit") == "whole" and single(files) is None:
                return [replace(self, given={**self.given, one.name: [file]}) for file in _readable(files, say)]
        return [self]


@dataclass(frozen=True)
class Done:
    """What came of a job.

    Attributes:
        result: the pictures.
        written: their files.
        words: what judges say, line by line.
        film: the film's file, where there is one.
        notes: what did not go as it should.
        stopped: why the work ended early.
    """

    result: Result
    written: Written
    words: list[str] = field(default_factory=list)
    film: Path | None = None
    notes: list[str] = field(default_factory=list)
    stopped: BaseException | None = None
    failed: bool = False


def perform(job: Job, say: Say) -> Done | Sweep:
    """Do it; many units are a sweep, which is still to be run.

    Raises:
        Mistake: it can't be done, or there is no place for it; nothing is computed then.
    """
    out = job.output
    to = Destination(job.row.command, out.out, out.force, _first_photo(job), job.method, out.film)
    to.check_folder()
    given = {key: value for key, value in job.given.items() if value is not None}
    if promised := job.recipe.promised(job.session.network, given):
        to.check_files(promised)
    for one in job.recipe.inputs:
        if one.many and one.name in given:
            given[one.name] = _photographs(one, given[one.name], to, say)
    network = job.session.network
    judges = job.session.others
    units = _many(job, given)
    if units:
        return _sweep(job, given, units, to)
    made = job.recipe(network, **given)
    to.check_files(made.names)
    outcome = finished(made, job.title, quiet=out.quiet, film=to.film)
    result = outcome.result
    if out.anonymous:
        result.recipe = {}
    unfilmed = to.write_film()
    words: list[str] = []
    unjudged = _judge(job, judges, result, words)
    filmed = to.film.path if to.film is not None and not unfilmed else None
    written = to.write(result, [filmed] if filmed else [])
    notes = [note for note in (written.note, unfilmed, unjudged) if note]
    return Done(result, written, words, filmed, notes, outcome.stopped, failed=bool(unfilmed or unjudged))


def single(photos: Sequence[str]) -> str | None:
    """The photograph, if it is a single one and no folder."""
    return photos[0] if len(photos) == 1 and not is_folder(photos[0]) else None


def _first_photo(job: Job) -> str | None:
    """The photograph that gives its name to the files."""
    for one in job.recipe.inputs:
        if one.required and (value := job.given.get(one.name)):
            return value if isinstance(value, str) else single(value)
    return None


def _photographs(one: Input, given: Sequence[str], to: Destination, say: Say) -> str | list[str]:
    """A single one as it is, where that will do; of several those that can be read."""
    if one.one and (alone := single(given)) is not None:
        return alone
    files = _readable(given, say)
    if one.one and len(files) == 1:  # the others can't be read
        to.photo = photo_stem(files[0])
    return files


def _readable(given: Sequence[str], say: Say) -> list[str]:
    files, refused = readable(given)
    for words in refused:
        say(f"left out: {words}")
    return files


def _many(job: Job, given: Mapping[str, Any]) -> dict[str, str]:
    """The units and the names of their files, where they are too many for one batch."""
    if not job.row.many or job.row.many not in given:
        return {}
    units = parse_units(job.session.network, given[job.row.many])
    return dict(zip(map(str, units), stems(units), strict=True)) if len(units) > sweep.PART else {}


def _sweep(job: Job, given: Mapping[str, Any], units: Mapping[str, str], to: Destination) -> Sweep:
    if job.output.film is not None or job.session.judges or job.output.anonymous:
        few = f"at most {sweep.PART} units, not {len(units)}; name some of them"
        raise Mistake(f"--film, --judge and --no-provenance are for {few}")
    option, network = job.row.many, job.session.network
    return Sweep(
        lambda some: job.recipe(network, **{**given, option: list(some)}), units, to.folder(list(units.values())),
        force=job.output.force, option=option,
    )  # fmt: skip


def _judge(job: Job, judges: Sequence[Network], result: Result, words: list[str]) -> str:
    """Add what each judge sees to the words; where that fails, what to say: there is a picture all the same."""
    for spec, judge in zip(job.session.judges, judges, strict=True):
        try:
            words += _verdict(job.row, judge, job.session.network, result)
        except (Mistake, MemoryError, KeyboardInterrupt) as failure:
            return f"{spec} did not judge: {str(failure) or 'it was interrupted, or there is not enough memory'}"
    return ""


def _verdict(row: Row, judge: Network, network: Network, result: Result) -> list[str]:
    """Put what a judge sees beside the numbers; the same in words."""
    judges = catalogue.loaded(row.judge)
    verdicts = judges.verdicts(
        judge, network, result.image[:, :3], [numbers.get("class") for numbers in result.numbers]
    )
    lines = [judges.words(verdicts)]
    for name, numbers, one in zip(result.names, result.numbers, verdicts, strict=True):
        numbers.setdefault("judged", []).append(one)
        lines.append(f"  {name}: {said_in_words(one['top'])}")
    return lines

"""One picture's way from what somebody asks for to files: destination, photographs, network, recipe, judges, film."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from phosphene import catalogue
from phosphene.catalogue import Row
from phosphene.core.errors import Mistake, exit_code, failed
from phosphene.core.extras import needs
from phosphene.core.networks.network import Network
from phosphene.core.paths import is_folder, told_apart
from phosphene.core.results.recipes import Recipe
from phosphene.core.results.reels import Reel
from phosphene.core.results.results import Result, Run
from phosphene.core.results.signature import Input
from phosphene.core.saving import undisturbed
from phosphene.core.units.inputs import said_in_words
from phosphene.core.units.photographs import readable
from phosphene.core.units.spelling import parse_units
from phosphene.core.units.units import stems
from phosphene.faces.running import sweep
from phosphene.faces.running.claims import Claims
from phosphene.faces.running.destination import FRAMES, Destination, Written, photo_stem
from phosphene.faces.running.indexes import indexed
from phosphene.faces.running.kept import going_on
from phosphene.faces.running.progress import reading
from phosphene.faces.running.reels import Filming
from phosphene.faces.running.runner import ENDS, Outcome, finished
from phosphene.faces.running.session import Session, named
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
        watch: rewrite the picture as it grows, and show it in the terminal.
    """

    out: str | None = None
    force: bool = False
    quiet: bool = False
    anonymous: bool = False
    film: str | None = None
    watch: bool = False


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
        photos: where it is one of several, done one by one, what its photograph and those behind it are called.
    """

    row: Row
    recipe: Recipe[..., Any]
    method: str | None
    given: Mapping[str, Any]
    session: Session
    output: Output
    photos: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """Of its progress."""
        return f"{self.row.command} {self.method or ''}".strip()

    def parts(self, say: Say) -> list["Job"]:
        """Pictures that keep their sizes are one job each where there are several, with one network.

        Raises:
            Mistake: there is one film for several.
        """
        for one in self.recipe.inputs:
            given = self.given.get(one.name)
            folder = self.row.folders and one.required and isinstance(given, str) and is_folder(given)
            whole = one.one and one.many and given and self.given.get("fit") == "whole" and single(given) is None
            if folder or whole:
                files = _readable([str(given)] if folder else given or [], say)
                if len(files) > 1 and self.output.film is not None:
                    raise Mistake(f"--film is of one picture, but {len(files)} are made; give one photograph")
                called = told_apart(map(photo_stem, files))
                return [
                    replace(self, given={**self.given, one.name: file if folder else [file]}, photos=tuple(called[i:]))
                    for i, file in enumerate(files)
                ]
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
        why: the same in words.
        later: what failed when the pictures were written already.
    """

    result: Result
    written: Written
    words: list[str]
    film: Path | None
    notes: list[str]
    stopped: BaseException | None
    why: str
    later: list[BaseException]

    @property
    def code(self) -> int:
        """The exit code: of an interruption, if there was one; else whether something did not go as it should."""
        return max(map(exit_code, self.ends), default=2 if self.notes else 0)

    @property
    def ends(self) -> list[BaseException]:
        """Whatever ended something early, in order."""
        return [one for one in (self.stopped, *self.later) if one is not None]


def perform(job: Job, say: Say, claims: Claims) -> Done | Sweep | Filming:
    """Do it; many units are a sweep, and pictures a film, which are still to be run.

    Args:
        claims: what the command holds; files of this job are added.
    Raises:
        Mistake: it can't be done, or there is no place for it, or the network failed before there was any picture.
    """
    out = job.output
    to = Destination(
        job.row.command, out.out, out.force, _first_photo(job), job.method, out.film, job.photos, claims, _about(job),
        watch=out.watch,
    )  # fmt: skip
    to.check_folder()
    to.begin()
    given = {key: value for key, value in job.given.items() if value is not None}
    with named(job.session.network.name):
        promised = job.recipe.promised(job.session.network, given)
    if promised:
        to.check_files(promised)
    for one in job.recipe.inputs:
        if one.many and one.name in given:
            own = indexed(one, given[one.name], job.session.network) if one.indexed else None
            given[one.name] = _photographs(one, given[one.name], to, say) if own is None else own
    network, _ = job.session.network, job.session.others
    with named(network.name):
        units = _many(job, given)
        if units:
            return _sweep(job, given, units, to)
        with reading(job.title, quiet=out.quiet):
            made = job.recipe(network, **given)
        if isinstance(made, Reel):
            return _filming(job, made, to, say)
        to.begin(made.names)
        watched = to.watched(made.names, anonymous=out.anonymous)
        if watched is not None:
            say(f"it grows in {watched.path}")
        file = _kept(job, made, to, say)
        outcome = finished(made, job.title, quiet=out.quiet, film=to.film, watched=watched)
        network.allowance.check_kept()
    done = _written(job, to, outcome)
    if file is not None:
        file.unlink(missing_ok=True)
    return done


def _kept(job: Job, made: Result | Run, to: Destination, say: Say) -> Path | None:
    """The file in which work is kept on its way, by which it goes on if it is killed; None where none is."""
    if not isinstance(made, Run) or made.waypoints is None or job.output.anonymous:
        return None
    file = to.unfinished(made.names)
    if job.output.force:
        file.unlink(missing_ok=True)
    if going_on(made, file):
        say(f"it goes on where it was stopped, by {file}")
    return file


def _written(job: Job, to: Destination, outcome: Outcome) -> Done:
    """Write the pictures first; then whatever else is to come of them, which can't take them away any more."""
    result, stopped = outcome.result, outcome.stopped
    if job.output.anonymous:
        result.recipe = {}
    words: list[str] = []
    notes: list[str] = []
    later: list[BaseException] = []
    written = None

    def after(name: str, what: str, step: Callable[[], None]) -> None:
        try:
            step()
        except ENDS as error:
            later.append(error)
            why = failed(name, error)
            notes.append(why if why.startswith(name) else f"{name} {what}: {why}")

    try:
        with undisturbed():
            written = to.write(result)
    except KeyboardInterrupt as interruption:  # it came meanwhile, and waited until everything was there
        if written is None:
            raise
        later.append(interruption)
        notes += [] if isinstance(stopped, KeyboardInterrupt) else ["interrupted: the picture is written"]
    notes += filter(None, [written.note])
    if to.film is not None:
        after(str(to.film.path), "was not written", partial(to.write_film, result, written))
    for spec, judge in zip(job.session.judges, job.session.others, strict=True):
        if any(isinstance(one, KeyboardInterrupt) for one in (stopped, *later)):
            notes.append(f"{spec} was not asked")
        else:
            after(spec, "did not judge", partial(_judge, job, judge, result, words, written))
    film = to.film.path if to.film is not None and to.film.path.name in written.others else None
    why = "" if stopped is None else failed(job.session.network.name, stopped)
    return Done(result, written, words, film, notes, stopped, why, later)


def single(photos: Sequence[str]) -> str | None:
    """The photograph, if it is a single one and no folder."""
    return photos[0] if len(photos) == 1 and not is_folder(photos[0]) else None


def _first_photo(job: Job) -> str | None:
    """The photograph that gives its name to the files."""
    for one in job.recipe.inputs:
        if one.required and (value := job.given.get(one.name)):
            return value if isinstance(value, str) else single(value)
    return None


def _about(job: Job) -> str:
    """The one word that a command is about, where it takes one: a gallery's paper."""
    words = (one.name for one in job.recipe.options if one.required and one.positional and one.kind is str)
    return next((value for word in words if isinstance(value := job.given.get(word), str)), "")


def _photographs(one: Input, given: Sequence[str], to: Destination, say: Say) -> str | list[str]:
    """A single one as it is, where that will do; of several those that can be read, each once, unless all count."""
    if one.in_order:
        return [file for each in given for file in (_readable([each], say) if is_folder(each) else [each])]
    if one.one and (alone := single(given)) is not None:
        return alone
    files = _readable(given, say)
    if one.one and len(files) == 1:  # the others can't be read
        to.photos = [photo_stem(files[0])]
    return files


def _readable(given: Sequence[str], say: Say) -> list[str]:
    files, refused = readable(given)
    for words in refused:
        say(f"left out: {words}")
    return files


def _many(job: Job, given: Mapping[str, Any]) -> dict[str, str]:
    """The units and the names of their files, where they are a sweep: too many for one batch, or LAYER:all."""
    option, out = job.row.many, job.output
    if not option or option not in given:
        return {}
    units = parse_units(job.session.network, given[option])
    named = dict(zip(map(str, units), stems(units), strict=True))
    if len(named) <= sweep.PART:
        every = any(str(one).partition(":")[2].partition("@")[0] == "all" for one in given[option])
        if not every or len(named) == 1 or out.film or out.anonymous or out.watch or job.session.judges:
            return {}  # one picture of all of them
        alone = job.recipe(job.session.network, **{**given, option: [next(iter(named))]})
        if len(alone.names) > 1:  # several pictures of each
            return {}
    return named


def _sweep(job: Job, given: Mapping[str, Any], units: Mapping[str, str], to: Destination) -> Sweep:
    if job.output.film is not None or job.session.judges or job.output.anonymous:
        few = f"at most {sweep.PART} units, not {len(units)}; name some of them"
        raise Mistake(f"--film, --judge and --no-provenance are for {few}")
    option, network, folder = job.row.many, job.session.network, to.folder(list(units.values()))
    to.hold([folder / sweep.SHEET])
    return Sweep(
        lambda some: job.recipe(network, **{**given, option: list(some)}), units, folder,
        force=job.output.force, option=option, watch=job.output.watch,
    )  # fmt: skip


def _filming(job: Job, reel: Reel, to: Destination, say: Say) -> Filming:
    if job.session.judges or job.output.anonymous:
        raise Mistake("--judge and --no-provenance are for single pictures; a film goes on by what its frames say")
    film = to.film_file(reel.name)
    if film.suffix == ".gif" and to.film is None:
        say(f"{film.name} is a GIF: {needs('an MP4', 'PyAV', 'film')}")
    to.hold([film, film.with_suffix(FRAMES)])
    to.claims.folder(film.with_suffix(FRAMES))  # which goes again where nothing comes into it
    if job.output.watch:
        say(f"its frames are in {film.with_suffix(FRAMES)} as they are made")
    return Filming(reel, film, force=job.output.force)


def _judge(job: Job, judge: Network, result: Result, words: list[str], written: Written) -> None:
    """Put what a judge sees beside the numbers, in the record too; the same in words."""
    judges = catalogue.loaded(job.row.judge)
    classes = [numbers.get("class") for numbers in result.numbers]
    verdicts = judges.verdicts(judge, job.session.network, result.image[:, :3], classes)
    for numbers, one in zip(result.numbers, verdicts, strict=True):
        numbers.setdefault("judged", []).append(one)
    words.append(judges.words(verdicts))
    words += [f"  {name}: {said_in_words(one['top'])}" for name, one in zip(result.names, verdicts, strict=True)]
    written.add(result)

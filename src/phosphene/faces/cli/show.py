"""What the command line says: results in words, tables, and one sentence for everything that goes wrong."""

import json
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from rich.console import Console
from rich.table import Table

from phosphene.core.errors import exit_code, failed, unless_interrupted
from phosphene.core.networks.plan import Plan, Purpose
from phosphene.core.results.results import Result
from phosphene.faces.cli.output import error, escape, note, results, tell
from phosphene.faces.running.job import Done
from phosphene.faces.running.progress import bars
from phosphene.faces.running.reels import Filming
from phosphene.faces.running.runner import ENDS
from phosphene.faces.running.sweep import Sweep
from phosphene.faces.running.watching import screen
from phosphene.faces.tour.unfinished import Tour
from phosphene.models.tuning import Candidate


def done(what: Done, *, quiet: bool, as_json: bool) -> int:
    """Say what came of a job, the picture's path last; the exit code."""
    console = Console(file=sys.stderr if as_json else results(), quiet=quiet, soft_wrap=True)
    _tell(console, what.result)
    for line in what.words:
        console.print(escape(line), highlight=False)
    if isinstance(what.stopped, KeyboardInterrupt):
        note("interrupted: this is the best so far")
    elif what.stopped is not None:
        error(f"{what.why}; kept the last good picture")
    for line in what.notes:
        note(line)
    if as_json:
        tell(json.dumps(what.written.record, indent=1))
        note(str(what.written.path))
    else:
        if what.film is not None:
            console.print(escape(str(what.film)), highlight=False)
        tell(what.written.path)
    return what.code


def swept(sweep: Sweep, title: str, *, quiet: bool, as_json: bool) -> int:
    """Make many pictures part by part into a folder; what is there already is kept. The exit code."""
    many, before = len(sweep.units), len(sweep.units) - len(sweep.left)
    if before:
        note(f"{before} of {many} are in {sweep.folder} already; going on with the others", quiet=quiet)
    if sweep.damaged:
        more = f", and {len(sweep.damaged) - 1} more," if len(sweep.damaged) > 1 else ""
        note(f"{sweep.damaged[0]}{more} can't be used; it is painted again, with the others of its part", quiet=quiet)
    try:
        progress = bars(quiet=quiet)
        with screen(progress, preview=sweep.watch) as draw:
            task = progress.add_task(f"{title}, {len(sweep.left)} units", total=sweep.total)
            for taken in sweep:
                progress.update(task, completed=taken)
                draw(sweep.run)
        sheet = sweep.write_sheet()
    except ENDS as stopped:
        return _swept_so_far(sweep, stopped)
    facts = {"folder": str(sweep.folder), "sheet": str(sheet), "units": dict(sweep.units)}
    tell(json.dumps(facts, indent=1) if as_json else sheet)
    return 0


def _swept_so_far(sweep: Sweep, stopped: BaseException) -> int:
    """Keep and say what is there of a sweep that was stopped. The exit code."""
    sweep.stopped = stopped
    with suppress(*ENDS):  # the disk is full, or somebody is in a hurry: what is there stays
        sweep.keep()
    if not sweep.there():
        raise unless_interrupted(sweep.network, stopped)
    on_the_way = f", and {len(sweep.unfinished)} more are unfinished" if sweep.unfinished else ""
    there = f"{len(sweep.done)} of {len(sweep.units)} are in {sweep.folder}{on_the_way}"
    _told_so_far(sweep.network, stopped, f"{there}; the same command goes on from there")
    return exit_code(stopped)


def filmed(filming: Filming, title: str, *, quiet: bool, as_json: bool) -> int:
    """Make a film frame by frame; frames that are there already are kept. The exit code."""
    if filming.found:
        note(f"{filming.found} of {len(filming)} frames are in {filming.folder} already", quiet=quiet)
    if filming.damaged is not None:
        note(f"{filming.damaged} can't be used; it is made again, with all frames behind it", quiet=quiet)
    try:
        with bars(quiet=quiet) as progress:
            task = progress.add_task(title, total=len(filming), completed=filming.found)
            begun = time.monotonic()
            for many in filming:
                pace = (time.monotonic() - begun) / max(1e-9, many - filming.found)
                progress.update(task, completed=many, description=f"{title}, {pace:.1f} s a frame")
        filming.write()
    except ENDS as stopped:
        return _filmed_so_far(filming, stopped)
    tell(json.dumps(filming.record, indent=1) if as_json else filming.film)
    return 0


def _filmed_so_far(filming: Filming, stopped: BaseException) -> int:
    """Make the film of what is there of one that was stopped, and say so. The exit code."""
    filming.stopped = stopped
    if not filming.done:
        raise unless_interrupted(filming.network, stopped)
    seen = ""
    with suppress(*ENDS):  # the disk is full, or somebody is in a hurry: the frames stay
        filming.write()
        seen = f" and in {filming.film}"
    there = f"{filming.done} of {len(filming)} frames are in {filming.folder}{seen}"
    _told_so_far(filming.network, stopped, f"{there}; the same command goes on from there")
    return exit_code(stopped)


def _told_so_far(network: str, stopped: BaseException, there: str) -> None:
    if isinstance(stopped, KeyboardInterrupt):
        note(f"interrupted: {there}")
    else:
        error(f"{failed(network, stopped)}; {there}")


def toured(tour: Tour, *, force: bool) -> int:
    """Say where the page is and, where something is missing on it, why. The exit code."""
    again = "the same command" + (" without --force" if force else "")
    there = f"{tour.there} of {tour.many} stops are in {tour.page}; {again} goes on from there"
    if tour.stopped is not None:
        _told_so_far(tour.network, tour.stopped, there)
    elif tour.failures:
        error(f"{next(iter(tour.failures))}; {there}")
    tell(tour.page)
    return exit_code(tour.stopped) or 2 * bool(tour.failures)


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Rows under heads, as wide as they need where nobody looks at a terminal."""
    drawn = Table(*heads, box=None, pad_edge=False)
    for row in rows:
        drawn.add_row(*map(escape, row))
    Console(file=results(), width=None if results().isatty() else 200).print(drawn)


def plans(every: Sequence[Candidate], fastest: Mapping[Purpose, Plan]) -> None:
    """What was measured of each way to run a network, the fastest first."""
    plain = every[0].median
    rows = [
        [
            str(one.plan), one.refused or f"{1000 * one.median:.1f} ms", f"{plain / one.median:.2f}",
            f"{one.apart:.0e}", ", ".join(p for p, plan in fastest.items() if plan == one.plan),
        ]
        for one in sorted(every, key=lambda one: one.median)
    ]  # fmt: skip
    table(["plan", "forward + backward", "times as fast", "apart", "fastest for"], rows)


def _tell(console: Console, result: Result) -> None:
    """The results in words."""
    if result.title:
        console.print(f"[bold]{escape(result.title)}[/]", highlight=False)
    numbers: dict[str, Any]
    for numbers in result.numbers[:1]:
        for answer in numbers.get("top", ()):
            number = f"{100 * answer['p']:6.2f} %" if "p" in answer else f"{answer['logit']:8.4g}"
            words = f"  {number}  {escape(answer['label'])} ({answer['class']})"
            console.print(words, highlight=False)
    for panels in list(result.panels)[:8]:
        for caption, _ in panels:
            words = escape(caption.replace("\n", ", "))
            console.print(f"  {words}", highlight=False, emoji=False)  # mixed3a:100: is a unit

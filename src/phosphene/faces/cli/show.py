"""What the command line says: results in words, tables, and one sentence for everything that goes wrong."""

import json
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from phosphene.core.errors import Mistake, Note
from phosphene.core.networks.plan import Plan, Purpose
from phosphene.core.paths import reason
from phosphene.core.results.results import Result
from phosphene.faces.cli.output import error, note, results, tell
from phosphene.faces.running.job import Done
from phosphene.faces.running.progress import bars
from phosphene.faces.running.sweep import Sweep
from phosphene.models.tuning import Candidate


@contextmanager
def guarded() -> Iterator[None]:
    """A user's mistake, a refusal by the system or by code that ends, is one sentence; an interruption is code 130."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always", Note)
            warnings.showwarning = _told
            yield
    except Mistake as mistake:
        error(str(mistake))
        raise typer.Exit(2) from mistake
    except BrokenPipeError:  # `phosphene layers | head`: click ends without a word
        raise
    except OSError as refused:
        where = f"{refused.filename} can't be read or written" if refused.filename else "the operating system refused"
        error(f"{where}: {reason(refused)}")
        raise typer.Exit(2) from refused
    except SystemExit as ended:  # the program itself leaves by typer.Exit
        if isinstance(ended.__context__, BrokenPipeError):  # rich, for the same reason
            raise
        error(f"the network's code ended the program (sys.exit({ended.code or 0!r}))")
        raise typer.Exit(2) from ended
    except MemoryError as shortage:
        error("there is not enough memory for this; make it smaller")
        raise typer.Exit(2) from shortage
    except KeyboardInterrupt as interruption:
        note("interrupted")
        raise typer.Exit(130) from interruption


def _told(message: Warning | str, category: type[Warning], *where: Any, **how: Any) -> None:
    """A line for what is worth knowing; Python's own warnings are for programmers."""
    if issubclass(category, Note):
        note(f"note: {message}")


def done(what: Done, *, quiet: bool, as_json: bool) -> int:
    """Say what came of a job, the picture's path last; the exit code."""
    console = Console(file=sys.stderr if as_json else results(), quiet=quiet, soft_wrap=True)
    _tell(console, what.result)
    for line in what.words:
        console.print(escape(line), highlight=False)
    if isinstance(what.stopped, KeyboardInterrupt):
        note("interrupted: this is the best so far")
    elif what.stopped is not None:
        error(f"{what.stopped}; kept the last good picture")
    for line in what.notes:
        note(line)
    if as_json:
        tell(json.dumps(what.written.record, indent=1))
        note(str(what.written.path))
    else:
        if what.film is not None:
            console.print(escape(str(what.film)), highlight=False)
        tell(what.written.path)
    if what.stopped is not None:
        return 130 if isinstance(what.stopped, KeyboardInterrupt) else 2
    return 2 if what.failed else 0


def swept(sweep: Sweep, title: str, *, quiet: bool, as_json: bool) -> int:
    """Make many pictures part by part into a folder; what is there already is kept. The exit code."""
    many, before = len(sweep.units), len(sweep.units) - len(sweep.left)
    if before:
        note(f"{before} of {many} are in {sweep.folder} already; going on with the others", quiet=quiet)
    try:
        with bars(quiet=quiet) as progress:
            task = progress.add_task(f"{title}, {len(sweep.left)} units", total=sweep.total)
            for taken in sweep:
                progress.update(task, completed=taken)
    except KeyboardInterrupt:
        there = len(sweep.there())
        note(f"interrupted: {there} of {many} are in {sweep.folder}; the same command goes on from there")
        return 130
    sheet = sweep.write_sheet()
    facts = {"folder": str(sweep.folder), "sheet": str(sheet), "units": dict(sweep.units)}
    tell(json.dumps(facts, indent=1) if as_json else sheet)
    return 0


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
            console.print(f"  {escape(caption)}", highlight=False, emoji=False)  # mixed3a:100: is a unit

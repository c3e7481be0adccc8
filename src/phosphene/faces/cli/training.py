"""What commands that train a network share: their files, a bar and a line for each epoch, and how they are stopped.

Beside the weights there is a checkpoint until the training has ended; with it the same command goes on.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console

from phosphene.core.errors import Mistake, exit_code, failed
from phosphene.core.optimization.training.loop import Loop
from phosphene.core.paths import given_path
from phosphene.core.saving import save
from phosphene.faces.cli.commands import Options
from phosphene.faces.cli.guard import Ended
from phosphene.faces.cli.output import error, escape, note
from phosphene.faces.running.claims import check_new
from phosphene.faces.running.progress import bars
from phosphene.faces.running.runner import ENDS
from phosphene.models.trained import ENDING


class Files(NamedTuple):
    """Where the weights go, and what the training goes on from.

    Attributes:
        goes_on: a checkpoint is there, and is not to be overwritten.
    """

    weights: Path
    checkpoint: Path
    goes_on: bool

    @classmethod
    def of(cls, options: Options) -> "Files":
        weights = given_path(options["out"], "weights")
        if weights.suffix != ENDING:
            raise Mistake(f"{weights.name} is no name for weights, which are kept as {ENDING}; give --out NAME{ENDING}")
        beside = options["checkpoint"]
        checkpoint = weights.with_suffix(".checkpoint") if beside is None else given_path(beside, "checkpoint")
        if checkpoint == weights:
            raise Mistake(f"{weights} can't be both the weights and the checkpoint; leave --checkpoint out")
        goes_on = checkpoint.is_file() and not options["force"]
        check_new([] if goes_on else [weights, checkpoint], force=options["force"])
        return cls(weights, checkpoint, goes_on)


def train(training: Loop[Any], files: Files, made: Callable[[], Mapping[Path, bytes]], *, quiet: bool) -> None:
    """Train to the end, from the checkpoint on if there is one, and write what it has made.

    Args:
        made: the best weights so far, as a file, and what stands beside it.
    Raises:
        Ended: it was stopped; what there is so far is kept and told.
    """
    if files.goes_on:
        training.resume(files.checkpoint)

    def keep() -> None:
        kept = {files.checkpoint: training.saved()}
        if training.best_epoch is not None:
            kept |= made()
        save(kept)

    try:
        _watched(training, keep, quiet=quiet)
        keep()
        files.checkpoint.unlink(missing_ok=True)
    except ENDS as stopped:
        if isinstance(stopped, KeyboardInterrupt):
            keep()
        _tell_stopped(training, stopped, files)
        raise Ended(exit_code(stopped)) from stopped


def _watched(training: Loop[Any], keep: Callable[[], None], *, quiet: bool) -> None:
    """Train to the end under a bar, with a line for each epoch, after which everything is kept."""
    with bars(quiet=quiet) as progress:
        console = Console(stderr=True, quiet=quiet, soft_wrap=True) if progress.disable else progress.console
        lines = [training.heads, *map(training.line, training.epochs)]
        if training.beginning:
            lines.insert(0, training.beginning)
        if training.taken:
            lines.insert(0, f"going on in epoch {min(len(training.epochs) + 1, len(training.sides))}")
        console.print("\n".join(lines), highlight=False)
        task = progress.add_task(f"train {training.name}", total=training.total, completed=training.taken)
        for ended in training:
            progress.update(task, completed=training.taken)
            if ended is not None:
                keep()
                said = [training.line(ended), escape(training.words)]
                console.print("\n".join(filter(None, said)), highlight=False)


def _tell_stopped(training: Loop[Any], stopped: BaseException, files: Files) -> None:
    best, again = training.best_epoch, "the same command goes on from there"
    there = f"{files.weights} holds the best so far, of epoch {best.number}; {again}" if best else again
    number = len(training.epochs) + 1
    at = f"in epoch {number} of {len(training.sides)}" if number <= len(training.sides) else "behind the last epoch"
    if isinstance(stopped, KeyboardInterrupt):
        note(f"interrupted {at}: {there}")
    else:
        error(f"{failed(training.name, stopped)}; it was {at}{f', and {there}' if best else ''}")

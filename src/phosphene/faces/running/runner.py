"""A recipe's work to its end, or to where it was stopped: the best so far is never lost."""

from dataclasses import dataclass

from phosphene.core.errors import Mistake
from phosphene.core.pictures.film import Film
from phosphene.core.results.results import Result, Run
from phosphene.faces.running.progress import bars


@dataclass(frozen=True)
class Outcome:
    """What came out, and why it was stopped, if it was."""

    result: Result
    stopped: BaseException | None = None


def finished(made: Result | Run, title: str, *, quiet: bool = False, film: Film | None = None) -> Outcome:
    """Run to the end under a bar with this title; every step goes into the film, if there is one.

    Raises:
        KeyboardInterrupt, Mistake: it was stopped, or failed, before there was any picture.
    """
    if not isinstance(made, Run):
        return Outcome(made)
    try:
        watch(made, title, quiet=quiet, film=film)
    except (KeyboardInterrupt, Mistake) as stopped:
        if made.last is None:
            raise
        return Outcome(made.so_far(), stopped)
    return Outcome(made.so_far())


def watch(run: Run, title: str, *, quiet: bool = False, film: Film | None = None) -> None:
    """Take every step."""
    with bars(quiet=quiet) as progress:
        task = progress.add_task(title, total=run.total)
        for step in run:
            if film is not None:
                film.add(step.index, run.shown(step))
            progress.update(task, completed=step.index)

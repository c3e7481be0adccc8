"""A recipe's work to its end, or to where it was stopped: the best so far is never lost."""

import traceback
from dataclasses import dataclass

from phosphene.core.errors import out_of_memory
from phosphene.core.pictures.film import Film
from phosphene.core.results.results import Result, Run
from phosphene.faces.running.progress import bars
from phosphene.faces.running.watching import Watched, screen

ENDS = (Exception, KeyboardInterrupt, SystemExit)
"""Whatever may end a run: a stranger's model raises anything, and may even end the program."""


@dataclass(frozen=True)
class Outcome:
    """What came out, and why it was stopped, if it was."""

    result: Result
    stopped: BaseException | None = None


def finished(
    made: Result | Run, title: str, *, quiet: bool = False, film: Film | None = None, watched: Watched | None = None
) -> Outcome:
    """Run to the end under a bar with this title; every step goes into the film, if there is one, some to be watched.

    Where what is said about a picture can't be had any more, as that needs the network too, the picture comes alone.

    Raises:
        BaseException: whatever stopped it before there was any picture.
    """
    if not isinstance(made, Run):
        return Outcome(made)
    stopped: BaseException | None = None
    try:
        watch(made, title, quiet=quiet, film=film, watched=watched)
    except ENDS as error:
        if made.last is None:
            raise
        stopped = _let_go(error)
    try:
        return Outcome(made.so_far(), stopped)
    except ENDS as error:
        stopped = stopped or _let_go(error)
    return Outcome(made.picture_alone(), stopped)


def _let_go(error: BaseException) -> BaseException:
    """The same error; one about memory holds on to what was in it no longer, as the picture is still to be written."""
    if out_of_memory(error):
        traceback.clear_frames(error.__traceback__)
    return error


def watch(
    run: Run, title: str, *, quiet: bool = False, film: Film | None = None, watched: Watched | None = None
) -> None:
    """Take every step."""
    progress = bars(quiet=quiet)
    with screen(progress, preview=watched is not None) as draw:
        task = progress.add_task(title, total=run.total)
        for step in run:
            if film is not None:
                film.add(step.index, run.shown(step))
            progress.update(task, completed=step.index)
            draw(run)
            if watched is not None:
                watched.look(run)

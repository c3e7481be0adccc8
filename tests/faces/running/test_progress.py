"""Bars: on a terminal, and nowhere else unless they are to stay."""

import io

from rich.console import Console

from phosphene.faces.running.progress import bars


def shown(terminal, **options):
    """What stands there after two of four steps."""
    console = Console(file=io.StringIO(), force_terminal=terminal, width=100)
    with bars(console, **options) as progress:
        task = progress.add_task("dream", total=4)
        progress.update(task, completed=2)
        progress.refresh()
    return console.file.getvalue()


def test_a_bar_says_what_is_done_and_how_far_it_is():
    assert "dream" in shown(True) and "2/4" in shown(True)


def test_a_bar_is_silent_in_a_pipe_or_where_that_is_asked_for():
    assert shown(False) == shown(True, quiet=True) == shown(False, quiet=True) == ""


def test_a_bar_that_stays_is_written_into_a_pipe_too():
    assert "2/4" in shown(False, stays=True)

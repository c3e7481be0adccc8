"""Bars: on a terminal, and nowhere else unless they are to stay."""

import io

from rich.console import Console

from phosphene.core.units.photographs import fed
from phosphene.faces.running import progress
from phosphene.faces.running.progress import bars, reading
from tests.small import convnet, levels


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


def read(monkeypatch, patience, terminal=True, **options):
    """What stood there while four photographs were read."""
    monkeypatch.setattr(progress, "PATIENCE", patience)
    console = Console(file=io.StringIO(), force_terminal=terminal, width=100)
    photos = [levels(1, 3, 16, 16, seed=i) for i in range(4)]
    with reading("exemplars", console, **options):
        assert len(list(fed(convnet(), photos, batch=2))) == 2
    return console.file.getvalue()


def test_photographs_that_take_long_have_a_bar_while_they_are_read(monkeypatch):
    assert "exemplars: photographs" in read(monkeypatch, -1.0)
    assert "photographs" not in read(monkeypatch, 60.0)
    assert read(monkeypatch, -1.0, terminal=False) == read(monkeypatch, -1.0, quiet=True) == ""

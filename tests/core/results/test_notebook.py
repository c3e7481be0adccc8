"""Notebooks: a run is drawn as it grows, seldom enough, and what was reached is never lost."""

import base64
import io

import IPython.display
import pytest
import torch
from PIL import Image

from phosphene.core.errors import Mistake
from phosphene.core.optimization.steps import Step
from phosphene.core.pictures.sheets import figure
from phosphene.core.results import notebook
from phosphene.core.results.results import Result, Run
from tests.small import levels


class Cell:
    """The output of one cell: what is shown at present, and all that was shown."""

    def __init__(self):
        self.shown = []

    def display(self, data, *, raw, display_id=None):
        assert raw
        assert not self.shown  # one output, drawn again and again
        self.shown.append(data)
        return self if display_id else None

    def update(self, data, *, raw):
        assert raw
        self.shown.append(data)


@pytest.fixture
def cell(monkeypatch):
    cell = Cell()
    monkeypatch.setattr(IPython.display, "display", cell.display)
    return cell


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until it is told otherwise."""

    class Clock:
        now = 100.0

        def monotonic(self):
            return self.now

    clock = Clock()
    monkeypatch.setattr(notebook, "time", clock)
    return clock


def result(step):
    n = len(step.pictures)
    return Result(step.pictures, [f"p{i}" for i in range(n)], [{} for _ in range(n)], title=f"after {step.index}")


def run(clock, steps, n=1, seconds=0.1, before=lambda index: None):
    """A run of which each step takes `seconds`; `before` is called first in each."""

    def path():
        for index in range(steps + 1):
            before(index)
            clock.now += seconds
            yield Step(index, levels(n, 3, 8, 10, seed=index), torch.full((n,), -float(index)))

    return Run(path(), total=steps, names=[f"p{i}" for i in range(n)], finish=result)


def opened(text):
    """The picture in what was shown."""
    return Image.open(io.BytesIO(base64.b64decode(text)))


def address(drawing):
    return drawing["text/html"].partition("base64,")[2].partition('"')[0]


def is_figure(data, expected):
    shown = opened(data["image/png"])
    return "text/html" not in data and shown.size == expected.size and shown.tobytes() == expected.tobytes()


def test_a_run_is_drawn_at_most_twice_a_second_and_ends_as_its_figure(cell, clock):
    run(clock, 100)._ipython_display_()
    first, *between, last = cell.shown
    assert first == {"text/plain": "step 0 of 100"}
    assert 15 < len(between) <= 20  # it takes ten seconds
    assert is_figure(last, figure([("p0", levels(1, 3, 8, 10, seed=100))], "after 100"))


def test_a_drawing_is_the_step_the_time_left_the_losses_and_the_picture(cell, clock):
    run(clock, 200, n=5, seconds=1)._ipython_display_()
    drawing = cell.shown[11]
    assert drawing["text/plain"] == "step 10 of 200, 3:29 left, loss -10  -10  -10  -10 ..."
    assert drawing["text/plain"] in drawing["text/html"]
    assert opened(address(drawing)).size == (3 * 10 + 2 * 2, 2 * 8 + 2)  # five in two rows
    assert f'width="{34 * 7}"' in drawing["text/html"]  # and each of its pixels is a square


def test_a_large_picture_is_scaled_down_for_the_drawing(clock):
    made = run(clock, 1)
    made.last = Step(0, torch.rand(1, 3, 900, 1800), torch.zeros(1))
    assert opened(address(notebook._drawing(made))).size == (640, 320)


@pytest.mark.parametrize("where", ["computing", "drawing"])
def test_an_interruption_keeps_the_best_so_far_and_ends_there(where, cell, clock, capsys, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    if where == "computing":
        made = run(clock, 100, before=lambda index: interrupt() if index == 8 else None)
    else:
        made = run(clock, 100)
        draw = notebook._drawing
        monkeypatch.setattr(notebook, "_drawing", lambda run, *left: interrupt() if left else draw(run))
    made._ipython_display_()
    reached = {"computing": 7, "drawing": 5}[where]
    assert capsys.readouterr().out == f"interrupted at step {reached} of 100: this is the best so far\n"
    assert made.result.title == f"after {reached}"  # asking for it does not go on
    assert is_figure(cell.shown[-1], made.result.figure())


def test_an_interruption_before_there_is_anything_is_an_interruption(cell, clock):
    def interrupt(index):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(clock, 100, before=interrupt)._ipython_display_()


def test_a_failure_on_the_way_is_told_under_the_last_good_picture(cell, clock):
    def fail(index):
        if index == 3:
            raise Mistake("the picture is not finite")

    made = run(clock, 100, before=fail)
    with pytest.raises(Mistake, match="not finite"):
        made._ipython_display_()
    assert is_figure(cell.shown[-1], figure([("p0", levels(1, 3, 8, 10, seed=2))], "after 2"))


def test_a_run_that_was_run_before_shows_its_figure(cell, clock):
    made = run(clock, 3)
    assert len(made.image) == 1
    made._ipython_display_()
    assert is_figure(cell.shown[-1], made.result.figure())
    assert clock.now == pytest.approx(100.4)


def test_a_result_shows_the_figures_of_all_its_pictures_in_one(cell):
    pictures = levels(3, 3, 8, 10)
    panels = [[(f"a{i}", pictures[i]), (f"b{i}", 1 - pictures[i])] for i in range(3)]
    Result(pictures, ["x", "y", "z"], [{}] * 3, panels, "three")._ipython_display_()
    assert is_figure(cell.shown[0], figure([panel for pair in panels for panel in pair], "three"))


def test_many_pictures_are_shown_smaller():
    def sheet(n):
        return Result(levels(n, 3, 8, 8), [str(i) for i in range(n)], [{}] * n).figures()

    assert sheet(16).width == sheet(40).width
    assert sheet(40).height < sheet(16).height


def test_its_bytes_are_still_those_of_the_pictures_alone():
    made = Result(levels(1, 3, 8, 10), ["x"], [{}], title="a title")
    with Image.open(io.BytesIO(made._repr_png_())) as picture:
        assert picture.size == (10, 8)

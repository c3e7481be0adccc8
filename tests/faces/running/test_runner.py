"""Work that is interrupted or fails on the way keeps the best so far."""

import json
import re
import weakref
from pathlib import Path

import pytest
import torch
from PIL import Image

from phosphene.core.errors import Mistake, Terminated
from phosphene.core.optimization.steps import Step
from phosphene.core.pictures.files import open_photo
from phosphene.core.results.results import Result, Run
from phosphene.faces.running.runner import finished
from tests.faces.commands import files, last


@pytest.fixture
def run(small):
    return small


class Stopper:
    """Something happens in the network after so many readings."""

    def __init__(self, monkeypatch, after, what, again=False):
        from phosphene.core.networks.network import Network

        self.left, read = after, Network.read

        def counted(network, *args, **kwargs):
            self.left -= 1
            if self.left == 0 or (again and self.left < 0):
                return what(read(network, *args, **kwargs))
            return read(network, *args, **kwargs)

        monkeypatch.setattr(Network, "read", counted)


def interrupt(_):
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("words", "key"),
    [
        (["visualize", "conv2:0", "--steps", 50], "steps"),
        (["dream", "cat.png", "--octaves", 1, "--steps", 50], "steps"),
        (["invert", "cat.png", "--steps", 50], "steps"),
        (["attack", "cat.png", "--steps", 50], "steps"),
        (
            [
                "attribute",
                "cat.png",
                "--method",
                "occlusion",
                "--window",
                2,
                "--stride",
                1,
                "--batch",
                1,
                "--no-incremental",
            ],
            "places",
        ),
    ],
)
def test_ctrl_c_keeps_the_best_so_far(words, key, run, monkeypatch):
    Stopper(monkeypatch, 6, interrupt)
    code, out, err = run(*words, "--out", "x.png")
    assert code == 130
    assert "interrupted: this is the best so far" in err
    assert last(out) == Path("x.png")
    assert open_photo("x.png").shape[1] == 3
    assert 0 < json.loads(Path("x.json").read_text())["numbers"][key] < 100


def test_ctrl_c_keeps_the_film_so_far(run, monkeypatch):
    Stopper(monkeypatch, 6, interrupt)
    words = ["invert", "cat.png", "--layer", "conv2", "--preset", "plain", "--steps", 50]
    code, _, _ = run(*words, "--out", "x.png", "--film", "way.gif")
    assert code == 130
    with Image.open("way.gif") as film:
        assert 2 <= film.n_frames < 10
    assert json.loads(Path("x.json").read_text())["outputs"][-1] == "way.gif"


def test_ctrl_c_before_anything_was_computed_is_exit_code_130(run, monkeypatch):
    Stopper(monkeypatch, 1, interrupt)
    code, out, err = run("visualize", "conv2:0")
    assert (code, out) == (130, "")
    assert err.strip() == "interrupted"
    assert files() == []


def test_nan_on_the_way_keeps_the_last_good_picture(run, monkeypatch):
    def broken(layers):
        return {name: y * float("nan") for name, y in layers.items()}

    Stopper(monkeypatch, 4, broken, again=True)
    code, out, err = run("visualize", "conv2:0", "--steps", 50, "--precision", "float32", "--out", "x.png")
    assert code == 2
    assert re.search(r"error: step 3: .* is not finite on own.py; kept the last good picture", err)
    assert last(out) == Path("x.png")
    assert json.loads(Path("x.json").read_text())["numbers"]["steps"] == 2


# ------------------------------------------------------------------------------------------ without a network


def run_that(ends, after=2, finish=None, names=("one", "two")):
    """A Run that takes some steps, and then raises this."""

    def steps():
        for index in range(after):
            yield Step(index, torch.full((2, 3, 8, 8), index / 10), torch.zeros(2))
        raise ends

    def result(step):
        return Result(step.pictures, list(names), [{"steps": step.index, "said": True}] * len(names))

    made = Run(steps(), total=9, names=names, finish=finish or result)
    made.recipe = {"recipe": "try"}
    return made


ENDS = [
    ValueError("no"), MemoryError(), torch.OutOfMemoryError("CUDA out of memory"), Mistake("nan"), KeyboardInterrupt(),
    Terminated(), SystemExit(0), OSError(28, "No space left on device"),
]  # fmt: skip


@pytest.mark.parametrize("ends", ENDS, ids=lambda ends: type(ends).__name__)
def test_whatever_ends_a_run_keeps_the_best_so_far_if_there_is_any(ends):
    outcome = finished(run_that(ends), "try", quiet=True)
    assert outcome.stopped is ends
    assert outcome.result.numbers[0] == {"steps": 1, "said": True}
    assert outcome.result.image.unique().tolist() == [torch.tensor(0.1)]
    with pytest.raises(type(ends)) as raised:
        finished(run_that(ends, after=0), "try", quiet=True)
    assert raised.value is ends


@pytest.mark.parametrize("ends", ENDS, ids=lambda ends: type(ends).__name__)
def test_a_picture_of_which_nothing_can_be_said_any_more_comes_alone(ends):
    def finish(step):
        raise ends

    for stopped in (ends, KeyboardInterrupt()):
        outcome = finished(run_that(stopped, finish=finish), "try", quiet=True)
        assert outcome.stopped is stopped
        assert (outcome.result.image.shape, outcome.result.names) == ((2, 3, 8, 8), ["one", "two"])
        assert outcome.result.numbers == [{"steps": 1}] * 2
        assert outcome.result.recipe == {"recipe": "try", "unfinished": True}
    sheet = finished(run_that(ends, finish=finish, names=["all"]), "try", quiet=True).result
    assert sheet.image.shape == (1, 3, 8, 18) and len(sheet.numbers) == 1


def test_what_fails_for_memory_lets_go_of_what_was_in_it():
    def steps():
        yield Step(0, torch.zeros(1, 3, 8, 8), torch.zeros(1))
        large = torch.zeros(8)
        alive.append(weakref.ref(large))
        raise MemoryError

    alive = []
    result = Result(torch.zeros(1, 3, 8, 8), ["one"], [{}])
    outcome = finished(Run(steps(), total=9, names=["one"], finish=lambda _: result), "try", quiet=True)
    assert isinstance(outcome.stopped, MemoryError) and alive[0]() is None

"""Work that is interrupted or fails on the way keeps the best so far."""

import json
import re
from pathlib import Path

import pytest
from PIL import Image

from phosphene.core.pictures.files import open_photo
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
    code, _, _ = run("invert", "cat.png", "--layer", "conv2", "--steps", 50, "--out", "x.png", "--film", "way.gif")
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

"""Whole layers: part by part, resumed where they were stopped, and never over another sweep's pictures."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import phosphene
from phosphene.core.errors import Mistake
from phosphene.faces.replay.replay import replay
from phosphene.faces.running import sweep as sweeping
from phosphene.faces.running.sweep import Sweep
from tests.small import SOURCE

UNITS = {f"conv2:{i}": f"conv2-{i}" for i in range(8)}
COMMAND = ["visualize", "conv2:all", "--net", "own.py", "--size", "16", "--steps", "2", "--out", "layer"]


@pytest.fixture(autouse=True)
def _parts_of_three(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("own.py").write_text(SOURCE)
    monkeypatch.setattr(sweeping, "PART", 3)


def sweep(calls=None, force=False, **options):
    network = phosphene.load("own.py")

    def begin(units):
        if calls is not None and len(units) > 1:
            calls.append(list(units))
        return phosphene.visualize(network, list(units), **({"size": 16, "steps": 2} | options))

    return Sweep(begin, UNITS, Path("layer"), force=force)


def test_every_unit_is_painted_three_at_a_time_and_put_on_a_sheet(run):
    code, out, _ = run(*COMMAND)
    assert code == 0
    assert out.strip() == str(Path("layer") / "contact.png")
    assert {p.stem for p in Path("layer").glob("*.png")} == {*UNITS.values(), "contact"}
    assert json.loads(Path("layer/conv2-7.json").read_text())["arguments"]["units"] == ["conv2:6", "conv2:7"]
    network = phosphene.load("own.py")
    alone = phosphene.visualize(network, ["conv2:6", "conv2:7"], size=16, steps=2)
    assert (np.asarray(Image.open("layer/conv2-7.png")) == np.asarray(alone.result.pil(1))).all()
    assert replay("layer/conv2-7.png", network).same


def test_a_stopped_sweep_goes_on_with_what_is_missing(run):
    steps = iter(sweep())
    for _ in range(4):  # the first part has three steps (0, 1, 2); it is written before the second begins
        next(steps)
    assert len(list(Path("layer").glob("conv2-*.png"))) == 3
    calls = []
    second = sweep(calls)
    assert second.left == [f"conv2:{i}" for i in range(3, 8)]
    assert second.total == 4
    assert list(second)[-1] <= second.total
    assert calls == [["conv2:3", "conv2:4", "conv2:5"], ["conv2:6", "conv2:7"]]
    code, _, err = run(*COMMAND)
    assert code == 0
    assert "8 of 8 are in layer already" in err
    assert sweep().total == 0


def test_pictures_of_another_sweep_are_never_taken_for_this_ones_nor_overwritten(run):
    list(sweep())
    with pytest.raises(Mistake, match="made in another way; give --force"):
        sweep(steps=3)
    assert len(sweep(steps=3, force=True).left) == 8
    code, _, err = run(*COMMAND, "--seed", 1)
    assert code == 2
    assert "made in another way" in err


def test_options_that_need_all_units_at_once_are_refused(run):
    code, _, err = run(*COMMAND, "--film", "way.gif")
    assert code == 2
    assert "for at most" in err

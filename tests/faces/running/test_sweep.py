"""Whole layers: part by part, resumed where they were stopped, and never over another sweep's pictures."""

import errno
import json
import os
import shutil
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import phosphene
from phosphene import catalogue
from phosphene.core import saving
from phosphene.core.errors import Mistake, Terminated
from phosphene.core.optimization.steps import Step
from phosphene.core.pictures.eight_bit import to_pil
from phosphene.core.pictures.files import read_text
from phosphene.core.pictures.writing import png_bytes
from phosphene.core.results.provenance import FORMAT
from phosphene.core.results.results import Result, Run
from phosphene.faces.cli import show
from phosphene.faces.replay.replay import replay
from phosphene.faces.running import sweep as sweeping
from phosphene.faces.running.job import Job, Output, _many
from phosphene.faces.running.session import Session
from phosphene.faces.running.sweep import Sweep
from tests.small import SOURCE, convnet, levels

UNITS = {f"conv2:{i}": f"conv2-{i}" for i in range(8)}
COMMAND = ["visualize", "conv2:all", "--net", "own.py", "--size", "16", "--steps", "2", "--out", "layer"]


@pytest.fixture(autouse=True)
def _parts_of_three(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("own.py").write_text(SOURCE)
    monkeypatch.setattr(sweeping, "PART", 3)
    monkeypatch.setattr(sweeping, "SHEET_SIDE", 240)


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


def test_a_sweep_that_is_watched_shows_the_part_that_is_in_the_making_and_is_the_same(run, monkeypatch):
    drawn = []

    @contextmanager
    def screen(progress, *, preview):
        assert preview
        yield lambda run: drawn.append((tuple(run.names), run.last.index))

    assert run(*COMMAND)[0] == 0
    before = {path.name: path.read_bytes() for path in Path("layer").iterdir()}
    shutil.rmtree("layer")
    monkeypatch.setattr(show, "screen", screen)
    assert run(*COMMAND, "--watch")[0] == 0
    parts = [("conv2-0", "conv2-1", "conv2-2"), ("conv2-3", "conv2-4", "conv2-5"), ("conv2-6", "conv2-7")]
    assert drawn == [(part, step) for part in parts for step in range(3)]
    assert {path.name: path.read_bytes() for path in Path("layer").iterdir()} == before


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


def test_a_layer_of_few_units_is_a_sweep_too(run, monkeypatch):
    monkeypatch.setattr(sweeping, "PART", 64)
    assert run(*COMMAND)[0] == 0
    assert {p.stem for p in Path("layer").glob("*.png")} == {*UNITS.values(), "contact"}
    assert "8 of 8 are in layer already" in run(*COMMAND)[2]


@pytest.mark.parametrize(
    ("units", "options", "output", "sweeps"),
    [
        (["conv2:all"], {}, {}, True),
        (["conv1:3", "conv2:all"], {}, {}, True),
        (["conv2:all@1,2"], {}, {}, True),
        (["conv2:0-7"], {}, {}, False),  # one picture of all of them
        (["fc:all"], {}, {}, True),
        (["conv2:all"], {"starts": 2}, {}, False),
        (["conv2:all"], {}, {"film": "way.gif"}, False),
        (["conv2:all"], {}, {"anonymous": True}, False),
    ],
)
def test_few_units_are_a_sweep_where_all_of_a_layer_are_asked_for(monkeypatch, units, options, output, sweeps):
    monkeypatch.setattr(sweeping, "PART", 64)
    asked = Session()
    asked.__dict__["network"] = convnet()
    job = Job(
        catalogue.row_of("visualize"), catalogue.recipe("visualize"), None, {"units": units, "size": 16} | options,
        asked, Output(**output),
    )  # fmt: skip
    assert bool(_many(job, job.given)) == sweeps


def test_options_that_need_all_units_at_once_are_refused(run):
    code, _, err = run(*COMMAND, "--film", "way.gif")
    assert code == 2
    assert "for at most" in err


# Sweeps of nothing, quickly


class Painter:
    """Paints units without a network: three steps, each another picture. It may raise in one of them."""

    def __init__(self, **record):
        self.record = {
            "format": FORMAT, "recipe": "visualize", "network": {"spec": "net.py", "sha256": "a"},
            "plan": {"picture": "x"}, "inputs": [], "seed": 0,
        } | record  # fmt: skip
        self.arguments = {"steps": 2}
        self.at, self.error, self.begun = None, None, []

    def begin(self, units):
        def steps():
            self.begun.append(list(units))
            for index in range(3):
                if (units[0], index) == self.at:
                    raise self.error
                yield Step(
                    index,
                    torch.cat([levels(1, 3, 8, 8, seed=int(unit[6:]) + index) for unit in units]),
                    torch.zeros(len(units)),
                )

        def finish(step):
            return Result(step.pictures, names, [{"unit": unit, "steps": step.index} for unit in units])

        names = [UNITS[unit] for unit in units]
        run = Run(steps(), total=2, names=names, finish=finish)
        run.recipe = self.record | {"arguments": self.arguments | {"units": list(units)}}
        return run

    def sweep(self, folder="layer", **options):
        return Sweep(self.begin, UNITS, Path(folder), **options)

    def swept(self, folder="layer", **options):
        return show.swept(self.sweep(folder, **options), "visualize", quiet=False, as_json=False)


def files(folder="layer"):
    return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed") / "whole"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sweeping, "PART", 3)
        patch.setattr(sweeping, "SHEET_SIDE", 240)
        assert Painter().swept(folder) == 0
    return folder


@pytest.fixture
def whole(undisturbed):
    """The files of a sweep that nobody disturbed; they are in the folder `whole`, too."""
    Path("whole").symlink_to(undisturbed)
    return files("whole")


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (KeyboardInterrupt(), 130, "interrupted: "),
        (Terminated(), 143, "interrupted: "),
        (
            RuntimeError("DefaultCPUAllocator: can't allocate memory"),
            2,
            "error: net.py fails: there is not enough memory; ",
        ),
        (MemoryError(), 2, "error: net.py fails: there is not enough memory; "),
        (ZeroDivisionError("by 0"), 2, "error: net.py fails: ZeroDivisionError: by 0; "),
        (Mistake("net.py fails: ValueError: boom"), 2, "error: net.py fails: ValueError: boom; "),
    ],
)
def test_a_part_that_is_stopped_is_kept_as_far_as_it_came_and_painted_again(whole, capsys, error, code, words):
    painter = Painter()
    painter.at, painter.error = ("conv2:3", 2), error
    assert painter.swept() == code
    err = capsys.readouterr().err
    assert words in err and err.count("\n") == 1
    assert "3 of 8 are in layer, and 3 more are unfinished; the same command goes on from there" in err
    assert set(files()) == {f"conv2-{i}{end}" for i in range(6) for end in (".png", ".json")} | {"contact.png"}
    record = json.loads(Path("layer/conv2-4.json").read_text())
    assert record["unfinished"] is True and record["numbers"]["steps"] == 1
    assert json.loads(read_text("layer/conv2-4.png")["phosphene"])["unfinished"] is True
    assert np.array_equal(Image.open("layer/conv2-4.png"), to_pil(levels(1, 3, 8, 8, seed=5)))
    second = Painter()
    assert second.swept() == 0
    assert "3 of 8 are in layer already" in capsys.readouterr().err
    assert second.begun == [["conv2:3", "conv2:4", "conv2:5"], ["conv2:6", "conv2:7"]]
    assert files() == whole


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ZeroDivisionError("by 0")])
def test_what_is_stopped_before_its_first_step_leaves_nothing(error):
    painter = Painter()
    painter.at, painter.error = ("conv2:0", 0), error
    with pytest.raises((KeyboardInterrupt, Mistake), match=r"^$|net.py fails: ZeroDivisionError: by 0"):
        painter.swept("new/layer")
    assert not Path("new").exists()


def test_where_the_network_can_say_nothing_about_a_part_its_pictures_are_kept_alone(whole, monkeypatch):
    painter = Painter()

    def no_words(run):
        if run.last.index == 2 or painter.at:
            painter.at = True
            raise ZeroDivisionError("by 0")
        return so_far(run)

    so_far = Run.so_far
    with monkeypatch.context() as patch:
        patch.setattr(Run, "so_far", no_words)
        assert painter.swept() == 2
    assert json.loads(Path("layer/conv2-1.json").read_text())["unfinished"] is True
    assert np.array_equal(Image.open("layer/conv2-1.png"), Image.open("whole/conv2-1.png"))
    assert Painter().swept() == 0
    assert files() == whole


def test_a_part_that_is_stopped_writes_over_no_picture_that_is_finished(whole):
    shutil.copytree("whole", "layer")
    Path("layer/conv2-4.png").unlink()
    painter = Painter()
    painter.at, painter.error = ("conv2:3", 1), KeyboardInterrupt()
    assert painter.swept() == 130
    changed = {name for name, data in files().items() if data != whole[name]}
    assert changed == {"conv2-4.png", "conv2-4.json", "contact.png"}
    assert Painter().swept() == 0
    assert files() == whole


def cut(data):
    return data[: len(data) // 2]


def repainted(data):
    """Other pixels under the same recipe."""
    image = Image.open(BytesIO(data))
    pixels = np.array(image)
    pixels[0, 0, 0] ^= 1
    return png_bytes(Image.fromarray(pixels), image.text)


@pytest.mark.parametrize("damage", [cut, repainted, lambda data: b""])
@pytest.mark.parametrize("name", ["conv2-4.png", "conv2-4.json", "contact.png"])
def test_what_is_damaged_is_painted_again(whole, capsys, name, damage):
    if damage is repainted and name.endswith("json"):
        return
    shutil.copytree("whole", "layer")
    Path("layer", name).write_bytes(damage(whole[name]))
    painter = Painter()
    assert painter.swept() == 0
    assert ("conv2-4.png can't be used; it is painted again" in capsys.readouterr().err) == (name != "contact.png")
    assert painter.begun == ([] if name == "contact.png" else [["conv2:3", "conv2:4", "conv2:5"]])
    assert files() == whole


FOREIGN = {
    "contact.png": png_bytes(levels(1, 3, 8, 8)), "conv2-7.png": png_bytes(levels(1, 3, 8, 8)),
    "conv2-5.json": b'{"mine": 1}', "conv2-6.json": b"mine", "conv2-3.png": b"", "conv2-0.json": b"[]",
}  # fmt: skip


@pytest.mark.parametrize("begun", [False, True])
@pytest.mark.parametrize("name", FOREIGN)
def test_what_is_in_the_folder_is_not_overwritten(name, begun):
    Path("layer").mkdir()
    if begun:
        painter = Painter()
        painter.at, painter.error = ("conv2:3", 1), KeyboardInterrupt()
        painter.swept()
    if begun and name in ("conv2-0.json", "conv2-3.png"):
        return  # an empty picture of its own is a damaged one, and a foreign record is the next line's
    Path("layer", name).write_bytes(FOREIGN[name])
    before, painter = files(), Painter()
    with pytest.raises(Mistake, match=f"{name} is there already and was made in another way; give --force"):
        painter.sweep()
    assert painter.begun == [] and files() == before
    assert Painter().swept(force=True) == 0


@pytest.mark.parametrize(
    "other",
    [
        {"network": {"spec": "net.py", "sha256": "b"}},
        {"plan": {"picture": "y"}},
        {"inputs": [{"sha256": "c"}]},
        {"recipe": "caricature"},
        {"arguments": {"steps": 3}},
    ],
)
@pytest.mark.parametrize("kept", ["*.png", "conv2-*.json", "contact.png"])
def test_a_sweep_of_another_network_plan_photograph_or_option_is_refused(whole, other, kept):
    Path("layer").mkdir()
    for path in Path("whole").glob(kept):
        shutil.copy(path, "layer")
    painter = Painter(**other)
    painter.arguments = other.get("arguments", painter.arguments)
    before = files()
    with pytest.raises(Mistake, match="made in another way; give --force"):
        painter.sweep()
    assert files() == before


@pytest.mark.parametrize("after", range(0, 20, 3))
def test_a_full_disk_leaves_what_is_there(whole, monkeypatch, capsys, after):
    written, write = [], Path.write_bytes

    def full(path, data):
        written.append(path)
        if len(written) > after:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        return write(path, data)

    with monkeypatch.context() as patch:
        patch.setattr(saving.Path, "write_bytes", full)
        if after < 6:
            with pytest.raises(Mistake, match="cannot be written: no space left"):
                Painter().swept()
        else:
            assert Painter().swept() == 2
            err = capsys.readouterr().err
            assert "cannot be written: no space left on device; " in err and err.count("\n") == 1
    kept = files() if Path("layer").exists() else {}
    assert len([name for name in kept if name.endswith("json")]) in (0, 3, 6, 8)
    assert Painter().swept() == 0
    assert files() == whole

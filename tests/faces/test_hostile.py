"""Whatever stops a command, and wherever: its pictures are a whole set, or nothing is new; old files stay as they were.

Every command that makes pictures is stopped in random passes of its network, by errors of the model, by shortage of
memory, by Ctrl-C and SIGTERM, and by a disk that is full at a random file.
"""

import errno
import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from functools import cache
from pathlib import Path
from random import Random

import numpy as np
import pytest
import torch
from PIL import Image

from phosphene import catalogue
from phosphene.core.results.signature import Input
from phosphene.faces.running.watching import Pace
from tests.small import SOURCE
from tests.zoo import test_interruptions as zoo

FILE = """
from tests.faces.test_hostile import trapped

def build():
    return trapped("convolutions")[1], {"size": 24}

def tokens():
    return trapped("transformer")[1], {"size": 24}
"""
CPU = "[enforce fail at alloc_cpu.cpp:117] . DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."
CUDA = "CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total capacity of 10.00 GiB."


def terminated():
    os.kill(os.getpid(), signal.SIGTERM)
    return AssertionError("SIGTERM came later")


KINDS = {
    "a model's error": lambda: ValueError("it stops here"),
    "a model's error, for good": lambda: ZeroDivisionError("it stops here"),
    "its end": lambda: SystemExit(0),
    "no memory": MemoryError,
    "no memory, says PyTorch": lambda: RuntimeError(CPU),
    "no memory on the device": lambda: torch.OutOfMemoryError(CUDA),
    "Ctrl-C": KeyboardInterrupt,
    "Ctrl-C, for good": KeyboardInterrupt,
    "SIGTERM": terminated,
}
"""What happens in a pass, and to every one from there on where it is for good."""

CODES = {"Ctrl-C": 130, "Ctrl-C, for good": 130, "SIGTERM": 143}


class Trap:
    """Counts passes and passes back, and springs in one of them, or from there on."""

    def __init__(self):
        self.set()

    def set(self, kind="", at=0):
        self.kind, self.at, self.count = kind, at, 0

    def met(self, *_):
        self.count += 1
        if self.kind and (self.count == self.at or (self.count > self.at and self.kind.endswith("for good"))):
            raise KINDS[self.kind]()


@cache
def trapped(make):
    torch.manual_seed(0)
    trap, body = Trap(), zoo.stirred(getattr(zoo, make)())
    body.b.register_forward_hook(trap.met)
    body.b.register_full_backward_hook(trap.met)
    model = zoo.Net(lambda m, x: m.body(x), body=body)
    model.decoders = zoo.decoders()
    return trap, model


@pytest.fixture
def here(tmp_path, monkeypatch):
    """In a folder with photographs and the network; its own folder for temporary files beside it."""
    for name in ("here", "temporary"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    Path("own.py").write_text(FILE)
    Path("photos").mkdir()
    for i in range(3):
        pixels = np.random.default_rng(i).integers(0, 256, (24, 24, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(f"photos/{i}.png")
    return tmp_path / "temporary"


def words(name):
    """A short command line of this recipe."""
    row, recipe = catalogue.row_of(name), catalogue.recipe(name)
    given = [row.command, *([f"--{row.choice}", name if row.prefix else row.method] if row.method else [])]
    for one in recipe.arguments:
        if isinstance(one, Input):
            given += [] if not one.required else ["photos"] if not one.one else ["photos/0.png"]
        elif one.required or one.name == "units" or (one.name == "only" and name == "gallery"):
            needed = zoo.NEEDED[one.name]
            values = needed if isinstance(needed, list) else [str(needed)]
            given += values if one.positional else [f"{one.flag}={value}" for value in values]
        elif one.name == "steps" or (one.name in zoo.SHORT and not one.setting):
            value = zoo.SHORT[one.name]
            given.append(f"{one.flag}={value if one.bounds.high > 1 else one.bounds.high}")
    factory = ":tokens" if name == "rollout" else ""
    return [*given, "--net", f"own.py{factory}", "--out", "out/"]


def contents(folder="out"):
    """Every file in a folder, hidden ones too, by name."""
    return {path.name: path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}


def assert_is_whole(files):
    """Every record's files are there, can be read, and there are no others."""
    records = [json.loads(data) for name, data in files.items() if name.endswith(".json")]
    assert records and set().union(*(record["outputs"] for record in records)) == set(files)
    for name, data in files.items():
        assert data[:4] == b"\x89PNG" if name.endswith(".png") else data


def stopped(run, line, kind, at, trap):
    """The command, to which this happens in its pass number `at`; its old files are told from new ones."""
    trap.set(kind, at)
    with warnings.catch_warnings(action="ignore"):
        code, out, err = run(*line)
    reached = trap.count >= at
    trap.set()
    assert "Traceback" not in err
    sentences = [said for said in err.splitlines() if said.startswith(("error: ", "interrupted"))]
    if code:
        assert reached and code == CODES.get(kind, 2) and len(sentences) == 1, err
        assert ("" if kind in CODES else "own.py") in sentences[0], err
        assert ("there is not enough memory" if "memory" in kind else "") in sentences[0]
    return code, out


def check(run, here, name, tries, *more):
    """Stop a command in random passes, over nothing and over old files."""
    random, line = Random(name), [*words(name), *more]
    trap, _ = trapped("transformer" if name == "rollout" else "convolutions")
    trap.set()
    assert run(*line)[0] == 0
    many, whole = trap.count, contents()
    assert_is_whole(whole)
    for kind, old in itertools.product(tries, ({}, dict.fromkeys(whole, b"old"))):
        for file in contents():
            Path("out", file).unlink()
        for file, data in old.items():
            Path("out", file).write_bytes(data)
        _, out = stopped(run, [*line, *(["--force"] if old else [])], kind, random.randint(1, many), trap)
        new = contents()
        if out:
            assert_is_whole({file: data for file, data in new.items() if data != b"old"})
        else:
            assert new == old, (name, kind)
    assert list(here.glob("phosphene-*")) == []


RECIPES = [zoo.FAMILIES.get(name, name) for name in catalogue.recipes()]


@pytest.mark.slow
@pytest.mark.parametrize("name", RECIPES)
def test_every_command_that_is_stopped_leaves_a_whole_set_or_what_was_there(name, run, here):
    check(run, here, name, [*KINDS, "a model's error", "Ctrl-C", "a model's error", "Ctrl-C"])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["visualize", "dream", "rise", "pgd"])
def test_a_command_that_is_watched_and_stopped_leaves_no_more_and_no_less(name, run, here, monkeypatch):
    monkeypatch.setattr(Pace, "due", True)
    check(
        run, here, name, ["a model's error", "a model's error, for good", "no memory", "Ctrl-C", "SIGTERM"], "--watch"
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", RECIPES)
def test_a_disk_that_is_full_at_any_file_leaves_the_old_ones(name, run, here, monkeypatch):
    line, random = words(name), Random(name)
    trap, _ = trapped("transformer" if name == "rollout" else "convolutions")
    trap.set()
    assert run(*line)[0] == 0
    whole = contents()
    old = dict.fromkeys(whole, b"old")
    for kind, at in itertools.product(("write_bytes", "replace"), sorted(random.sample(range(9), 5))):
        for file in contents():
            Path("out", file).write_bytes(b"old")
        with monkeypatch.context() as patch, warnings.catch_warnings(action="ignore"):
            fill(patch, kind, at % len(whole))
            code, out, err = run(*line, "--force")
        assert (code, contents()) == (2, old) and "Traceback" not in err and "no space left on device" in err
        elsewhere = Path(out.splitlines()[-1])
        elsewhere = elsewhere if elsewhere.is_dir() else elsewhere.parent
        assert elsewhere.parent == here
        assert_is_whole(contents(elsewhere))


def fill(patch, kind, at):
    """The disk is full when this file is written, or put in its place; another disk is not."""
    where = Path if kind == "write_bytes" else os
    does, calls = getattr(where, kind), itertools.count()

    def full(*given):
        if next(calls) == at:
            raise OSError(errno.ENOSPC, "No space left on device", str(given[0]))
        return does(*given)

    patch.setattr(where, kind, full)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["write_bytes", "replace"])
def test_where_no_disk_has_room_nothing_is_new(kind, run, here, monkeypatch):
    line = [*words("predict"), "--force"]
    assert run(*line)[0] == 0
    before = contents()

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device", "x")

    monkeypatch.setattr(Path, "home", lambda: here)
    monkeypatch.setattr(Path if kind == "write_bytes" else os, kind, full)
    code, out, err = run(*line)
    assert (code, out, err.count("\n")) == (2, "", 1) and "nowhere else either" in err
    assert contents() == before and list(here.glob("phosphene-*")) == []


def test_ctrl_c_while_files_are_written_waits_until_they_are_there(run, here, monkeypatch):
    write = Path.write_bytes

    def interrupted(path, data):
        signal.raise_signal(signal.SIGINT)
        return write(path, data)

    monkeypatch.setattr(Path, "write_bytes", interrupted)
    code, _, err = run(*words("predict"))
    assert code == 130 and err.startswith("interrupted")
    assert_is_whole(contents())


# ------------------------------------------------------------------------------------------------ real processes


@pytest.fixture
def started(here):
    """started("x.png") -> a process that paints into that file for long, and has begun."""
    Path("slow.py").write_text(
        f"{SOURCE}\nimport time\n\ndef slow():\n    model = Small()\n"
        "    model.register_forward_pre_hook(lambda *_: time.sleep(0.02))\n    return model, SPEC\n"
    )
    begin = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # the background has none
    begin += "from phosphene.faces.cli.main import main; main()"

    def start(*more):
        line = ["visualize", "conv2:0", "--steps", "2000", "--net", "slow.py:slow", "--out", "out/x.png", *more]
        pipe = subprocess.PIPE
        process = subprocess.Popen([sys.executable, "-c", begin, *line], stdout=pipe, stderr=pipe, text=True)
        every.append(process)
        return process

    every = []
    yield start
    for process in every:
        process.kill()
        process.communicate()


def wait_for(path):
    for _ in range(600):
        if Path(path).exists():
            return
        time.sleep(0.1)
    pytest.fail(f"there is no {path}")


@pytest.mark.slow
@pytest.mark.parametrize(("numbers", "code"), [(["SIGINT"], 130), (["SIGINT"] * 2, 130), (["SIGTERM"], 143)])
def test_of_two_processes_one_is_refused_and_the_other_interrupted_keeps_the_best_so_far(numbers, code, started):
    first = started()
    wait_for("out/.x.png.lock")
    second = started()
    assert second.communicate()[1].startswith("error: out/x.png is being made by another process")
    assert second.returncode == 2
    time.sleep(3)
    for name in numbers:
        first.send_signal(getattr(signal, name))
        time.sleep(0.05)
    out, err = first.communicate()
    assert (first.returncode, err.count("\n")) == (code, 1) and err.startswith("interrupted"), err
    new = contents()
    if out:
        assert_is_whole(new)
    else:
        assert new == {} and not Path("out").exists()


@pytest.mark.slow
def test_a_process_that_was_killed_does_not_keep_its_name(started, run):
    first = started()
    wait_for("out/.x.png.lock")
    first.kill()
    first.wait()
    assert run("predict", "photos/0.png", "--net", "slow.py", "--out", "out/x.png")[0] == 0
    assert_is_whole(contents())

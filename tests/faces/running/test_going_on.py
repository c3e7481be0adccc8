"""Work that was killed goes on at its last waypoint, to the same picture; and leaves nothing behind when it is done."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import phosphene
from phosphene.core.errors import Mistake
from phosphene.faces.running.kept import going_on
from tests.small import convnet, levels


def begun(seed=0, steps=2):
    return phosphene.stylize(
        convnet(), levels(3, 150, 200), [levels(3, 60, 60, seed=1)], size=200, preset="adam", steps=steps, seed=seed
    )


def killed(run):
    """Until the second size has begun."""
    for step in run:
        if max(step.pictures.shape[2:]) > 150:
            return


@pytest.mark.slow
def test_what_was_killed_goes_on_to_the_same_picture(tmp_path):
    file, whole = tmp_path / "new" / "it.unfinished.safetensors", begun().image
    run = begun()
    assert not going_on(run, file)
    killed(run)
    again = begun()
    assert going_on(again, file)
    first, *_ = again
    assert first.index == 2
    assert torch.equal(again.image, whole)


def test_what_was_made_in_another_way_or_by_others_is_left_alone(tmp_path):
    file = tmp_path / "it.unfinished.safetensors"
    run = begun()
    going_on(run, file)
    killed(run)
    with pytest.raises(Mistake, match="was made in another way; give --force"):
        going_on(begun(seed=1), file)
    file.write_bytes(b"somebody's own")
    with pytest.raises(Mistake, match="was made in another way; give --force"):
        going_on(begun(), file)
    assert file.read_bytes() == b"somebody's own"


def test_what_has_no_waypoints_keeps_nothing(tmp_path):
    run = phosphene.dream(convnet(), levels(3, 40, 40), octaves=2, steps=1)
    assert not going_on(run, tmp_path / "it") and run.image is not None
    assert not list(tmp_path.iterdir())


WORDS = ("stylize", "cat.png", "cat.png", "--net", "own.py", "--size", "400", "--steps", "12", "--preset", "adam")


@pytest.mark.slow
def test_a_command_that_is_killed_goes_on_when_it_is_typed_again_and_leaves_nothing_behind(here, run):
    kept = Path("killed.unfinished.safetensors")
    alike = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}  # sums are added up in the same order
    words = [sys.executable, "-m", "phosphene", *WORDS, "--out", "killed.png", "--quiet"]
    process = subprocess.Popen(words, env=alike)
    while not kept.exists() and process.poll() is None:
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert kept.exists() and not Path("killed.png").exists()
    code, _, err = run(*WORDS, "--out", "killed.png")
    assert code == 0 and "it goes on where it was stopped" in err
    assert run(*WORDS, "--out", "whole.png")[0] == 0
    assert np.array_equal(Image.open("killed.png"), Image.open("whole.png"))
    assert not list(Path().glob("*.unfinished.*"))

"""`phosphene evaluate`, as it is typed: its files, what was stopped, and what can't be done."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from phosphene.adversarial.evaluation import store
from phosphene.adversarial.evaluation.evidence import Check
from phosphene.faces.cli import evaluate
from phosphene.models.specs import load
from tests.faces.commands import files, is_one_sentence
from tests.small import levels

WORDS = ["evaluate", "--data", "six.npz", "--attacks", "pgd", "--curve", "none", "--batch", 4]


@pytest.fixture
def data(small, monkeypatch):
    """Six pictures, all but the last of the class that the network says; nothing is checked."""
    x = levels(6, 3, 16, 16)
    y = load("own.py", device="cpu").read(x, ["logits"])["logits"].argmax(1)
    y[5] = (y[5] + 1) % 4
    np.savez("six.npz", X=(x * 255).round().byte().permute(0, 2, 3, 1).numpy(), y=y.numpy())
    monkeypatch.setattr(evaluate, "judged", lambda evaluation: iter([Check("self-test", "pass", "it finds them")]))
    return small


def inside(folder):
    return {file.name: file.read_bytes() for file in Path(folder).iterdir() if file.is_file()}


@pytest.mark.slow
def test_the_folder_has_every_file_and_the_last_lines_are_the_verdict_and_the_page(data):
    code, out, err = data(*WORDS, "--eps", "1/255,8/255")
    assert code == 0 and err == ""
    *_, verdict, path = out.splitlines()
    assert path == "evaluate-own-py/index.html"
    assert verdict.startswith("robust accuracy ") and "1 of 1 checks pass" in verdict
    assert out.startswith("accuracy 83.3 % [43.6, 97.0] without any attack, ")
    names = ["images.csv", "index.html", "summary.json", "worst-linf-1-255.npy", "worst-linf-8-255.npy"]
    assert sorted(inside("evaluate-own-py")) == names
    assert np.load("evaluate-own-py/worst-linf-8-255.npy").shape == (6, 3, 16, 16)


def test_json_is_the_summary(data):
    code, out, _ = data(*WORDS, "--eps", "8/255", "--json", "--out", "there", "--limit", 4)
    said = json.loads(out)
    assert code == 0 and said.pop("page") == "there/index.html"
    assert said == json.loads(Path("there/summary.json").read_text()) and said["clean"]["of"] == 4


@pytest.mark.slow
def test_stopped_by_ctrl_c_it_says_how_to_go_on_and_comes_to_the_same_bytes(data, monkeypatch):
    words = [*WORDS, "--eps", "1/255,8/255", "--out"]
    assert data(*words, "whole")[0] == 0
    put, ended = store.Folder.put, []

    def interrupted(self, name, part):
        put(self, name, part)
        if len(ended) < 5:
            ended.append(name)
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(store.Folder, "put", interrupted)
    for many in range(1, 6):
        code, out, err = data(*words, "stopped")
        assert code == 130 and out == ""
        assert f"interrupted: {many} parts are in stopped; the same command goes on from there" in err
    code, out, err = data(*words, "stopped")
    assert code == 0 and "5 parts are in stopped already" in err
    assert inside("stopped") == inside("whole")


@pytest.mark.slow
def test_two_batch_sizes_have_the_same_bytes_in_float64(data):
    for batch in ("1", "1024"):
        assert data(*WORDS[:-2], "--precision", "float64", "--batch", batch, "--out", batch)[0] == 0
    assert inside("1") == inside("1024")


@pytest.mark.slow
def test_what_is_there_is_not_written_over(data):
    assert data(*WORDS, "--out", "there", "--quiet")[1] == "there/index.html\n"
    before = inside("there")
    assert "there/index.html is there already" in is_one_sentence(*data(*WORDS, "--out", "there"))
    assert inside("there") == before
    assert data(*WORDS, "--out", "there", "--force")[0] == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["evaluate"], "evaluate needs --data"),
        ([*WORDS, "--eps", "2/255,x"], "'x' is not a valid value for eps: it must be a number"),
        ([*WORDS, "--eps", "0"], "0 is not a valid value for eps"),
        ([*WORDS, "--norm", "l3"], "'l3' is not a valid value for norm"),
        ([*WORDS[:3], "--attacks", "standart"], "no attack 'standart'; did you mean 'standard'?"),
        ([*WORDS, "--curve", "pgd"], "pgd does not look for the smallest change"),
        ([*WORDS, "--bpda", "conv9"], "there is no module 'conv9' to be passed straight; did you mean 'conv"),
        (["evaluate", "--data", "nothing.npz", "--curve", "none"], "there is no file nothing.npz"),
    ],
)
def test_what_can_not_be_done_is_one_sentence_and_leaves_nothing(data, words, said):
    assert said in is_one_sentence(*data(*words))
    assert files() == ["six.npz"]


def test_a_label_that_is_no_class_is_told(data):
    np.savez("six.npz", X=np.zeros((2, 16, 16, 3), np.uint8), y=np.array([0, 9]))
    assert "picture 1 is of class 9, and own.py has 0 to 3" in is_one_sentence(*data(*WORDS))


@pytest.mark.slow
def test_the_command_on_the_page_makes_it_again(data):
    assert data(*WORDS, "--eps", "8/255", "--seed", 3, "--out", "there")[0] == 0
    again = Path("there/index.html").read_text().rpartition("<code>")[2].partition("</code>")[0].split()
    assert again[:2] == ["phosphene", "evaluate"] and "--seed" in again and "--out" not in again
    assert data(*again[1:], "--out", "again", net="")[0] == 0
    assert inside("again") == inside("there")


@pytest.mark.slow
def test_killed_at_five_random_points_it_comes_to_the_same_bytes(data):
    """A process that is killed can't tidy up its locks; it may be killed before it has begun, or end before that."""
    words = [*WORDS[:3], "--attacks", "pgd,a3", "--curve", "none", "--batch", "1", "--net", "own.py", "--out"]
    line = [sys.executable, "-m", "phosphene", *words]
    began = time.monotonic()
    subprocess.run([*line, "whole"], check=True, capture_output=True)
    took = time.monotonic() - began
    for share in random.Random(0).sample(range(30, 100), 5):
        running = subprocess.Popen([*line, "killed"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            running.wait(took * share / 100)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()
    if not Path("killed/index.html").exists():
        subprocess.run([*line, "killed"], check=True, capture_output=True)
    assert {name: data for name, data in inside("killed").items() if name[0] != "."} == inside("whole")

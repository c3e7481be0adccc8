"""The command `index`: what it says, and that it goes on however it was ended."""

import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest

from phosphene.core.index.index import Index
from phosphene.faces.cli import index as command
from tests.dataset.asked import contents
from tests.small_index import small_pictures

WORDS = ["--net", "embedded:digits", "--layer", "conv1", "--layer", "conv3", "--shard", "8", "--batch", "4"]


@pytest.fixture
def photos(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    small_pictures(tmp_path / "photos", 20)
    return tmp_path / "photos"


@pytest.mark.slow
def test_a_folder_becomes_an_index(run, photos, tmp_path):
    (photos / "1" / "broken.png").write_bytes(b"hello there")
    code, out, err = run("index", "photos", *WORDS)
    assert code == 0
    summary, path = out.strip().splitlines()
    assert summary.startswith("20 images, 2 layers, 80 units, ") and "1 file not read" in summary
    assert "images/s" in summary and path == "photos.index"
    assert "not read: " in err and "broken.png is not a picture that can be read: it begins with text" in err
    index = Index.open(tmp_path / path)
    assert index.layers == ["conv1", "conv3"] and index.network_spec == "embedded:digits"
    assert [one.id for one in index.broken] == ["1/broken.png"]

    code, out, err = run("index", "photos", *WORDS)
    assert (code, out) == (2, "") and "is there already; give --force to make it anew" in err


@pytest.mark.slow
def test_json_has_it_all(run, photos):
    code, out, _ = run("index", "photos", *WORDS, "--limit", 8, "--out", "x", "--json", "--quiet")
    found = json.loads(out)
    assert code == 0 and (found["images"], found["broken"], found["given"]) == (8, 0, 8)
    assert set(found["layers"]) == {"conv1", "conv3"} and found["bytes"] > 1000 and found["not read"] == []


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["none"], "none can't be read: there is no such file"),
        (["empty"], "there is no picture in empty, and no .tar archive"),
        (["photos", "--layer", "conv9"], "no layer 'conv9'; did you mean 'conv1'"),
        (["photos", "--count", "0"], "0 is not a valid value for count"),
        (["photos", "--out", "photos"], "photos is a folder with other things in it, and no index"),
    ],
)
def test_what_makes_no_sense_is_one_sentence(run, photos, tmp_path, words, sentence):
    (tmp_path / "empty").mkdir()
    code, out, err = run("index", *words, "--net", "embedded:digits")
    assert (code, out) == (2, "") and sentence in err and len(err.strip().splitlines()) == 1
    assert not list(tmp_path.glob("*.index"))


@pytest.mark.slow
def test_an_interruption_keeps_what_is_finished_and_says_how_to_go_on(run, photos, tmp_path, monkeypatch):
    whole = run("index", "photos", *WORDS, "--out", "whole", "--quiet")
    assert whole[0] == 0

    def stopped(folder, engine):
        for number in real(folder, engine):
            yield number
            raise KeyboardInterrupt

    real = command.run
    monkeypatch.setattr(command, "run", stopped)
    code, out, err = run("index", "photos", *WORDS, "--out", "half")
    assert (code, out) == (130, "")
    assert "interrupted: 8 of 20 pictures are in half; the same command goes on from there" in err
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    code, out, err = run("index", "photos", *WORDS, "--out", "half")
    assert code == 0 and "8 of 20 pictures are in half already; going on" in err
    assert contents(tmp_path / "half") == contents(tmp_path / "whole")


@pytest.mark.slow
def test_whatever_kills_it_the_resumed_index_has_the_same_bytes(tmp_path):
    small_pictures(tmp_path / "photos", 600)
    words = [sys.executable, "-m", "phosphene", "index", "photos", "--net", "embedded:photo", "--layer", "mixed3a",
             "--layer", "mixed4b", "--shard", "4", "--batch", "4", "--workers", "1", "--quiet", "--out"]  # fmt: skip
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run([*words, "whole"], cwd=tmp_path, env=environment, check=True, capture_output=True)
    chance, kills = random.Random(0), 0
    while kills < 10:
        process = subprocess.Popen([*words, "half"], cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL)
        shards = tmp_path / "half" / "shards"
        there = len(list(shards.glob("0*"))) if shards.exists() else 0
        while process.poll() is None and (len(list(shards.glob("0*"))) if shards.exists() else 0) < there + 1:
            time.sleep(0.01)  # until it is at work, wherever it goes on
        time.sleep(chance.uniform(0, 0.1))
        process.send_signal(signal.SIGINT if kills % 5 == 4 else signal.SIGKILL)
        process.wait()
        kills += 1
        if (tmp_path / "half" / "index.json").exists():
            break
    if not (tmp_path / "half" / "index.json").exists():
        subprocess.run([*words, "half"], cwd=tmp_path, env=environment, check=True, capture_output=True)
    assert kills == 10
    assert contents(tmp_path / "half") == contents(tmp_path / "whole")

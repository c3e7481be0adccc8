"""`train-dream`: it learns an album, goes on where it was stopped, and its file is a network that names nobody."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from phosphene.dreaming import album
from phosphene.models import embedded
from phosphene.models.trained import trained_record
from tests.adversarial.tiny import Tiny, tiny
from tests.dreaming.stripes import stripes
from tests.faces.cli.test_train import stopping
from tests.faces.commands import is_one_sentence, last


@pytest.fixture(autouse=True)
def _album(here):
    """Upright stripes and stripes across, in two folders."""
    for index in range(24):
        folder = Path("my summer", "across" if index % 2 else "upright")
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(stripes(index % 2 == 1, index, 32)).save(folder / f"secret {index}.png")


@pytest.fixture
def quick(monkeypatch):
    """The embedded network is a tiny one that has learnt nothing."""
    tiny(monkeypatch)

    def untaught(name):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            return Tiny(), embedded.embedded(name)[1]

    monkeypatch.setattr(album, "embedded", untaught)


WORDS = ["train-dream", "my summer", "--epochs", 2]


def left():
    return sorted(p.name for p in Path().iterdir() if p.name not in ("own.py", "cat.png", "my summer"))


@pytest.mark.slow
def test_the_weights_are_a_network_whose_classes_are_the_folders(run, quick):
    code, out, err = run(*WORDS)
    assert code == 0, err
    assert left() == ["album.safetensors"] and last(out) == Path("album.safetensors")
    words, usage, _ = out.splitlines()
    assert words.startswith("of 6 pictures that were held out, ") and "before the training" in words
    assert words.endswith("50.0 % by always saying the largest class")
    assert usage == "use: phosphene dream PHOTO --layer mixed5a --net album.safetensors"
    said = err.splitlines()
    assert said[0] == "24 pictures are few for 2 classes; of 20 or more each, dreams show more"
    assert said[1].split() == ["epoch", "px", "loss", "trained", "clean", "time"]
    assert [line.split()[0] for line in said[2:]] == ["1", "2"]
    record = trained_record(Path("album.safetensors"))
    assert record["labels"] == ["across", "upright"] and record["input_size"] == 64
    assert {"before", "clean", "pictures", "held out", "always the largest class"} <= set(record["training"])
    code, out, err = run("predict", "cat.png", "--net", "album.safetensors")
    assert code == 0 and {"across", "upright"} & set(out.split()), err


@pytest.mark.slow
def test_a_picture_of_a_small_class_is_counted_once(run, quick):
    for index in range(100, 130):
        Image.fromarray(stripes(False, index, 32)).save(f"my summer/upright/{index}.png")
    code, out, err = run(*WORDS, "--json")
    assert code == 0, err
    found = json.loads(out)
    assert found["classes"] == {"across": 12, "upright": 42} and found["pictures"] + found["held out"] == 54
    assert trained_record(Path("album.safetensors"))["training"]["pictures"] == found["pictures"]


def test_nothing_in_the_files_says_what_pictures_are_called_or_where_they_are(run, quick, monkeypatch):
    with monkeypatch.context() as patch:
        stopping(patch, 5, KeyboardInterrupt())
        assert run(*WORDS, "--batch", 4)[0] == 130
    kept = Path("album.safetensors").read_bytes() + Path("album.checkpoint").read_bytes()
    for name in (b"secret", b"my summer", str(Path.cwd()).encode()):
        assert name not in kept
    assert b"upright" in kept


@pytest.mark.slow
@pytest.mark.parametrize("at", [3, 5])
def test_stopped_anywhere_the_same_command_ends_in_the_same_bytes(run, quick, monkeypatch, at):
    words = [*WORDS, "--batch", 4]
    assert run(*words, "--out", "whole.safetensors")[0] == 0
    with monkeypatch.context() as patch:
        stopping(patch, at, KeyboardInterrupt())
        code, out, err = run(*words)
    assert (code, out) == (130, "") and "the same command goes on from there" in err.splitlines()[-1]
    assert ("album.safetensors" in left()) == (at > 4), "the best so far is that of an epoch that has ended"
    code, out, err = run(*words)
    assert code == 0 and left() == ["album.safetensors", "whole.safetensors"]
    assert Path("album.safetensors").read_bytes() == Path("whole.safetensors").read_bytes()


@pytest.mark.slow
def test_a_training_of_another_album_is_not_gone_on_from(run, quick, monkeypatch):
    with monkeypatch.context() as patch:
        stopping(patch, 1, KeyboardInterrupt())
        run(*WORDS)
    Path("my summer/upright/secret 0.png").unlink()
    said = is_one_sentence(*run(*WORDS, "--quiet"))
    assert said.startswith("album.checkpoint belongs to another training: the network is another one; give --force")
    assert run(*WORDS, "--force")[0] == 0


def test_clusters_are_listed_with_their_pictures_where_they_are_asked_for(run, quick):
    code, out, err = run(*WORDS, "--clusters", 2, "--json")
    assert code == 0, err
    found = json.loads(out)
    assert found["use"] == "--net album.safetensors" and set(found["classes"]) == {"cluster 1", "cluster 2"}
    files = [f"{'across' if i % 2 else 'upright'}/secret {i}.png" for i in range(24)]
    assert sorted(file for members in found["files"].values() for file in members) == sorted(files)
    assert [one["number"] for one in found["epochs"]] == [1, 2] and found["after"] == found["epochs"][-1]["clean"]


@pytest.mark.slow
def test_what_is_left_out_is_named_and_quiet_says_the_file_alone(run, quick):
    Path("my summer/upright/torn.jpg").write_bytes(b"\xff\xd8\xff nothing more")
    assert "left out: my summer/upright/torn.jpg is not a picture" in run(*WORDS)[2].splitlines()[0]
    assert run(*WORDS, "--quiet", "--force") == (0, "album.safetensors\n", "")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--out", "album.pt"], "album.pt is no name for weights"),
        (["--clusters", "1"], "1 is not a valid value for clusters"),
        (["--rate", "0"], "0 is not a valid value for rate"),
        (["--device", "abacus"], "device 'abacus' is not here"),
    ],
)
def test_what_makes_no_sense_is_one_sentence(words, said, run, quick):
    assert said in is_one_sentence(*run("train-dream", "my summer", "--quiet", *words))
    assert left() == []


def test_a_folder_without_pictures_is_one_sentence(run, quick):
    Path("nothing").mkdir()
    said = "nothing has no pictures that can be used, and 4 or more are needed"
    assert is_one_sentence(*run("train-dream", "nothing")) == said
    assert left() == ["nothing"]


@pytest.mark.slow
def test_the_embedded_network_learns_an_album_and_dreams_otherwise(run):
    code, out, err = run(*WORDS, "--epochs", 6)
    assert code == 0 and out.startswith("of 6 pictures that were held out, 100.0 % are named rightly"), err
    for seed, name in ((101, "across"), (102, "upright")):
        Image.fromarray(stripes(name == "across", seed, 64)).save("new.png")
        code, out, err = run("predict", "new.png", "--net", "album.safetensors", "--force")
        assert name in out.splitlines()[0]
    pictures = []
    for net in ("embedded:photo", "album.safetensors"):
        words = ["--layer", "mixed5a", "--octaves", 1, "--steps", 4, "--net", net, "--out", "dream.png", "--force"]
        assert run("dream", "cat.png", *words)[0] == 0
        pictures.append(np.asarray(Image.open("dream.png")).astype(int))
    assert np.abs(pictures[0] - pictures[1]).mean() > 2

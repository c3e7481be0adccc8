"""`train-robust`: its files, how it goes on, and what is wrong with what it is given."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from phosphene.adversarial import training_steps
from phosphene.adversarial.training import Training
from phosphene.core.errors import Terminated
from phosphene.models.trained import trained_record
from tests.adversarial.tiny import tiny
from tests.faces.commands import files, is_one_sentence, last

OWN = ["train-robust", "data.npz", "--net", "own.py", "--epochs", 2, "--batch", 8]


@pytest.fixture(autouse=True)
def _data(here, monkeypatch):
    """Pictures of four classes, beside the network that tells four apart; the attack that measures takes 2 steps."""
    monkeypatch.setattr(training_steps, "STEPS", 2)
    pictures = np.random.default_rng(0).integers(0, 256, (24, 16, 16, 3), dtype=np.uint8)
    np.savez("data.npz", X=pictures, y=np.arange(24) % 4)


def left():
    return [name for name in files() if name != "data.npz"]


def test_the_weights_are_written_and_the_last_line_but_one_says_how_to_use_them(run):
    code, out, err = run(*OWN)
    assert code == 0, err
    assert left() == ["robust.safetensors"] and last(out) == Path("robust.safetensors")
    assert out.splitlines()[0].startswith("kept: epoch ") and "under PGD-20 at 4/255" in out
    assert err.splitlines()[0].split() == ["epoch", "px", "loss", "trained", "clean", "PGD-20", "time"]
    assert [line.split()[0] for line in err.splitlines()[1:]] == ["1", "2"]
    usage = out.splitlines()[-2].removeprefix("use: phosphene predict PHOTO ")
    assert usage == "--net own.py --weights robust.safetensors"
    code, out, err = run("predict", "cat.png", *usage.split())
    assert code == 0, err


@pytest.mark.slow
def test_json_is_all_that_is_printed_and_quiet_says_the_file_alone(run):
    code, out, err = run(*OWN, "--json", "--eps", "2/255")
    assert code == 0, err
    found = json.loads(out)
    assert found["use"] == "--net own.py --weights robust.safetensors" and found["eps"] == 2 / 255
    assert [one["number"] for one in found["epochs"]] == [1, 2] and found["kept epoch"] in (1, 2)
    code, out, err = run(*OWN, "--quiet", "--force")
    assert (code, out, err) == (0, "robust.safetensors\n", "")


def test_two_halves_are_trained_on_apart(run, monkeypatch):
    tiny(monkeypatch)
    pictures, learned = {}, {}
    began = Training.__init__

    def noted(self, network, examples, held, course, seed, part):
        learned[str(part)] = network.model.classifier.weight.detach().clone()
        pictures[str(part)] = {one.numpy().tobytes() for one in (*examples.pictures, *held.pictures)}
        began(self, network, examples, held, course, seed, part)

    monkeypatch.setattr(Training, "__init__", noted)
    for part in ("1/2", "2/2"):
        file = f"{part[0]}.safetensors"
        words = ["train-robust", "data.npz", "--epochs", 1, "--size", 32, "--part", part, "--out", file]
        code, _, err = run(*words)
        assert code == 0 and err.splitlines()[0] == f"part {part}: 8 pictures to train on, 4 held out", err
        record = trained_record(Path(file))["training"]
        assert (record["part"], record["pictures"], record["held out"]) == (part, 8, 4)
    one, two = pictures.values()
    assert len(one) == len(two) == 12 and not one & two
    assert not torch.equal(*learned.values()), "they begin with weights of their own"


@pytest.mark.slow
def test_a_half_that_was_stopped_goes_on_as_that_half_and_as_no_other(run, monkeypatch):
    words = [*OWN, "--part", "1/2", "--batch", 4]
    assert run(*words, "--out", "whole.safetensors")[0] == 0
    with monkeypatch.context() as patch:
        stopping(patch, 3, KeyboardInterrupt())
        run(*words)
    assert is_one_sentence(*run(*words, "--part", "2/2")).startswith(
        "robust.checkpoint belongs to another training: part is 1/2 there, and 2/2 now; give --force to begin anew"
    )
    code, out, err = run(*words, "--json")
    assert code == 0 and err.splitlines()[0].startswith("going on in epoch 2"), err
    assert json.loads(out)["part"] == "1/2" and json.loads(out)["pictures"] == 8
    assert Path("robust.safetensors").read_bytes() == Path("whole.safetensors").read_bytes()


def new_network(run):
    """A new network is trained on two folders, and what it sees is said by its file alone."""
    for index, name in enumerate(["stone", "cloud"] * 4):
        Path("photos", name).mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(index).integers(0, 256, (20, 30, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(f"photos/{name}/{index}.png")
    code, out, err = run("train-robust", "photos", "--epochs", 1, "--size", 32, "--out", "some where/mine.safetensors")
    assert code == 0, err
    assert out.splitlines()[-2] == "use: phosphene predict PHOTO --net 'some where/mine.safetensors'"
    assert trained_record(Path("some where/mine.safetensors"))["labels"] == ["cloud", "stone"]
    code, out, err = run("predict", "cat.png", "--net", "some where/mine.safetensors")
    assert code == 0 and {"cloud", "stone"} & set(out.split()), err
    assert json.loads(last(out).with_suffix(".json").read_text())["network"]["spec"] == "mine.safetensors"


def test_without_a_network_a_new_one_is_trained_whose_file_is_enough(run, monkeypatch):
    tiny(monkeypatch)
    new_network(run)


@pytest.mark.slow
def test_so_is_one_of_the_embedded_architecture(run):
    new_network(run)
    assert Path("some where/mine.safetensors").stat().st_size > 8e6


def stopping(monkeypatch, at, error):
    """A training that ends in an error at so many batches."""
    learn = Training._learn

    def stopped(self, rows):
        learn(self, rows)
        if self.taken == at:
            raise error

    monkeypatch.setattr(Training, "_learn", stopped)


@pytest.mark.slow
@pytest.mark.parametrize("error, code", [(KeyboardInterrupt(), 130), (Terminated(), 143)])
def test_stopped_it_keeps_the_best_and_the_same_command_ends_in_the_same_bytes(run, monkeypatch, error, code):
    assert run(*OWN, "--out", "whole.safetensors")[0] == 0
    with monkeypatch.context() as patch:
        stopping(patch, 3, error)
        found, out, err = run(*OWN)
    assert (found, out) == (code, "")
    assert err.splitlines()[-1] == (
        "interrupted in epoch 2 of 2: robust.safetensors holds the best so far, of epoch 1; the same command goes on "
        "from there"
    )
    assert left() == ["robust.checkpoint", "robust.safetensors", "whole.safetensors"]
    assert trained_record(Path("robust.safetensors"))["training"]["kept epoch"] == 1
    found, out, err = run(*OWN)
    assert found == 0 and err.splitlines()[0] == "going on in epoch 2"
    assert left() == ["robust.safetensors", "whole.safetensors"]
    assert Path("robust.safetensors").read_bytes() == Path("whole.safetensors").read_bytes()


def test_stopped_in_the_first_epoch_there_is_a_checkpoint_alone(run, monkeypatch):
    stopping(monkeypatch, 1, KeyboardInterrupt())
    code, _, err = run(*OWN, "--checkpoint", "elsewhere.ck")
    assert code == 130 and err.endswith("interrupted in epoch 1 of 2: the same command goes on from there\n")
    assert left() == ["elsewhere.ck"]


def test_an_error_tells_what_is_there(run, monkeypatch):
    stopping(monkeypatch, 3, ZeroDivisionError("no"))
    code, _, err = run(*OWN)
    assert code == 2 and "ZeroDivisionError: no" in err.splitlines()[-1]
    assert "it was in epoch 2 of 2, and robust.safetensors holds the best so far, of epoch 1" in err
    assert left() == ["robust.checkpoint", "robust.safetensors"]


def test_nothing_is_overwritten_and_force_does(run, monkeypatch):
    Path("robust.safetensors").write_text("precious")
    monkeypatch.setattr(Training, "__init__", lambda *_: pytest.fail("it was begun"))
    said = is_one_sentence(*run(*OWN))
    assert said == "robust.safetensors is there already; give --force to overwrite it, or another --out"
    assert Path("robust.safetensors").read_text() == "precious"
    monkeypatch.undo()


@pytest.mark.slow
def test_the_checkpoint_of_another_training_is_not_gone_on_from_but_with_force_over_it(run, monkeypatch):
    with monkeypatch.context() as patch:
        stopping(patch, 3, KeyboardInterrupt())
        run(*OWN)
    before = Path("robust.checkpoint").read_bytes()
    said = is_one_sentence(*run(*OWN, "--eps", "8/255"))
    assert said.startswith("robust.checkpoint belongs to another training: radius is 4/255 there, and 8/255 now")
    assert Path("robust.checkpoint").read_bytes() == before
    assert run(*OWN, "--eps", "8/255", "--force")[0] == 0
    assert left() == ["robust.safetensors"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--weights", "w.pt"], "--weights are those of a network, and none is given"),
        (["--out", "robust.pt"], "robust.pt is no name for weights"),
        (["--checkpoint", "robust.safetensors"], "can't be both the weights and the checkpoint"),
        (["--part", "3/2"], "'3/2' is not a valid value for part: of 2 parts there are 1/2 to 2/2"),
        (["--part", "1/0"], "'1/0' is not a valid value for part: it must be K/N"),
        (["--part", "1/4"], "class '0' has 6 pictures, too few for 4 parts with two or more in each; give 3 parts at"),
        (["--eps", "2"], "2 is not a valid value for eps: it must be 0 to 1"),
        (["--epochs", "0"], "0 is not a valid value for epochs"),
        (["--device", "abacus"], "device 'abacus' is not here"),
        (["--precision", "float3"], "precision 'float3' is not known"),
    ],
)
def test_what_makes_no_sense_is_one_sentence(words, said, run):
    assert said in is_one_sentence(*run("train-robust", "data.npz", "--size", 16, *words))
    assert left() == []


def test_a_network_with_other_classes_is_told_with_both_numbers(run):
    code, _, err = run("train-robust", "data.npz", "--net", "own.py:build?classes=7")
    assert code == 2 and left() == []
    assert (
        "own.py:build?classes=7 tells 7 classes apart, and there are pictures of 4; give a netw" in err.splitlines()[-1]
    )


def test_data_that_make_no_sense_are_one_sentence(run):
    assert "no.npz" in is_one_sentence(*run("train-robust", "no.npz"))
    pictures = np.zeros((3, 16, 16, 3), np.uint8)
    np.savez("few.npz", X=pictures, y=[0, 0, 1])
    assert is_one_sentence(*run("train-robust", "few.npz")) == "class '1' has 1 picture; each needs two or more"
    np.savez("few.npz", X=pictures, y=[4, 4, 4])
    assert is_one_sentence(*run("train-robust", "few.npz")).startswith("there is one class, '4'; a network is trained")


@pytest.mark.slow
def test_zero_trains_plainly(run):
    code, out, err = run(*OWN, "--eps", 0, "--no-flip", "--json")
    assert code == 0, err
    assert all(one["clean"] == one["robust"] for one in json.loads(out)["epochs"])
    code, out, err = run(*OWN, "--eps", 0, "--force")
    assert code == 0 and out.splitlines()[0].endswith("% are named rightly")


@pytest.mark.slow
def test_seeds_are_told_apart(run):
    for seed in (0, 1):
        assert run(*OWN, "--seed", seed, "--out", f"{seed}.safetensors")[0] == 0
    assert Path("0.safetensors").read_bytes() != Path("1.safetensors").read_bytes()
    torch.manual_seed(3)
    assert run(*OWN, "--out", "again.safetensors")[0] == 0
    assert Path("0.safetensors").read_bytes() == Path("again.safetensors").read_bytes()

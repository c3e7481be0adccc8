"""`phosphene transfer`, as it is typed."""

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import phosphene
from phosphene.adversarial.transfer import transferred
from phosphene.faces.cli.transfer import _made
from tests.small import levels, linear, noise


@pytest.fixture
def data(small):
    x = (levels(6, 16, 16, 3) * 255).round().numpy().astype(np.uint8)
    np.savez("six.npz", X=x, y=np.arange(6) % 4)
    return small


WORDS = ["transfer", "--net", "own.py:Small", "--data", "six.npz"]  # beside --net own.py


@pytest.mark.slow
def test_the_table_and_its_numbers_are_written_and_told(data):
    code, said, _ = data(*WORDS, "--eps", "8/255")
    assert code == 0 and said.splitlines()[-1] == "transfer.png" and said.startswith("made on own.py")
    record = json.loads(Path("transfer.json").read_text())
    assert record["pictures"] == 6 and record["method"] == "pgd" and len(record["fooled"]) == 2
    assert Image.open("transfer.png").width > 400
    assert record["norm"] == "linf" and record["eps"] == 8 / 255
    (head, *cells) = said.splitlines()[:3]
    assert head.startswith("made on own.py:Small, which is right about ") and head.endswith("] of 6:")
    assert [words.split()[:2] for words in cells] == [["fool", "own.py:Small"], ["fool", "own.py"]]
    code, again, _ = data(*WORDS, "--eps", "8/255", "--out", "again.png", "--batch", 2, "--json")
    assert code == 0 and json.loads(again[: again.rindex("}") + 1]) == record


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (WORDS[:3], "pictures with their classes are needed: --data FOLDER, or --data FILE.npz"),
        ([WORDS[0], *WORDS[3:]], "give --net twice"),
        ([*WORDS, "--method", "pgb"], "'pgb' is not a valid value for method; did you mean 'pgd'"),
        ([*WORDS, "--norm", "l3"], "'l3' is not a valid value for norm of pgd"),
        ([*WORDS, "--method", "ddn", "--eps", "8/255"], "ddn looks for the smallest change and takes no eps"),
        ([*WORDS, "--out", "table.jpg"], "table.jpg does not end in .png"),
        ([*WORDS, "--eps", "0"], "0 is not a valid value for eps"),
        ([*WORDS[:4], "none.npz"], "there is no file none.npz"),
    ],
)
def test_what_is_wrong_is_one_sentence(data, words, said):
    code, _, error = data(*words)
    assert code == 2 and said in error and "Traceback" not in error and not Path("transfer.png").exists()


def test_what_is_there_is_not_overwritten(data):
    Path("transfer.json").write_text("mine")
    code, _, error = data(*WORDS)
    assert code == 2 and "transfer.json is there already" in error and Path("transfer.json").read_text() == "mine"


@pytest.mark.slow
def test_the_smallest_change_still_fools_its_own_network_when_it_is_rounded():
    x, network = levels(6, 3, 8, 8, low=60, high=190), linear(noise(3, 3, 8, 8) - 0.5, [0, 0, 0])
    labels = network.model.float()(x).argmax(1)
    *_, table = transferred([network, network], x, labels, partial(_made, phosphene.attacks.ddn, "l2", None))
    assert table.pairs[0][0] == (6, 6)

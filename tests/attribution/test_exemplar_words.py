"""What is said about exemplars: how much a unit sees, and whether anything outside of that moved it."""

import pytest
import torch

from phosphene.attribution.exemplar_pages import Block
from phosphene.attribution.exemplar_words import Manner, Shown, caption, kept, numbers, sight, words
from phosphene.attribution.unmoved import Unmoved
from phosphene.core.units.exemplars import Exemplar, Peak
from phosphene.core.units.units import Unit
from tests.small import convnet

STAYS, MOVES, NONE = (Unmoved(*one, "float32", 1.0) for one in ((5, 5, 0.0), (5, 3, 0.25), (0, 0, 0.0)))


def manner(**options):
    usual = {"figure": "rows", "band": "strongest", "target": None, "sees": "all", "resolution": "own", "rules": []}
    return Manner(convnet(), **usual | options)


def one(*verified, box=(2, 3, 7, 8), whole=False):
    crop = torch.zeros(1, 3, 5, 5)
    return Shown(Unit("conv2", 1), [Exemplar(Peak(0, (1, 2), 0.5), box, whole, crop, {}, box)], Block(crop), verified)


@pytest.mark.parametrize(
    ("verified", "said"),
    [
        ([STAYS, STAYS], "bit-equal under 5 changes outside"),
        ([STAYS, NONE], "bit-equal under 5 changes outside, where anything is (1 of 2)"),
        ([NONE], "nothing is outside that could be changed"),
        ([STAYS, MOVES, NONE], "what is outside moves it by up to 0.25 in 1 of 3"),
    ],
)
def test_whether_a_value_stays_is_said_as_it_is(verified, said):
    assert kept(verified) == said


def test_how_much_a_unit_sees_is_said_with_it():
    assert sight(manner(), one()) == "sees 5 x 5 px"
    assert sight(manner(sees="most"), one(STAYS)) == "sees mostly 5 x 5 px; bit-equal under 5 changes outside"
    assert sight(manner(), one(whole=True)) == "sees the whole picture"
    said = sight(manner(), one(STAYS, NONE, whole=True))
    assert said == "sees the whole picture or nearly; bit-equal under 5 changes outside, where anything is (1 of 2)"


def test_captions_and_numbers_name_the_class_of_relevance():
    how = manner(target=1, band="weakest")
    assert caption(how, one()) == "conv2:1, relevance for zebra 0.5 to 0.5"
    told = numbers(how, one(MOVES), ["a"])
    assert (told["by"], told["class"], told["label"], told["band"]) == ("relevance", 1, "zebra", "weakest")
    assert told["photographs"][0]["outside"] == {
        "changes": 5, "bit-equal": 3, "largest difference": 0.25, "precision": "float32"
    }  # fmt: skip
    assert "outside" not in numbers(manner(), one(), ["a"])["photographs"][0]
    said = " ".join(words(how, [one(MOVES)]))
    assert "how much of the logit of zebra came through the unit" in said and "noise of 3 seeds" in said
    assert "those that excite a unit least" in said
    assert "just above 1.5, where it begins to answer" in " ".join(
        words(manner(band="threshold", threshold=1.5), [one()])
    )
    assert "A frame is around what the unit sees" in words(manner(sees="picture"), [one()])[0]

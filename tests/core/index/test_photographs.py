"""The photographs of an index as a recipe takes them: what is asked is kept, and known again without the index."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from phosphene.core.errors import Mistake
from phosphene.core.index.photographs import Indexed, Some, check_indexed, fitting, named_photo, recalled
from phosphene.core.pictures.files import open_photo
from phosphene.core.units.exemplars import Peaks, distinctive
from phosphene.core.units.inputs import feed
from tests.small import convnet, levels
from tests.small_index import small_network


@pytest.fixture
def photos(small):
    return Indexed(small[1])


def test_they_are_all_of_the_index_and_each_is_its_file(photos):
    assert len(photos) == 60 and photos[3].endswith(f"{photos.source.ids[3]}") and photos[2:4] == [photos[2], photos[3]]
    assert named_photo(photos, 3) == photos.name(3) == photos.source.ids[3].split("/")[1].removesuffix(".png")
    assert named_photo([levels(1, 3, 8, 8)], 0) == "photograph 1"
    with pytest.raises(IndexError):
        photos[60]
    few = Some(photos, [5, 7, 9])
    assert len(few) == 3 and few[1] == photos[7] and few.name(2) == photos.name(9) and few[1:][0] == photos[7]


def test_grey_arrays_become_pictures(photos):
    grey = np.zeros((1, 8, 9), np.uint8)
    assert Indexed(replace(photos.source, given=[grey] * 60))[0].shape == (8, 9)


def test_the_units_that_stand_out_are_those_that_all_peaks_say(photos):
    found = Peaks(torch.from_numpy(np.array(photos.source.peaks("relu2"))), torch.zeros(60, 8, 0, dtype=torch.long))
    order = distinctive(found, 4).argsort(descending=True, stable=True)[:3].tolist()
    assert photos.distinctive("relu2", 4, 3) == order


def test_those_that_excite_a_unit_most_in_the_mean_are_all_there_whatever_was_rounded(photos):
    network = small_network().planned("reading")
    read = torch.cat([network.read(feed(network, photo), ["relu2"])["relu2"] for photo in photos])
    for unit in range(8):
        exact = read[:, unit].flatten(1).mean(1).argsort(descending=True, stable=True)[:7].tolist()
        found = photos.most_exciting("relu2", unit, 7)
        assert set(exact) <= set(found) and found == sorted(found) and len(found) <= 9
    with pytest.raises(Mistake, match="relu2 has units 0 to 7, not 8"):
        photos.most_exciting("relu2", 8, 7)


def test_some_are_drawn_by_the_seed_without_repetition(photos):
    few, again, others = photos.drawn(9, 0), Indexed(photos.source).drawn(9, 0), photos.drawn(9, 1)
    assert few == again == sorted(set(few)) and len(few) == 9 and few != others
    assert photos.drawn(99, 0) == list(range(60))


def test_a_record_holds_what_was_asked_and_says_it_again_without_the_index(photos):
    asked = [photos.exemplars("relu2", 3, 4), photos.exemplars("logits", 1, 2, "weakest")]
    units = photos.distinctive("relu1", 3, 2)
    record = json.loads(json.dumps(photos.record()))
    assert photos.used == sorted({peak.photo for some in asked for peak in some})
    kept = {number: photos[number] for number in photos.used}
    again = recalled(record, kept)
    assert [again.exemplars("relu2", 3, 4), again.exemplars("logits", 1, 2, "weakest")] == asked
    assert again.distinctive("relu1", 3, 2) == units and len(again) == 60 and again.fit == "crop"
    number = photos.used[0]
    assert again[number] == photos[number] and again.name(number) == photos.name(number)
    assert again.knows("relu2") and not again.knows("conv9") and photos.knows("relu1")
    with pytest.raises(Mistake, match="does not say what the index answered to 'relu2:3 strongest 5'"):
        again.exemplars("relu2", 3, 5)
    with pytest.raises(Mistake, match="of an index, of which only those that were used are known"):
        open_photo(again[next(i for i in range(60) if i not in kept)])


@pytest.mark.parametrize(
    "forged",
    [
        {"count": -1}, {"count": "60"}, {"fit": "stretch"}, {"threshold": "0"}, {"names": 3}, {"names": {"1": 2}},
        {"answers": [1]},
        {"answers": {"a:3 strongest 1": [[99, 1.0, None]]}}, {"answers": {"a:3 strongest 1": [["0", 1.0, None]]}},
        {"answers": {"a:3 strongest 1": [[0, "x", None]]}}, {"answers": {"a:3 strongest 1": [[0, 1.0, [1, -2]]]}},
        {"answers": {"a:3 strongest 1": [[0, 1.0]]}}, {"answers": {"a distinctive 3 2": [-1]}},
        {"answers": {"a:3 strongest 1": [[1, 1.0, None]]}},
    ],
)  # fmt: skip
def test_what_a_stranger_wrote_into_a_record_is_refused(photos, forged):
    true = {
        "count": 60,
        "fit": "crop",
        "threshold": 0.0,
        "names": {},
        "answers": {"relu2:3 strongest 1": [[0, 1.0, [1, 2]]]},
    }
    assert len(recalled(true, {0: "a.png"})) == 60
    with pytest.raises(Mistake, match="was not written by this program"):
        recalled(true | forged, {0: "a.png"})
    with pytest.raises(Mistake, match="was not written by this program"):
        recalled({}, {})


def test_how_photographs_are_fed_is_the_indexs_to_say(photos):
    assert fitting(photos, "crop") == "crop" and fitting(["a.png"], "squash") == "squash"
    squashed = Indexed(replace(photos.source, facts={**photos.source.facts, "fit": "squash"}))
    assert fitting(squashed, "crop") == "squash"  # which is what nobody asked for otherwise
    with pytest.raises(Mistake, match="the index was made with --fit crop, not whole"):
        fitting(photos, "whole")


def test_an_index_of_another_network_is_refused(photos):
    check_indexed(photos, small_network())
    check_indexed(["a.png"], convnet())
    with pytest.raises(Mistake, match=r"the index .* is of"):
        check_indexed(photos, convnet(labels=None, size=16).of(torch.nn.Sequential(torch.nn.Conv2d(3, 4, 16))))

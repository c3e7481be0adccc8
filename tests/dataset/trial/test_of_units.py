"""Questions about units of an index."""

import numpy as np
import pytest
import torch

from phosphene.core.errors import Mistake
from phosphene.dataset.trial.of_units import SIDE, Painted, UnitTrial, living
from tests.small import convnet
from tests.small_index import small_index, small_network


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    return small_index(tmp_path_factory.mktemp("units"))


def trial(index, **options):
    return UnitTrial(index, small_network(), **({"references": 3} | options))


def test_each_question_is_about_another_living_unit(index):
    asked = list(trial(index).questions(6))
    units = [(one["layer"], one["unit"]) for one in asked]
    assert len(set(units)) == 6 and set(units) <= set(living(index, 100, 0)) and "logits" not in dict(units)
    for one in asked:
        peaks = index.peaks(one["layer"], [one["unit"]])[:, 0]
        assert peaks[one["strong"]] > peaks[one["weak"]]
    assert list(trial(index).questions(3)) == asked[:3]


def test_units_that_are_named_are_asked_about_in_turn(index):
    asked = list(trial(index, units=[("relu2", 3), ("relu1", 2)]).questions(2))
    assert [(one["layer"], one["unit"]) for one in asked] == [("relu2", 3), ("relu1", 2)]
    with pytest.raises(Mistake, match="3 questions were asked for, and 2 units have 2 questions between them"):
        list(trial(index, units=[("relu2", 3), ("relu1", 2)]).questions(3))


def test_a_dead_unit_is_refused_and_never_drawn(index):
    dead = np.flatnonzero(index.statistics("relu2").dead)
    assert not {("relu2", int(unit)) for unit in dead} & set(living(index, 100, 0))
    still = trial(index, units=[("relu2", 3)])
    still.index = type("Still", (), {"peaks": lambda self, layer, units: np.zeros((60, 1), np.float32)})()
    with pytest.raises(Mistake, match="relu2:3 answers the same to all pictures"):
        list(still.questions(1))


def test_the_sheet_shows_the_hint_and_the_two(index):
    (one,) = trial(index).questions(1)
    bare, full = trial(index, hint="none").picture(one), trial(index).picture(one)
    assert full.height > bare.height + 2 * SIDE
    picture = torch.rand(1, 3, 16, 16)
    shown = trial(index, hint="synthetic", painted=lambda units: Painted(dict.fromkeys(units, picture), {}))
    shown.prepare([one])
    assert bare.height + SIDE < shown.picture(one).height < full.height
    assert trial(index).preview(one).height == SIDE


def test_after_an_answer_the_right_one_is_told(index):
    (one,) = trial(index).questions(1)
    side = 0 if one["first"] else 1
    words = f"it is {('the left one', 'the right one')[side]}."
    assert trial(index).feedback(one, side) == f"right: {words}"
    assert trial(index).feedback(one, 1 - side) == f"wrong: {words}"


def test_a_machine_that_sees_exemplars_tells_gratings_apart(index):
    """Units of a random network answer to orientations, which another random network tells apart as well."""
    judge = convnet(torch.float32, size=20, labels=None)
    asked = list(trial(index).questions(8))
    with torch.no_grad():
        judge.model.conv1.weight.neg_()  # another network
    answers = list(trial(index).machine(judge, asked))
    right = sum(answer == (0 if one["first"] else 1) for answer, one in zip(answers, asked, strict=True))
    assert right >= 7
    blind = list(trial(index, hint="none").machine(judge, asked))
    assert blind == [0] * 8


def test_a_machine_sees_the_painted_pictures_of_a_unit(index):
    judge = convnet(torch.float32, size=20)
    with torch.no_grad():
        judge.model.conv1.weight.neg_()
    asked = list(trial(index).questions(6))
    photos = {(one["layer"], one["unit"]): one for one in asked}

    def of(side):
        return {unit: trial(index)._photo(one[side]) for unit, one in photos.items()}

    seeing = trial(index, hint="synthetic", painted=lambda units: Painted(of("strong"), of("weak")))
    seeing.prepare(asked)
    answers = list(seeing.machine(judge, asked))  # the hint are the two themselves
    assert answers == [0 if one["first"] else 1 for one in asked]


def test_a_network_does_not_judge_itself(index):
    asked = list(trial(index).questions(1))
    with pytest.raises(Mistake, match="is the network that is asked about"):
        list(trial(index).machine(small_network(), asked))

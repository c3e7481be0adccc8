"""Questions about the photographs of an index."""

import pytest
import torch

from phosphene.core.errors import Mistake
from phosphene.core.units.network_input import feed
from phosphene.dataset.trial.of_classes import SIDE, ClassTrial, told_apart
from tests.small import convnet
from tests.small_index import small_index, small_network


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    return small_index(tmp_path_factory.mktemp("classes"))


@pytest.fixture
def trial(index):
    return ClassTrial(index, small_network(), choices=3)


def test_the_network_answers_what_it_is_fed(trial, index):
    network = small_network()
    for one in trial.questions(5):
        assert one["truth"] == index.labels[one["image"]]
        with torch.no_grad():
            said = network.model((feed(network, index.photo(one["image"])) - 0.5) / 0.2)[0]
        assert one["free"] == int(said.argmax())
        assert one["chosen"] == max(one["choices"], key=lambda c: said[c])


def test_names_that_two_classes_share_are_told_whole():
    assert told_apart(convnet(), [0, 2, 3]) == ["tabby cat", "crane, wading bird", "crane, lifting machine"]
    assert told_apart(convnet(), [1, 2]) == ["zebra", "crane"]


def test_what_is_shown_is_what_the_network_was_fed(trial):
    (one,) = trial.questions(1)
    assert trial.picture(one).size == (SIDE, SIDE)
    assert trial.preview(one).size == (SIDE, SIDE)


def test_after_an_answer_the_truth_is_told_and_the_network_s_answer(trial):
    one = {"image": 0, "truth": 1, "choices": [0, 1, 2], "chosen": 2, "free": 3}
    assert trial.feedback(one, 1) == "right: zebra. The network is wrong: crane; of all classes it says crane."
    one |= {"chosen": 1, "free": 1}
    assert trial.feedback(one, 0) == "wrong: zebra. The network is right."


def test_another_network_answers_by_the_names_of_its_own_classes(trial):
    """It has the classes in another order; where it has none of them it says nothing."""
    judge = convnet(torch.float32, labels=["zebra", "horse", "tabby cat, mouser", "sheep"])
    asked = list(trial.questions(4))
    for one, answer in zip(asked, trial.machine(judge, asked), strict=True):
        with torch.no_grad():
            said = judge.model((feed(judge, trial.index.photo(one["image"])) - 0.5) / 0.2)[0]
        own = {0: 2, 1: 0}
        known = [number for number in one["choices"] if number in own]
        assert answer == one["choices"].index(max(known, key=lambda c: said[own[c]]))
    stranger = convnet(torch.float32, labels=["a", "b", "c", "d"])
    assert list(trial.machine(stranger, asked)) == [None] * 4


def test_groups_have_all_classes_of_the_index(trial):
    assert trial.about["group"] == {0: 0, 1: 1, 2: 2, 3: 3}
    assert trial.about["groups"][2] == "crane, wading bird"


def test_a_network_without_classes_is_told_to_ask_about_units(index):
    with pytest.raises(Mistake, match="tells no classes apart; --units asks about units"):
        ClassTrial(index, convnet(head="numbers"))

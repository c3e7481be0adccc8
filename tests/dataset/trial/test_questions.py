"""What is asked about classes: keyed by seed and picture, with the truth and the network's own confusions on offer."""

import numpy as np
import pytest

from phosphene.core.errors import Mistake
from phosphene.dataset.trial.questions import drawn, question

LABELS = np.array([0, 1, -1, 2, 3, -1, 1, 0])


def scores(seed=0, classes=10):
    return np.random.default_rng(seed).normal(size=classes)


def test_each_picture_with_a_class_is_asked_about_once():
    assert sorted(drawn(LABELS, 6, seed=3)) == [0, 1, 3, 4, 6, 7]
    assert drawn(LABELS, 6, seed=3) != drawn(LABELS, 6, seed=4)


def test_asking_more_changes_nothing_of_what_was_asked():
    assert drawn(LABELS, 6, seed=3)[:2] == drawn(LABELS, 2, seed=3)


def test_the_truth_and_the_likeliest_wrong_classes_are_on_offer():
    said = scores()
    order = np.argsort(-said).tolist()
    found = question(17, order[3], said, 5, 0, range(10))
    assert len(set(found.choices)) == 5 and found.truth == order[3] == found.choices[found.right]
    assert {order[0], order[1]} < set(found.choices)
    assert found.chosen == found.free == order[0]


def test_the_network_may_only_take_what_is_on_offer():
    """Of two choices, the truth and the likeliest wrong class, it takes the likelier one."""
    said = np.array([0.0, 5.0, 3.0, 9.0])
    found = question(0, 3, said, 2, 0, range(4))
    assert set(found.choices) == {3, 1} and found.chosen == 3
    assert question(0, 2, said, 2, 0, range(4)).chosen == 3


def test_drawn_choices_are_classes_of_the_data_set_while_there_are_any():
    said = np.arange(100.0)
    found = question(4, 7, said, 6, 0, [1, 2, 3, 4, 5, 6, 7])
    likely = {99, 98, 97}
    assert likely < set(found.choices) and set(found.choices) - likely - {7} <= {1, 2, 3, 4, 5, 6}


def test_the_same_picture_is_asked_about_in_the_same_words():
    assert question(4, 7, scores(), 4, 1, range(10)) == question(4, 7, scores(), 4, 1, range(10))
    places = [question(i, 7, scores(), 4, 1, range(10)).right for i in range(60)]
    assert set(places) == {0, 1, 2, 3}


def test_never_more_choices_than_classes():
    assert sorted(question(4, 1, scores(classes=3), 5, 1, range(3)).choices) == [0, 1, 2]


@pytest.mark.parametrize(
    ("labels", "words"),
    [([-1, -1], "the index has no classes"), ([0, 1], "3 pictures were asked for, and the index has 2")],
)
def test_too_few_pictures_are_a_mistake(labels, words):
    with pytest.raises(Mistake, match=words):
        drawn(np.array(labels), 3, 0)

"""Classes by number and by name."""

import numpy as np
import pytest

from phosphene.core.errors import Mistake
from phosphene.core.units.labels import class_index, counterpart, label, names_class
from tests.small import convnet, linear, noise


@pytest.mark.parametrize(("name", "index"), [(2, 2), ("2", 2), ("zebra", 1), (" ZEBRA ", 1), ("mouser", 0)])
def test_a_class_is_found_by_its_number_and_by_every_synonym_in_any_case(name, index):
    assert class_index(convnet(), name) == index


def test_a_whole_label_tells_classes_apart_that_share_a_synonym():
    assert class_index(convnet(), "crane, lifting machine") == 3


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("crane", "'crane' is the name of 2 classes"),
        ("zebr", r"no class 'zebr'; did you mean 'zebra'\? \(4 in all, 0 to 3: phosphene layers --classes\)"),
        ("4", "has classes 0 to 3, not 4"),
    ],
)
def test_a_name_that_means_nothing_or_several_things_is_answered(name, words):
    with pytest.raises(Mistake, match=words):
        class_index(convnet(), name)
    assert not names_class(convnet(), name)


def test_a_name_wins_over_a_number_of_the_same_spelling_and_says_so(recwarn):
    shifted = convnet(labels=["1", "2", "3", "0"])
    assert [class_index(shifted, name) for name in ("0", "1", "2", "3")] == [3, 0, 1, 2]
    assert "2 is taken as the class called so, whose number is 1" in [str(one.message) for one in recwarn]
    assert [class_index(shifted, index) for index in range(4)] == [0, 1, 2, 3]


def test_a_name_that_is_its_own_number_says_nothing(recwarn):
    digits = convnet(labels=["0", "1", "2", "3"])
    assert [class_index(digits, name) for name in ("0", "1", 2, "3")] == [0, 1, 2, 3]
    assert class_index(convnet(labels=["10", "20", "30", "40"]), "30") == 2
    assert not len(recwarn)


def test_a_class_without_a_name_has_its_number():
    some = convnet(labels=["cat", "", "dog", ""])
    assert [label(some, i) for i in range(4)] == ["cat", "class 1", "dog", "class 3"]
    assert class_index(some, "1") == 1 and class_index(some, "dog") == 2
    for nothing in ("", " "):
        with pytest.raises(Mistake, match="no class"):
            class_index(some, nothing)


def test_a_network_without_labels_has_numbers_alone():
    network = convnet(labels=None)
    assert label(network, 3) == "class 3" and class_index(network, "3") == 3 and names_class(network, "3")
    with pytest.raises(Mistake, match="give a number"):
        class_index(network, "zebra")


def test_what_an_embedding_answers_is_a_number_and_no_class():
    assert label(convnet(labels=None, head="numbers"), 3) == "number 3"


def test_a_label_is_its_first_synonym():
    assert [label(convnet(), i) for i in range(4)] == ["tabby cat", "zebra", "crane", "crane"]


def test_a_class_of_another_network_is_found_by_any_of_its_names():
    network, judge = convnet(), convnet(labels=["horse", "mouser", "crane", "zebra, striped horse"])
    assert [counterpart(judge, network, i) for i in range(4)] == [1, 3, None, None]
    assert counterpart(convnet(labels=["horse", "a", "b", "c"]), network, 1) is None
    assert counterpart(convnet(), network, 3) == 3  # the same names, though one of them is there twice
    assert counterpart(linear(noise(2, 3, 16, 16), np.zeros(2)), convnet(labels=None), 3) is None

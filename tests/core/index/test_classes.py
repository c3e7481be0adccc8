"""An index's classes are a network's by name, else by number, and never by chance."""

import numpy as np
import pytest

from phosphene.core.errors import Mistake
from phosphene.core.index.classes import names_of, numbers_of, short_names
from phosphene.core.index.index import Index
from tests.small import convnet, linear, noise
from tests.small_index import CLASSES as FOUR


class Known(Index):
    """An index of which nothing but its classes is known."""

    folder, classes = "photos.index", None

    def __init__(self, classes):
        self.classes = classes


def test_classes_are_found_by_name_and_else_by_number():
    network = convnet(labels=["zebra", "crane, lifting machine", "tabby cat, mouser", "crane, wading bird"])
    assert numbers_of(Known(FOUR), network) == {0: 2, 1: 0, 2: 3, 3: 1}
    assert numbers_of(Known(FOUR), convnet(labels=None)) == {0: 0, 1: 1, 2: 2, 3: 3}
    assert numbers_of(Known({1: "", 3: ""}), network) == {1: 1, 3: 3}


@pytest.mark.parametrize(
    ("classes", "words"),
    [
        (FOUR, r"the index has class 3 \(crane, lifting machine\), and .* has classes 0 to 2"),
        ({0: "cat", 1: "dog"}, "the index's class 'cat' is none of .*'s; index pictures of the network's classes"),
        ({}, "the index photos.index has no classes"),
        ({0: "n01440764", 1: "n01443537"}, "the index's class 'n01440764' is none of .*'s"),
    ],
)
def test_what_only_has_its_number_is_none(classes, words):
    with pytest.raises(Mistake, match=words):
        numbers_of(Known(classes), linear(noise(3, 3, 16, 16), np.zeros(3)))


def test_names_count_more_than_that_there_are_as_many_classes():
    cat_and_dog = linear(noise(2, 3, 16, 16), np.zeros(2), labels=["dog", "cat"])
    assert numbers_of(Known({0: "cat", 1: "dog"}), cat_and_dog) == {0: 1, 1: 0}
    with pytest.raises(Mistake, match="the index's class 'puppy' is none of"):
        numbers_of(Known({0: "cat", 1: "puppy"}), cat_and_dog)
    assert numbers_of(Known({0: "n02084071", 1: "n02121808"}), cat_and_dog) == {0: 0, 1: 1}


def test_classes_have_their_own_names_and_without_any_those_of_a_network_that_has_them_all():
    network = convnet(labels=["zebra", "crane, lifting machine", "tabby cat, mouser", "crane, wading bird"])
    own = {0: "tabby cat", 1: "zebra", 2: "crane (wading bird)", 3: "crane (lifting machine)"}
    assert names_of(Known(FOUR), network) == own
    numbered = dict.fromkeys(range(4), "")
    assert names_of(Known(numbered), network)[2] == "tabby cat"
    assert names_of(Known({i: f"n0000000{i}" for i in range(4)}), network)[2] == "tabby cat"
    assert names_of(Known({0: "n00000000"}), network) == {0: "n00000000"}
    assert names_of(Known({1: "", 7: ""}), network) == {1: "class 1", 7: "class 7"}


def test_a_short_name_is_the_first_one_unless_another_class_has_it():
    assert short_names({0: "Smith, John", 1: "Smith, Jane", 2: "Li, Wei", 3: ""}) == {
        0: "Smith (John)", 1: "Smith (Jane)", 2: "Li", 3: "",
    }  # fmt: skip


def test_two_classes_of_one_name_are_those_of_their_numbers():
    """As torchvision's Cardigan, a dog, and cardigan."""
    twice = linear(noise(2, 3, 16, 16), np.zeros(2), labels=["Cardigan", "cardigan"])
    assert numbers_of(Known({0: "Cardigan", 1: "cardigan"}), twice) == {0: 0, 1: 1}

"""An index's classes are a network's by name, else by number, and never by chance."""

import numpy as np
import pytest

from phosphene.core.errors import Mistake
from phosphene.core.index.classes import numbers_of
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
    ],
)
def test_what_only_has_its_number_is_none(classes, words):
    with pytest.raises(Mistake, match=words):
        numbers_of(Known(classes), linear(noise(3, 3, 16, 16), np.zeros(3)))

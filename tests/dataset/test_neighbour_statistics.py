"""How often neighbours are of one class: counted by hand."""

import numpy as np
import pytest

from phosphene.core.errors import Mistake
from phosphene.core.results.intervals import wilson
from phosphene.dataset.neighbour_statistics import check_count, counted, same_class


def test_counted_by_hand():
    labels = np.array([0, 0, 0, 1, 1, -1])
    asked = np.array([0, 3])
    near = np.array([[1, 3], [0, 4]])
    found = counted(labels, asked, near)
    assert found.first == 0.5 and found.interval == wilson(1, 2)
    assert found.share == 0.5  # one of two, and one of two
    assert found.chance == pytest.approx((2 / 5 + 1 / 5) / 2) and found.ratio == pytest.approx(0.5 / 0.3)
    assert found.majority == 0.5  # of equally many the nearest: 0 is right, 3 is not
    assert found.words.startswith("Of the 2 nearest of 2 images, 50.0 % are of the image's class; ")
    assert "by chance it would be 30.00 %, so that is 1.7 times as often." in found.words


def test_chance_is_what_random_neighbours_give():
    generator = np.random.default_rng(0)
    labels = np.repeat(np.arange(5), [40, 30, 20, 20, 10])
    near = np.array([generator.permutation(np.delete(np.arange(120), i))[:40] for i in range(120)])
    found = counted(labels, np.arange(120), near)
    assert found.ratio == pytest.approx(1, abs=0.1)


def test_of_an_index_every_image_is_asked_or_some(small):
    _, index = small
    told = []
    found = same_class(index, "logits", 5, done=lambda *one: told.append(one))
    assert found.asked == 60 and found.chance == pytest.approx(14 / 59) and told == [(60, 60)]
    assert found.ratio > 1  # four kinds of gratings, even for a network that has learnt nothing
    assert same_class(index, "logits", 5, limit=12).asked == 12
    with pytest.raises(Mistake, match="60 neighbours were asked for, and the index has 59"):
        same_class(index, "logits", 60)


def test_what_can_not_be_counted_is_told(small):
    _, index = small
    for labels, words in ((np.full(60, -1), "have no classes"), (np.arange(60), "no class of .* has two images")):
        other = type(index)(index.folder, index.facts)
        vars(other)["labels"] = labels
        with pytest.raises(Mistake, match=words):
            same_class(other, "logits", 5)
    check_count(3, 3)

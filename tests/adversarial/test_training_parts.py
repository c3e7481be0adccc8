"""Disjoint parts of a data set: every picture in one of them, the classes in equal shares."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from phosphene.adversarial.training_parts import Part, read_part
from phosphene.core.errors import Mistake
from tests.core.optimization.training.test_pictures import NAMES, examples, numbers


def parts(whole, of, seed=0):
    names = NAMES[: int(whole.labels.max()) + 1]
    return [Part(number, of).among(whole, names, seed) for number in range(1, of + 1)]


def spread(counts):
    return max(counts) - min(counts)


@settings(max_examples=40)
@given(st.integers(2, 4), st.lists(st.integers(8, 40), min_size=1, max_size=3), st.integers(0, 3))
def test_every_picture_is_in_one_part_and_parts_differ_by_one_at_most_in_all_and_in_each_class(of, many, seed):
    whole = examples(*many)
    found = parts(whole, of, seed)
    assert sorted(number for part in found for number in numbers(part)) == numbers(whole)
    assert spread([len(part.labels) for part in found]) <= 1
    for label in range(len(many)):
        assert spread([int((part.labels == label).sum()) for part in found]) <= 1


def test_pictures_keep_their_labels_and_their_order():
    whole = examples(30, 20, 11)
    for part in parts(whole, 3):
        rows = numbers(part)
        assert rows == sorted(rows) and torch.equal(part.labels, whole.labels[rows])


def test_a_part_is_the_same_every_time_and_for_no_other_seed():
    whole = examples(100, 100)
    one, again, other = (numbers(parts(whole, 2, seed)[0]) for seed in (0, 0, 1))
    assert one == again != other
    assert 0 < len(set(one) & set(other)) < 100  # so parts of two seeds are not disjoint


def test_the_pictures_of_a_class_are_shuffled():
    assert numbers(parts(examples(100, 100), 2)[0]) not in (list(range(0, 200, 2)), list(range(100)))


def test_each_part_begins_with_weights_of_its_own():
    starts = {Part(number, of).start(seed) for seed in (0, 1) for of in (2, 3) for number in range(1, of + 1)}
    assert len(starts | {0, 1}) == 12 and Part(2, 3).start(1) == Part(2, 3).start(1)


@pytest.mark.parametrize("text, part", [("1/2", (1, 2)), ("2/2", (2, 2)), (" 10 / 12 ", (10, 12))])
def test_it_is_read_as_it_is_written(text, part):
    assert read_part(text) == part and read_part(str(Part(*part))) == part


@pytest.mark.parametrize(
    "text", ["1/0", "0/0", "1/1", "0/1", "half", "1", "1/", "/2", "1/2/3", "-1/2", "1.5/2", "", "١/٢"]
)
def test_what_is_no_part_is_one_sentence(text):
    with pytest.raises(Mistake, match="is not a valid value for part: it must be K/N, the K-th of two or more parts"):
        read_part(text)


@pytest.mark.parametrize("text", ["3/2", "0/2"])
def test_a_part_that_there_is_not_is_told_with_those_there_are(text):
    with pytest.raises(Mistake, match=f"'{text}' is not a valid value for part: of 2 parts there are 1/2 to 2/2"):
        read_part(text)


@pytest.mark.parametrize(
    "many, of, said",
    [
        ((9, 7), 4, "class 'zebra' has 7 pictures, too few for 4 parts with two or more in each; give 3 parts at most"),
        ((3, 9), 2, "class 'cat' has 3 pictures, too few for 2 parts with two or more in each; leave --part out"),
        ((1, 9), 2, "class 'cat' has 1 picture, too few for 2 parts"),
    ],
)
def test_a_class_with_too_few_pictures_is_named_with_what_is_possible(many, of, said):
    with pytest.raises(Mistake, match=said):
        Part(1, of).among(examples(*many), NAMES[:2])


def test_as_many_parts_as_a_class_allows_are_all_there():
    assert [torch.bincount(part.labels).tolist() for part in parts(examples(6, 7), 3)] == [[2, 3], [2, 2], [2, 2]]

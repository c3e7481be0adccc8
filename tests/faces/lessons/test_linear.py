"""The linear lesson's steps: what they say is what was computed."""

import re

import pytest
import torch

from phosphene.core.errors import Mistake
from phosphene.core.units.labelled import LabelledPictures
from phosphene.faces.lessons import linear
from phosphene.faces.lessons.linear import EXAMPLES, MOST_CLASSES, Lesson, check
from tests.small import convnet, levels


def pictures(classes, each=8, side=10):
    """Of class c, noise with the c-th row lit."""
    x = levels(classes * each, 3, side, side, low=60, high=180)
    labels = torch.arange(classes).repeat_interleave(each)
    for i, label in enumerate(labels.tolist()):
        x[i, :, label % side] = 0.9
    names = {5 * c: f"kind {c}" if c else "" for c in range(classes)}
    return LabelledPictures([str(i) for i in range(len(x))], (255 * x).round().byte(), 5 * labels, names)


@pytest.fixture(scope="module")
def lesson():
    return Lesson(pictures(3), "rows of light", convnet(torch.float32), "skimage:coffee", "phosphene attack x", 1e-3, 2)


def test_the_first_step_has_the_lectures_numbers(lesson):
    section = linear.example(lesson)
    _, w, x, changed = section.table
    assert all(len(row) == 13 for row in section.table)
    assert (x[1:3], x[3:]) == (["-3", "0.0474"], ["2", "-1", "3", "-2", "2", "2", "1", "-4", "5", "1"])
    assert w[3:6] == ["-1", "-1", "1"] and changed[1:6] == ["2", "0.8808", "1.5", "-1.5", "3.5"]
    assert "together 5: now the score is 2 and the probability 0.88" in section.teaching


def test_a_quarter_of_each_class_is_kept_for_the_test(lesson):
    train, test = lesson.halves
    assert sorted([*train.tolist(), *test.tolist()]) == list(range(24))
    assert torch.bincount(lesson.labels[test]).tolist() == [2, 2, 2]
    assert lesson.labels.tolist() == [0] * 8 + [1] * 8 + [2] * 8
    assert [lesson.name(i) for i in range(3)] == ["class 0", "kind 1", "kind 2"]


def test_the_weights_are_shown_beside_a_picture_of_the_class(lesson):
    section = linear.templates(lesson)
    assert (
        "right on 100.0 % of those and on 100.0 % of 6 others" in section.teaching
        and "rows of light" in section.teaching
    )
    assert [shown.caption.split(",")[0] for shown in section.pictures] == [
        "class 0", "its weights", "kind 1", "its weights", "kind 2", "its weights",
    ]  # fmt: skip
    for row, shown in enumerate(section.pictures[1::2]):
        assert int(shown.picture.mean((0, 1, 3)).argmax()) == row  # the row that is lit speaks for the class
    assert not any(shown.file for shown in section.pictures)


def test_of_many_classes_the_first_are_shown():
    many = Lesson(pictures(MOST_CLASSES + 3, 2, 16), "", convnet(torch.float32), "skimage:coffee", "")
    section = linear.templates(many)
    assert len(section.pictures) == 2 * MOST_CLASSES and f"the first {MOST_CLASSES} classes" in section.teaching
    assert len(linear.attack(many).pictures) == EXAMPLES


def test_what_the_search_finds_stands_beside_the_closed_form(lesson):
    section = linear.attack(lesson)
    assert len(section.pictures) == len(section.table) - 1 == 3
    for row, shown in zip(section.table[1:], section.pictures, strict=True):
        source, target, *radii, _, size = row
        free, boxed, searched, moved = (float(one.removesuffix("/255")) for one in (*radii, size))
        assert free <= boxed == searched <= moved <= boxed + 2
        assert shown.caption == f"{source}; the change of {size}, made visible; what is taken for {target}"
    assert re.search(r"agrees to (0e\+00|\de-\d\d) of a level", section.teaching)


def test_where_the_classifier_is_never_right_it_is_attacked_all_the_same():
    data = pictures(2)
    wrong = Lesson(data, "", convnet(torch.float32), "skimage:coffee", "")
    vars(wrong)["model"] = Lesson(data, "", convnet(torch.float32), "skimage:coffee", "").model
    model = wrong.model
    vars(wrong)["model"] = type(model)(model.weight.flip(0), model.bias.flip(0))
    assert len(linear.attack(wrong).pictures) == 2


def test_the_radius_of_a_deviation_is_measured_beside_its_formula(lesson):
    section = linear.dimension(lesson)
    for d, _, measured, formula, _ in section.table[1:]:
        size = int(d.replace(",", ""))
        assert float(measured) == pytest.approx(float(formula), rel=1 / size**0.5, abs=1e-4)
    assert len(section.pictures) == 1


def test_data_that_nothing_can_be_learnt_from_are_told():
    one = pictures(2)
    with pytest.raises(Mistake, match="all pictures are of class kind 1; a lesson needs two classes or more"):
        check(LabelledPictures(one.names, one.pictures, one.labels, {5: "kind 1"}))
    few = LabelledPictures(["a", "b", "c"], one.pictures[:3], torch.tensor([0, 0, 5]), {0: "cat", 5: ""})
    with pytest.raises(Mistake, match="class 5 has 1 picture; it needs one to learn from and one to test with"):
        check(few)

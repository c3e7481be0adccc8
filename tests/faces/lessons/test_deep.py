"""What the lesson says of deep networks: it is what was measured."""

import re

import pytest
import torch
from torch import nn

from phosphene.adversarial.linearity import fooled_by_a_step, walk
from phosphene.core.networks.network import Network
from phosphene.core.units.inputs import feed
from phosphene.faces.lessons.deep import FEW, FORMS, LEVELS, linearity, one_step
from phosphene.faces.lessons.linear import Lesson
from tests.faces.lessons.test_linear import pictures
from tests.small import convnet


def lesson(**more):
    own = {"data": pictures(3), "network": convnet(torch.float32)} | more
    return Lesson(own.pop("data"), "", own.pop("network"), "skimage:coffee", "phosphene attack x", 1e-3, 2, **own)


def test_the_linear_classifier_is_fooled_as_often_as_the_table_and_the_sentence_say():
    given = lesson()
    shares = fooled_by_a_step(given.model, given.pixels(given.halves[1]), [level / 255 for level in LEVELS])
    section = one_step(given)
    for form, row, measured in zip(FORMS, section.table[1:4], shares, strict=True):
        assert row == ["the linear classifier", "6", form, *(f"{100 * share:.1f}" for share in measured.tolist())]
    sign, long, peak = (f"{100 * share:.1f} %" for share in shares[:, LEVELS.index(2)].tolist())
    words = f"at 2/255 the sign fools the linear classifier with {sign} of 6 pictures, g of the same largest change"
    assert f"{words} with {peak}, and g of the same length with {long}" in section.teaching


def test_each_network_is_fooled_about_what_it_says_itself_of_as_many_pictures_as_are_told():
    many, twin = pictures(3, each=4 * FEW // 3 + 40), convnet(torch.float32, name="twin")
    rows = one_step(lesson(data=many, beside=twin)).table
    assert [len(row) for row in rows] == [3 + len(LEVELS)] * 10
    assert [row[:2] for row in rows[4::3]] == [["Sequential", str(FEW)], ["twin", str(FEW)]]
    assert [row[2:] for row in rows[4:7]] == [row[2:] for row in rows[7:]]  # of the same weights


def test_a_network_that_ends_in_plain_numbers_has_no_rows():
    assert len(one_step(lesson(network=convnet(torch.float32, head="numbers"))).table) == 4


def test_of_pictures_that_are_taken_for_nothing_there_is_no_share():
    class Silent(nn.Module):
        def forward(self, x):
            return x.mean((2, 3)) - 9

    rows = one_step(lesson(network=Network(Silent(), size=8, head="sigmoid"))).table
    assert [row[3:] for row in rows[4:]] == [["-"] * len(LEVELS)] * 3


def test_the_network_is_walked_and_what_is_said_of_it_is_measured():
    section = linearity(lesson())
    assert len(section.pictures) == 2 and section.commands == ["phosphene attack x"]
    assert re.search(r"stays within 10 % of its tangent's change for [\d.]+/255 ahead and [\d.]+/255", section.teaching)


def test_a_network_beside_it_is_walked_along_its_own_gradient():
    twin = Network(nn.Sequential(nn.Flatten(), nn.Linear(3 * 64, 2)), size=8, name="twin", labels=["a", "b"])
    section = linearity(lesson(beside=twin))
    assert len(section.pictures) == 3 and section.pictures[2].caption.startswith("twin: scores along")
    said = twin.labels[walk(twin, feed(twin, "skimage:coffee")).classes[0]]
    words = f"Beside it twin, along its own gradient: the score of {said} stays within 10 % of its tangent's change"
    assert f"{words} for 16/255 ahead and 16/255 back, and a straight line explains 100 % of it" in section.teaching


@pytest.mark.slow
def test_of_the_embedded_networks_the_robust_one_is_straighter():
    import phosphene

    plain, robust = (
        walk(network, feed(network, "skimage:coffee"))
        for network in (phosphene.load(), phosphene.load("embedded:photo-robust"))
    )
    assert plain.explained < 0.8 < 0.9 < robust.explained
    assert plain.near(True) < 2 / 255 < 8 / 255 < robust.near(True)

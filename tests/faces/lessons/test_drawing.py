"""The lessons' charts: round numbers at the axes, lines where they belong."""

import pytest
import torch

from phosphene.adversarial.linearity import Walk
from phosphene.faces.lessons.drawing import falling, lines, rounds


@pytest.mark.parametrize(
    ("ends", "expected"),
    [
        ((0, 10), [0, 2, 4, 6, 8, 10]), ((-1.2, 11.3), [0, 5, 10]), ((-3, -1), [-3, -2.5, -2, -1.5, -1]),
        ((0.01, 0.06), [0.01, 0.02, 0.03, 0.04, 0.05, 0.06]),
    ],
)  # fmt: skip
def test_the_numbers_beside_an_axis_are_round_and_within_it(ends, expected):
    assert rounds(*ends) == pytest.approx(expected)


def coloured(picture, colour):
    """Rows and columns of the pixels of a colour."""
    wanted = torch.tensor(list(bytes.fromhex(colour))) / 255
    return ((picture[0] - wanted[:, None, None]).abs().amax(0) < 0.02).nonzero()


def test_a_line_falls_from_the_left_to_the_right_and_its_tangent_ends_where_the_picture_does():
    eps = torch.linspace(-0.1, 0.1, 21).double()
    steep = lines(Walk(eps, -eps[:, None], torch.tensor([-100.0]).double(), [0]), ["cat"])
    found = coloured(steep, "e69f00")
    body = found[found[:, 0] > 60]  # below the legend
    left, right = (body[body[:, 1] == body[:, 1].min()], body[body[:, 1] == body[:, 1].max()])
    assert left[:, 0].float().mean() < right[:, 0].float().mean() - 200
    middle = body[(body[:, 1] - 345).abs() < 25]  # the tangent falls through all of it there
    assert middle[:, 0].max() - middle[:, 0].min() > 300


def test_a_score_that_does_not_change_can_be_drawn():
    eps = torch.linspace(-0.1, 0.1, 5).double()
    assert lines(Walk(eps, torch.ones(5, 1).double(), torch.zeros(1).double(), [0]), ["cat"]).shape == (1, 3, 640, 640)


def test_what_was_measured_lies_on_the_formulas_line():
    measured = {d: torch.tensor([(torch.pi / (2 * d)) ** 0.5]) for d in (10, 1000, 100_000)}
    picture = falling(measured)
    dots = coloured(picture, "c8553d")
    dots = dots[dots[:, 0] > 60].float()
    assert len(dots) > 100
    top, foot = dots[dots[:, 1] < 250].mean(0), dots[dots[:, 1] > 450].mean(0)
    middle = dots[(dots[:, 1] > 250) & (dots[:, 1] < 450)].mean(0)
    assert middle.tolist() == pytest.approx(((top + foot) / 2).tolist(), abs=3)

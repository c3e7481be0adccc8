"""What an attack is given: bounds, other inputs than pictures, starts, and who is done."""

import math

import pytest
import torch
from torch import nn

from phosphene.adversarial.problems import problems
from phosphene.adversarial.victims import Victim
from phosphene.core.errors import Mistake
from phosphene.core.optimization.keys import Key
from tests.small import noise, normal


def vectors():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(7, 9), nn.Tanh(), nn.Linear(9, 3)).double()


def test_inputs_that_are_no_pictures_are_read_in_their_own_shape():
    x = noise(4, 7)
    given = problems(vectors(), x, [0, 1, 2, 0], eps=0.1)
    assert given.x.shape == (4, 7, 1, 1)
    torch.testing.assert_close(given.answers(given.x[1:3], torch.tensor([1, 2])), vectors()(x[1:3]).detach())
    seen = given.objective()(given.x, given.rows, Key())
    leaf = x.clone().requires_grad_()
    (expected,) = torch.autograd.grad(
        -nn.functional.cross_entropy(vectors()(leaf), given.goal.labels, reduction="sum"), leaf
    )
    torch.testing.assert_close(seen.gradients.flatten(1), expected)


def test_bounds_may_be_another_for_each_value():
    x = 10 * normal(4, 7)
    low, high = x.amin(0) - 1, x.amax(0) + 1
    given = problems(vectors(), x, [0, 1, 2, 0], eps=100.0, bounds=(low, high))
    ends = given.project(given.x + 200, given.rows)
    torch.testing.assert_close(ends.flatten(1), torch.minimum(x + 100, high))
    with pytest.raises(Mistake, match="an attack takes its bounds"):
        problems(vectors(), x, [0, 1, 2, 0], bounds=(low + 2, high))
    with pytest.raises(Mistake, match="an attack takes -1 to 1"):
        problems(vectors(), x, [0, 1, 2, 0], bounds=(-1.0, 1.0))


@pytest.mark.parametrize("norm", ["linf", "l2", "l1", "l0"])
def test_a_start_is_anywhere_in_the_ball_and_not_the_same_for_all(norm):
    x = noise(50, 3, 4, 4) / 2 + 0.25
    given = problems(vectors(), x, [0] * 50, norm=norm, eps=4.0 if norm == "l0" else 0.2)
    start = given.anywhere()
    far = given.distance(start, given.rows)
    assert (far <= given.eps + 1e-12).all() and far.max() > 0.7 * given.eps
    assert len({tuple(one.tolist()) for one in (start - x).flatten(1)}) == 50
    alone = given.among(torch.tensor([7]))
    torch.testing.assert_close(alone.anywhere(), start[[7]])


def test_each_problem_may_have_a_radius_of_its_own():
    x = noise(3, 7) / 2 + 0.25
    given = problems(vectors(), x, [0, 1, 2], eps=torch.tensor([0.1, 0.0, 0.05]))
    moved = given.project(given.x + 1, given.rows)
    torch.testing.assert_close(given.distance(moved, given.rows), torch.tensor([0.1, 0.0, 0.05]).double())
    torch.testing.assert_close(given.among(torch.tensor([2])).radius(torch.tensor([0])).item(), 0.05)


@pytest.mark.parametrize(
    ("eps", "said"),
    [
        (-1.0, "-1 is not a valid value for eps"),
        (math.nan, "nan is not a valid value for eps"),
        (torch.tensor([0.1, -0.1]), "-0.1 is not a valid value for eps"),
        (torch.tensor([0.1]), r"a tensor \(1,\) is not a valid value for eps: it must be at least 0, one or one for"),
    ],
)
def test_a_radius_is_a_number_for_all_or_for_each(eps, said):
    with pytest.raises(Mistake, match=said):
        problems(vectors(), noise(2, 7), [0, 1], eps=eps)


def test_where_the_victim_is_only_nearly_right_its_rival_is_asked_before_a_problem_is_done():
    x = noise(4, 7)
    truth = vectors()(x).argmax(1)
    lies = Victim(lambda x: -vectors()(x), rival=vectors())
    given = problems(lies, x, truth)
    answers = given.answers(given.x, given.rows)
    assert not given.done(given.x, given.rows, answers).any() and given.reached(answers, given.rows).any()
    asked = 1 + given.reached(answers, given.rows).long()
    assert torch.equal(lies.forwards, asked)


def test_of_a_class_that_is_to_be_left_each_other_one_is_a_way_and_of_other_goals_there_is_one():
    x = noise(4, 7)
    given = problems(vectors(), x, [0, 1, 2, 0])
    answers = given.answers(given.x, given.rows)
    ways = given.ways(answers, given.rows)
    expected = answers.gather(1, given.goal.labels[:, None]) - answers
    own = torch.nn.functional.one_hot(given.goal.labels, 3).bool()
    torch.testing.assert_close(ways, expected.masked_fill(own, math.inf))
    torch.testing.assert_close(ways.amin(1), given.margin(answers, given.rows))
    torch.testing.assert_close(given.among(torch.tensor([2])).ways(answers[[2]], torch.tensor([0])), ways[[2]])
    aimed = problems(vectors(), x, [0, 1, 2, 0], targeted=True)
    torch.testing.assert_close(aimed.ways(answers, aimed.rows)[:, 0], aimed.margin(answers, aimed.rows))


def test_what_is_enough_may_be_another_for_each_problem():
    given = problems(vectors(), noise(3, 7), [0, 1, 2], eps=math.inf, enough=torch.tensor([0.1, 0.2, 0.3]))
    assert given.near(torch.tensor([0.2, 0.2]), torch.tensor([0, 2])).tolist() == [False, True]
    assert given.among(torch.tensor([1])).near(torch.tensor([0.2]), torch.tensor([0])).tolist() == [True]
    with pytest.raises(Mistake, match="-1 is not a valid value for enough: it must be at least 0, one or one for each"):
        problems(vectors(), noise(3, 7), [0, 1, 2], enough=-1.0)


def test_lengths_are_measured_in_widths_of_the_bounds():
    x = noise(3, 7)
    assert problems(vectors(), x, [0, 1, 2], bounds=(-1.0, 3.0)).width == 4
    high = torch.tensor([1.0, 1, 1, 1, 1, 1, 8])
    assert problems(vectors(), x, [0, 1, 2], bounds=(0.0, high)).width == 2
    assert problems(vectors(), x, [0, 1, 2], bounds=(-math.inf, math.inf)).width == 1

"""The schedules of descents: when they look, and what they do then."""

import pytest
import torch

from phosphene.adversarial.descent import Halving, Path, Sparse, balls, descend, halving_checkpoints
from phosphene.adversarial.kept import Kept
from phosphene.adversarial.problems import problems
from phosphene.adversarial.victims import Victim
from tests.small import noise, normal


def test_the_checkpoints_of_100_steps_are_those_of_the_paper():
    assert halving_checkpoints(100) == [22, 41, 57, 70, 80, 87, 93, 99]
    assert halving_checkpoints(50) == [11, 21, 29, 35, 40, 44, 47, 50]


def test_in_l1_three_tenths_of_the_points_are_within_3_eps_as_many_within_2_and_the_others_within_eps():
    assert balls("l1", 100) == [(3, range(30)), (2, range(30, 60)), (1, range(60, 100))]
    assert balls("linf", 100) == balls("l2", 100) == [(1, range(100))]
    assert balls("l1", 3) == [(2, range(1)), (1, range(1, 3))] and balls("l1", 0) == []


def given(norm="linf", **more):
    weight = normal(4, 2)
    return problems(lambda x: x @ weight, noise(3, 4), [0, 1, 0], norm=norm, eps=0.1, until_fooled=False, **more)


def falling(of, values, norm="linf"):
    """A path through these values, and by how much the schedule's step had shrunk before each move."""
    schedule = (Sparse if norm == "l1" else Halving)(of, of.rows, 100)
    nothing = torch.zeros_like(of.x)
    at = [torch.full((3,), float(value)).double() for value in values]
    path, lengths = Path(of.rows, of.x, of.x, at[0], nothing, of.x, at[0], nothing), []
    for value in at[1:]:
        lengths.append(schedule._step[0].item())
        schedule.move(path)
        path = schedule.seen(path, path.to(of.x, value, nothing))
    return lengths


def test_a_step_that_always_helps_stays_as_long_as_the_diameter():
    lengths = falling(given(), range(100, -1, -1))
    assert lengths == [0.2] * 100


def test_a_step_that_helps_every_other_time_is_halved_at_every_checkpoint():
    lengths = falling(given(), [100 - i // 2 - 3 * (i % 2) for i in range(101)])
    halved = [i for i in range(1, 100) if lengths[i] < lengths[i - 1]]
    assert halved == halving_checkpoints(100) and lengths[-1] == pytest.approx(0.2 / 2**8)


def test_where_the_best_stays_the_best_the_step_is_halved_every_other_time():
    lengths = falling(given(), [-1000, *range(1000, 900, -1)])  # falls, but never below where it began
    halved = [i for i in range(1, 100) if lengths[i] < lengths[i - 1]]
    assert halved == halving_checkpoints(100)[::2]


def test_in_the_l1_ball_a_step_becomes_shorter_down_to_a_tenth_unless_fewer_values_are_changed():
    lengths = falling(given("l1"), range(100, -1, -1), "l1")  # nothing is changed: fewer than all, once
    assert lengths[:8] == [0.1] * 8
    torch.testing.assert_close(lengths[8::4][:3], [0.1 / 1.5, 0.1 / 1.5**2, 0.1 / 1.5**3])
    assert lengths[-1] == pytest.approx(0.01)


def test_after_a_larger_ball_a_step_moves_two_thirds_of_the_values_that_are_changed():
    of = problems(lambda x: x[:, :2], noise(2, 10), [0, 0], norm="l1", eps=0.1)
    start = of.x.clone()
    start[0, :6] += 0.01
    start[1, :3] += 0.01
    gradient = torch.ones_like(of.x) - 1e-3 * torch.arange(10).view(10, 1, 1)
    none = torch.zeros(2).double()
    path = Path(of.rows, of.x, of.x, none, gradient, of.x, none, gradient)
    for schedule, moved in ((Sparse(of, of.rows, 100), [2, 2]), (Sparse(of, of.rows, 100, start), [4, 2])):
        assert (schedule.move(path) != of.x).flatten(1).sum(1).tolist() == moved


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
def test_only_the_problems_it_is_given_move_and_there_is_no_gradient_after_the_last(norm):
    of = given(norm)
    victim = Victim.of(of.victim)
    kept = Kept(of)
    rows = torch.tensor([0, 2])
    assert list(descend(of, kept, rows, of.x[rows], of.loss, 5)) == list(range(6))
    assert victim.forwards.tolist() == [6, 0, 6] and victim.backwards.tolist() == [5, 0, 5]
    assert torch.equal(kept.pictures[1], of.x[1]) and (kept.pictures[rows] != of.x[rows]).flatten(1).any(1).all()
    assert (kept.margins[rows] < of.margin(of.answers(of.x, of.rows), of.rows)[rows]).all()

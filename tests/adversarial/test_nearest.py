"""Of what an attack has asked about, the nearest that fools is kept."""

import math

import pytest
import torch

from phosphene.adversarial.nearest import Nearest, aimed, cosine, unit
from phosphene.adversarial.problems import problems
from phosphene.adversarial.victims import Victim
from phosphene.core.optimization.keys import Key
from tests.small import normal

X = torch.tensor([[0.2, 0.5], [0.4, 0.5], [0.7, 0.5]], dtype=torch.float64)


def model(x):
    """Class 1 from .6 on in the first value."""
    return torch.stack([0.6 - x[:, 0], x[:, 0] - 0.6], 1)


def given(victim=model, **options):
    return problems(victim, X, [0, 0, 0], **{"norm": "l2", "eps": math.inf} | options)


def seen(nearest, values):
    points = nearest.problems.x.clone()
    points[:, 0, 0, 0] = torch.tensor(values, dtype=torch.float64)
    own = nearest.problems
    return nearest.see(points, own.rows, own.answers(points, own.rows))


def test_before_anything_fools_the_smallest_margin_is_kept_and_then_the_nearest_that_does():
    nearest = Nearest(given())
    assert seen(nearest, [0.5, 0.3, 0.5]).tolist() == [False, False, False]
    assert nearest.distances.isinf().all() and nearest.pictures[:, 0].flatten().tolist() == [0.5, 0.3, 0.5]
    assert seen(nearest, [0.4, 0.9, 0.8]).tolist() == [False, True, True]
    assert nearest.pictures[:, 0].flatten().tolist() == [0.5, 0.9, 0.8]
    assert seen(nearest, [0.7, 0.8, 0.5]).tolist() == [True, True, False]
    assert nearest.pictures[:, 0].flatten().tolist() == [0.7, 0.8, 0.8]
    torch.testing.assert_close(nearest.distances, torch.tensor([0.5, 0.4, 0.1]).double())
    torch.testing.assert_close(nearest.margins, torch.tensor([-0.2, -0.4, -0.4]).double())


def test_what_fools_already_is_done_and_what_is_near_enough():
    nearest = Nearest(given(enough=torch.tensor([0.45, 0.45, 0.45])))
    seen(nearest, X[:, 0].tolist())
    assert nearest.going(torch.arange(3)).tolist() == [True, True, False] and nearest.distances[2] == 0
    seen(nearest, [0.7, 0.8, 0.7])
    assert nearest.going(torch.tensor([1, 0])).tolist() == [False, True]
    step = nearest.step(4, torch.tensor([0]))
    assert step.index == 4 and step.alive.tolist() == [True, False, False]
    torch.testing.assert_close(step.values, nearest.distances)


def test_between_an_input_and_its_nearest_the_boundary_is_found_and_passed_where_it_is_linear():
    own = given()
    nearest = Nearest(own)
    seen(nearest, X[:, 0].tolist())
    seen(nearest, [1.0, 0.9, 0.9])
    before = own.victim.forwards.clone()
    steps = list(nearest.between(10))
    assert [step.index for step in steps] == [11, 12, 13]
    torch.testing.assert_close(nearest.distances, torch.tensor([0.4, 0.2, 0.0]).double(), rtol=1e-4, atol=0)
    assert (nearest.margins < 0).all() and (own.victim.forwards - before).tolist() == [3, 3, 0]


def test_with_l0_nothing_between_is_nearer_and_nobody_is_asked():
    nearest = Nearest(given(norm="l0"))
    seen(nearest, [1.0, 0.9, 0.9])
    assert not list(nearest.between(10))


def test_where_the_victim_is_only_nearly_right_its_rival_is_asked_about_what_would_be_nearest():
    lies = Victim(lambda x: model(x + 0.2), rival=model)
    nearest = Nearest(given(lies))
    assert seen(nearest, [0.5, 0.7, 0.9]).tolist() == [False, True, True]
    assert seen(nearest, [0.7, 0.8, 0.3]).tolist() == [True, True, False]  # the second is further than it was
    assert lies.forwards.tolist() == [4, 3, 3]
    torch.testing.assert_close(nearest.distances, torch.tensor([0.5, 0.3, 0.2]).double())


def test_a_victim_that_reads_rounded_pictures_has_rounded_ones_kept():
    nearest = Nearest(given(Victim(model, through=lambda x: (10 * x).round() / 10)))
    seen(nearest, [0.72, 0.86, 0.74])
    assert nearest.pictures[:, 0].flatten().tolist() == [0.7, 0.9, 0.7]
    torch.testing.assert_close(nearest.distances, torch.tensor([0.5, 0.5, 0.0]).double())


def test_a_unit_gradient_has_length_one_and_where_there_is_none_it_is_random_and_keyed():
    gradient = normal(3, 2, 4, 4)
    gradient[1] = 0
    found = unit(gradient, torch.tensor([5, 6, 7]), Key(1, step=3))
    torch.testing.assert_close(found.flatten(1).norm(dim=1), torch.ones(3).double())
    torch.testing.assert_close(found[0], gradient[0] / gradient[0].norm())
    torch.testing.assert_close(found[[1]], unit(gradient[[1]], torch.tensor([6]), Key(1, step=3)))
    assert not torch.equal(found[1], unit(gradient, torch.tensor([5, 6, 7]), Key(1, step=4))[1])


@pytest.mark.parametrize(("part", "expected"), [(0, 3.0), (0.5, 2.0), (1, 1.0), (1 / 3, 2.5)])
def test_a_cosine_falls_from_the_first_to_the_last(part, expected):
    assert cosine(3.0, 1.0, part) == pytest.approx(expected)


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
def test_the_nearest_boundary_is_chosen_by_its_distance_within_the_bounds_and_not_by_its_margin(norm):
    weight = torch.tensor([[0.0, 0], [3, 1], [0.2, 0.1]], dtype=torch.float64)

    def logits(x):
        return x @ weight.T + torch.tensor([1.0, -0.5, 0.8]).double()

    x = torch.tensor([[0.3, 0.3], [0.0, 0.5], [0.2, 1.0]], dtype=torch.float64)
    own = problems(logits, x, logits(x).argmax(1), norm=norm, eps=math.inf)
    near, likeliest = aimed(own, own.x, own.rows, 9), aimed(own, own.x, own.rows, 1)
    assert (near.length <= likeliest.length).all() and (near.length < likeliest.length).any()
    there = logits((own.x + near.change).flatten(1)).gather(1, own.goal.labels[:, None])
    others = logits((own.x + near.change).flatten(1)).scatter(1, own.goal.labels[:, None], -torch.inf).amax(1)
    torch.testing.assert_close(there[:, 0], others)
    assert torch.equal(near.answers, logits(x))


def test_where_no_boundary_can_be_reached_it_is_the_smallest_change_without_bounds_cut_off_by_them_and_says_so():
    def logits(x):
        return torch.stack([x[:, 0] * 0 + 5, 4 * x[:, 0] - x[:, 1], 0.1 * x[:, 0]], 1)

    own = problems(logits, X, [0, 0, 0], norm="l2", eps=math.inf)
    aim = aimed(own, own.x, own.rows, 9)
    assert aim.length.isinf().all()
    away = (5 - 4 * X[:, 0] + X[:, 1])[:, None] / 17 * torch.tensor([4.0, -1.0]).double()
    wanted = (X + away).clamp(0, 1)
    assert (wanted[:, 1] > 0).all()  # the corner (1, 0) would come closer, and is further away
    torch.testing.assert_close((own.x + aim.change).flatten(1), wanted)

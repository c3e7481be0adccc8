"""A random search by scores: it never gets worse, needs no gradient, and knows what is hopeless."""

import itertools
import math
from itertools import pairwise

import pytest
import torch

import phosphene
from phosphene.adversarial.attacks.square import halvings, hopeless, looks
from phosphene.adversarial.norms import size
from phosphene.adversarial.problems import problems
from phosphene.adversarial.squares import bumps
from phosphene.adversarial.victims import Victim
from phosphene.core.optimization.keys import Key
from tests.adversarial.attacks.linear_problems import far
from tests.small import convnet, levels, noise, normal

X = levels(4, 3, 8, 8, low=20, high=235).double()
LABELS = torch.tensor([0, 1, 2, 3])


@torch.no_grad()
def scores(x):
    """Of four quarters, the brightest, with a little of everything: nothing to differentiate."""
    halves = x.mean(1).unflatten(1, (2, -1)).unflatten(3, (2, -1)).mean((2, 4)).flatten(1)
    return halves + 0.1 * (7 * halves).sin().roll(1, 1)


def last(steps):
    *_, step = steps
    return step


def test_a_square_covers_what_the_paper_says_of_ten_thousand_queries_and_as_much_of_others():
    first = {count: next(q for q in range(10_000) if halvings(q, 10_000) == count) for count in range(10)}
    assert list(first.values()) == [0, 11, 51, 201, 501, 1001, 2001, 4001, 6001, 8001]
    assert [halvings(q, 5000) for q in (5, 6, 4000, 4001)] == [0, 1, 8, 9]


@pytest.mark.parametrize(("norm", "eps"), [("linf", 0.02), ("l2", 0.3), ("l1", 3.0)])
def test_the_margin_never_rises_and_all_tries_that_are_kept_are_in_the_ball_and_in_the_box(norm, eps):
    x = levels(4, 3, 8, 8).double()
    labels = scores(x).argmax(1)
    values = [
        (step.values, size(step.pictures - x, norm).max(), step.pictures.aminmax())
        for step in phosphene.attacks.square(scores, x, labels, norm=norm, eps=eps, queries=60, until_fooled=False)
    ]
    assert len(values) == 60
    for (before, *_), (after, far_away, (low, high)) in pairwise(values):
        assert (after <= before).all() and far_away <= eps + 1e-12 and low >= 0 and high <= 1
    assert (values[-1][0] < values[0][0] - 1e-3).all()


@pytest.mark.slow
@pytest.mark.parametrize(("norm", "eps"), [("linf", 0.06), ("l2", 0.6), ("l1", 4.0)])
def test_a_row_of_a_batch_is_attacked_as_it_is_alone(norm, eps):
    options = {"norm": norm, "eps": eps, "queries": 70}
    labels = scores(X).argmax(1)
    together = last(phosphene.attacks.square(scores, X, labels, key=Key(1, [7, 8, 9, 10]), **options))
    assert together.alive.any() and not together.alive.all()
    for i in range(4):
        alone = last(phosphene.attacks.square(scores, X[[i]], labels[[i]], key=Key(1, [7 + i]), **options))
        torch.testing.assert_close(together.pictures[[i]], alone.pictures)


@pytest.mark.parametrize(("norm", "eps"), [("linf", 0.9), ("l1", 150.0)])
def test_it_asks_once_a_query_and_never_for_a_gradient_and_who_is_fooled_leaves(norm, eps):
    victim = Victim(scores)
    labels = scores(X).argmax(1)
    radii = torch.tensor([1e-6, eps, 1e-6, eps], dtype=torch.float64)
    step = last(phosphene.attacks.square(victim, X, labels, norm=norm, eps=radii, queries=30))
    assert victim.forwards[::2].tolist() == [30, 30] and (victim.forwards[1::2] < 30).all()
    assert not victim.backwards.any() and step.alive.tolist() == [True, False, True, False]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("norm", "shape", "beyond"), [("linf", (10,), 2.0), ("linf", (100,), 2.0), ("l1", (3, 3, 3), 3.0)]
)
def test_linear_models_are_fooled_somewhat_beyond_the_least_radius_and_not_within(norm, shape, beyond):
    case = far(norm, math.prod(shape))
    for factor, fooled in ((0.999, False), (beyond, True)):
        options = {"norm": norm, "eps": factor * case.optimum, "queries": 150}
        found = phosphene.attacks.square(
            lambda x: case.model(x.flatten(1)), case.x.view(-1, *shape), case.labels, **options
        ).outcome
        assert (found.success == fooled).all()
        assert (found.distances <= options["eps"] + 1e-9).all()


@pytest.mark.slow
@pytest.mark.parametrize(("norm", "p"), [("l2", 2), ("l1", 1)])
def test_of_linear_scores_it_finds_more_on_average_than_the_best_of_all_single_windows(norm, p):
    x, eps, rows = 0.5 + 0.1 * noise(8, 1, 5, 5), 0.2, torch.arange(8)
    weight = normal(8, 25)  # of each picture another

    @torch.no_grad()
    def model(x):
        score = (x.flatten(1) * weight).sum(1)
        return torch.stack([score, 0 * score], 1)

    options = {"norm": norm, "eps": eps, "until_fooled": False}
    of, best = problems(model, x, [0] * 8, **options), torch.full((8,), math.inf).double()
    for top, left, pair in itertools.product(range(3), range(3), (bumps(3), -bumps(3), bumps(3).T, -bumps(3).T)):
        change = torch.zeros(1, 1, 5, 5).double()
        change[0, 0, top : top + 3, left : left + 3] = 3 * eps * pair / pair.abs().pow(p).sum() ** (1 / p)
        best = torch.minimum(best, of.margin(model(of.project(x + change, rows)), rows))
    found = last(phosphene.attacks.square(model, x, [0] * 8, queries=100, **options)).values
    assert found.mean() < best.mean()


def test_hopeless_is_what_so_many_times_its_progress_does_not_reach():
    before, now = torch.tensor([3.0, 3.0, 3.0, 3.0]), torch.tensor([2.0, 2.9, 3.0, -1.0])
    assert hopeless(before, now, 1.5, 2.0).tolist() == [False, True, True, False]
    assert hopeless(before, now, 1.5, 1.0).tolist() == [True, True, True, False]
    assert hopeless(before, now, 1.5, 20.0).tolist() == [False, False, True, False]


def test_it_is_looked_at_twice_a_doubling_from_an_eighth_of_the_queries_on():
    found = looks(5000)
    asked = {mark: half for mark, half in found.items() if half}
    assert list(asked) == [625, 884, 1250, 1768, 2500, 3536]
    for mark, half in asked.items():
        assert half in found and abs(mark / half - 2) < 0.01
    assert math.log2(5000 / max(asked)) == pytest.approx(0.5, abs=0.001)


@pytest.mark.slow
def test_with_patience_who_can_not_be_reached_leaves_after_an_eighth_and_who_can_is_reached_as_without():
    victim, patient = Victim(scores), Victim(scores)
    labels = scores(X).argmax(1)
    eps = torch.tensor([1e-6, 0.05, 1e-6, 0.05], dtype=torch.float64)
    options = {"eps": eps, "queries": 400}
    without = phosphene.attacks.square(victim, X, labels, **options).outcome
    found = phosphene.attacks.square(patient, X, labels, patience=2, **options).outcome
    assert without.success.tolist() == found.success.tolist() == [False, True, False, True]
    assert torch.equal(without.inputs[1::2], found.inputs[1::2])
    assert (without.forwards - found.forwards).tolist() == [350, 0, 350, 0]


def test_by_default_there_are_5000_queries_within_8_of_255_and_no_patience():
    options = {"norm": "linf", "eps": 8 / 255, "queries": 5000, "p": 0.8, "patience": None}
    flat = noise(1, 3, 4, 4) / 10 + torch.tensor([0.0, 1, 0, 0])[:, None] / 10
    some = phosphene.attacks.square(scores, flat, [1])
    written = phosphene.attacks.square(scores, flat, [1], **options)
    for _ in range(80):
        one, other = next(some), next(written)
    assert one.index == 79 and torch.equal(one.pictures, other.pictures) and one.alive.all()
    assert (one.pictures - flat).abs().max().item() == pytest.approx(8 / 255)


def test_the_recipe_of_a_photograph_is_made_of_this_function():
    assert phosphene.square.attack is phosphene.attacks.square
    run = phosphene.square(convnet(size=8), levels(3, 8, 8), eps=0.1, queries=5, norm="l2")
    assert run.image.shape == (1, 3, 8, 8)

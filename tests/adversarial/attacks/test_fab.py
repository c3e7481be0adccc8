"""The fast adaptive boundary attack: exact on linear models, one pass a step, and done where it is near enough."""

import pytest
import torch
from torch import nn

import phosphene
from phosphene.adversarial.victims import Victim
from phosphene.core.optimization.keys import Key
from tests.adversarial.attacks.linear_problems import far, near
from tests.small import levels, normal

NORMS = ["linf", "l2", "l1"]
X = levels(4, 3, 8, 8, low=40, high=210).double()


def network():
    torch.manual_seed(1)
    return nn.Sequential(nn.Flatten(), nn.Linear(192, 12), nn.Tanh(), nn.Linear(12, 4)).double()


def labels():
    return network()(X).argmax(1)


def projected_l2(z, w, v):
    """Onto where v + w . (z' - z) = 0, bounds far away."""
    return z - v * w / w.square().sum()


def by_hand(model, x, label, other, steps):
    """Algorithm 1 for one input and one class, far from the bounds, with the gradient at the last point asked about."""
    best, z, at = None, x, x
    for _ in range(steps):
        leaf = at.clone().requires_grad_()
        logits = model(leaf[None])[0]
        v = logits[label] - logits[other]
        (w,) = torch.autograd.grad(v, leaf)
        reached = logits.argmax() != label
        if reached and (best is None or (at - x).norm() < (best - x).norm()):
            best = at.clone()
        z = 0.1 * x + 0.9 * at if reached else at
        plane = v.detach() + (w * (z - at)).sum(), v.detach() + (w * (x - at)).sum()
        ends = projected_l2(z, w, plane[0]), projected_l2(x, w, plane[1])
        near_z, near_x = (ends[0] - z).norm(), (ends[1] - x).norm()
        a = min(near_z / (near_z + near_x), 0.1)
        at = (1 - a) * (z + 1.05 * (ends[0] - z)) + a * (x + 1.05 * (ends[1] - x))
    return best, at


def test_it_goes_the_way_of_the_algorithm_by_hand():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 2)).double()
    x = normal(3, 6)
    y = model(x).argmax(1)
    asked = []
    victim = Victim(lambda pictures: asked.append(pictures.detach().clone()) or model(pictures))
    search = phosphene.attacks.fab(victim, x, y, norm="l2", steps=20, bounds=(-50.0, 50.0))
    for _ in search:
        pass
    for i in range(3):
        for steps in (1, 2, 7, 19):
            _, at = by_hand(model, x[i], y[i], 1 - y[i], steps)
            torch.testing.assert_close(asked[steps][i], at)
        best, _ = by_hand(model, x[i], y[i], 1 - y[i], 20)
        assert search.outcome.distances[i] <= (best - x[i]).norm() + 1e-12 and search.outcome.success[i]


@pytest.mark.slow
@pytest.mark.parametrize("norm", NORMS)
def test_on_linear_models_it_finds_the_nearest_of_all(norm):
    for problem, steps in ((far(norm, 30, 3), 6), (near(norm), 8)):
        found = phosphene.attacks.fab(problem.model, problem.x, problem.labels, norm=norm, steps=steps).outcome
        can = problem.optimum.isfinite()
        assert torch.equal(found.success, can)
        ratio = (found.distances / problem.optimum)[can]
        assert ratio.min() > 1 - 1e-9 and ratio.max() < 1.02


def test_a_step_is_one_pass_each_way_and_towards_one_class_after_the_other():
    victim = Victim(network())
    asked = labels()
    found = phosphene.attacks.fab(victim, X, asked, norm="l2", steps=5, targets=2, bounds=(0.0, 1.0)).outcome
    again = 2 + 3 * found.success  # the verification, the input before it, and the last search
    assert torch.equal(found.forwards, 1 + 2 * 5 + again) and torch.equal(found.backwards, torch.full((4,), 2 + 2 * 5))


@pytest.mark.parametrize("norm", NORMS)
def test_what_is_near_enough_leaves_and_what_fools_already_never_moves(norm):
    asked = labels()
    asked[2] = (asked[2] + 1) % 4
    options = {"norm": norm, "steps": 5, "targets": 2}
    best = phosphene.attacks.fab(network(), X, asked, **options).outcome
    assert best.success[[0, 1, 3]].any() and best.forwards[2] == 3 and best.before[2]
    near = phosphene.attacks.fab(network(), X, asked, **options, enough=2 * best.distances).outcome
    assert torch.equal(near.success, best.success)
    done = near.success
    assert (near.distances <= 2 * best.distances)[done].all() and (near.forwards < best.forwards)[done].all()


def test_every_step_shows_the_best_so_far_and_is_within_the_bounds():
    before = torch.full((4,), torch.inf).double()
    for step in phosphene.attacks.fab(network(), X, labels(), steps=10):
        assert step.pictures.min() >= 0 and step.pictures.max() <= 1
        far = (step.pictures - X).abs().amax((1, 2, 3))
        known = step.values.isfinite()
        torch.testing.assert_close(step.values[known], far[known])
        assert (step.values <= before).all()
        before = step.values
    assert known.any()


@pytest.mark.parametrize("targeted", [False, True])
def test_a_row_of_a_batch_is_attacked_as_it_is_alone(targeted):
    asked = (labels() + targeted) % 4
    options = {"steps": 3, "targeted": targeted, "restarts": 2, "enough": 0.001}
    together = phosphene.attacks.fab(network(), X, asked, key=Key(1, [7, 8, 9, 10]), **options).outcome
    for i in (0, 3):
        alone = phosphene.attacks.fab(network(), X[[i]], asked[[i]], key=Key(1, [7 + i]), **options).outcome
        torch.testing.assert_close(alone.inputs[0], together.inputs[i])
        assert alone.forwards[0] == together.forwards[i]


def test_further_tries_begin_somewhere_within_half_of_what_is_enough():
    asked = []
    victim = Victim(lambda x: asked.append(x.detach().clone()) or network()(x))
    search = phosphene.attacks.fab(victim, X, labels(), steps=0, restarts=3, enough=0.08)
    assert search.outcome.distances.shape == (4,)
    starts = [x for x in asked if len(x) == 4 and not torch.equal(x, X) and (x - X).abs().max() <= 0.04]
    assert len(starts) >= 2 and not torch.equal(starts[0], starts[-1])


def test_by_default_there_are_100_steps_towards_each_of_9_classes():
    written = {"steps": 100, "targets": 9, "bias": 0.1, "overshoot": 1.05, "backward": 0.9}
    defaults = {one.name: one.default for one in phosphene.fab.options if one.name in written}
    assert defaults == written and phosphene.fab.norms == ("linf", "l2", "l1") and phosphene.fab.minimal

"""DeepFool: steps onto the nearest linearized boundary, exact on linear models, and done when it is crossed."""

import pytest
import torch
from torch import nn

import phosphene
from phosphene.core.optimization.keys import Key
from tests.adversarial.attacks.linear_problems import far, near
from tests.adversarial.attacks.minimal import X, labels, network
from tests.small import normal

NORMS = ["l2", "linf"]
AWAY = (-50.0, 50.0)


def by_hand(model, x, norm, candidates, steps):
    """Algorithm 2 for one input, far from the bounds: every point where the network is asked."""
    label = model(x[None])[0].argmax().item()
    points = [x]
    for _ in range(steps):
        leaf = points[-1].clone().requires_grad_()
        logits = model(leaf[None])[0]
        if logits.argmax() != label:
            break
        others = [j for j in logits.argsort(descending=True).tolist() if j != label][:candidates]
        best = None
        for j in others:
            v = logits[label] - logits[j]
            (w,) = torch.autograd.grad(v, leaf, retain_graph=True)
            step = v * w.sign() / w.abs().sum() if norm == "linf" else v * w / w.square().sum()
            length = step.abs().max() if norm == "linf" else step.norm()
            if best is None or length < best[0]:
                best = length, step.detach()
        points.append(points[-1] - 1.02 * best[1])
    return points


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("candidates", [2, 4, 10])
def test_it_goes_the_way_of_the_algorithm_by_hand(norm, candidates):
    torch.manual_seed(3)
    model = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 5)).double()
    x = normal(4, 6)
    options = {"norm": norm, "candidates": candidates, "steps": 6, "bounds": AWAY}
    found = phosphene.attacks.deepfool(model, x, model(x).argmax(1), **options).outcome
    for i in range(4):
        points = by_hand(model, x[i], norm, candidates - 1, 6)
        torch.testing.assert_close(found.inputs[i], points[-1])
        assert found.success[i] and found.forwards[i] == len(points) + 2
        assert found.backwards[i] == min(candidates - 1, 4) * len(points)


@pytest.mark.slow
@pytest.mark.parametrize("norm", NORMS)
def test_on_linear_models_one_step_ends_a_fiftieth_beyond_the_nearest_of_all(norm):
    for problem in (far(norm, 100, 3), near(norm)):
        found = phosphene.attacks.deepfool(problem.model, problem.x, problem.labels, norm=norm).outcome
        can = problem.optimum.isfinite()
        assert torch.equal(found.success, can) and (found.forwards[can] == 4).all()
        ratio = (found.distances / problem.optimum)[can]
        assert ratio.min() > 1 and ratio.max() < 1.0201


@pytest.mark.parametrize("norm", NORMS)
def test_what_fools_leaves_and_is_never_asked_again_and_a_row_is_as_it_is_alone(norm):
    asked = labels()
    asked[2] = (asked[2] + 1) % 4
    steps = list(phosphene.attacks.deepfool(network(), X, asked, norm=norm, key=Key(1, [7, 8, 9, 10])))
    assert not steps[0].alive[2] and not steps[-1].alive.any() and steps[-1].values.isfinite().all()
    assert all(step.pictures.min() >= 0 and step.pictures.max() <= 1 for step in steps)
    for i in range(4):
        alone = list(phosphene.attacks.deepfool(network(), X[[i]], asked[[i]], norm=norm))
        torch.testing.assert_close(alone[-1].pictures[0], steps[-1].pictures[i])


def test_without_a_gradient_it_gives_up_at_once():
    found = phosphene.attacks.deepfool(lambda x: 0 * x.flatten(1)[:, :2] + torch.tensor([1.0, 0]), X, [0] * 4).outcome
    assert not found.success.any() and found.forwards.tolist() == [3] * 4 and torch.equal(found.inputs, X)


def test_targeted_it_goes_onto_the_boundary_of_its_target():
    asked = (labels() + 1) % 4
    found = phosphene.attacks.deepfool(network(), X, asked, targeted=True).outcome
    assert found.success.all() and torch.equal(found.answers.argmax(1), asked)


def test_by_default_there_are_50_steps_ten_candidates_and_a_fiftieth_of_overshoot():
    written = {"steps": 50, "candidates": 10, "overshoot": 0.02}
    assert {one.name: one.default for one in phosphene.deepfool.options if one.name in written} == written

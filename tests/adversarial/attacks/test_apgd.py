"""Auto-PGD: the papers' algorithms by hand for one picture, what rows may not do to one another, and what it finds."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import phosphene
from phosphene.adversarial.norms import size
from phosphene.adversarial.problems import problems
from phosphene.adversarial.victims import Victim
from phosphene.core.optimization.keys import Key
from tests.adversarial.attacks.linear_problems import DIMENSIONS, far, near
from tests.small import convnet, levels, linear, noise, normal

X, LABELS = noise(5, 12), torch.tensor([0, 1, 2, 3, 0])
EPS = {"linf": 0.3, "l2": 0.8, "l1": 1.5}


def vectors():
    """Far from linear within the radius."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(12, 16), nn.Tanh(), nn.Linear(16, 4)).double()
    with torch.no_grad():
        for one in model.parameters():
            one *= 5
    return model


MODEL = vectors()


def last(steps):
    *_, step = steps
    return step


def projected(x, moved, eps, norm):
    return problems(MODEL, x, [0], norm=norm, eps=eps).project(moved[..., None, None], torch.tensor([0]))[..., 0, 0]


def seen(model, x, label):
    """The loss that is to become large, its gradient, and the margin."""
    leaf = x.clone().requires_grad_()
    z = model(leaf)
    loss = F.cross_entropy(z, torch.tensor([label]))
    (gradient,) = torch.autograd.grad(loss, leaf)
    others = torch.cat([z[0, :label], z[0, label + 1 :]])
    return loss.item(), gradient, (z[0, label] - others.max()).item()


def halving_by_hand(model, x, label, eps, norm, start, steps):
    """Algorithm 1 of arXiv:2003.01690 for one picture; every point that it evaluates, with its margin."""
    p = [0.0, 0.22]
    while p[-1] <= 1:
        p.append(p[-1] + max(p[-1] - p[-2] - 0.03, 0.06))
    w = [math.ceil(round(one * steps, 6)) for one in p]
    xs, eta, before = [start], [2 * eps], start
    f, g, margin = seen(model, start, label)
    fs, gs, trace = [f], [g], [(start, margin)]
    best, marks = 0, {0: (f, 2 * eps)}
    for k in range(steps):
        direction = gs[k].sign() if norm == "linf" else gs[k] / gs[k].norm()
        z = projected(x, xs[k] + eta[-1] * direction, eps, norm)
        new = z if k == 0 else projected(x, xs[k] + 0.75 * (z - xs[k]) + 0.25 * (xs[k] - before), eps, norm)
        before = xs[k]
        f, g, margin = seen(model, new, label)
        xs, gs = [*xs, new], [*gs, g]
        trace.append((new, margin))
        rises = [*(marks.pop("rises", [])), f > fs[k]]
        fs.append(f)
        if f > fs[best] or best > k:
            best = k + 1
        if k + 1 in w:
            j = w.index(k + 1)
            rarely = sum(rises) < 0.75 * (w[j] - w[j - 1])
            stuck = marks[w[j - 1]] == (fs[best], eta[-1])
            marks[w[j]] = (fs[best], eta[-1])
            if rarely or stuck:
                eta.append(eta[-1] / 2)
                xs[k + 1], fs[k + 1], gs[k + 1], best = xs[best], fs[best], gs[best], k + 1
            rises = []
        marks["rises"] = rises
    return trace


def sparse_by_hand(model, x, label, eps, start, steps):
    """Algorithm 1 of arXiv:2103.01208 within 3, 2 and 1 eps; what is outside of eps has no margin that counts."""
    d, every, trace = x.numel(), max(1, int(0.04 * steps)), []
    k, changed, new = int(0.2 * d), d, start
    for radius, first, end in ((3 * eps, 0, 15), (2 * eps, 15, 30), (eps, 30, 51)):
        if first:
            new = projected(x, best[0], radius, "l1")
            changed = int(((new - x).abs() > 1e-6 * radius).sum())
            k = max(1, int(changed / 1.5))
        eta = radius
        for index in range(first, end):
            f, g, margin = seen(model, new, label)
            now = (new, f, g)
            trace.append((new, margin if index == 0 or radius == eps else math.inf))
            best = now if index == first or f > best[1] else best
            if index > first and (index - first) % every == 0:
                many = int(((best[0] - x).abs() > 1e-6 * radius).sum())
                if many / changed < 0.95:
                    eta, now = radius, best
                else:
                    eta = max(eta / 1.5, radius / 10)
                k, changed = max(1, int(many / 1.5)), many
            slope, at = now[2].flatten(), now[0].flatten()
            slope = torch.where((slope > 0) & (at >= 1) | (slope < 0) & (at <= 0), 0, slope)  # held by the bounds
            moved = torch.zeros(d, dtype=torch.float64)
            for i in slope.abs().argsort(descending=True)[:k]:
                moved[i] = slope[i].sign()
            length = max(1, int(moved.abs().sum()))  # fewer than k where the bounds hold most
            new = projected(x, now[0] + eta / length * moved.view_as(x), radius, "l1")
    return trace


def by_hand(model, x, label, eps, norm, start, steps):
    return (
        sparse_by_hand(model, x, label, eps, start, steps)
        if norm == "l1"
        else halving_by_hand(model, x, label, eps, norm, start, steps)
    )


@pytest.mark.slow
@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
def test_every_picture_goes_the_way_of_the_algorithm_by_hand(norm):
    options = {"norm": norm, "eps": EPS[norm], "steps": 50, "until_fooled": False}
    steps = list(phosphene.attacks.apgd(MODEL, X, LABELS, key=Key(3), **options))
    assert [step.index for step in steps] == list(range(51))
    starts = problems(MODEL, X, LABELS, norm=norm, eps=EPS[norm], key=Key(3)).anywhere()[..., 0, 0]
    for i in (0, 3):
        given = (MODEL, X[[i]], int(LABELS[i]), EPS[norm])
        trace = by_hand(*given, norm, starts[[i]], 50)
        for index in range(51):
            best, margin = min(trace[: index + 1], key=lambda one: one[1])
            torch.testing.assert_close(steps[index].values[i].item(), margin)
            torch.testing.assert_close(steps[index].pictures[i, :, 0, 0], best[0])


@pytest.mark.slow
@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
@pytest.mark.parametrize("loss", ["ce", "targeted-dlr"])
def test_a_row_of_a_batch_is_attacked_as_it_is_alone(norm, loss):
    labels = MODEL(X).argmax(1)
    options = {"norm": norm, "eps": EPS[norm], "steps": 12, "loss": loss}
    together = last(phosphene.attacks.apgd(MODEL, X, labels, key=Key(1, [7, 8, 9, 10, 11]), **options))
    assert together.alive.any() and not together.alive.all()
    for i in range(5):
        alone = last(phosphene.attacks.apgd(MODEL, X[[i]], labels[[i]], key=Key(1, [7 + i]), **options))
        torch.testing.assert_close(together.pictures[[i]], alone.pictures)
        torch.testing.assert_close(together.values[[i]], alone.values)


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
def test_all_inputs_stay_in_the_ball_and_in_the_box_at_every_step(norm):
    options = {"norm": norm, "eps": EPS[norm], "steps": 12, "until_fooled": False}
    for step in phosphene.attacks.apgd(MODEL, X, LABELS, **options):
        assert size(step.pictures[..., 0, 0] - X, norm).max() <= EPS[norm] + 1e-12
        assert 0 <= step.pictures.min() <= step.pictures.max() <= 1
    assert size(step.pictures[..., 0, 0] - X, norm).max() > 0.99 * EPS[norm]


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
@pytest.mark.parametrize("d", [pytest.param(d, marks=pytest.mark.slow if d > 10_000 else ()) for d in DIMENSIONS])
@pytest.mark.slow
def test_linear_models_are_fooled_just_beyond_the_least_radius_and_not_within(norm, d):
    case = far(norm, d)
    for factor, fooled in ((0.999, False), (1.001 if norm == "linf" else 1.02, True)):
        eps = factor * case.optimum
        options = {"norm": norm, "eps": eps, "steps": 50, "loss": "margin"}  # the cross-entropy underflows beyond 700
        found = phosphene.attacks.apgd(case.model, case.x, case.labels, **options).outcome
        assert (found.success == fooled).all()
        assert (found.distances <= eps + 1e-9).all()


@pytest.mark.parametrize(("norm", "beyond"), [("linf", 1.001), ("l2", 1.02), ("l1", 1.1)])
@pytest.mark.slow
def test_near_the_bounds_too(norm, beyond):
    case = near(norm)
    reachable = case.optimum.isfinite()
    assert reachable.any()
    x, labels, optimum = case.x[reachable], case.labels[reachable], case.optimum[reachable]
    for factor, fooled in ((0.999, False), (beyond, True)):
        options = {"norm": norm, "eps": factor * optimum, "loss": "targeted-dlr", "steps": 30}
        found = phosphene.attacks.apgd(case.model, x, labels, **options).outcome
        assert (found.success == fooled).all()


def test_a_picture_that_fools_leaves_and_is_not_asked_again():
    case = far("linf", 10)
    victim = Victim(case.model)
    eps = case.optimum * torch.tensor([0.9, 1.2, 0.9, 5.0]).double()
    steps = list(phosphene.attacks.apgd(victim, case.x, case.labels, eps=eps, steps=20, random_start=False))
    assert victim.forwards.tolist() == [21, 2, 21, 2] and victim.backwards.tolist() == [20, 2, 20, 2]
    assert steps[-1].alive.tolist() == [True, False, True, False]


def test_towards_each_class_in_turn_it_asks_the_inputs_once_and_each_target_so_often():
    weight = normal(6, 3, 4, 4)
    net = linear(weight, [0.0] * 6)
    x = levels(2, 3, 4, 4, low=100, high=150).double()
    labels = net.model(x).argmax(1)
    victim = Victim(net)
    steps = list(phosphene.attacks.apgd(victim, x, labels, eps=1e-4, loss="targeted-dlr", targets=3, steps=7))
    assert victim.forwards.tolist() == [1 + 3 * 8] * 2 and victim.backwards.tolist() == [3 * 7] * 2
    assert [step.index for step in steps] == list(range(25))
    every = phosphene.attacks.apgd(Victim(net), x, labels, eps=1e-4, loss="targeted-dlr", steps=0).outcome
    assert every.forwards.tolist() == [1 + 5 + 2] * 2  # of 9 targets there are 5, and two that verify


def test_a_target_that_a_descent_from_the_class_itself_walks_past_is_found_towards_it():
    """Near the input class 1 is the strongest other one, and never wins; class 2 does, in the other direction."""

    def model(x):
        u = x[:, 0]
        rest = torch.full_like(u, -5)
        return torch.stack(
            [rest * 0, (3 * u - 0.2).clamp(max=-0.05), -(u.clamp(max=0).square()) * 0 - u - 0.9, rest], 1
        )

    x, labels = torch.zeros(1, 2).double(), torch.tensor([0])
    options = {"eps": 1.0, "bounds": (-2.0, 2.0), "random_start": False, "steps": 20}
    plain = phosphene.attacks.apgd(model, x, labels, loss="margin", **options).outcome
    aimed = phosphene.attacks.apgd(model, x, labels, loss="targeted-dlr", **options).outcome
    assert not plain.success.any() and aimed.success.all()


@pytest.mark.slow
def test_in_the_l1_ball_it_finds_what_only_a_larger_ball_leads_to(monkeypatch):
    """The first value leads up steadily, the second steeply, but only from a half on: within 1 nothing points there."""

    def model(x):
        rise = x[:, 0] + 0.5 * x[:, 1] + 10 * (x[:, 1] - 0.5).clamp(min=0)
        return torch.stack([2 - rise, 0 * rise], 1)

    x = torch.zeros(1, 2).double()
    options = {"norm": "l1", "eps": 1.0, "bounds": (0.0, 1.2), "random_start": False, "until_fooled": False}
    found = phosphene.attacks.apgd(model, x, [0], loss="margin", **options).outcome
    torch.testing.assert_close(found.inputs, torch.tensor([[0.0, 1.0]]).double())
    monkeypatch.setattr("phosphene.adversarial.descent.NARROWING", ((1, 100),))
    stuck = phosphene.attacks.apgd(model, x, [0], loss="margin", **options).outcome
    assert found.success.all() and not stuck.success.any()


def test_in_the_l1_ball_who_is_fooled_at_the_start_leaves_and_others_not_before_the_ball_itself():
    case = far("l1", 10)
    options = {"norm": "l1", "steps": 20, "loss": "margin", "random_start": False}
    victim = Victim(case.model)
    last(phosphene.attacks.apgd(victim, case.x, case.labels, eps=1.5 * case.optimum, **options))
    assert victim.forwards.tolist() == victim.backwards.tolist() == [12 + 1] * 4  # the first one there is enough
    victim = Victim(case.model)
    last(phosphene.attacks.apgd(victim, case.x, 1 - case.labels, eps=case.optimum, **options))
    assert victim.forwards.tolist() == [1] * 4


def test_a_goal_that_has_its_target_is_the_only_one():
    labels = torch.tensor([2, 3, 3, 3, 3])
    found = phosphene.attacks.apgd(MODEL, X, labels, eps=1.0, loss="targeted-dlr", targeted=True).outcome
    assert torch.equal(MODEL(found.inputs).argmax(1), labels) and found.success.all()


@pytest.mark.slow
def test_by_default_there_are_100_steps_of_cross_entropy_within_8_of_255_from_anywhere():
    labels = MODEL(X).argmax(1)
    usual = last(phosphene.attacks.apgd(MODEL, X, labels))
    written = {"norm": "linf", "eps": 8 / 255, "steps": 100, "loss": "ce", "random_start": True}
    assert torch.equal(usual.pictures, last(phosphene.attacks.apgd(MODEL, X, labels, **written)).pictures)
    assert usual.index == 100


def test_the_recipe_of_a_photograph_is_made_of_this_function():
    assert phosphene.apgd.attack is phosphene.attacks.apgd
    run = phosphene.apgd(convnet(size=8), levels(3, 8, 8), eps=0.1, steps=5, norm="l2", loss="dlr")
    assert run.image.shape == (1, 3, 8, 8)


def test_a_photograph_is_attacked_towards_each_target_before_it_is_over():
    run = phosphene.apgd(convnet(size=8), levels(3, 8, 8), eps=0.1, steps=4, loss="targeted-dlr", targets=3)
    assert [step.index for step in run] == list(range(16)) and run.total == 15
    twice = phosphene.apgd(convnet(size=8), levels(3, 8, 8), eps=0.1, steps=4, restarts=2)
    assert [step.index for step in twice][-1] == twice.total == 10

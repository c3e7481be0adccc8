"""L-BFGS: the textbook's recursion, known minima, and rows that know nothing of each other."""

import numpy as np
import pytest
import torch

from phosphene.core.errors import Mistake
from phosphene.core.optimization import lbfgs as lbfgs_module
from phosphene.core.optimization.engine import Evaluation, argmin
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.lbfgs import lbfgs, newton, searched
from phosphene.core.optimization.objectives import gradient
from phosphene.core.optimization.parameterizations import Fourier, Pixels
from phosphene.core.optimization.terms import code_distance
from tests.core.optimization.test_engine import bowl, photos, small
from tests.small import normal


def rosenbrock(pictures, rows, key):
    """Sum of 100 (x2 - x1^2)^2 + (1 - x1)^2 over the pairs of a picture, whose minimum is at 1."""
    x = pictures.detach().flatten(1).unflatten(1, (-1, 2)).requires_grad_()
    with torch.enable_grad():
        values = (100 * (x[..., 1] - x[..., 0] ** 2) ** 2 + (1 - x[..., 0]) ** 2).sum(1)
        (found,) = torch.autograd.grad(values.sum(), x)
    return Evaluation(values.detach(), found.reshape(pictures.shape))


def slow_lbfgs(function, x, steps, history):
    """Algorithms 7.4 and 7.5 of Nocedal & Wright, one problem, lists of pairs; the step by bisection."""
    pairs, path = [], [x]
    for _ in range(steps):
        value, g = function(x)
        q, alphas = g.copy(), []
        for s, y in reversed(pairs):
            alphas.append(s @ q / (s @ y))
            q = q - alphas[-1] * y
        gamma = pairs[-1][0] @ pairs[-1][1] / (pairs[-1][1] @ pairs[-1][1]) if pairs else min(1, 1 / np.abs(g).sum())
        r = gamma * q
        for (s, y), alpha in zip(pairs, reversed(alphas), strict=True):
            r = r + s * (alpha - y @ r / (s @ y))
        low, high, t = 0.0, np.inf, 1.0
        while True:
            there, h = function(x - t * r)
            if there > value - 1e-4 * t * (g @ r):
                high = t
            elif -(h @ r) < -0.9 * (g @ r):
                low = t
            else:
                break
            t = 2 * low if high == np.inf else (low + high) / 2
        pairs = [*pairs, (-t * r, h - g)][-history:]
        x = x - t * r
        path.append(x)
    return path


@pytest.mark.parametrize("history", [1, 4])
def test_a_problem_goes_the_textbooks_way(history):
    start = 0.5 + normal(1, 3, 2, 2)

    def function(x):
        value, found, _ = rosenbrock(torch.from_numpy(x).view(1, 3, 2, 2), None, None)
        return value.item(), found.flatten().numpy()

    expected = slow_lbfgs(function, start.flatten().numpy(), 12, history)
    steps = list(argmin(Pixels(start), rosenbrock, optimizer=lbfgs(history), steps=12))
    for step, x in zip(steps, expected, strict=True):
        np.testing.assert_allclose(step.pictures.flatten().numpy(), x, rtol=1e-8, atol=1e-8)


def test_it_finds_rosenbrocks_minimum_where_gradient_descent_creeps():
    start = torch.tensor([-1.2, 1.0], dtype=torch.float64).repeat(2, 6).view(2, 3, 2, 2)
    *_, last = argmin(Pixels(start), rosenbrock, optimizer=lbfgs(), steps=60)
    torch.testing.assert_close(last.pictures, torch.ones_like(start), rtol=0, atol=1e-8)


def test_a_quadratic_of_few_curvatures_is_at_its_minimum_after_few_steps():
    target, depth = photos(3, seed=1), torch.tensor([1.0, 30.0, 900.0], dtype=torch.float64).view(1, 3, 1, 1)

    def objective(pictures, rows, key):
        apart = pictures - target[rows]
        return Evaluation((depth * apart.square()).sum((1, 2, 3)), 2 * depth * apart)

    *_, last = argmin(Pixels(photos(3)), objective, optimizer=lbfgs(), steps=20)
    torch.testing.assert_close(last.pictures, target, rtol=0, atol=1e-9)


@pytest.mark.slow
def test_a_row_of_a_batch_goes_where_the_problem_goes_alone():
    network, x = small(), photos(5)
    codes = network.read(photos(5, seed=3), ["3"])["3"]

    def path(rows):
        objective = gradient(network, code_distance("3", codes[rows]))
        start = Fourier(rows, (20, 20), start=x[rows], dtype=torch.float64)
        return list(argmin(start, objective, optimizer=lbfgs(5), steps=8, key=Key(0, rows)))

    together = path([4, 0, 2])
    for row, problem in enumerate([4, 0, 2]):
        for many, alone in zip(together, path([problem]), strict=True):
            torch.testing.assert_close(many.pictures[[row]], alone.pictures, rtol=0, atol=1e-12)
    assert (together[-1].values < 0.2 * together[0].values).all()


def test_problems_that_have_finished_do_not_move_and_are_not_evaluated():
    start, evaluated = 0.5 + normal(3, 3, 2, 2), []

    def watched(pictures, rows, key):
        evaluated.append((key.step, rows.tolist()))
        return rosenbrock(pictures, rows, key)

    steps = list(argmin(Pixels(start), watched, optimizer=lbfgs(), steps=9, stop=lambda x, rows, seen: rows == 1))
    assert all(torch.equal(step.pictures[1], start[1]) for step in steps)
    assert evaluated[0] == (0, [0, 1, 2]) and all(1 not in rows for _, rows in evaluated[1:])
    free = list(argmin(Pixels(start[[0, 2]]), rosenbrock, optimizer=lbfgs(), steps=9))
    torch.testing.assert_close(steps[-1].pictures[[0, 2]], free[-1].pictures, rtol=0, atol=1e-12)


def test_all_tries_of_a_step_see_the_same_random_numbers():
    numbers = {}

    def noisy(pictures, rows, key):
        numbers.setdefault(key.step, []).append(key.uniform(torch.zeros(1, dtype=torch.long), 1).item())
        return rosenbrock(pictures, rows, key)

    list(argmin(Pixels(0.5 + 3 * normal(2, 3, 2, 2)), noisy, optimizer=lbfgs(), steps=30))
    assert all(len(set(tries)) == 1 for tries in numbers.values()) and len({t[0] for t in numbers.values()}) == 31
    assert max(map(len, numbers.values())) > 2


def test_a_row_that_finds_no_step_stays_and_the_others_go_on():
    def objective(pictures, rows, key):
        values, found, _ = bowl(photos(2, seed=1))(pictures, rows, key)
        lies = (rows == 0).view(-1, 1, 1, 1)
        return Evaluation(values, torch.where(lies, -found, found))

    *_, last = argmin(Pixels(photos(2)), objective, optimizer=lbfgs(evaluations=5), steps=4)
    assert torch.equal(last.pictures[0], photos(2)[0])
    torch.testing.assert_close(last.pictures[1], photos(2, seed=1)[1], rtol=0, atol=1e-8)


def test_at_a_minimum_nothing_moves():
    *_, last = argmin(Pixels(photos(2)), bowl(photos(2)), optimizer=lbfgs(), steps=3)
    assert torch.equal(last.pictures, photos(2))


def test_it_needs_a_history_and_an_evaluation():
    with pytest.raises(Mistake, match="0 is not a valid value for history: it must be at least 1"):
        lbfgs(history=0)
    with pytest.raises(Mistake, match="0 is not a valid value for evaluations: it must be at least 1"):
        lbfgs(evaluations=0)


def test_within_bounds_the_path_bends_and_ends_at_the_nearest_point_of_the_box():
    target = 3 * normal(4, 6)

    def function(points, own):
        away = points - target[own]
        return away.square().sum(1), 2 * away

    x = torch.zeros(4, 6, dtype=torch.float64)
    for _ in range(3):
        here = function(x, torch.arange(4))
        free = ~((x <= -1) & (here[1] > 0)) & ~((x >= 1) & (here[1] < 0))
        none = [torch.zeros(4, 6, dtype=torch.float64)]
        direction = newton(here[1] * free, none, none, torch.full((4,), 0.5, dtype=torch.float64))
        length, there = searched(function, x, here, direction, low=-1.0, high=1.0)
        x = (x + length[:, None] * direction).clamp(-1, 1)
        torch.testing.assert_close(there, function(x, torch.arange(4)))
    torch.testing.assert_close(x, target.clamp(-1, 1))
    assert (target.abs() > 1).any(1).all()


def test_a_pair_without_positive_curvature_changes_nothing():
    gradient, s = normal(2, 5), normal(3, 2, 5, seed=1)
    y = s * torch.tensor([2.0, -1.0, 4.0], dtype=torch.float64)[:, None, None]
    first = torch.ones(2, dtype=torch.float64)
    without = newton(gradient, s[[0, 2]].unbind(), y[[0, 2]].unbind(), first)
    torch.testing.assert_close(newton(gradient, s.unbind(), y.unbind(), first), without)
    torch.testing.assert_close(newton(gradient, s[[1]].unbind(), y[[1]].unbind(), 3 * first), -3 * gradient)


def test_the_first_step_may_change_values_by_a_mean_that_is_given():
    """A large picture of a high value: what a step of l1 length 1 changes, float32 does not see."""

    def high(pictures, rows, key):
        return Evaluation(100 + 1e-3 * pictures.flatten(1).square().mean(1), 2e-3 * pictures / pictures[0].numel())

    x = torch.full((1, 3, 40, 40), 0.5)
    *_, usual = argmin(Pixels(x), high, optimizer=lbfgs(evaluations=3), steps=1)
    *_, moved = argmin(Pixels(x), high, optimizer=lbfgs(evaluations=3, first=0.25), steps=1)
    assert (usual.pictures - x).abs().max() < 1e-5
    torch.testing.assert_close(moved.pictures, x - 0.25)


def valley(pictures, rows, key):
    """A quadratic whose curvatures are spread over two decades."""
    apart = pictures - photos(3, seed=1)[rows]
    depth = torch.logspace(0, 2, apart[0].numel(), dtype=pictures.dtype).view(1, *apart.shape[1:])
    return Evaluation((depth * apart.square()).sum((1, 2, 3)), 2 * depth * apart)


def values_of(store, stop=None, steps=40, objective=valley):
    how = lbfgs(5, store=store)
    path = argmin(Pixels(photos(3)), objective, optimizer=how, steps=steps, stop=stop)
    return torch.stack([step.values for step in path])


@pytest.mark.slow
def test_a_history_in_a_file_gives_the_same_bits_for_all_problems_and_for_some():
    def stop(pictures, rows, seen):
        return (rows == 1) & (seen.values < 1.0)

    for stops in (None, stop):
        assert torch.equal(values_of("disk", stops), values_of("memory", stops))
    assert torch.equal(values_of("disk", objective=rosenbrock), values_of("memory", objective=rosenbrock))


def test_a_history_of_half_as_many_bytes_converges_all_the_same():
    rounded, exact = values_of("bfloat16", steps=80), values_of("memory", steps=80)
    assert not torch.equal(rounded, exact)
    assert (exact[-1] < 1e-9 * exact[0]).all() and (rounded[-1] < 1e-9 * exact[0]).all()


def test_a_large_history_is_kept_in_a_file_unless_somebody_says_otherwise(monkeypatch):
    files, temporary = [], lbfgs_module.tempfile.TemporaryFile
    monkeypatch.setattr(lbfgs_module.tempfile, "TemporaryFile", lambda: files.append(temporary()) or files[-1])
    small = values_of("auto", steps=3)
    assert not files
    monkeypatch.setattr(lbfgs_module, "LARGE", 100.0)
    assert torch.equal(values_of("auto", steps=3), small) and len(files) == 2 * 5

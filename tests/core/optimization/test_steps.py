"""The best so far, and averages over time."""

import pytest
import torch

from phosphene.core.errors import Mistake
from phosphene.core.optimization.engine import argmin
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.optimizers import sign
from phosphene.core.optimization.parameterizations import Pixels
from phosphene.core.optimization.steps import averaged, best
from tests.core.optimization.test_engine import ALL, bowl, photos


def test_best_keeps_each_problems_best_picture_with_its_value():
    objective = bowl(photos(3, seed=1))
    steps = list(argmin(Pixels(photos(3)), objective, optimizer=sign(0.2), steps=12))
    kept = list(best(iter(steps)))
    for index, step in enumerate(kept):
        values = torch.stack([s.values for s in steps[: index + 1]])
        assert torch.equal(step.values, values.amin(0)) and step.index == index
        assert torch.equal(objective(step.pictures, ALL, Key(0, [0], step=0))[0], step.values)
    assert (kept[-1].values < steps[-1].values).any()


def slow_averages(pictures, beta):
    """Every weighted mean of the pictures so far: the last weighs 1, the one before beta, then beta^2, ..."""
    means = []
    for last in range(len(pictures)):
        weights = [beta ** (last - i) for i in range(last + 1)]
        means.append(sum(w * x for w, x in zip(weights, pictures[: last + 1], strict=True)) / sum(weights))
    return means


def test_averaged_pictures_are_weighted_means_of_the_past():
    steps = list(argmin(Pixels(photos(2)), bowl(photos(2, seed=1)), optimizer=sign(0.2), steps=6))
    for beta in (0.0, 0.5, 0.99):
        found = list(averaged(iter(steps), beta))
        expected = slow_averages([step.pictures for step in steps], beta)
        for step, before, mean in zip(found, steps, expected, strict=True):
            torch.testing.assert_close(step.pictures, mean)
            assert torch.equal(step.values, before.values) and step.index == before.index
    with pytest.raises(Mistake, match=r"1 is not a valid value for beta: it must be 0 to 0.9999"):
        list(averaged(iter(steps), 1.0))


def test_the_average_of_a_problem_that_has_stopped_is_what_it_would_be_alone():
    def path(n):
        def stop(pictures, rows, seen):
            return (rows == 0) & (seen.values < first.values[0] / 2)

        first = next(argmin(Pixels(photos(n)), bowl(photos(3, seed=1)), optimizer=sign(0.02), steps=12))
        run = argmin(Pixels(photos(n)), bowl(photos(3, seed=1)), optimizer=sign(0.02), steps=12, stop=stop)
        return list(averaged(run, 0.9))

    alone, many = path(1), path(3)
    assert len(alone) < len(many)
    torch.testing.assert_close(many[-1].pictures[0], alone[-1].pictures[0])

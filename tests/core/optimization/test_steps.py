"""The best so far, and averages over time."""

import pytest
import torch

from phosphene.core.errors import Mistake
from phosphene.core.optimization.engine import argmin
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.optimizers import sign
from phosphene.core.optimization.parameterizations import Pixels
from phosphene.core.optimization.steps import Step, averaged, best, steadiest
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


def test_best_keeps_what_the_objective_said_about_the_best_picture():
    def told(pictures, rows, key):
        seen = bowl(photos(3, seed=1))(pictures, rows, key)
        return seen._replace(outputs={"picture": pictures.clone(), "value": seen.values[:, None]})

    steps = list(argmin(Pixels(photos(3)), told, optimizer=sign(0.2), steps=12))
    kept = list(best(iter(steps)))
    for step in kept:
        assert torch.equal(step.outputs["picture"], step.pictures)
        assert torch.equal(step.outputs["value"][:, 0], step.values)
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


def at(index, values):
    """A step whose pictures and outputs are made of its values, which they can be told by."""
    values = torch.tensor(values)
    pictures = values.view(-1, 1, 1, 1).expand(-1, 3, 2, 2)
    outputs = {"scores": -values[:, None].expand(-1, 5), "maps": 2 * pictures}
    return Step(index, pictures, values, values > index, outputs)


def test_best_keeps_the_outputs_of_the_pictures_that_it_keeps_and_what_the_step_says_of_itself():
    steps = [at(0, [3.0, 1.0]), at(1, [2.0, 4.0]), at(2, [2.0, 0.5])]
    for step, found, values in zip(steps, best(iter(steps)), ([3.0, 1.0], [2.0, 1.0], [2.0, 0.5]), strict=True):
        kept = at(step.index, values)
        assert torch.equal(found.values, kept.values) and torch.equal(found.pictures, kept.pictures)
        assert found.outputs.keys() == kept.outputs.keys()
        assert all(torch.equal(y, kept.outputs[name]) for name, y in found.outputs.items())
        assert found.index == step.index and torch.equal(found.alive, step.alive)


def test_of_two_pictures_with_one_value_best_keeps_the_first():
    first, second = at(0, [1.0]), at(1, [1.0])
    second = Step(1, second.pictures + 1, second.values, second.alive, second.outputs)
    assert torch.equal(list(best(iter([first, second])))[1].pictures, first.pictures)


def test_an_average_over_time_forgets_a_hundredth_at_each_step_unless_it_is_told_otherwise():
    steps = [at(0, [3.0, 9.0]), at(1, [2.0, 9.0]), at(2, [2.5, 9.0])]
    found = list(averaged(iter(steps)))
    for step, mean in zip(found, slow_averages([step.pictures.double() for step in steps], 0.99), strict=True):
        torch.testing.assert_close(step.pictures.double(), mean, rtol=1e-5, atol=0)


def trembling(many, calmest, rows=1):
    """Steps whose pictures tremble less until one of them, and more again."""
    pictures = [
        0.5 + (abs(i - calmest) + 1) * 0.01 * (-1) ** i * torch.ones(rows, 3, 4, 4, dtype=torch.float64)
        for i in range(many)
    ]
    return [
        Step(i, x, torch.full((rows,), float(i)), torch.ones(rows, dtype=torch.bool)) for i, x in enumerate(pictures)
    ]


def slow_variances(pictures, window):
    """Of each window its mean over w of |x_(t+w) - mean|^2, a pixel."""
    found = []
    for t in range(len(pictures) - window + 1):
        own = pictures[t : t + window]
        mean = sum(own) / window
        found.append(float(sum((x - mean).square().mean() for x in own) / window))
    return found


@pytest.mark.parametrize("window", [2, 3, 5])
def test_the_steadiest_picture_begins_the_window_of_least_variance(window):
    steps = trembling(40, 17)
    variances = slow_variances([step.pictures for step in steps], window)
    *_, last = steadiest(iter(steps), window, patience=6)
    wanted = variances.index(min(variances))
    assert torch.equal(last.pictures, steps[wanted].pictures) and last.values.item() == wanted
    assert last.index == wanted + window - 1 + 6 and not last.alive.any()


def test_before_there_is_a_window_and_without_an_end_in_sight_steps_are_shown_as_they_are():
    steps = trembling(10, 100)
    found = list(steadiest(iter(steps), 4, patience=3))
    assert [step.index for step in found] == list(range(10))
    assert [step.values.item() for step in found] == [0, 1, 2, 0, 1, 2, 3, 4, 5, 6]
    assert all(step.alive.all() for step in found)


def test_each_row_is_steadiest_as_it_would_be_alone():
    early, late = trembling(40, 8), trembling(40, 20)
    both = [
        Step(one.index, torch.cat([one.pictures, other.pictures]), one.values.repeat(2), one.alive.repeat(2))
        for one, other in zip(early, late, strict=True)
    ]
    *_, last = steadiest(iter(both), 3, 5)
    for row, alone in enumerate((early, late)):
        *_, own = steadiest(iter(alone), 3, 5)
        assert torch.equal(last.pictures[row], own.pictures[0]) and last.values[row] == own.values[0]


@pytest.mark.parametrize(("window", "patience", "what"), [(1, 5, "the window"), (5, 0, "patience")])
def test_a_window_of_one_step_and_no_patience_are_mistakes(window, patience, what):
    with pytest.raises(Mistake, match=f"not a valid value for {what}"):
        list(steadiest(iter(trembling(3, 1)), window, patience))


def test_best_by_an_output_keeps_where_that_was_least_whatever_the_values():
    def told(pictures, rows, key):
        seen = bowl(photos(3, seed=1))(pictures, rows, key)
        return seen._replace(values=seen.values + key.step, outputs={"error": seen.values.clone()})

    steps = list(argmin(Pixels(photos(3)), told, optimizer=sign(0.2), steps=12))
    kept = list(best(iter(steps), by="error"))
    for index, step in enumerate(kept):
        errors = torch.stack([s.outputs["error"] for s in steps[: index + 1]])
        assert torch.equal(step.outputs["error"], errors.amin(0))
        assert torch.equal(step.values, torch.stack([s.values for s in steps])[errors.argmin(0), torch.arange(3)])

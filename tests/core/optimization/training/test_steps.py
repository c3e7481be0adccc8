"""The steps of a training: PyTorch's own schedule and optimizers."""

import copy

import pytest
import torch
from torch import nn

from phosphene.core.optimization.training.steps import adam, averaged_in, nesterov, one_cycle
from tests.small import noise


@pytest.mark.parametrize("steps", [5, 7, 40])
def test_the_cycle_is_that_of_pytorch(steps):
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], 0.3, momentum=0.9)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.3, total_steps=steps, pct_start=0.25)
    for step in range(steps):
        rate, momentum = one_cycle(step, steps)
        group = optimizer.param_groups[0]
        assert 0.3 * rate == pytest.approx(group["lr"]) and momentum == pytest.approx(group["momentum"])
        optimizer.step()
        if step < steps - 1:
            schedule.step()


@pytest.mark.parametrize("steps", [1, 2, 3, 4])
def test_of_few_steps_the_first_has_the_highest_rate(steps):
    """Where PyTorch divides by zero, or has no rate that moves anything."""
    assert one_cycle(0, steps) == (1.0, pytest.approx(0.85))
    if steps > 1:
        assert one_cycle(steps - 1, steps)[0] == pytest.approx(4e-6)


def test_a_step_down_is_that_of_pytorch():
    torch.manual_seed(0)
    model, idle = nn.Linear(3, 2).double(), nn.Parameter(torch.ones(2))
    other = copy.deepcopy(model)
    weights = [*model.parameters(), idle]
    velocities = [torch.zeros_like(p) for p in weights]
    optimizer = torch.optim.SGD(other.parameters(), 1.0, momentum=0.9, nesterov=True, weight_decay=0.1)
    for step, (rate, momentum) in enumerate([(0.1, 0.9), (0.3, 0.5), (0.02, 0.7)]):
        for one in (model, other):
            one.zero_grad()
            one(noise(4, 3, seed=step)).square().sum().backward()
        nesterov(weights, velocities, rate, momentum, 0.1)
        optimizer.param_groups[0].update(lr=rate, momentum=momentum)
        optimizer.step()
        for own, theirs in zip(model.parameters(), other.parameters(), strict=True):
            torch.testing.assert_close(own, theirs)
    assert idle.tolist() == [1, 1], "what has no gradient stays"


def test_an_average_of_weights_is_its_formula_and_counters_are_taken_over():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    average = copy.deepcopy(model)
    with torch.no_grad():
        model[0].weight += 1
        model[1].running_mean += 2
        model[1].num_batches_tracked += 5
    before = copy.deepcopy(average)
    averaged_in(average, model, 0.75)
    torch.testing.assert_close(average[0].weight, before[0].weight + 0.25)
    torch.testing.assert_close(average[1].running_mean, before[1].running_mean + 0.5)
    assert average[1].num_batches_tracked == 5
    averaged_in(average, model, 0.0)
    assert all(
        torch.equal(a, b) for a, b in zip(average.state_dict().values(), model.state_dict().values(), strict=True)
    )


def test_a_step_of_adam_is_that_of_pytorch():
    torch.manual_seed(0)
    model = nn.Linear(3, 2).double()
    other = copy.deepcopy(model)
    weights = list(model.parameters())
    moments = [[torch.zeros_like(p) for p in weights] for _ in range(2)]
    optimizer = torch.optim.Adam(other.parameters(), 1.0, betas=(0.9, 0.99))
    for step, rate in enumerate([0.1, 0.3, 0.02]):
        for one in (model, other):
            one.zero_grad()
            one(noise(4, 3, seed=step)).square().sum().backward()
        adam(weights, *moments, step, rate)
        optimizer.param_groups[0]["lr"] = rate
        optimizer.step()
        for own, theirs in zip(model.parameters(), other.parameters(), strict=True):
            torch.testing.assert_close(own, theirs)

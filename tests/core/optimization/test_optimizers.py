"""Optimizers against PyTorch's, and row by row."""

import pytest
import torch

from phosphene.core.optimization.optimizers import (
    AdamMemory,
    adam,
    momentum,
    nadam,
    normalized,
    scheduled,
    sign,
    steepest,
)
from tests.small import normal

ALL = torch.arange(4)


def never():
    raise AssertionError("a first-order optimizer evaluates nothing")


def gradient(x, step):
    """The gradient of a rough function of each row alone."""
    return x**3 - torch.cos(3 * x + step)


def run(optimizer, x, steps, rows_at=lambda step: ALL):
    x = x.clone()
    update = optimizer([x])
    for step in range(steps):
        update(x.flatten(1).sum(1), [gradient(x, step)], rows_at(step), never)
    return x


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"rate": 0.3, "betas": (0.5, 0.9), "eps": 1e-3}])
def test_adam_equals_torchs(options):
    x = normal(4, 3, 5)
    ours = run(adam(**options), x, 40)
    theirs = x.clone().requires_grad_()
    torchs = torch.optim.Adam(
        [theirs], lr=options.get("rate", 0.05), betas=options.get("betas", (0.9, 0.999)), eps=options.get("eps", 1e-8)
    )
    for step in range(40):
        theirs.grad = gradient(theirs.detach(), step)
        torchs.step()
    torch.testing.assert_close(ours, theirs.detach(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("options", [{"rate": 0.05}, {"rate": 0.2, "betas": (0.5, 0.9), "eps": 1e-3, "psi": 0.1}])
def test_nadam_equals_torchs(options):
    x = normal(4, 3, 5)
    ours = run(nadam(**options), x, 40)
    theirs = x.clone().requires_grad_()
    names = {"rate": "lr", "psi": "momentum_decay"}
    torchs = torch.optim.NAdam([theirs], **{names.get(k, k): v for k, v in options.items()})
    for step in range(40):
        theirs.grad = gradient(theirs.detach(), step)
        torchs.step()
    torch.testing.assert_close(
        ours, theirs.detach(), rtol=1e-5, atol=1e-6
    )  # PyTorch keeps the product of momenta in float32


def test_steepest_descent_is_the_gradient_times_a_number():
    x = normal(4, 3)
    torch.testing.assert_close(run(steepest(0.3), x, 1), x - 0.3 * gradient(x, 0))


def test_adam_moves_several_parameters_each_by_its_own_gradient():
    x, y = normal(4, 3), normal(4, 2, 2, seed=1)
    together = [x.clone(), y.clone()]
    update = adam()(together)
    for step in range(10):
        update(torch.zeros(4), [gradient(p, step) for p in together], ALL, never)
    assert torch.equal(together[0], run(adam(), x, 10)) and torch.equal(together[1], run(adam(), y, 10))


OPTIMIZERS = {
    "adam": adam(0.1),
    "nadam": nadam(0.1),
    "steepest": steepest(0.1),
    "momentum": momentum(0.05),
    "sign": sign(0.01),
    "normalized": normalized(0.02),
}


@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_a_row_of_a_batch_equals_the_same_row_alone(optimizer):
    x = normal(4, 3, 5)
    together = run(optimizer, x, 20)
    for row in range(4):
        alone = run(optimizer, x[row : row + 1], 20, lambda step: torch.arange(1))
        torch.testing.assert_close(alone[0], together[row], rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_rows_that_left_do_not_move_and_the_others_do_not_notice(optimizer):
    x = normal(4, 3, 5)
    whole = run(optimizer, x, 20)
    until = {8: run(optimizer, x, 8), 20: whole}
    left = run(optimizer, x, 20, lambda step: ALL if step < 8 else torch.tensor([1, 3]))
    assert torch.equal(left[[0, 2]], until[8][[0, 2]])
    torch.testing.assert_close(left[[1, 3]], whole[[1, 3]], rtol=1e-13, atol=1e-13)


def test_sign_moves_every_number_by_the_same_size():
    x = torch.zeros(1, 4)
    sign(0.25)([x])(torch.zeros(len(x)), [torch.tensor([[3.0, -1e-9, 0.0, 7.0]])], torch.arange(1), never)
    assert x.tolist() == [[-0.25, 0.25, 0, -0.25]]


def test_normalized_moves_every_problem_by_the_same_mean():
    x = normal(4, 3, 5)
    before = x.clone()
    g = normal(4, 3, 5, seed=2) * torch.tensor([1e-6, 1.0, 1e3, 1e9], dtype=torch.float64)[:, None, None]
    normalized(0.5)([x])(torch.zeros(len(x)), [g], ALL, never)
    moved = before - x
    torch.testing.assert_close(moved.abs().mean((1, 2)), torch.full((4,), 0.5, dtype=torch.float64))
    torch.testing.assert_close(moved / moved.abs().amax((1, 2), True), g / g.abs().amax((1, 2), True))


def test_a_gradient_of_zero_moves_nothing():
    for optimizer in OPTIMIZERS.values():
        x = normal(2, 3)
        before = x.clone()
        optimizer([x])(torch.zeros(len(x)), [torch.zeros_like(x)], torch.arange(2), never)
        assert torch.equal(x, before)


@pytest.mark.parametrize("kept", [0.0, 0.9])
@pytest.mark.parametrize("schedule", ["steady", "cosine", "tenths"])
def test_momentum_equals_torchs_sgd_under_every_schedule(kept, schedule):
    x = normal(4, 3, 5)
    rate = scheduled(schedule, 0.02, 40)
    ours = run(momentum(rate, kept), x, 40)
    theirs = x.clone().requires_grad_()
    torchs = torch.optim.SGD([theirs], lr=0.02, momentum=kept)
    for step in range(40):
        torchs.param_groups[0]["lr"] = rate(step) if callable(rate) else rate
        theirs.grad = gradient(theirs.detach(), step)
        torchs.step()
    torch.testing.assert_close(ours, theirs.detach(), rtol=1e-12, atol=1e-12)


def test_a_cosine_falls_from_the_rate_to_nothing_as_torchs_does():
    rate, given = scheduled("cosine", 0.3, 50), torch.optim.SGD([torch.zeros(1)], lr=0.3)
    theirs = torch.optim.lr_scheduler.CosineAnnealingLR(given, 50)
    for step in range(51):
        assert rate(step) == pytest.approx(theirs.get_last_lr()[0], abs=1e-12)
        given.step()
        theirs.step()


def test_tenths_are_a_hundred_two_hundred_and_a_hundred_steps_of_four_hundred():
    rate = scheduled("tenths", 4.0, 400)
    assert [round(rate(step), 9) for step in (0, 99, 100, 299, 300, 399)] == [4, 4, 0.4, 0.4, 0.04, 0.04]


@pytest.mark.parametrize("optimizer", [adam, nadam, steepest, normalized, sign])
def test_every_optimizer_takes_a_rate_that_falls(optimizer):
    x = normal(4, 3)
    steady = run(optimizer(0.1), x, 3)
    assert torch.equal(run(optimizer(lambda step: 0.1), x, 3), steady)
    stopped = run(optimizer(lambda step: 0.1 * (step < 2)), x, 3)
    assert torch.equal(stopped, run(optimizer(0.1), x, 2))


def test_adam_goes_on_with_what_it_remembers_at_the_same_size():
    x, memory = normal(4, 3, 6, 6), AdamMemory()
    once = run(adam(), x, 8)
    update = adam(memory=memory)([first := x.clone()])
    for step in range(5):
        update(first.flatten(1).sum(1), [gradient(first, step)], ALL, never)
    update = adam(memory=memory)([first])
    for step in range(5, 8):
        update(first.flatten(1).sum(1), [gradient(first, step)], ALL, never)
    torch.testing.assert_close(first, once, rtol=1e-12, atol=1e-12)


def test_adams_memory_of_a_flat_gradient_is_flat_at_the_next_size_and_is_counted_on():
    memory = AdamMemory()
    update = adam(memory=memory)([small := torch.zeros(1, 3, 4, 6)])
    for _ in range(3):
        update(small.flatten(1).sum(1), [torch.full_like(small, 2.0)], ALL[:1], never)
    adam(memory=memory)([torch.zeros(1, 3, 6, 9)])
    assert memory.count == 3 and memory.first[0].shape == (1, 3, 6, 9)
    torch.testing.assert_close(memory.first[0], torch.full((1, 3, 6, 9), 2 * (1 - 0.9**3)))
    torch.testing.assert_close(memory.second[0], torch.full((1, 3, 6, 9), 4 * (1 - 0.999**3)))

"""The steps of a robust training: formulas beside slow twins, and closed forms."""

import pytest
import torch
from torch import nn

from phosphene.adversarial.training_steps import accuracy, collapsed, one_step
from phosphene.core.networks.network import Network
from phosphene.core.optimization.training.pictures import Examples
from tests.small import linear, noise, normal


def test_one_step_is_its_formula_pixel_by_pixel():
    x, start, weight = noise(2, 3, 4, 4), 2 * noise(2, 3, 4, 4, seed=1) - 1, normal(3, 4, 4)
    found = one_step(lambda x: (x.square() * weight).sum(), x, 0.1, start)
    for index, pixel in enumerate(x.flatten().tolist()):
        w = weight.flatten()[index % weight.numel()].item()
        at = min(max(pixel + 0.1 * start.flatten()[index].item(), 0), 1)
        slope = 2 * at * w
        moved = at + 1.25 * 0.1 * ((slope > 0) - (slope < 0))
        expected = min(max(min(max(moved, pixel - 0.1), pixel + 0.1), 0), 1)
        assert found.flatten()[index].item() == pytest.approx(expected)


def test_one_step_reaches_the_corner_of_the_ball_wherever_it_begins_in_the_upper_part():
    x = torch.full((1, 3, 2, 2), 0.5)
    found = one_step(lambda x: x.sum(), x, 0.1, torch.full_like(x, -0.2))
    torch.testing.assert_close(found, x + 0.1)


def test_accuracy_of_a_linear_network_is_the_closed_form():
    """A picture stands every change of eps if its margin is more than eps times the l1 norm of the weights."""
    weight = normal(1, 3, 4, 4)
    weight -= weight.mean()
    network = linear(torch.cat([weight, -weight]), [0.3, -0.3])
    pictures = torch.randint(60, 190, (60, 3, 4, 4), generator=torch.Generator().manual_seed(0)).byte()
    score = (pictures.double() / 255 * weight).sum((1, 2, 3)) + 0.3
    labels = torch.where(torch.arange(60) < 50, (score < 0).long(), (score > 0).long())  # ten are named wrongly
    margins = torch.where(labels == 0, score, -score)
    eps = 4 / 255
    expected = (margins > eps * weight.abs().sum()).double().mean().item()
    assert 0.1 < expected < 0.8
    assert accuracy(network, Examples(pictures, labels), eps, side=4) == (50 / 60, pytest.approx(expected))
    assert accuracy(network, Examples(pictures, labels), 0.0, side=4) == (50 / 60, 50 / 60)


@pytest.mark.parametrize(
    "robust, held, words",
    [([0.4, 0.1], 400, True), ([0.4, 0.21], 400, False), ([0.1, 0.4], 400, False), ([0.4], 400, False),
     ([0.5, 0.25 - 1e-9], 8, False), ([0.0, 0.0], 400, False), ([0.3, 0.5, 0.0], 64, True)],
)  # fmt: skip
def test_a_collapse_is_half_of_the_best_and_no_chance(robust, held, words):
    assert collapsed(robust, held) is words


def test_a_network_is_measured_at_the_side_that_is_asked_for():
    seen = []

    class Looks(nn.Module):
        def forward(self, x):
            seen.append(x.shape[-1])
            return x.mean((2, 3))

    network = Network(Looks(), size=8)
    examples = Examples(torch.zeros(2, 3, 8, 8).byte(), torch.tensor([0, 1]))
    accuracy(network, examples, 0.0, side=12)  # what the network is, is found out by trying
    seen.clear()
    accuracy(network, examples, 0.0, side=12)
    assert set(seen) == {12}

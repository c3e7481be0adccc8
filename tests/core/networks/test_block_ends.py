"""Every tensor of a pass is an end, comes from one, or is neither."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from phosphene.core.networks.block_ends import BlockEnds, End
from phosphene.core.networks.recorder import record


class Steps(nn.Module):
    """Runs a function of the picture, itself and what it owns."""

    def __init__(self, run):
        super().__init__()
        self.run = run
        self.conv, self.norm = nn.Conv2d(2, 2, 3, padding=1), nn.BatchNorm2d(2)
        self.bias, self.token = nn.Parameter(torch.ones(2, 1, 1)), nn.Parameter(torch.zeros(1, 1, 2))

    def forward(self, x):
        return self.run(self, self.conv(x))


def ends(run):
    """By function (or module, by its name): the end that its last result is."""
    model, x = Steps(run).eval(), torch.rand(2, 2, 6, 6)
    listener = BlockEnds(x)
    record(model, x, [listener])
    return {tap.function or tap.owner: end for tap, end in listener.found.at.items()}, listener.found.instead


@pytest.mark.parametrize(
    "run",
    [
        lambda m, y: m.norm(y),
        lambda m, y: y + m.bias,
        lambda m, y: F.dropout(y.flip(3), training=False) * 2,
        lambda m, y: F.max_pool2d(y, 2),
        lambda m, y: y * torch.sigmoid(y.mean((2, 3), keepdim=True)),
        lambda m, y: torch.cat([m.token.expand(2, -1, -1), y.flatten(2).transpose(1, 2)], 1),
        lambda m, y: F.scaled_dot_product_attention(y, y, y),
    ],
)
def test_half_a_block_is_no_end(run):
    found, _ = ends(run)
    assert found.keys() <= {"sigmoid"}  # the gate, which is none of the places'


@pytest.mark.parametrize(
    ("run", "name"),
    [
        (lambda m, y: F.leaky_relu(y), "leaky_relu"),
        (lambda m, y: y.clamp(min=0), "relu"),
        (lambda m, y: y * y.sigmoid(), "mul"),
        (lambda m, y: 0.5 * y * (1 + torch.tanh(y)), "mul"),
        (lambda m, y: y + m.norm(y), "add"),
        (lambda m, y: torch.maximum(y, m.norm(y)), "maximum"),
        (lambda m, y: torch.cat([y, m.norm(y)], 1), "cat"),
    ],
)
def test_activations_sums_and_joins_are_ends_however_they_are_written(run, name):
    found, _ = ends(run)
    assert found[name].changed == 0
    assert found[""] == found[name]  # the model returns it


def test_what_moves_an_end_pools_or_normalizes_it_hands_it_on():
    found, instead = ends(lambda m, y: m.norm(F.max_pool2d(F.relu(y), 2).transpose(2, 3)))
    assert found["relu"] == End(1, 0)
    assert found["max_pool2d"] == found["transpose"] == End(1, 1)
    assert found["norm"] == found[""] == End(1, 2)
    assert instead == {}


def test_a_convolution_begins_the_next_block():
    found, _ = ends(lambda m, y: m.norm(m.conv(F.relu(y))))
    assert "" not in found and "conv" not in found and "relu" in found


def test_an_activation_follows_the_sum_before_it_and_stands_for_it():
    found, instead = ends(lambda m, y: F.relu(m.norm(y + y.flip(3))))
    assert instead == {found["add"].index: found["relu"].index}

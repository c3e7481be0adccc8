"""Which operations have a rule, and what it computes."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from phosphene.attribution.incremental.regions import Regions
from phosphene.attribution.incremental.rules import SMALLEST, RegionRule, region_rules
from phosphene.core.networks.sliding_windows import STILL, windows
from tests.core.networks.models import Around, conv, mean, of


def rules(run, **modules):
    """The rule of each operation, by PyTorch's name, in a network made of a function."""
    recording = of(Around(run, **modules), size=12).recording((12, 12), ["logits"])
    return recording, [(call, rule) for call, rule in zip(recording.calls, region_rules(recording), strict=True)]


def rule(run, operation, **modules):
    """The call and the rule of the one operation of this name."""
    ((call, found),) = [pair for pair in rules(run, **modules)[1] if pair[0].operation == operation]
    return call, found


@pytest.mark.parametrize(
    ("run", "operation"),
    [
        (lambda m, x: mean(F.relu(m.a(x))), "relu"),
        (lambda m, x: mean(m.a(x) * 2.0), "mul"),
        (lambda m, x: mean(torch.cat([m.a(x), x], 1)), "cat"),
        (lambda m, x: mean(m.a(x) + m.a(x)), "add"),
    ],
)
def test_what_works_position_by_position_stays_where_it_is(run, operation):
    _, found = rule(run, operation, a=conv())
    assert found.stays and found.windows == STILL


@pytest.mark.parametrize(
    ("run", "operation"),
    [
        (lambda m, x: mean(m.a(x) * torch.arange(12.0, dtype=x.dtype)), "mul"),
        (lambda m, x: mean(torch.cat([m.a(x), m.a(x)], 2)), "cat"),
        (lambda m, x: mean(F.instance_norm(m.a(x))), "mean"),
        (lambda m, x: mean(F.conv_transpose2d(m.a(x), m.a.weight)), "convolution"),
    ],
    ids=["another factor at every place", "joined places", "a mean", "transposed"],
)
def test_what_mixes_or_tells_places_apart_needs_the_whole_picture(run, operation):
    found = [one for call, one in rules(run, a=conv())[1] if call.operation == operation]
    assert found[-1] is None


def test_windows_are_those_of_the_module():
    _, found = rule(lambda m, x: mean(m.a(x)), "convolution", a=nn.Conv2d(3, 4, (3, 5), (2, 1), (1, 2), (1, 2)))
    assert found.windows == windows((3, 5), (2, 1), (1, 2), (1, 2)) and found.fill == 0
    _, found = rule(lambda m, x: mean(F.max_pool2d(m.a(x), 3, 2, 1)), "max_pool2d_with_indices", a=conv())
    assert found.windows == windows(3, 2, 1) and found.fill == SMALLEST
    _, found = rule(lambda m, x: mean(F.pad(m.a(x), (1, 0, 2, 3))), "constant_pad_nd", a=conv())
    assert found.windows == windows(1, 1, (2, 1)) and found.moves and not found.stays


def test_a_padding_with_anything_but_zeros_needs_the_whole_picture():
    _, found = rule(lambda m, x: mean(F.pad(m.a(x), (1, 1, 1, 1), value=0.5)), "constant_pad_nd", a=conv())
    assert found is None


@pytest.mark.parametrize("counted", [True, False])
def test_a_mean_at_the_border_is_over_what_the_pool_counts_there(counted):
    pool = nn.AvgPool2d(3, 2, 1, count_include_pad=counted)
    call, found = rule(lambda m, x: mean(m.pool(m.a(x))), "avg_pool2d", a=conv(), pool=pool)
    x = torch.randn(1, 4, 12, 12, dtype=torch.float64)
    regions = Regions.of(torch.tensor([[0], [3]]), torch.tensor([[3], [6]]), (6, 6))
    top, size, _ = regions.inputs_of(found.windows)
    padded = F.pad(x, (1, 1, 1, 1))[..., top[0, 0] + 1 :, top[1, 0] + 1 :][..., : size[0], : size[1]]
    (part,) = found.run({call.inputs[0]: padded}, regions)
    torch.testing.assert_close(part, pool(x)[..., 0:3, 3:6])


def test_a_rule_stays_only_where_no_position_moves():
    def run(tensors, regions):
        return []

    assert RegionRule(run).stays
    assert not RegionRule(run, moves=True).stays
    assert not RegionRule(run, windows(1, 2)).stays
    assert not RegionRule(run, windows(3, 1, 1)).stays

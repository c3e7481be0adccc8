"""How far a change spreads, and what that costs, counted by hand."""

import pytest
import torch
from torch import nn

from phosphene.attribution.incremental.regions import Regions
from phosphene.attribution.incremental.rules import region_rules
from phosphene.attribution.incremental.spread import TOUCH, Spread, layer_of
from tests.core.networks.models import of


def spread(model, window=4, size=16):
    """Of a window in the middle."""
    recording = of(model, size=size).recording((size, size), ["logits"])
    start = torch.full((2, 1), size // 2 - window // 2)
    changed = Regions.of(start, start + window, (size, size))
    return Spread.of(recording, region_rules(recording), changed)


def convs():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(4, 2),
    )  # fmt: skip


def test_each_convolution_of_three_reaches_one_further_on_each_side():
    made = spread(convs())
    assert [layer_of(made.recording, node) for node in (0, 1, 2)] == [(16, 16)] * 3
    assert [made.regions[node].size for node in (0, 1, 2)] == [(4, 4), (6, 6), (8, 8)]
    assert [regions and regions.size for regions in made.outputs][:2] == [(6, 6), (8, 8)]
    assert set(made.outputs[2:]) == {None}


def test_what_a_picture_costs_in_full_is_its_products_and_its_numbers():
    first, second = 256 * 4 * 27, 256 * 4 * 36
    head = 4 * 2
    numbers = 256 * 4 * 2 + sum(4 if call.operation != "addmm" else 2 for call in spread(convs()).recording.calls[2:])
    assert spread(convs()).full == first + second + head + TOUCH * numbers


def test_the_saving_is_in_products():
    made = spread(convs())
    full = 256 * 4 * 27 + 256 * 4 * 36 + 8
    for cut, part in ((1, 36 * 4 * 27 + 256 * 4 * 36 + 8), (2, 36 * 4 * 27 + 64 * 4 * 36 + 8)):
        assert made.saving(cut) == pytest.approx(full / part)


def test_the_best_place_to_go_on_in_full_is_behind_the_convolutions():
    cut, cost = spread(convs()).best_cut()
    assert cut >= 2
    assert cost < 0.5 * spread(convs()).full


def test_a_window_over_the_whole_picture_has_no_regions():
    made = spread(convs(), window=16)
    assert made.regions == {} and set(made.outputs) == {None}
    assert made.obstacle() == "the square reaches so much that recomputing would save too little"


def test_what_needs_the_whole_picture_is_the_obstacle():
    assert spread(convs()).obstacle() == "adaptive_avg_pool2d in 2 needs the whole picture"

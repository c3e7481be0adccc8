"""Occlusion is a loop over squares, written twice."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from phosphene.attribution import occlusion
from phosphene.attribution.occlusion import places
from phosphene.core.errors import Mistake
from tests.small import convnet, levels, linear, noise


def naive(network, photo, target, window, stride):
    """One square at a time, one run of the whole model at a time."""

    def said(picture):
        with torch.no_grad():
            return network.model((picture[None] - 0.5) / 0.2)[0, target].item()

    def corners(length):
        return sorted({*range(0, length - window, stride), length - window})

    height, width = photo.shape[1:]
    total, count = torch.zeros(2, height, width, dtype=torch.float64)
    for top in corners(height):
        for left in corners(width):
            covered = photo.clone()
            covered[:, top : top + window, left : left + window] = 0.5
            total[top : top + window, left : left + window] += said(photo) - said(covered)
            count[top : top + window, left : left + window] += 1
    return total / count.clamp(min=1)


@pytest.mark.parametrize(("window", "stride", "batch"), [(4, 2, 16), (5, 3, 7), (16, 1, 3), (1, 5, 100)])
def test_the_map_equals_a_naive_loop(window, stride, batch):
    network, photo = convnet(), levels(3, 16, 16)
    run = occlusion(network, photo, target=2, window=window, stride=stride, batch=batch)
    torch.testing.assert_close(
        torch.from_numpy(run.values[0]).double(), naive(network, photo.double(), 2, window, stride),
        rtol=1e-5, atol=1e-7,
    )  # fmt: skip


def test_on_a_linear_model_a_square_costs_its_weights_times_what_it_hides():
    weight, photo = noise(2, 3, 8, 8) - 0.5, levels(3, 8, 8)
    run = occlusion(linear(weight, [0.0, 1.0]), photo, target=1, window=2, stride=2)
    hidden = (weight[1] * (photo.double() - 0.5)).sum(0)
    expected = hidden.view(4, 2, 4, 2).sum((1, 3)).repeat_interleave(2, 0).repeat_interleave(2, 1)
    torch.testing.assert_close(torch.from_numpy(run.values[0]).double(), expected, rtol=1e-5, atol=1e-6)
    assert run.numbers[0]["places"] == 16
    assert run.numbers[0]["largest drop"] == pytest.approx(expected.max().item(), rel=1e-5)


@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 20))
def test_windows_cover_everything_inside_and_end_flush(length, window, stride):
    window = min(window, length)
    found = places(length, window, min(stride, window))
    assert found[0] == 0
    assert found[-1] == length - window
    assert {i for p in found for i in range(p, p + window)} == set(range(length))


def test_a_picture_that_is_not_covered_yet_is_worth_nothing_and_the_rest_is_kept():
    run = occlusion(convnet(), levels(3, 16, 16), window=4, stride=4, batch=4)
    next(iter(run))
    partly = run.so_far()
    assert partly.numbers[0]["places"] == 4
    assert abs(partly.values[0, 4:]).max() == 0
    assert run.numbers[0]["places"] == 16


@pytest.mark.parametrize(
    "options", [{"window": 17}, {"window": 0}, {"window": -1}, {"stride": 0}, {"stride": -2}, {"batch": 0}]
)
def test_squares_that_do_not_fit_are_mistakes(options):
    with pytest.raises(Mistake, match=next(iter(options))):
        list(occlusion(convnet(), levels(3, 16, 16), **options))


def test_a_network_that_answers_nan_is_told_off():
    network = convnet()
    torch.nn.init.constant_(network.model.fc.weight, float("nan"))
    with pytest.raises(Mistake, match="not finite"):
        list(occlusion(network, levels(3, 16, 16), target=1))

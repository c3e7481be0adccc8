"""Step operators against their definitions, pixel by pixel."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from phosphene.core.optimization.engine import Evaluation, argmin
from phosphene.core.optimization.operators import (
    bilateral_filtered,
    blur,
    blurred,
    clip_contribution,
    clip_norm,
    sequence,
    shrink,
)
from phosphene.core.optimization.optimizers import steepest
from phosphene.core.optimization.parameterizations import Pixels
from tests.small import noise, normal

ROWS = torch.arange(2)
CENTER = (0.4, 0.5, 0.6)


def pictures(height=9, width=8):
    return noise(2, 3, height, width)


def slow_clip(x, sizes, percentile):
    """Below the value that `percentile` percent of the pixels do not exceed, a pixel becomes the mean colour."""
    out = x.clone()
    for n in range(len(x)):
        ranked = sorted(sizes[n].flatten().tolist())
        limit = ranked[max(1, int(np.ceil(percentile / 100 * len(ranked)))) - 1]
        for i in range(x.shape[2]):
            for j in range(x.shape[3]):
                if sizes[n, i, j] < limit:
                    out[n, :, i, j] = torch.tensor(CENTER, dtype=x.dtype)
    return out


@pytest.mark.parametrize("percentile", [0, 20, 50, 90, 100])
def test_pixels_of_small_norm_become_the_mean_colour(percentile):
    x = pictures()
    sizes = (x - torch.tensor(CENTER, dtype=x.dtype).view(3, 1, 1)).square().sum(1).sqrt()
    assert torch.equal(clip_norm(percentile, CENTER)(x, ROWS, x, 0), slow_clip(x, sizes, percentile))


@pytest.mark.parametrize("percentile", [0, 20, 50, 90, 100])
def test_pixels_of_small_contribution_become_the_mean_colour(percentile):
    x, gradient = pictures(), normal(2, 3, 9, 8)
    sizes = ((x - torch.tensor(CENTER, dtype=x.dtype).view(3, 1, 1)) * gradient).sum(1).abs()
    assert torch.equal(clip_contribution(percentile, CENTER)(x, ROWS, gradient, 0), slow_clip(x, sizes, percentile))


def test_decay_goes_its_part_of_the_way_to_the_mean_colour():
    x = torch.full((1, 3, 8, 8), 0.9)
    torch.testing.assert_close(shrink(0.25, (0.5,))(x, ROWS[:1], x, 0), torch.full_like(x, 0.8))


@pytest.mark.parametrize("deviation", [0.3, 0.5, 1.0])
def test_blur_equals_scipys(deviation):
    x = pictures(12, 10)
    expected = ndimage.gaussian_filter(x.numpy(), (0, 0, deviation, deviation), mode="mirror", truncate=4.0)
    torch.testing.assert_close(blurred(x, deviation), torch.from_numpy(expected), rtol=1e-2, atol=2e-3)
    total = blurred(torch.ones(1, 1, 12, 10, dtype=torch.float64), deviation)
    torch.testing.assert_close(total, torch.ones_like(total))


def test_a_blurred_point_is_a_gaussian_out_to_four_deviations():
    point = torch.zeros(1, 1, 21, 21, dtype=torch.float64)
    point[..., 10, 10] = 1
    at = torch.arange(-10, 11).double()
    for deviation, reach in ((0.5, 2), (1.0, 4), (1.2, 5)):
        weights = torch.where(at.abs() <= reach, torch.exp(-at.square() / (2 * deviation**2)), 0)
        weights /= weights.sum()
        torch.testing.assert_close(blurred(point, deviation)[0, 0], weights[:, None] * weights)


def test_a_blur_every_four_moves_blurs_the_fourth_and_the_eighth():
    x, changed = pictures(), []
    for index in range(8):
        changed.append(not torch.equal(blur(1.0, 4)(x, ROWS, x, index), x))
    assert changed == [False, False, False, True] * 2


def test_operators_come_after_the_move_and_see_the_gradient_that_moved():
    seen = []

    def watch(x, rows, gradient, index):
        seen.append((index, rows.tolist(), x.clone(), gradient.clone()))
        return x

    start = pictures()
    steps = list(
        argmin(
            Pixels(start), lambda x, rows, key: Evaluation(x.sum((1, 2, 3)), torch.ones_like(x)),
            optimizer=steepest(0.1), operator=sequence(watch, shrink(0.5, (0.0,))), steps=2,
        )
    )  # fmt: skip
    torch.testing.assert_close(seen[0][2], start - 0.1)
    torch.testing.assert_close(steps[1].pictures, (start - 0.1) / 2)
    torch.testing.assert_close(steps[2].pictures, ((start - 0.1) / 2 - 0.1) / 2)
    assert [index for index, *_ in seen] == [0, 1]
    assert all((gradient == 1).all() for *_, gradient in seen)


def slow_bilateral(x, deviation, contrast):
    """Pixel by pixel, the border mirrored without repeating its edge."""
    radius, (_, height, width) = int(np.ceil(2 * deviation)), x.shape
    out = torch.zeros_like(x)

    def inside(i, length):
        return -i if i < 0 else 2 * length - 2 - i if i >= length else i

    for i in range(height):
        for j in range(width):
            total = 0.0
            for down in range(-radius, radius + 1):
                for across in range(-radius, radius + 1):
                    there = x[:, inside(i + down, height), inside(j + across, width)]
                    unlike = float((there - x[:, i, j]).square().sum())
                    weight = np.exp(-(down**2 + across**2) / (2 * deviation**2) - unlike / (2 * contrast**2))
                    total += weight
                    out[:, i, j] += weight * there
            out[:, i, j] /= total
    return out


@pytest.mark.parametrize(("deviation", "contrast"), [(1.0, 0.1), (1.5, 0.3)])
def test_a_bilateral_filter_is_its_formula(deviation, contrast):
    x = pictures(6, 5)
    found = bilateral_filtered(x, deviation, contrast)
    for one, expected in zip(x, found, strict=True):
        torch.testing.assert_close(slow_bilateral(one, deviation, contrast), expected)


def test_without_distances_to_mind_a_bilateral_filter_is_that_of_scikit_image():
    """Its colours' distance is divided by their number, so that its sigma_color is a third of the contrast.

    Its distances can't be compared: the table of their weights (0.26, `_compute_spatial_lut`) has win_size + 1 columns
    and is read as if it had win_size.
    """
    restoration = pytest.importorskip("skimage.restoration")
    x = pictures(6, 6)
    theirs = restoration.denoise_bilateral(
        x[0].permute(1, 2, 0).numpy(), win_size=11, sigma_color=0.4 / 3, sigma_spatial=1e6, bins=1_000_000,
        mode="reflect", channel_axis=2,
    )  # fmt: skip
    expected = torch.from_numpy(theirs).permute(2, 0, 1)
    torch.testing.assert_close(bilateral_filtered(x, 1e6, 0.4)[0], expected, atol=1e-5, rtol=0)


def test_a_bilateral_filter_keeps_a_high_edge_and_takes_faint_noise_away():
    x = 0.1 + 0.02 * pictures(16, 16)
    x[..., 8:] += 0.7
    found = bilateral_filtered(x, 1.5, 0.1)
    assert found[..., 7].max() < 0.13 and found[..., 8].min() > 0.79
    assert found[..., :8].std() < 0.4 * x[..., :8].std()


def test_without_contrast_to_mind_a_bilateral_filter_is_a_gaussian_blur():
    x = pictures(20, 20)
    apart = (bilateral_filtered(x, 1.0, 1e6) - blurred(x, 1.0)).abs().max()
    assert apart < 0.06  # the blur's window is larger
    assert apart < 0.25 * (x - blurred(x, 1.0)).abs().max()

import torch

from phosphene.style.sorting import histogram_distance, quantiles, sliced_distance
from tests.small import normal


def slow_histogram(f, g):
    """Channel by channel, the k-th smallest against the k-th smallest."""
    total = size = 0.0
    for own, wanted in zip(f.tolist(), g.tolist(), strict=True):
        for a, b in zip(sorted(own), sorted(wanted), strict=True):
            total += (a - b) ** 2
            size += b**2
    return total / size


def test_a_histogram_matches_the_smallest_with_the_smallest():
    f, g = normal(2, 3, 10), normal(1, 3, 10, seed=1)
    expected = torch.tensor([slow_histogram(one, g[0]) for one in f], dtype=torch.float64)
    torch.testing.assert_close(histogram_distance(g)(f), expected)


def test_sliced_is_the_histogram_match_along_directions_of_length_one():
    f, g = normal(1, 3, 10), normal(1, 3, 10, seed=1)
    # along the axes, which is what the directions of one channel are, up to their sign
    torch.testing.assert_close(sliced_distance(g[:, :1])(f[:, :1]), histogram_distance(g[:, :1])(f[:, :1]))
    turned = torch.linalg.qr(normal(3, 3, seed=2)).Q
    assert (sliced_distance(g)(turned @ g) > 0.01).all()


def test_sliced_sees_what_single_channels_and_their_products_do_not():
    even = torch.tensor([[-1.0, 1, -1, 1], [-1, -1, 1, 1]], dtype=torch.float64)[None]
    tied = torch.tensor([[-1.0, -1, 1, 1], [-1, -1, 1, 1]], dtype=torch.float64)[None]
    assert histogram_distance(even)(tied).item() == 0
    assert sliced_distance(even)(tied).item() > 0.1


def test_quantiles_lie_between_the_sorted_values():
    values = torch.tensor([[[3.0, 1.0]]], dtype=torch.float64)
    assert quantiles(values, 2).flatten().tolist() == [1, 3]
    assert quantiles(values, 4).flatten().tolist() == [1, 1.5, 2.5, 3]


def test_a_style_of_another_size_is_compared_by_its_quantiles():
    style = normal(1, 3, 12)
    twice = style.repeat_interleave(3, 2)
    assert histogram_distance(style)(twice).item() < 0.02
    assert sliced_distance(twice)(style).item() < 0.02


def test_distances_of_sorted_values_have_the_right_slope():
    f, g = normal(2, 3, 8).requires_grad_(), normal(1, 3, 12, seed=1)
    assert torch.autograd.gradcheck(histogram_distance(g), f)
    assert torch.autograd.gradcheck(sliced_distance(g), f)

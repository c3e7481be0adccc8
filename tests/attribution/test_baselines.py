"""What replaces pixels: each by what one would write down for it."""

import pytest
import torch

from phosphene.attribution.baselines import WORDS, baseline_pictures
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.operators import blurred
from tests.attribution.asked import photos
from tests.small import convnet, linear, noise


@pytest.mark.parametrize(("kind", "value"), [("black", 0.0), ("grey", 0.5)])
def test_a_named_colour_is_that_colour_everywhere(kind, value):
    assert torch.equal(baseline_pictures(convnet(), photos(2), kind), torch.full((2, 3, 16, 16), value).double())


def test_zero_is_what_the_network_calls_zero():
    network = linear(noise(2, 3, 8, 8), [0.0, 0.0], mean=(0.1, 0.2, 0.3), std=(0.5,) * 3)
    zero = baseline_pictures(network, photos(1, size=8), "zero")
    assert not network.preprocess(zero).any()


def test_the_mean_is_each_pictures_own():
    pictures = photos(2)
    means = baseline_pictures(convnet(), pictures, "mean")
    for picture, mean in zip(pictures, means, strict=True):
        torch.testing.assert_close(mean, picture.mean((1, 2))[:, None, None].expand(3, 16, 16))


def test_a_flat_picture_is_its_own_blur():
    flat = torch.full((1, 3, 16, 16), 0.25, dtype=torch.float64)
    torch.testing.assert_close(baseline_pictures(convnet(), flat, "blur"), flat)


def test_noise_is_of_its_seed_and_the_same_for_every_picture():
    one, same, other = (baseline_pictures(convnet(), photos(2), "noise", seed) for seed in (1, 1, 2))
    assert torch.equal(one, same) and torch.equal(one[0], one[1]) and not torch.equal(one, other)
    assert 0 <= one.min() < 0.1 and 0.9 < one.max() < 1


@pytest.mark.parametrize("kind", WORDS)
def test_every_baseline_is_a_picture_of_the_same_shape(kind):
    pictures = photos(2)
    made = baseline_pictures(convnet(), pictures, kind)
    assert made.shape == pictures.shape and made.dtype == pictures.dtype and 0 <= made.min() <= made.max() <= 1


def test_a_blur_has_a_deviation_of_a_twentieth_of_the_shorter_side():
    for pictures in (noise(2, 3, 20, 60), noise(2, 3, 60, 20)):
        assert torch.equal(baseline_pictures(convnet(), pictures, "blur"), blurred(pictures, 1.0))


def test_noise_is_uniform_from_its_seeds_key_which_is_zero_unless_it_is_given():
    pictures, rows = photos(2, size=8), torch.zeros(1, dtype=torch.long)
    for seed, options in ((0, {}), (0, {"seed": 0}), (7, {"seed": 7})):
        drawn = Key(seed, [0], step=0).uniform(rows, 3, 8, 8).expand(2, 3, 8, 8)
        assert torch.equal(baseline_pictures(convnet(), pictures, "noise", **options), drawn)
    assert baseline_pictures(convnet(), pictures.float(), "noise").dtype == torch.float32

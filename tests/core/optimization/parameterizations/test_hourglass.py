"""The deep image prior against the same network, one picture at a time, in the layers of others."""

import pytest
import torch
from torch.nn import functional as F

from phosphene.core.errors import Mistake
from phosphene.core.optimization.parameterizations import DeepPrior
from tests.core.slow import set_to
from tests.small import normal


def prior(size=(12, 9), problems=(0, 1), **options):
    image = DeepPrior(problems, size, **{"scales": 2, "channels": 3, "skip": 2, "dtype": torch.float64} | options)
    return set_to(image, [p.detach() + 0.2 * normal(*p.shape, seed=i) for i, p in enumerate(image.parameters)])


def slow_prior(x, parameters, scales):
    """One picture: PyTorch's own convolution, with batch normalization of a batch of one."""
    layers = iter(list(zip(parameters[::2], parameters[1::2], strict=True)))

    def convolved(x, weight, stride):
        return F.conv2d(F.pad(x, (1,) * 4, "reflect") if weight.shape[-1] == 3 else x, weight, stride=stride)

    def layer(x, stride=1):
        weight, bias = next(layers)
        return F.leaky_relu(F.batch_norm(convolved(x, weight, stride), None, None, None, bias.flatten(), True), 0.2)

    skips = []
    for _ in range(scales):
        skips.append(layer(x))
        x = layer(layer(x, 2))
    for skip in skips[::-1]:
        x = layer(torch.cat([F.interpolate(x, skip.shape[2:], mode="bilinear"), skip], 1))
    weight, bias = next(layers)
    assert next(layers, None) is None
    return 1 / (1 + torch.exp(-F.conv2d(x, weight, bias.flatten())))


def test_a_deep_prior_equals_one_network_a_picture():
    image = prior()
    for row in range(2):
        expected = slow_prior(image.noise[[row]], [p[row].detach() for p in image.parameters], 2)
        torch.testing.assert_close(image()[[row]].detach(), expected, rtol=1e-9, atol=1e-9)


def test_the_noise_is_small_even_and_each_problems_own():
    many, alone = DeepPrior([4, 7], (32, 40), seed=3), DeepPrior([7], (32, 40), seed=3)
    assert many.noise.shape == (2, 32, 32, 40) and many.noise.min() >= 0 and many.noise.max() <= 0.1
    assert many.noise.mean().item() == pytest.approx(0.05, abs=1e-3)
    assert torch.equal(many.noise[[1]], alone.noise) and not torch.equal(many.noise[0], many.noise[1])


def test_a_picture_that_is_too_small_is_refused_with_what_would_do():
    with pytest.raises(Mistake, match=r"of 4 scales is too deep for 16 x 20; give 32 px, or scales=3$"):
        DeepPrior([0], (16, 20))
    with pytest.raises(Mistake, match=r"too deep for 3 x 20; give 32 px$"):
        DeepPrior([0], (3, 20))
    assert DeepPrior([0], (16, 20), scales=3)().isfinite().all()

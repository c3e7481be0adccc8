"""The pyramid against its formula, and the sum that is chosen for a given picture."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from phosphene.core.errors import Mistake
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.parameterizations import Laplacian
from tests.core.slow import slow_coloured, slow_up
from tests.small import noise


def pyramid(size=(7, 6), problems=(0, 1), **options):
    return Laplacian(problems, size, dtype=torch.float64, **options)


@pytest.mark.parametrize("size", [(7, 6), (4, 9)])
def test_a_pyramid_equals_its_formula(size):
    image = pyramid(size, levels=3, deviation=1.0)
    for row in range(2):
        levels = [p[row].detach().numpy() for p in image.parameters]
        assert [level.shape[1:] for level in levels] == [(size[0] // k, size[1] // k) for k in (1, 2, 4)]
        channels = sum(np.stack([slow_up(level[c], *size) for c in range(3)]) for level in levels)
        torch.testing.assert_close(image()[row].detach(), torch.from_numpy(slow_coloured(channels)))


@settings(max_examples=20)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 5), st.integers(0, 9))
def test_a_picture_comes_back_from_its_levels(height, width, levels, seed):
    x = 0.01 + 0.98 * noise(2, 3, height, width, seed=seed)
    image = pyramid((height, width), levels=levels, start=x)
    torch.testing.assert_close(image().detach(), x, rtol=1e-9, atol=1e-9)


def test_an_even_picture_is_in_the_coarsest_level_alone():
    image = pyramid((8, 8), (0,), start=torch.full((1, 3, 8, 8), 0.8, dtype=torch.float64))
    *finer, coarsest = image.parameters
    assert coarsest.shape == (1, 3, 1, 1) and coarsest[0, 0].item() > 1
    assert all(level.abs().max() < 1e-12 for level in finer)


def test_a_change_stays_in_its_place():
    image = pyramid((16, 16), (0,), levels=3)
    before = image().detach().clone()
    with torch.no_grad():
        image.parameters[2][0, 0, 0, 0] += 1
    changed = (image().detach() - before).abs().sum((0, 1)) > 1e-9
    assert changed[:4, :4].all() and not changed[6:].any() and not changed[:, 6:].any()


def test_a_pyramid_has_levels():
    with pytest.raises(Mistake, match="0 is not a valid value for levels: it must be at least 1"):
        pyramid(levels=0)


def test_every_level_starts_as_noise_of_its_own():
    image = Laplacian([4, 9], (16, 12), seed=3, levels=3, deviation=0.02, dtype=torch.float64)
    for k, (level, shape) in enumerate(zip(image.parameters, [(16, 12), (8, 6), (4, 3)], strict=True)):
        expected = 0.02 * Key(3, [4, 9]).child(k).normal(torch.arange(2), 3, *shape)
        assert torch.equal(level.detach(), expected)

"""What problems have in common: the formula, and that they pull on it together."""

import numpy as np
import pytest
import torch

from phosphene.core.errors import Mistake
from phosphene.core.optimization.parameterizations import Shared
from tests.core.slow import set_to, slow_coloured, slow_falling, slow_inverse, slow_up, spectrum_of
from tests.small import noise, normal


def shared(problems=(0, 1, 2), size=(6, 5), factor=2, **options):
    return Shared(problems, size, factor=factor, dtype=torch.float64, **options)


def test_pictures_equal_their_formula():
    image = shared(deviation=1.0)
    own, common = (p.detach() for p in image.parameters)
    mean = sum(common) / 3
    for row in range(3):
        spectra = spectrum_of(own[row]) * slow_falling(6, 5, 1) / 4
        channels = [slow_inverse(spectra[c], 6, 5) + slow_up(mean[c].numpy(), 6, 5) for c in range(3)]
        torch.testing.assert_close(image()[row].detach(), torch.from_numpy(slow_coloured(np.stack(channels))))


def test_a_pull_on_one_picture_moves_what_all_share():
    image = shared(deviation=0.5)
    gradient = torch.zeros_like(image())
    gradient[1] = normal(3, 6, 5)
    own, common = image.pull(gradient)
    assert own[1].any() and not own[0].any() and not own[2].any()
    assert common[0].any() and torch.equal(common[0], common[1]) and torch.equal(common[0], common[2])


def test_a_batch_that_starts_from_photographs_has_nothing_in_common_yet():
    image = shared(start=0.1 + 0.8 * noise(3, 3, 6, 5))
    assert not image.parameters[1].any()


def test_the_shared_part_is_coarse_and_at_least_one_place():
    assert shared().parameters[1].shape == (3, 3, 3, 2)
    assert shared(factor=50).parameters[1].shape == (3, 3, 1, 1)
    with pytest.raises(Mistake, match="at least 1"):
        shared(factor=0)


def test_pictures_agree_more_on_the_coarse_part_the_larger_the_shared_one_is():
    image = shared()
    set_to(image, [image.parameters[0].detach() * 0, 2 * normal(*image.parameters[1].shape)])
    pictures = image().detach()
    assert torch.equal(pictures[0], pictures[1]) and torch.equal(pictures[0], pictures[2]) and pictures.std() > 0.05

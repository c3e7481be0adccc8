import pytest
import torch

from phosphene.core.errors import Mistake
from phosphene.core.pictures.masks import read_mask


def test_white_is_1_black_0_and_colours_are_their_mean():
    mask = torch.tensor([1.0, 0.0, 0.5])[None, :, None, None].expand(1, 3, 8, 12).clone()
    mask[..., 6:] = 1
    found = read_mask(mask, (16, 24))
    assert found.shape == (1, 1, 8, 12)
    torch.testing.assert_close(found[0, 0, 0], torch.tensor([0.5] * 6 + [1.0] * 6))


def test_another_shape_is_told_and_another_size_is_none():
    mask = torch.ones(1, 3, 100, 150)
    assert read_mask(mask, (201, 301)).shape == (1, 1, 100, 150)
    with pytest.raises(Mistake, match="the mask is 150 x 100 pixels and the style 100 x 100; give one of the same"):
        read_mask(mask, (100, 100), "the style")

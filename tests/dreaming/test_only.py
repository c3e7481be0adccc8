"""A dream of a part of the photograph: a scene whose object is known."""

import sys

import numpy as np
import pytest
import torch

from phosphene.core.errors import Mistake
from phosphene.dreaming import dream
from phosphene.dreaming.only import where
from tests.small import LABELS, linear, noise

SIZE, LEFT, TOP, RIGHT, BOTTOM = 40, 12, 8, 30, 26


def scene(side=SIZE):
    """A bright, slightly noisy object on a dark, slightly noisy ground."""
    picture = 0.15 + 0.06 * np.random.default_rng(3).random((side, side, 3))
    times = side // SIZE
    picture[times * TOP : times * BOTTOM, times * LEFT : times * RIGHT] += np.array([0.6, 0.5, 0.1])
    return torch.from_numpy((255 * picture).round() / 255).permute(2, 0, 1)


def known():
    """A score whose slope is strong on the object, and weak but never 0 outside of it."""
    weight = 0.01 * (noise(2, 3, SIZE, SIZE) - 0.5)
    weight[1, :, TOP:BOTTOM, LEFT:RIGHT] *= 30
    weight[1, :, TOP + 4 : BOTTOM - 4, LEFT + 4 : RIGHT - 4] *= 3
    return linear(weight, [0.0, 0.0], labels=LABELS[:2])


@pytest.mark.parametrize("times", [1, 3])
def test_the_mask_is_white_on_the_object_and_black_elsewhere_at_the_photographs_own_size(times):
    mask = where(known(), scene(times * SIZE)[None], "zebra")[0, 0]
    assert mask.shape == (times * SIZE, times * SIZE)
    inside = mask[times * (TOP + 2) : times * (BOTTOM - 2), times * (LEFT + 2) : times * (RIGHT - 2)]
    assert inside.min() > 0.97
    outside = mask.clone()
    outside[times * (TOP - 2) : times * (BOTTOM + 2), times * (LEFT - 2) : times * (RIGHT + 2)] = 0
    assert outside.max() < 0.03


def test_only_the_object_is_changed_by_a_dream_of_it():
    network, photo = known(), scene().float()
    moved = (
        dream(network, photo, layer="logits:0", only="zebra", octaves=1, steps=3, rate=0.02).image[0] - photo
    ).abs()
    assert moved[:, : TOP - 2].max() < 0.002 and moved[:, :, : LEFT - 2].max() < 0.002
    assert moved[:, TOP + 2 : BOTTOM - 2, LEFT + 2 : RIGHT - 2].mean() > 0.01


def test_a_class_that_depends_on_every_pixel_alike_is_nowhere():
    network = linear(torch.zeros(2, 3, SIZE, SIZE, dtype=torch.float64), [0.0, 1.0], labels=LABELS[:2])
    with pytest.raises(Mistake, match="depends on every pixel alike, so no part can be told by it"):
        where(network, scene()[None], "zebra")


def test_without_opencv_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(Mistake, match=r"needs OpenCV: pip install 'phosphene\[segment\]'"):
        where(known(), scene()[None], "zebra")

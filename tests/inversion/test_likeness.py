"""Likeness to a photograph: closed forms, scikit-image, and a network of the package that had no part."""

import numpy as np
import pytest
import torch

from phosphene.inversion.likeness import apart, judge_of, psnr, ssim
from phosphene.models.specs import load
from tests.small import convnet, noise


def test_twenty_decibels_are_a_tenth_everywhere():
    x = torch.full((3, 9, 9), 0.4)
    assert psnr(x + 0.1, x) == pytest.approx(20, abs=1e-4)
    assert psnr(x, x) == pytest.approx(99)


def test_the_signal_to_noise_ratio_is_that_of_scikit_image():
    metrics = pytest.importorskip("skimage.metrics")
    x, y = noise(3, 9, 8), noise(3, 9, 8, seed=1)
    assert psnr(x, y) == pytest.approx(metrics.peak_signal_noise_ratio(y.numpy(), x.numpy(), data_range=1.0))


def test_structural_similarity_is_one_for_a_picture_and_itself_and_little_for_noise():
    x = noise(3, 16, 16)
    assert ssim(x, x) == pytest.approx(1) and abs(ssim(x, noise(3, 16, 16, seed=1))) < 0.2
    assert np.isfinite(ssim(x[:, :4, :5], x[:, :4, :5]))


def test_a_photograph_is_nothing_apart_from_itself_and_the_judge_had_no_part():
    judge = judge_of(convnet())
    assert judge.name == "embedded:photo-robust" and judge_of(judge).name == "embedded:photo"
    x = noise(1, 3, 64, 64, dtype=torch.float32)
    same, other = apart(load("embedded:photo"), torch.cat([x, noise(1, 3, 64, 64, seed=1).float()]), x)
    assert same == 0 and other > 0.1

"""What a model is fed."""

import itertools

import pytest
import torch
from torch import nn

from phosphene.core.networks.normalization import Normalization
from tests.core.networks.models import conv, of, pictures


def test_a_grey_network_is_fed_the_mean_of_the_three_channels():
    network = of(nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU()), mean=(0.3,), std=(0.5,))
    x = pictures(16, 16)
    torch.testing.assert_close(network.read(x, ["0"])["0"], network.model[0]((x.mean(1, keepdim=True) - 0.3) / 0.5))


def test_a_bgr_network_is_normalized_in_rgb_and_then_turned_round():
    network = of(nn.Sequential(conv()), mean=(0.1, 0.2, 0.3), std=(1, 2, 4), bgr=True)
    x = pictures(16, 16)
    native = torch.stack([(x[:, 2] - 0.3) / 4, (x[:, 1] - 0.2) / 2, x[:, 0] - 0.1], 1)
    torch.testing.assert_close(network.read(x, ["logits"])["logits"], network.model(native))


def test_normalized_pictures_equal_the_formula_number_by_number():
    x = pictures(3, 4, n=2).detach()
    mean, std = (0.1, 0.2, 0.3), (0.5, 0.25, 2.0)
    for bgr in (False, True):
        found = Normalization(mean, std, bgr)(x)
        for c in range(3):
            of = 2 - c if bgr else c
            for n, i, j in itertools.product(range(2), range(3), range(4)):
                assert found[n, c, i, j].item() == pytest.approx((x[n, of, i, j].item() - mean[of]) / std[of])


def test_nothing_is_done_where_nothing_is_to_be_done():
    x = pictures(3, 4)
    assert Normalization()(x) is x
    torch.testing.assert_close(Normalization((0.5,), (0.5,))(x, grey=True)[:, 0], 2 * (x.sum(1) / 3) - 1)

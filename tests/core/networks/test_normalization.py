"""What a model is fed."""

import torch
from torch import nn

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

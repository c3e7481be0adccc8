"""What a network can see of pictures, and what they are kept in."""

import pytest
import torch
from torch import nn

from phosphene.core.networks.network import Network
from phosphene.core.networks.preprocessing import seen, working_dtype
from tests.small import noise


@pytest.mark.parametrize("kept", [(torch.bfloat16, torch.float32), (torch.float32,) * 2, (torch.float64,) * 2])
def test_pictures_are_kept_in_float32_or_better(kept):
    own, dtype = kept
    assert working_dtype(Network(nn.Conv2d(3, 4, 3).to(own), size=16)) == dtype


def test_a_network_of_one_channel_sees_grey():
    x = noise(2, 3, 5, 4)
    grey = seen(Network(nn.Conv2d(1, 4, 3), size=16), x)
    assert grey.shape == x.shape
    for channel in range(3):
        torch.testing.assert_close(grey[:, channel], (x[:, 0] + x[:, 1] + x[:, 2]) / 3)
    assert torch.equal(seen(Network(nn.Conv2d(3, 4, 3), size=16), x), x)

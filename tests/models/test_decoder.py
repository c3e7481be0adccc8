"""A decoder: its convolutions one by one, where codes of every kind go, and what can't be decoded."""

import numpy as np
import pytest
import torch
from torch import nn

from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from phosphene.models.decoder import Decoder, Geometry, decoded, geometry, placed
from tests.small import Tokens, convnet, noise, normal


def slow_convolution(x, conv):
    """Pixel by pixel, with zeros beyond the border."""
    weight, bias = conv.weight.detach().numpy(), conv.bias.detach().numpy()
    side, (_, height, width) = weight.shape[-1], x.shape
    padded = np.pad(x, ((0, 0), (side // 2,) * 2, (side // 2,) * 2))
    found = np.zeros((len(weight), height, width))
    for i, j in np.ndindex(height, width):
        found[:, i, j] = (weight * padded[None, :, i : i + side, j : j + side]).sum((1, 2, 3)) + bias
    return found


def slow_decoded(decoder, code):
    """One picture."""

    def leaky(x):
        return np.where(x > 0, x, 0.2 * x)

    mean, deviation = (decoder.get_buffer(name).numpy()[:, None, None] for name in ("mean", "deviation"))
    x = leaky(slow_convolution((code.numpy() - mean) / deviation, decoder.enter))
    for number, step in enumerate(decoder.steps):
        if number:
            x = x.repeat(2, axis=1).repeat(2, axis=2)
        x = leaky(slow_convolution(x, step))
    return 1 / (1 + np.exp(-slow_convolution(x, decoder.colours)))


def test_a_decoder_is_its_convolutions_one_by_one():
    torch.manual_seed(0)
    decoder = Decoder(Geometry(4, 1, False)).double()
    codes = normal(3, 4, 3, 2)
    decoder.fit_codes(2 + 3 * codes)
    with torch.no_grad():
        found = decoder(codes)
    assert found.shape == (3, 3, 6, 4)
    for one, code in zip(found, codes, strict=True):
        np.testing.assert_allclose(one.numpy(), slow_decoded(decoder, code), rtol=1e-6)


def test_codes_have_mean_0_and_deviation_1_when_they_enter_and_a_silent_channel_stays_small():
    decoder, codes = Decoder(Geometry(3, 0, False)).double(), 5 + 2 * normal(50, 3, 4, 4)
    codes[:, 2] = 0.001 * normal(50, 4, 4)
    decoder.fit_codes(codes)
    mean, deviation = (decoder.get_buffer(name).view(-1, 1, 1) for name in ("mean", "deviation"))
    entering = (codes - mean) / deviation
    assert entering[:, :2].mean((0, 2, 3)).abs().max() < 1e-6
    torch.testing.assert_close(entering[:, :2].std((0, 2, 3)), torch.ones(2).double(), rtol=1e-4, atol=0)
    assert entering[:, 2].std() < 0.01


@pytest.mark.parametrize(
    "layer, expected", [("conv1", (6, 0, False)), ("conv2", (8, 1, False)), ("logits", (4, 2, True))]
)
def test_it_doubles_as_often_as_leads_from_the_code_to_the_picture(layer, expected):
    assert geometry(convnet(), layer) == expected


@pytest.mark.parametrize("layer", ["conv2", "logits"])
@pytest.mark.parametrize("size", [(16, 16), (24, 24), (20, 27)])
def test_pictures_have_the_size_that_is_asked_for_and_are_in_the_unit_interval(layer, size):
    network = convnet()
    decoder = Decoder(geometry(network, layer)).double()
    with torch.no_grad():
        code = network.read(noise(2, 3, *size), [layer])[layer]
        found = decoded(decoder, network, layer, code, size)
    assert found.shape == (2, 3, *size) and found.min() >= 0 and found.max() <= 1


def test_the_patches_of_a_transformer_go_to_their_rows_and_columns():
    network = Network(Tokens().double(), size=16)
    x = noise(1, 3, 16, 16)
    with torch.no_grad():
        code = network.read(x, ["mix"])["mix"]
        found = placed(network, "mix", code)
        patches = network.model.mix(network.model.patches(x).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
    torch.testing.assert_close(found, patches)
    assert geometry(network, "mix") == (6, 2, False)


def test_what_has_no_such_code_is_refused_in_a_sentence():
    grey = Network(nn.Sequential(nn.Conv2d(5, 2, 3), nn.Flatten(), nn.Linear(72, 2)), size=8, channels=5, name="five")
    with pytest.raises(Mistake, match="five takes pictures of 5 channels; a decoder makes three colours"):
        geometry(grey, "logits")

    class Shuffled(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.head = nn.Conv2d(3, 4, 1), nn.Linear(4, 2)

        def forward(self, x):
            return self.head(self.first(x).unflatten(1, (2, 2)).mean((3, 4)).flatten(1))

    odd = Network(Shuffled(), size=8, name="odd")
    with pytest.raises(Mistake, match=r"no layer 'second'"):
        geometry(odd, "second")

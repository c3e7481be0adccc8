import torch
from torch import nn
from torch.nn import functional as F

from phosphene.core.networks.network import Network
from phosphene.style.borders import replicated
from tests.small import noise


class Padded(nn.Module):
    """Pads by itself before its first convolution, by 2 px on the right and below."""

    def __init__(self, mode="constant"):
        super().__init__()
        torch.manual_seed(0)
        self.mode, self.first, self.second = mode, nn.Conv2d(3, 4, 3), nn.Conv2d(4, 5, 3, padding=1)

    def forward(self, x):
        return self.second(self.first(F.pad(x, (0, 2, 0, 2), mode=self.mode)).relu())


def two_convolutions(mode="zeros"):
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 3, 1), nn.Conv2d(3, 4, 3, padding=(1, 2), padding_mode=mode),
        nn.ReLU(), nn.Conv2d(4, 5, 3, padding=1),
    )  # fmt: skip


def read(model, x, rule="gradient"):
    network = Network(model.double(), size=12)
    last = list(network.layers)[-2]
    return network.read(x, [last], rule)[last]


def test_the_first_convolution_that_pads_sees_the_last_pixels_again_and_those_behind_it_pad_with_zeros():
    x, model = noise(1, 3, 9, 10), two_convolutions()
    found = read(model, x, replicated)
    _, first, _, second = model
    expected = second(F.conv2d(F.pad(model[0](x), (2, 2, 1, 1), mode="replicate"), first.weight, first.bias).relu())
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(found[..., 2:-2, 3:-3], read(model, x)[..., 2:-2, 3:-3])
    assert not torch.allclose(found[..., 0], read(model, x)[..., 0])


def test_a_padding_before_the_first_convolution_is_replicated_in_its_place():
    x, model = noise(1, 3, 9, 10), Padded()
    expected = model.double().second(model.first(F.pad(x, (0, 2, 0, 2), mode="replicate")).relu())
    torch.testing.assert_close(read(model, x, replicated), expected)


def test_what_pads_otherwise_already_is_left_alone():
    x = noise(1, 3, 9, 10)
    for model in (Padded("reflect"), two_convolutions("reflect")):
        assert torch.equal(read(model, x, replicated), read(model, x))


def test_the_model_pads_as_before_when_it_has_been_read():
    x, model = noise(1, 3, 9, 10), two_convolutions().double()
    before = model(x)
    read(model, x, replicated)
    assert torch.equal(model(x), before)


def test_a_flat_picture_has_no_border():
    found = read(two_convolutions(), torch.full((1, 3, 9, 10), 0.3, dtype=torch.float64), replicated)
    inside = found[..., 4:5, 4:5]
    torch.testing.assert_close(found[..., 1:-1, 1:-1], inside.expand(-1, -1, 7, found.shape[3] - 2))

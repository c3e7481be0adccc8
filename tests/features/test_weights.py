"""First-layer weights as tiles: every filter's pixel is where and what it should be."""

import pytest
import torch
from torch import nn

from phosphene.core.errors import Mistake
from phosphene.core.network import Network
from phosphene.features import weights
from tests.small import convnet


def filters(network):
    return network.model.conv1.weight.detach().float()


def tile(sheet, index, columns, side):
    top, left = index // columns * (side + 4), index % columns * (side + 4)
    return sheet[0, :, top : top + side, left : left + side]


def test_every_tile_is_its_filter_around_grey_on_its_own_scale():
    network = convnet()
    sheet = weights(network).image  # 6 filters of 3 x 3, enlarged 16 times, in 3 columns
    for index, w in enumerate(filters(network)):
        for row in range(3):
            for column in range(3):
                square = tile(sheet, index, 3, 48)[:, 16 * row : 16 * row + 16, 16 * column : 16 * column + 16]
                expected = 0.5 + 0.5 * w[:, row, column] / w.abs().max()
                torch.testing.assert_close(square, expected[:, None, None].expand(3, 16, 16))


def test_on_a_common_scale_only_the_largest_weight_reaches_the_end():
    network = convnet()
    sheet = weights(network, common=True).image
    largest = filters(network).abs().max()
    torch.testing.assert_close(tile(sheet, 2, 3, 48)[:, 0, 0], 0.5 + 0.5 * filters(network)[2, :, 0, 0] / largest)


def test_a_filter_of_zeros_is_grey():
    network = convnet()
    nn.init.zeros_(network.model.conv1.weight[1])
    assert tile(weights(network).image, 1, 3, 48).unique().tolist() == [0.5]


def test_a_network_that_wants_blue_first_is_shown_in_true_colours():
    network = convnet()
    turned = Network(network.model, size=16, bgr=True)
    torch.testing.assert_close(tile(weights(turned).image, 0, 3, 48), tile(weights(network).image, 0, 3, 48).flip(0))


def test_filters_over_grey_are_grey():
    model = nn.Sequential(nn.Conv2d(1, 4, 5), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 8 * 8, 2))
    image = weights(Network(model, size=12)).image
    torch.testing.assert_close(image[:, :1].expand(-1, 3, -1, -1), image)


def test_the_numbers_are_the_weights_themselves():
    result = weights(convnet())
    torch.testing.assert_close(torch.from_numpy(result.values[0]), filters(convnet()))
    assert result.numbers[0]["shape"] == [6, 3, 3, 3]


@pytest.mark.parametrize("layer", ["conv2", "relu1", "fc"])
def test_what_does_not_look_at_colours_is_refused(layer):
    with pytest.raises(Mistake, match=f"'{layer}' .* is no convolution over red, green and blue"):
        weights(convnet(), layer=layer)


def test_an_unknown_layer_is_answered_with_the_nearest():
    with pytest.raises(Mistake, match="no layer 'conv9'; did you mean 'conv1'"):
        weights(convnet(), layer="conv9")

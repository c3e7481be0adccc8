"""Weights as tiles: every weight's pixel is where and what it should be."""

import pytest
import torch
from torch import nn

from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from phosphene.core.pictures.colours import signed_colours
from phosphene.features import weights
from tests.small import convnet, linear, normal


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


@pytest.mark.parametrize(
    ("layer", "near"), [("relu1", "'conv1' and 'conv2'"), ("mean", "'conv3' and 'fc'"), ("logits", "'fc'$")]
)
def test_a_layer_without_weights_is_answered_with_the_nearest_that_have_some(layer, near):
    with pytest.raises(Mistake, match=f"'{layer}' .* has no weights of its own; the nearest that can be shown: {near}"):
        weights(convnet(), layer=layer)


def square(sheet, top, left, side):
    """The colour of a square of `side` px that is one weight."""
    part = sheet[0, :, top : top + side, left : left + side]
    assert (part == part[:, :1, :1]).all()
    return part[:, 0, 0]


def check_tiles(sheet, tiles, blocks, side=48, gap=4, apart=20):
    """Every weight of (n, c, k, k) tiles is a grey square, each unit on its own scale, `blocks` units side by side."""
    _, c, k, _ = tiles.shape
    zoom = side // k
    for i, unit in enumerate(tiles):
        for j, row, column in torch.cartesian_prod(torch.arange(c), torch.arange(k), torch.arange(k)).tolist():
            top = i // blocks * (zoom * k + gap) + zoom * row
            left = i % blocks * (c * (zoom * k + gap) - gap + apart) + j * (zoom * k + gap) + zoom * column
            expected = 0.5 + 0.5 * unit[j, row, column] / unit.abs().max()
            torch.testing.assert_close(
                square(sheet, top, left, zoom), expected.expand(3), msg=f"{i} {j} {row} {column}"
            )


def test_a_deeper_filter_is_a_row_with_a_grey_tile_for_each_channel():
    network = convnet()
    sheet = weights(network, "conv2").image
    assert sheet.shape == (1, 3, 8 * 52 - 4, 6 * 52 - 4)
    check_tiles(sheet, network.model.conv2.weight.detach().float(), blocks=1)


def test_on_a_common_scale_deeper_filters_end_at_the_largest_weight_of_the_layer():
    network = convnet()
    w = network.model.conv2.weight.detach().float()
    sheet = weights(network, "conv2", common=True, filters="3-4", inputs="2").image
    zoom = sheet.shape[2] // 3
    torch.testing.assert_close(square(sheet, 0, 0, zoom), (0.5 + 0.5 * w[3, 2, 0, 0] / w.abs().max()).expand(3))


def layered(*layers, size=8):
    """Convolutions in a row, behind one that looks at the picture."""
    torch.manual_seed(0)
    return Network(nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), *layers), size=size)


def test_a_grouped_filter_has_a_tile_for_each_channel_of_its_group():
    network = layered(nn.Conv2d(8, 12, 3, groups=4))
    check_tiles(weights(network, "1").image, network.model[1].weight.detach(), blocks=2)
    assert "channel of its group (0-1)" in weights(network, "1").panels[0][0][0]


def test_a_depthwise_convolution_is_a_grid_of_single_tiles():
    network = layered(nn.Conv2d(8, 8, 3, groups=8))
    check_tiles(weights(network, "1").image, network.model[1].weight.detach(), blocks=3, apart=4)


def test_three_channels_that_are_no_colours_are_not_shown_as_such():
    network = layered(nn.Conv2d(8, 3, 1), nn.Conv2d(3, 5, 3))
    check_tiles(weights(network, "2").image, network.model[2].weight.detach(), blocks=1)


@pytest.mark.parametrize("groups", [1, 2])
def test_a_transposed_convolution_is_shown_by_its_outputs(groups):
    network = layered(nn.ConvTranspose2d(8, 4, 3, groups=groups))
    weight = network.model[1].weight.detach()  # (inputs, outputs of a group, 3, 3)
    per_group = torch.stack(
        [weight[i // (4 // groups) * (8 // groups) :][: 8 // groups, i % (4 // groups)] for i in range(4)]
    )
    check_tiles(weights(network, "1").image, per_group, blocks=1)


def check_matrix(sheet, matrix, blocks, across, down):
    """Every weight is a rectangle between blue (-1) and red (1)."""
    c = matrix.shape[1]
    colours = signed_colours((matrix / matrix.abs().amax(1, keepdim=True))[None])[0]
    for i in range(len(matrix)):
        for j in range(c):
            top, left = i // blocks * down, i % blocks * (c * across + 8) + j * across
            part = sheet[0, :, top : top + down, left : left + across]
            torch.testing.assert_close(part, colours[:, i, j, None, None].expand(3, down, across))


def test_single_weights_are_a_matrix():
    network = layered(nn.Conv2d(8, 5, 1))
    check_matrix(weights(network, "1").image, network.model[1].weight.detach()[..., 0, 0], 1, 32, 32)


def test_a_layer_over_a_plain_vector_is_a_matrix():
    network = convnet()
    check_matrix(weights(network, "fc").image, network.model.fc.weight.detach().float(), 1, 32, 32)


def test_a_layer_over_what_was_flattened_has_its_shape():
    network = layered(nn.MaxPool2d(2), nn.Dropout(), nn.Flatten(), nn.Linear(8 * 4 * 4, 6), nn.Linear(6, 4))
    check_tiles(weights(network, "4").image, network.model[4].weight.detach().view(6, 8, 4, 4), blocks=1, side=64)
    check_matrix(weights(network, "5").image, network.model[5].weight.detach(), 1, 32, 32)


@pytest.mark.parametrize("bgr", [False, True])
def test_a_linear_classifier_is_its_templates_in_true_colours(bgr):
    weight = normal(2, 3, 9, 7)
    sheet = weights(linear(weight, [0.0, 0.0], bgr=bgr)).image
    zoom = sheet.shape[2] // 9
    shown = (weight.flip(1) if bgr else weight).float()
    template = 0.5 + 0.5 * shown[1] / shown[1].abs().max()
    torch.testing.assert_close(sheet[0, :, ::zoom, 7 * zoom + 4 :: zoom], template)


def test_a_linear_classifier_of_grey_pictures_is_its_templates_in_grey():
    torch.manual_seed(0)
    network = Network(nn.Sequential(nn.Flatten(), nn.Linear(64, 2)), size=8, labels=["one", "two"])
    sheet, w = weights(network).image, network.model[1].weight.detach().view(2, 8, 8)
    zoom = sheet.shape[2] // 8
    torch.testing.assert_close(sheet[0, 2, ::zoom, : 8 * zoom : zoom], 0.5 + 0.5 * w[0] / w[0].abs().max())


def test_what_is_left_out_is_said_with_how_to_see_it():
    network = layered(nn.Conv2d(8, 40, 3, padding=1), nn.Conv2d(40, 40, 3))
    result = weights(network, "2")
    said = result.panels[0][0][0]
    assert "left out: 8 filters and 8 input channels; see others with --filters 32-39 or --inputs 32-39" in said
    assert (result.numbers[0]["filters"], result.numbers[0]["inputs"]) == ([0, 31], [0, 31])
    rest = weights(network, "2", filters="32-39", inputs="32-39").image
    w = network.model[2].weight.detach()
    corner = 0.5 + 0.5 * w[32, 32, 0, 0] / w[32].abs().max()
    torch.testing.assert_close(rest[0, :, 0, 0], corner.expand(3))


def test_a_parametrized_weight_is_shown_as_it_is_used():
    network = layered(nn.utils.parametrizations.spectral_norm(nn.Conv2d(8, 5, 3)))
    with torch.no_grad():
        used = network.model[1].eval().weight
    torch.testing.assert_close(torch.from_numpy(weights(network, "1").values[0]), used)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"filters": "x"}, "--filters is 'x'; write 7, or 0-7"),
        ({"inputs": "3-1"}, "--inputs 3-1 goes backwards; write 1-3"),
        ({"filters": "2-8"}, "conv2 has filters 0 to 7, not 8"),
    ],
)
def test_a_range_that_is_none_is_a_mistake(options, said):
    with pytest.raises(Mistake, match=said):
        weights(convnet(), "conv2", **options)


def test_weights_that_are_not_finite_are_refused():
    network = convnet()
    nn.init.constant_(network.model.conv2.weight, torch.nan)
    with pytest.raises(Mistake, match="the weights of conv2 are not all finite"):
        weights(network, "conv2")


def test_an_unknown_layer_is_answered_with_the_nearest():
    with pytest.raises(Mistake, match="no layer 'conv9'; did you mean 'conv1'"):
        weights(convnet(), layer="conv9")


class Block(nn.Module):
    """A convolution and its rectifier, as architectures hold them."""

    def __init__(self, channels):
        super().__init__()
        self.conv, self.relu = nn.Conv2d(channels, 4, 3), nn.ReLU()

    def forward(self, x):
        return self.relu(self.conv(x))


def test_a_layer_that_holds_a_single_one_with_weights_shows_those():
    blocks = Block(3), nn.Sequential(Block(4), Block(4)), nn.Flatten(), nn.Linear(4 * 6 * 6, 2)
    network = Network(nn.Sequential(*blocks), size=12)
    assert weights(network, layer="0").numbers == weights(network, layer="0.conv").numbers
    with pytest.raises(Mistake, match="has no weights of its own; the nearest"):
        weights(network, layer="1")

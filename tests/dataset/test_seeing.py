import numpy as np
import pytest
import torch
from hypothesis import assume, given, reject, settings
from hypothesis import strategies as st
from torch import nn

from phosphene.core.networks.network import Network
from phosphene.dataset.seeing import sights

SIZE = 21


class Branches(nn.Module):
    """Two ways side by side, joined by their sum or by their channels."""

    def __init__(self, channels, kernels, joined):
        super().__init__()
        self.ways = nn.ModuleList(nn.Conv2d(channels, 2, k, padding=k // 2) for k in kernels)
        self.joined = joined

    def forward(self, x):
        parts = [way(x) for way in self.ways]
        return torch.cat(parts, 1) if self.joined else parts[0] + parts[1]


def built(step, channels):
    """A step of a network from so many channels, and how many it has."""
    what, kernel, stride, padding, dilation, joined = step
    match what:
        case "convolution":
            return nn.Conv2d(channels, 3, kernel, stride, padding, dilation), 3
        case "maximum":
            return nn.MaxPool2d(kernel, stride, min(padding, kernel // 2)), channels
        case "mean":
            return nn.AvgPool2d(kernel, stride), channels
        case "branches":
            return Branches(channels, (kernel | 1, 1 + 2 * padding), joined), 4 if joined else 2
    return nn.LeakyReLU(0.1), channels  # a ReLU may be dead for whatever there is, and then nothing matters


WHAT = st.sampled_from(["convolution", "convolution", "maximum", "mean", "rectifier", "branches"])
STEPS = st.tuples(
    WHAT, st.integers(1, 4), st.integers(1, 2), st.integers(0, 2), st.integers(1, 2), st.booleans()
)  # fmt: skip


def made(steps, seed):
    """A network of these steps, with a mean and a linear layer behind; and the last step's name."""
    torch.manual_seed(seed)
    modules, channels = [], 3
    for step in steps:
        module, channels = built(step, channels)
        modules.append(module)
    layers = nn.Sequential(*modules).double()
    try:
        places = layers(torch.zeros(1, 3, SIZE, SIZE, dtype=torch.float64)).shape[2:]
    except RuntimeError:
        reject()  # a kernel is larger than what is left of the picture
    assume(max(places) > 1)
    return network_of(*modules, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 2)), str(len(modules) - 1)


def network_of(*modules, size=SIZE):
    return Network(nn.Sequential(*modules).double(), size=size)


def read(network, layer, picture):
    with torch.no_grad():
        return network.read(picture, [layer])[layer][0]


def noise(seed, size, low=0.0, high=1.0):
    generator = torch.Generator().manual_seed(seed)
    return low + (high - low) * torch.rand(1, 3, size, size, generator=generator, dtype=torch.float64)


def outside(picture, other, box):
    """The picture inside of the box, the other one elsewhere."""
    top, left, bottom, right = box
    changed = other.clone()
    changed[..., top:bottom, left:right] = picture[..., top:bottom, left:right]
    return changed


def check_exact(network, layer, draw_unit):
    """Whatever is outside leaves the value as it is, to the bit; and each border of the box matters."""
    layer = network.layer(layer).name
    sight = sights(network, [layer])[layer]
    units, rows, columns = network.layer(layer).shape
    unit, row, column = draw_unit(units), draw_unit(rows), draw_unit(columns)
    box, _ = sight.box(unit, (row, column), network.size)
    value = read(network, layer, noise(0, network.size[0]))[unit, row, column]
    size = network.size[0]
    for seed in (1, 2):
        changed = outside(noise(0, size), noise(seed, size, -50, 50), box)
        assert read(network, layer, changed)[unit, row, column] == value
    top, left, bottom, right = box
    if not matters(network, layer, (unit, row, column), (slice(None), slice(None))):
        return  # padding alone
    for line in (
        (slice(top, top + 1), slice(left, right)), (slice(bottom - 1, bottom), slice(left, right)),
        (slice(top, bottom), slice(left, left + 1)), (slice(top, bottom), slice(right - 1, right)),
    ):  # fmt: skip
        assert matters(network, layer, (unit, row, column), line)


def matters(network, layer, at, line, seeds=24):
    """Whether some change of these pixels, in some picture, changes the value: of several, as a maximum may hide it."""
    for seed in range(seeds):
        picture = noise(100 + seed, network.size[0], -3, 3)
        changed = picture.clone()
        changed[(..., *line)] = noise(200 + seed, network.size[0], -1e4, 1e4)[(..., *line)]
        if read(network, layer, picture)[at] != read(network, layer, changed)[at]:
            return True
    return False


NETWORKS = st.lists(STEPS, min_size=2, max_size=4), st.integers(0, 999), st.data()


def drawn(data):
    return lambda many: data.draw(st.integers(0, many - 1))


@pytest.mark.slow
@settings(max_examples=40)
@given(*NETWORKS)
def test_nothing_outside_of_a_box_matters_and_each_of_its_borders_does(steps, seed, data):
    network, layer = made(steps, seed)
    check_exact(network, layer, drawn(data))


def by_trying(network, layer, at):
    """Each row and each column of pixels is made nan, one at a time; the box of those that reach the unit, or None."""
    unit, row, column = at
    hit = [[], []]
    for axis in (0, 1):
        for line in range(network.size[axis]):
            picture = noise(0, network.size[0])
            picture.select(2 + axis, line)[:] = torch.nan
            if read(network, layer, picture)[unit, row, column].isnan():
                hit[axis].append(line)
    return (hit[0][0], hit[1][0], hit[0][-1] + 1, hit[1][-1] + 1) if all(hit) else None


@pytest.mark.slow
@settings(max_examples=40)
@given(*NETWORKS)
def test_boxes_are_where_nan_comes_from(steps, seed, data):
    network, layer = made(steps, seed)
    at = tuple(map(drawn(data), network.layer(layer).shape))
    if (box := by_trying(network, layer, at)) is not None:
        assert sights(network, [layer])[layer].box(at[0], at[1:], network.size)[0] == box


def test_of_a_dilated_window_at_the_border_less_is_left_than_the_clipped_field():
    network = network_of(nn.Conv2d(3, 4, 3, padding=1, dilation=2), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    assert sights(network, ["0"])["0"].box(0, (0, 5), network.size)[0] == (1, 4, 4, 9)  # rows -1, 1, 3
    check_exact(network, "0", lambda many: 0)


def test_a_row_that_no_stride_reaches_is_in_no_box():
    network = network_of(
        nn.Conv2d(3, 4, 2, stride=2), nn.Conv2d(4, 3, 3, padding=1), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )  # fmt: skip
    box, cut = sights(network, ["1"])["1"].box(0, (9, 9), network.size)
    assert (box, cut) == ((16, 16, 20, 20), True)  # of 21 rows, the last one is left over
    check_exact(network, "1", lambda many: many - 1)


NOT_PLAIN = {
    "enlarged": lambda: [nn.Conv2d(3, 4, 3, 2), nn.Upsample(scale_factor=2), nn.Conv2d(4, 3, 3)],
    "transposed": lambda: [nn.Conv2d(3, 4, 3, 2), nn.ConvTranspose2d(4, 3, 3, 2)],
    "uneven means": lambda: [nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(5), nn.Conv2d(4, 3, 2)],
    "round the border": lambda: [nn.Conv2d(3, 4, 5, padding=2, padding_mode="circular"), nn.ReLU()],
    "normalized over places": lambda: [nn.Conv2d(3, 4, 3), nn.GroupNorm(2, 4)],
}


@pytest.mark.parametrize("kind", NOT_PLAIN)
def test_boxes_are_exact_where_no_formula_tells(kind):
    torch.manual_seed(0)
    modules = NOT_PLAIN[kind]()
    network = network_of(*modules, nn.AdaptiveAvgPool2d(1), nn.Flatten(), size=15)
    check_exact(network, str(len(modules) - 1), lambda many: many // 2)
    check_exact(network, str(len(modules) - 1), lambda many: 0)


def test_a_layer_without_rows_and_columns_sees_the_whole_picture():
    network = network_of(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    seen = sights(network, ["1", "logits"])
    assert {str(one) for one in seen.values()} == {"the whole picture"}
    assert seen["1"].box(0, (0, 0), (SIZE, SIZE)) == ((0, 0, SIZE, SIZE), False)


def test_the_border_cuts_a_box_off():
    network = network_of(nn.Conv2d(3, 4, 5, padding=2), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    sight = sights(network, ["0"])["0"]
    assert sight.box(0, (0, 10), network.size) == ((0, 8, 3, 13), True)
    assert sight.box(0, (9, 10), network.size) == ((7, 8, 12, 13), False)


def test_many_boxes_at_once_are_those_of_each():
    network = network_of(nn.Conv2d(3, 4, 5, padding=2, stride=2), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    sight = sights(network, ["0"])["0"]
    places = [(0, 0), (5, 5), (10, 3), (4, -1), (2, 2)]
    sizes = [(SIZE, SIZE)] * 4 + [(30, 17)]
    many = sight.boxes(np.array([0, 1, 2, 3, 3]), np.array(places), np.array(sizes))
    for unit, place, size, row in zip([0, 1, 2, 3, 3], places, sizes, many.tolist(), strict=True):
        box, cut = sight.box(unit, place if place[1] >= 0 else None, size)
        assert row == [*box, cut]

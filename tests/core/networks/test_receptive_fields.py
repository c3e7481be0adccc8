"""What a position of a layer sees of the picture."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from phosphene.core.networks.network import Network
from phosphene.core.networks.receptive_fields import Axis, ReceptiveField, field_after, measured_field, tensors
from phosphene.core.networks.sliding_windows import SlidingWindow
from tests.core.networks.models import Around, conv, mean, of, pictures
from tests.small import noise


def positive(model):
    """With positive weights no gradient cancels, so that its support is the whole receptive field."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.abs_().add_(0.01)
    return model


def seen(network, name, row, column):
    """Where the gradient of one position is not zero, pixel by pixel: (top, left, bottom, right)."""
    x = pictures(*network.size)
    (gradient,) = torch.autograd.grad(network.read(x, [name])[name][..., row, column].sum(), x)
    lit = gradient.abs().sum((0, 1)) > 0
    rows = [i for i in range(lit.shape[0]) if lit[i].any()]
    columns = [j for j in range(lit.shape[1]) if lit[:, j].any()]
    return rows[0], columns[0], rows[-1] + 1, columns[-1] + 1


class Windows(nn.Module):
    """Every kind of window whose receptive field is calculated, unequal along the two axes."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 4, (5, 3), stride=(2, 1), padding=(2, 1))
        self.norm = nn.BatchNorm2d(4)
        self.dilated = nn.Conv2d(4, 4, 3, padding=2, dilation=2)
        self.pool = nn.AvgPool2d(3, 2, padding=1)
        self.same = nn.Conv2d(4, 4, (3, 5), padding="same")
        self.mirrored = nn.Conv2d(4, 4, 3, padding=1, padding_mode="replicate")
        self.deep = nn.Conv2d(4, 4, 2, stride=2, groups=2)

    def forward(self, x):
        x = F.relu(self.norm(self.first(x)))
        x = self.pool(F.gelu(self.dilated(x)) + 0.5 * x)
        x = torch.cat([self.same(x), x], 1)[:, :4] * 1
        return self.deep(self.mirrored(x))


def plain_windows():
    model = Windows()
    model.forward = lambda x: model.deep(
        F.avg_pool2d(
            F.pad(model.same(model.pool(model.dilated(F.relu(model.norm(model.first(x)))) + 0)), (1, 0, 2, 1)), 2
        )
    )
    return of(positive(model), size=(72, 60))


@pytest.mark.parametrize("name", ["first", "norm", "relu", "dilated", "add", "pool", "same", "avg_pool2d", "deep"])
def test_calculated_fields_equal_those_that_the_gradient_shows(name):
    network = plain_windows()
    layer = network.layer(name)
    field = network.receptive_field(name)
    assert layer.field is not None and not field.measured
    for row, column in ((3, 4), (4, 4), (3, 5)) if name != "deep" else ((2, 3), (3, 3), (2, 4)):
        assert seen(network, name, row, column) == field.box(row, column)


@pytest.mark.parametrize("name", ["first", "dilated", "pool", "same"])
def test_measured_fields_equal_calculated_ones_on_a_plain_network(name):
    network = plain_windows()
    layer = network.layer(name)
    measured = network._measured_field(layer)
    assert measured.measured
    assert (measured.rows.size, measured.columns.size) == (layer.field.rows.size, layer.field.columns.size)
    assert (measured.rows.stride, measured.columns.stride) == (layer.field.rows.stride, layer.field.columns.stride)
    assert (measured.rows.offset, measured.columns.offset) == (layer.field.rows.offset, layer.field.columns.offset)


def test_two_convolutions_of_three_see_five_pixels():
    network = of(nn.Sequential(nn.Conv2d(3, 2, 3), nn.Conv2d(2, 2, 3), nn.Conv2d(2, 2, 3)))
    assert [network.receptive_field(name).rows for name in "012"] == [Axis(3, 1, 0), Axis(5, 1, 0), Axis(7, 1, 0)]
    assert str(network.receptive_field("1")) == "5 px every 1"


def test_the_stages_of_vgg_16_see_6_16_44_100_and_212_pixels():
    layers, cin = [], 3
    for width, many in ((2, 2), (2, 2), (2, 3), (2, 3), (2, 3)):
        for _ in range(many):
            layers += [conv(cin, width), nn.ReLU()]
            cin = width
        layers.append(nn.MaxPool2d(2))
    network = of(nn.Sequential(*layers), size=64)
    pools = [name for name, layer in network.layers.items() if layer.kind == "MaxPool2d"]
    fields = [network.receptive_field(name) for name in pools]
    assert [field.rows.size for field in fields] == [6, 16, 44, 100, 212]
    assert [field.rows.stride for field in fields] == [2, 4, 8, 16, 32]


def test_a_residual_sum_sees_what_both_ways_see():
    network = of(Around(lambda m, x: mean(m.a(x) + x), a=nn.Conv2d(3, 3, 5, padding=2)))
    assert network.receptive_field("add").rows == Axis(5, 1, -2)


def test_of_joined_layers_each_channel_sees_what_its_own_way_sees():
    def run(m, x):
        y = torch.cat([m.a(x), torch.cat([m.b(x), m.c(x)], 1)], 1)
        return mean(m.d(F.relu(y)))

    ways = [("a", 2, 1), ("b", 3, 3), ("c", 1, 7)]
    convs = {name: nn.Conv2d(3, many, side, padding=side // 2) for name, many, side in ways}
    network = of(positive(Around(run, **convs, d=conv(6))))
    for name in ("cat#2", "relu"):
        field = network.receptive_field(name)
        assert field.rows == Axis(7, 1, -3)
        assert [field.of(i).rows.size for i in range(6)] == [1, 1, 3, 3, 3, 7]
        for i in range(6):
            x = pictures(*network.size)
            (gradient,) = torch.autograd.grad(network.read(x, [name])[name][0, i, 8, 7], x)
            lit = (gradient.abs().sum((0, 1)) > 0).nonzero()
            assert (*lit.amin(0).tolist(), *(lit.amax(0) + 1).tolist()) == field.of(i).box(8, 7)
    assert network.receptive_field("d").of(0) == network.receptive_field("d")


def test_channels_that_were_joined_to_a_constant_or_mixed_see_what_all_see():
    def run(m, x):
        y = torch.cat([torch.zeros(len(x), 2, *x.shape[2:], dtype=x.dtype), m.a(x), m.b(x)], 1)
        return mean(F.local_response_norm(torch.cat([m.a(x), m.b(x)], 1), 3)) + mean(y)[:, 2:]

    network = of(Around(run, a=nn.Conv2d(3, 2, 1), b=conv()))
    for name in ("cat", "local_response_norm"):
        assert [network.receptive_field(name).of(i).rows.size for i in range(6)] == [3] * 6


def test_an_addition_in_place_of_something_that_is_not_plain_is_measured():
    def run(m, x):
        y = m.a(x)
        y += y.mean((2, 3), keepdim=True)
        return mean(m.b(y))

    network = of(Around(run, a=conv(), b=conv(4)))
    assert network.layer("a").field is not None
    assert network.layer("add").field is None and network.layer("b").field is None
    field = network.receptive_field("add")
    assert field.measured and (field.rows.size, field.columns.size) == (16, 16)
    assert str(field) == "at least 16 px every 1"


def test_what_was_written_into_is_measured():
    def run(m, x):
        y = m.a(x)
        y[:, :, :8] = y[:, :, 8:].clone()
        return mean(m.b(y))

    network = of(Around(run, a=conv(), b=conv(4)))
    assert network.layer("b").field is None


def test_halves_that_were_shuffled_are_measured():
    def run(m, x):
        top, bottom = m.a(x).chunk(2, dim=2)
        return mean(m.b(torch.cat([bottom, top], 2)) + 1)

    network = of(Around(run, a=conv(), b=conv(4)))
    assert (
        network.layer("cat").field is None and network.layer("b").field is None and network.layer("add").field is None
    )


def test_constants_do_not_widen_a_field():
    def run(m, x):
        return mean((m.a(x) * m.gain.to(x.dtype) + torch.ones(4, 1, 1, dtype=x.dtype)) / 2)

    model = Around(run, a=conv())
    model.gain = nn.Parameter(torch.rand(4, 1, 1))
    assert of(model).receptive_field("add").rows == Axis(3, 1, -1)


def test_networks_that_are_not_plain_are_measured(zoo):
    network = Network(zoo("mobilenet_v3_small", num_classes=4), size=64)
    name = next(name for name in network.layers if name.endswith("block.1.scale_activation"))
    assert network.receptive_field(name).rows == Axis(64, 64)
    squeezed = network.receptive_field("features.1")  # behind a squeeze and excitation: it sees the whole picture
    assert squeezed.measured and squeezed.rows.size == 64
    assert not network.receptive_field("features.0").measured


def test_tokens_see_the_whole_picture():
    field = of(Around(lambda m, x: mean(m.a(x)) + m.t(m.a(x).flatten(2).transpose(1, 2)).mean(1),
                      a=conv(), t=nn.Linear(4, 4))).receptive_field("t")  # fmt: skip
    assert field == ReceptiveField(Axis(16, 16), Axis(16, 16), measured=True)


def test_the_field_of_a_network_with_asymmetric_padding_is_calculated(shared_module):
    network = Network(shared_module("inception5h").build(), size=64)
    assert network.receptive_field("conv2d0").rows == Axis(7, 2, -2)  # TensorFlow pads 2 before and 3 behind


def test_a_box_may_leave_the_picture():
    field = ReceptiveField(Axis(7, 2, -3), Axis(5, 4, -2))
    assert field.box(0, 1) == (-3, 2, 4, 7)
    assert str(field) == "7 x 5 px every 2"


# -------------------------------------------------------------------------------------------------------- call by call

PICTURE = ReceptiveField()
WIDE = ReceptiveField(Axis(5, 2, -1), Axis(3, 2, -4))
SMALL = ReceptiveField(Axis(1, 2, 3), Axis(2, 2, 0))
BOTH = ReceptiveField(Axis(5, 2, -1), Axis(6, 2, -4))
"""From -1 to 4 and 3 to 4; from -4 to -1 and 0 to 2."""


def after(name, *args, fields=(WIDE,), result=(1, 4, 8, 8), **kwargs):
    """What a call's result sees; strings are tensors, "a" of the first field, "b" of the second, "?" of nobody's."""
    named = {"a": torch.zeros(1, 4, 8, 8), "b": torch.zeros(1, 4, 8, 8), "?": torch.zeros(1, 4, 8, 8)}
    known = {named[letter]: field for letter, field in zip("ab", fields, strict=False)}

    def put(value):
        if isinstance(value, list):
            return [put(one) for one in value]
        return named.get(value, value) if isinstance(value, str) else value

    return field_after(known, name, tuple(map(put, args)), {k: put(v) for k, v in kwargs.items()}, torch.zeros(result))


def test_what_a_window_sees_through_a_field_is_its_reach_in_strides():
    window = SlidingWindow(kernel=4, stride=3, before=2, dilation=5)
    assert Axis(7, 2, -3).behind(window) == Axis(7 + 15 * 2, 6, -3 - 2 * 2)
    assert WIDE.behind((SlidingWindow(3, 2, 1), SlidingWindow(1, 1, 4))) == ReceptiveField(
        Axis(9, 4, -3), Axis(3, 2, -12)
    )


KERNEL = torch.zeros(4, 4, 3, 2)
CALLS = {
    "conv2d": (("a", KERNEL), {}, Axis(3, 1, 0), Axis(2, 1, 0)),
    "conv2d by place": (("a", KERNEL, None, (2, 3), (1, 4), (5, 6), 1), {}, Axis(11, 2, -1), Axis(7, 3, -4)),
    "conv2d by name": (
        (),
        {"input": "a", "weight": KERNEL, "bias": None, "stride": 2, "padding": 1, "dilation": 3, "groups": 1},
        Axis(7, 2, -1),
        Axis(4, 2, -1),
    ),
    "conv2d same": (("a", KERNEL), {"padding": "same"}, Axis(3, 1, -1), Axis(2, 1, 0)),
    "max_pool2d": (("a", 3), {}, Axis(3, 3, 0), Axis(3, 3, 0)),
    "max_pool2d by place": (("a", (3, 2), 1, 1, (2, 4)), {}, Axis(5, 1, -1), Axis(5, 1, -1)),
    "max_pool2d by name": (
        (),
        {"input": "a", "kernel_size": 2, "stride": 3, "padding": 1, "dilation": 2, "ceil_mode": True},
        Axis(3, 3, -1),
        Axis(3, 3, -1),
    ),
    "avg_pool2d": (("a", 2), {}, Axis(2, 2, 0), Axis(2, 2, 0)),
    "avg_pool2d by place": (("a", 3, (1, 2), (0, 1), True, False), {}, Axis(3, 1, 0), Axis(3, 2, -1)),
    "avg_pool2d by name": (
        (),
        {"input": "a", "kernel_size": 3, "stride": 2, "padding": 1, "count_include_pad": True},
        Axis(3, 2, -1),
        Axis(3, 2, -1),
    ),
    "pad": (("a", (1, 9, 2, 9)), {}, Axis(1, 1, -2), Axis(1, 1, -1)),
    "pad of columns": (("a", (3, 0), "reflect", 0.0), {"value": 1.0}, Axis(), Axis(1, 1, -3)),
    "pad of no channels": (("a", (1, 0, 2, 0, 0, 0)), {}, Axis(1, 1, -2), Axis(1, 1, -1)),
}


@pytest.mark.parametrize(("args", "kwargs", "rows", "columns"), CALLS.values(), ids=CALLS)
def test_a_call_with_a_window_sees_what_its_arguments_say(request, args, kwargs, rows, columns):
    name = request.node.callspec.id.split()[0]
    assert after(name, *args, fields=[PICTURE], **kwargs) == ReceptiveField(rows, columns)


def test_what_is_not_plain_is_left_to_the_gradient():
    assert after("relu", "a") == WIDE
    nobodys = [
        after("relu", "?"),
        after("relu", "a", fields=[None]),
        after("add", "a", "b", fields=[WIDE, None]),
        after("relu", "a", result=(4, 8, 8)),
        after("conv2d", "a", KERNEL, result=(4, 8, 8)),
        after("pad", "a", (0, 0, 0, 0, 1, 0)),
        after("pad", "a", (0, 0, 0, 0, 0, 1)),
        after("roll", "a"),
        after("add", "a", 1, result=(1, 4, 8, 9)),
        after("add", "a", "b", fields=[WIDE, ReceptiveField(WIDE.rows, Axis(3, 3, -4))]),
        after("add", "a", "b", fields=[WIDE, ReceptiveField(Axis(5, 3, -1), WIDE.columns)]),
    ]
    assert nobodys == [None] * len(nobodys)


def test_a_sum_sees_what_each_of_its_parts_sees_wherever_they_stand():
    assert after("add", "a", "b", fields=[WIDE, SMALL]) == BOTH
    assert after("mul", "b", "a", fields=[WIDE, SMALL]) == BOTH
    assert after("add", "a", other="b", fields=[WIDE, SMALL]) == BOTH
    assert after("add", "a", "?", fields=[WIDE, SMALL]) == WIDE


def test_what_was_pooled_to_one_place_may_be_multiplied_with_every_place():
    x, gain = torch.zeros(1, 4, 8, 8), torch.zeros(1, 4, 1, 1)
    assert field_after({x: WIDE, gain: SMALL}, "mul", (x, gain), {}, x) == BOTH
    row = torch.zeros(1, 4, 1, 8)
    assert field_after({x: WIDE, row: SMALL}, "mul", (x, row), {}, x) is None


@pytest.mark.parametrize(("args", "kwargs"), [((1,), {}), ((-3,), {}), ((), {"dim": 1}), ((), {"dim": -3})])
def test_joined_along_channels_each_keeps_its_own(args, kwargs):
    joined = after("cat", ["a", "b"], *args, fields=[WIDE, SMALL], result=(1, 8, 8, 8), **kwargs)
    assert joined == BOTH and joined.parts == ((4, WIDE), (4, SMALL))
    assert [joined.of(channel) for channel in (0, 3, 4, 7, 8)] == [WIDE, WIDE, SMALL, SMALL, joined]


@pytest.mark.parametrize(("args", "kwargs"), [((), {}), ((0,), {}), ((2,), {}), ((), {"dim": 2}), ((), {"dim": -1})])
def test_joined_along_anything_else_nobody_knows(args, kwargs):
    assert after("cat", ["a", "b"], *args, fields=[WIDE, SMALL], result=(1, 8, 8, 8), **kwargs) is None


def test_parts_are_told_only_where_all_channels_are_somebodys_and_are_not_mixed():
    assert after("cat", ["a", "?"], 1, fields=[WIDE], result=(1, 8, 8, 8)).parts == ()
    parts = ReceptiveField(WIDE.rows, WIDE.columns, parts=((2, SMALL), (2, WIDE)))
    assert after("relu", "a", fields=[parts]).parts == parts.parts
    assert after("local_response_norm", "a", 5, fields=[parts]).parts == ()
    assert after("add", "a", "b", fields=[parts, parts]).parts == ()
    joined = after("cat", ["a", "b"], 1, fields=[parts, SMALL], result=(1, 8, 8, 8))
    assert joined.parts == ((2, SMALL), (2, WIDE), (4, SMALL))


def test_tensors_are_found_in_lists_of_lists():
    x, y, z = torch.zeros(1), torch.zeros(2), torch.zeros(3)
    assert [len(t) for t in tensors([1, x, "no", (y, [z, None]), {"a": x}])] == [1, 2, 3]


def test_a_field_is_spelled_by_its_size_and_how_far_apart_units_are():
    assert str(ReceptiveField(Axis(11, 4), Axis(11, 4))) == "11 px every 4"
    assert str(ReceptiveField(Axis(7, 2, -3), Axis(5, 4, -2), measured=True)) == "at least 7 x 5 px every 2"


def test_a_field_is_measured_where_a_middle_position_and_its_neighbour_have_their_gradients():
    def grey(seed):
        return noise(1, 3, 16, 20, seed=seed)

    pooled = measured_field(lambda x: F.avg_pool2d(x, (3, 4), (2, 4), (1, 0)), grey, (8, 5))
    assert pooled == ReceptiveField(Axis(3, 2, -1), Axis(4, 4, 0), measured=True)
    whole = measured_field(lambda x: x.mean((2, 3), keepdim=True).expand(-1, -1, 8, 5), grey, (8, 5))
    assert whole == ReceptiveField(Axis(16, 2, -8), Axis(20, 4, -8), measured=True)
    nothing = measured_field(lambda x: 0 * x[..., ::2, ::4], grey, (8, 5))
    assert nothing == ReceptiveField(Axis(1, 2, -8), Axis(1, 4, -8), measured=True)


def test_a_measured_field_is_what_any_of_three_noises_lights_up():
    def lit(x):
        """One column of those that the picture's brightness picks."""
        at = int(x.detach().amax())
        return -x[..., at : at + 1]

    field = measured_field(lit, lambda seed: torch.full((1, 3, 6, 9), 2.0 + 2 * seed), (6, 1))
    assert field == ReceptiveField(Axis(1, 1, 0), Axis(5, 9, 2), measured=True)


def test_behind_circular_padding_a_field_is_measured():
    def padded(mode):
        model = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1, padding_mode=mode), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        return Network(model, size=12).receptive_field("0")

    assert padded("circular").measured and not padded("reflect").measured


def test_parts_stay_apart_behind_pooling_and_convolutions_of_single_channels_and_are_one_behind_others():
    class Joined(nn.Module):
        def __init__(self):
            super().__init__()
            self.small, self.wide = nn.Conv2d(3, 2, 1), nn.Conv2d(3, 2, 5, padding=2)
            self.pooled, self.single = nn.MaxPool2d(2), nn.Conv2d(4, 4, 3, padding=1, groups=4)
            self.mixed = nn.Conv2d(4, 4, 1)

        def forward(self, x):
            both = torch.cat([self.small(x), self.wide(x)], 1)
            return self.mixed(self.single(self.pooled(both))).mean((2, 3))

    network = of(positive(Joined()))
    sizes = {
        name: [network.receptive_field(name).of(i).rows.size for i in (0, 3)] for name in ("pooled", "single", "mixed")
    }
    assert sizes == {"pooled": [2, 6], "single": [6, 10], "mixed": [10, 10]}

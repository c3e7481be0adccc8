"""Readings under windows equal the plain model's on occluded pictures, however they are computed."""

import re
from collections import OrderedDict
from contextlib import ExitStack

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from phosphene.attribution.incremental.reader import IncrementalReader, batch_for
from phosphene.core.errors import Mistake
from phosphene.core.networks.allowance import Allowance, Meter
from phosphene.core.networks.network import Network
from phosphene.core.networks.plan import PURPOSES, Plan
from tests.core.witness import state
from tests.small import noise, stirred

PLANS = [
    Plan("float64", False, ("local_response_norm", "batch_norm")),
    Plan("float64", True, ()),
]


def network(model, size=24, plan=PLANS[0], **facts):
    made = Network(stirred(model.double()), size=size, mean=(0.5,) * 3, std=(0.25,) * 3, **facts)
    return made.following(dict.fromkeys(PURPOSES, plan))


def everywhere(size, window, step=1):
    return [(r, c) for r in range(0, size[0] - window[0] + 1, step) for c in range(0, size[1] - window[1] + 1, step)]


def slowly(net, picture, baseline, window, corners, layers):
    """One covered picture at a time through the model itself, read by hooks on its modules and as its output."""
    found = {name: [] for name in layers}
    for row, column in corners:
        covered = picture.clone()
        for r in range(row, row + window[0]):
            covered[..., r, column : column + window[1]] = baseline[..., r, column : column + window[1]]
        with torch.no_grad(), ExitStack() as stack:
            for name in set(layers) - {"logits"}:
                calls = found[name]
                hook = lambda _, __, out, calls=calls: calls.append(out.clone())  # noqa: E731
                stack.callback(net.model.get_submodule(name).register_forward_hook(hook).remove)
            out = net.model((covered - 0.5) / 0.25)
        found.get("logits", []).append(out)
    return {name: torch.cat(readings) for name, readings in found.items()}


def assert_same(net, window, corners, layers=("logits",), incremental=True, size=(24, 24)):
    picture, baseline = noise(1, 3, *size, seed=1), noise(1, 3, *size, seed=2)
    reader = IncrementalReader(net, picture, baseline, window, layers, "incremental")
    assert reader.incremental == incremental, reader.words
    found = reader.read(corners)
    assert list(found) == list(layers)
    for layer, expected in slowly(net, picture, baseline, window, corners, layers).items():
        torch.testing.assert_close(found[layer], expected, rtol=1e-10, atol=1e-10 * expected.abs().max().item())
    return reader


# ------------------------------------------------------------------------------------------------ every kind of layer


@st.composite
def layers(draw, channels):
    """One layer that may do anything to height and width, and how many channels it leaves."""
    kind = draw(st.sampled_from(["conv", "depthwise", "max", "avg", "pad", "norm", "relu"]))
    sides = st.tuples(*[st.integers(1, 3)] * 2)
    kernel, stride, dilation = draw(sides), draw(sides), draw(st.tuples(*[st.integers(1, 2)] * 2))
    if kind == "conv":
        padding = draw(st.tuples(*[st.integers(0, 2)] * 2))
        return nn.Conv2d(channels, 4, kernel, stride, padding, dilation), 4
    if kind == "depthwise":
        padding = draw(st.tuples(*[st.integers(0, 2)] * 2))
        return nn.Conv2d(channels, channels, kernel, stride, padding, dilation, groups=channels), channels
    half = tuple(draw(st.integers(0, k // 2)) for k in kernel)
    if kind == "max":
        return nn.MaxPool2d(kernel, stride, half, dilation, ceil_mode=draw(st.booleans())), channels
    if kind == "avg":
        counted = draw(st.booleans())
        divisor = draw(st.sampled_from([None, 3]))
        pool = nn.AvgPool2d(kernel, stride, half, draw(st.booleans()), counted, divisor)
        return pool, channels
    if kind == "pad":
        return nn.ZeroPad2d(draw(st.tuples(*[st.integers(-1, 2)] * 4))), channels
    return (nn.BatchNorm2d(channels) if kind == "norm" else nn.ReLU(inplace=draw(st.booleans()))), channels


@st.composite
def stacks(draw):
    """A few of them, and a mean of what is left."""
    torch.manual_seed(draw(st.integers(0, 1000)))
    channels, found = 3, []
    for _ in range(draw(st.integers(1, 5))):
        layer, channels = draw(layers(channels))
        found.append(layer)
    return nn.Sequential(*found, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 3))


@pytest.mark.slow
@settings(max_examples=25)
@given(stacks(), st.tuples(st.integers(1, 9), st.integers(1, 9)), st.sampled_from(PLANS), st.data())
def test_stacks_of_anything_equal_the_plain_model_at_the_borders_and_anywhere(model, window, plan, data):
    size = 17, 14
    assume(gets_through(model, size))
    last = size[0] - window[0], size[1] - window[1]
    anywhere = st.tuples(*(st.integers(0, end) for end in last))
    corners = [(0, 0), last, (0, last[1]), (last[0], 0), *data.draw(st.lists(anywhere, max_size=3))]
    tapped = str(data.draw(st.integers(0, len(model) - 4)))
    assert_same(network(model, size, plan), window, corners, (tapped, "logits"), size=size)


def gets_through(model, size):
    """Whether something is left of a picture, and no pool saw nothing but its padding, which is -infinity."""
    try:
        with torch.no_grad():
            return bool(model.double().eval()(noise(2, 3, *size)).isfinite().all())
    except RuntimeError:
        return False


class Everything(nn.Module):
    """Sums, branches, shared modules, functions, in-place operations, slices of channels and of places."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.stem = nn.Sequential(
            OrderedDict(conv=nn.Conv2d(3, 8, 5, 2, 2, bias=False), norm=nn.BatchNorm2d(8), relu=nn.ReLU(inplace=True))
        )
        self.shared = nn.Conv2d(8, 8, 3, padding=1)
        self.left, self.right = nn.Conv2d(8, 4, (1, 3), padding=(0, 1)), nn.Conv2d(8, 6, 1, stride=1)
        self.deep = nn.Conv2d(10, 10, 3, padding=2, dilation=2, groups=5)
        self.norm, self.prelu = nn.BatchNorm2d(10), nn.PReLU(10)
        self.down = nn.Conv2d(10, 12, 1, stride=2)
        self.act, self.fc = nn.GELU(), nn.Linear(12 * 9, 5)

    def forward(self, x):
        x = self.stem(x)
        y = F.relu(self.shared(x))
        y = self.shared(y)
        y += x
        y = F.relu_(y)
        y = F.local_response_norm(y, 3, alpha=0.1)
        y = torch.cat([self.left(y), self.right(y)], 1)
        y = self.prelu(self.norm(self.deep(y))) * 0.5 + y
        a, b = y.chunk(2, dim=1)
        y = torch.cat((b.clamp(-1, 1), a - 0.1 * b), 1)
        y = y.view(len(y), 2, 5, *y.shape[2:]).transpose(1, 2).contiguous().view(len(y), 10, *y.shape[2:])
        y = F.pad(y, (1, 0, 0, 1)) + F.pad(y[:, :, :, 1:], (0, 2, 0, 1, 0, 0))
        y = F.dropout(y, 0.5, self.training)
        y = self.act(F.pad(self.down(y)[..., ::2, 1:4:1], (0, 0, 0, 0, 0, 0))).clone()
        z = y.select(1, 3).unsqueeze(1)
        return self.fc(F.adaptive_max_pool2d(y + z, 3).flatten(1))


EVERYTHING = ["stem.conv", "stem.norm", "stem", "left", "right", "norm", "deep", "down", "act", "fc", "logits"]


@pytest.mark.slow
@pytest.mark.parametrize("plan", PLANS)
def test_a_network_of_everything_equals_the_plain_model_at_every_layer(plan):
    net = network(Everything(), 24, plan)
    assert_same(net, (5, 3), everywhere((24, 24), (5, 3), 4), EVERYTHING)
    assert_same(net, (5, 3), everywhere((24, 24), (5, 3), 7))  # with everything folded that can be


@pytest.mark.parametrize("size", [(40, 24), (24, 40)])
def test_a_picture_that_is_no_square_is_read_under_windows_anywhere_on_it(size):
    last = size[0] - 5, size[1] - 3
    assert_same(network(plain(), 24), (5, 3), [(0, 0), last, (last[0], 0), (0, last[1]), (17, 11)], ("1", "logits"),
                size=size)  # fmt: skip


def test_functional_layers_are_read_as_a_reading_does():
    net = network(Everything())
    names = ["relu", "relu#2", "cat", "cat#2", "local_response_norm", "add#2", "shared", "shared#2", "stem.relu"]
    picture, baseline = noise(1, 3, 24, 24), noise(1, 3, 24, 24, seed=4)
    full, part = (IncrementalReader(net, picture, baseline, (4, 6), names, how) for how in ("full", "incremental"))
    assert (full.incremental, part.incremental) == (False, True)
    corners = everywhere((24, 24), (4, 6), 3)
    a, b = full.read(corners), part.read(corners)
    for name in names:
        torch.testing.assert_close(b[name], a[name], rtol=1e-10, atol=1e-10)
        torch.testing.assert_close(part.clean[name], net.read(picture, [name])[name])


def test_a_window_as_large_as_the_picture_leaves_nothing_of_it():
    net, baseline = network(Everything()), noise(1, 3, 24, 24, seed=4)
    reader = IncrementalReader(net, noise(1, 3, 24, 24), baseline, (24, 24), ["logits"], "incremental")
    torch.testing.assert_close(reader.read([(0, 0)])["logits"], net.read(baseline, ["logits"])["logits"])


def test_what_a_window_covers_is_all_that_counts():
    """Outside of the window the baseline may be anything; filled with itself, the picture is what it was."""
    net, picture = network(Everything()), noise(1, 3, 24, 24)
    reader = IncrementalReader(net, picture, picture, (6, 6), ["logits"], "incremental")
    found = reader.read([(3, 4), (0, 0), (18, 18)])["logits"]
    torch.testing.assert_close(found, reader.clean["logits"].expand(3, -1), rtol=1e-10, atol=1e-12)
    assert reader.read([])["logits"].shape == (0, 5)


def test_batches_equal_single_windows():
    net, corners = network(Everything()), [(0, 0), (7, 19), (20, 3), (11, 11)]
    reader = IncrementalReader(
        net, noise(1, 3, 24, 24), noise(1, 3, 24, 24, seed=4), (4, 5), ["stem", "logits"], "incremental"
    )
    together = reader.read(corners)
    for i, corner in enumerate(corners):
        for name, alone in reader.read([corner]).items():
            torch.testing.assert_close(alone[0], together[name][i], rtol=1e-10, atol=1e-12)


def test_grey_networks_see_grey_windows():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.Flatten(), nn.Linear(400, 2))
    net = Network(model.double(), size=12)
    picture, baseline = noise(1, 3, 12, 12), noise(1, 3, 12, 12, seed=4)
    full, part = (IncrementalReader(net, picture, baseline, (3, 3), ["logits"], how) for how in ("full", "incremental"))
    assert part.incremental
    corners = everywhere((12, 12), (3, 3), 2)
    torch.testing.assert_close(part.read(corners)["logits"], full.read(corners)["logits"], rtol=1e-10, atol=1e-12)


# ------------------------------------------------------------------------------------------------------ the decision


def plain(size=32):
    """Small kernels on a large picture: worth it."""
    torch.manual_seed(0)
    blocks = [nn.Conv2d(3 if i == 0 else 16, 16, 3, padding=1) for i in range(3)]
    return nn.Sequential(*blocks, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 4))


def reader(model, how="auto", window=(4, 4), size=32, layers=("logits",)):
    net = network(model, size)
    return IncrementalReader(net, noise(1, 3, size, size), noise(1, 3, size, size, seed=1), window, layers, how)


def test_the_saving_is_what_can_be_counted_by_hand():
    """Three convolutions on 32 x 32 places, of which 6 x 6, 8 x 8, 10 x 10 are computed; the rest is a linear layer."""
    made = reader(plain())
    assert made.incremental
    each = [9 * 3 * 16, 9 * 16 * 16, 9 * 16 * 16]
    full = 32 * 32 * sum(each) + 64
    part = 36 * each[0] + 64 * each[1] + 100 * each[2] + 64
    assert made.saving == pytest.approx(full / part)
    assert made.words == f"recomputes only what the square can reach: {full / part:.1f} times less arithmetic"


def test_a_batch_holds_as_many_pixels_as_pictures_of_224_px_whatever_the_shape():
    assert [batch_for(224, 224, part) for part in (False, True)] == [8, 64]
    assert batch_for(448, 112, True) == batch_for(112, 448, True) == 64
    assert batch_for(448, 224, True) == batch_for(224, 448, True) == 32
    assert batch_for(32, 64, True) == batch_for(16, 16, False) == 256 and batch_for(5000, 5000, True) == 1
    made = IncrementalReader(network(plain()), noise(1, 3, 96, 24), noise(1, 3, 96, 24, seed=1), (4, 4), ["logits"])
    assert made.incremental and made.batch == 256
    full = IncrementalReader(made.network, noise(1, 3, 24, 448), noise(1, 3, 24, 448), (4, 4), ["logits"], "full")
    assert full.batch == 8 * 224 * 224 // (24 * 448)


def test_full_when_asked_for():
    made = reader(plain(), "full")
    assert (made.words, made.incremental, made.saving) == ("computed in full", False, 1.0)


def test_a_square_that_reaches_everything_is_computed_in_full():
    made = reader(plain(), window=(30, 30))
    assert not made.incremental
    assert made.words == "computed in full: the square reaches so much that recomputing would save too little"


class Squeezed(nn.Module):
    """Squeeze and excitation right behind the first convolution."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.squeeze, self.excite = nn.Conv2d(3, 8, 3), nn.AdaptiveAvgPool2d(1), nn.Conv2d(8, 8, 1)
        self.conv2, self.fc = nn.Conv2d(8, 16, 5), nn.Linear(16, 4)

    def forward(self, x):
        x = self.conv(x)
        x = x * torch.sigmoid(self.excite(self.squeeze(x)))
        return self.fc(self.conv2(x).mean((2, 3)))


class Tokens(nn.Module):
    """A vision transformer in small."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.embed = nn.Conv2d(3, 32, 4, 4)
        self.token = nn.Parameter(torch.randn(1, 1, 32))
        self.place = nn.Parameter(torch.randn(1, 65, 32))
        self.norm, self.attention = nn.LayerNorm(32), nn.MultiheadAttention(32, 2, batch_first=True)
        self.fc = nn.Linear(32, 4)

    def forward(self, x):
        n = x.shape[0]
        x = self.embed(x).reshape(n, 32, 64).permute(0, 2, 1)
        x = self.norm(torch.cat([self.token.expand(n, -1, -1), x], 1) + self.place)
        x = x + self.attention(x, x, x, need_weights=False)[0]
        return self.fc(x[:, 0])


@pytest.mark.parametrize(
    ("model", "obstacle"),
    [
        (Squeezed, "adaptive_avg_pool2d in squeeze"),
        (Tokens, "attention in attention"),
        (
            lambda: nn.Sequential(nn.Conv2d(3, 4, 1), nn.InstanceNorm2d(4), nn.Flatten(), nn.Linear(4096, 2)),
            "norm in 1",
        ),
        (lambda: nn.Sequential(nn.Flatten(), nn.Linear(3 * 1024, 4)), "flatten in 0"),
    ],
)
def test_an_operation_that_needs_the_whole_picture_is_named_and_the_numbers_are_right_all_the_same(model, obstacle):
    made = reader(model())
    assert not made.incremental
    assert made.words.startswith("computed in full: ")
    assert made.words.endswith(f"{obstacle} needs the whole picture")
    window, corners = (4, 4), [(0, 0), (28, 28), (11, 2)]
    expected = slowly(made.network, made.picture, made.baseline, window, corners, ["logits"])["logits"]
    torch.testing.assert_close(made.read(corners)["logits"], expected, rtol=1e-10, atol=1e-12)
    assert_same(network(model(), 32), window, corners, size=(32, 32))  # as far as rules go


class OneConvolution(nn.Module):
    """What the odd models below begin with."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 4, 3, padding=1)


class Deciding(OneConvolution):
    """Looks at its numbers."""

    def forward(self, x):
        x = self.conv(x)
        return (x if x.mean() > 5 else -x).mean((2, 3))


class Hiding(OneConvolution):
    """Takes a way that no recording sees."""

    def forward(self, x):
        x = self.conv(x)
        return torch.from_numpy(x.detach().numpy().copy()).mean((2, 3)) + 0 * x.mean((2, 3))


class Writing(OneConvolution):
    """Writes into a part of what it reads afterwards."""

    def forward(self, x):
        x = self.conv(x)
        x[:, 1] *= 2
        return x.mean((2, 3))


class Counting(OneConvolution):
    """Goes another way for other numbers of pictures."""

    def forward(self, x):
        return self.conv(x if len(x) % 2 else x + 0).mean((2, 3))


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (Deciding, "looks at the numbers"),
        (Hiding, "(can't be seen|depends on the number)"),
        (Writing, "writes into a part"),
        (Counting, "depends on the number of pictures"),
    ],
)
def test_a_network_that_can_not_be_played_again_is_computed_in_full_and_says_why(model, reason):
    net = network(model())
    made = assert_same(net, (4, 4), [(0, 0), (20, 20)], incremental=False)
    assert made.words.startswith("computed in full: ")
    assert re.search(reason, made.words), made.words


def test_a_network_of_one_size_that_gets_another_one_is_computed_in_full():
    torch.manual_seed(0)
    net = network(nn.Sequential(nn.Conv2d(3, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(2 * 100, 2)), 12)
    made = IncrementalReader(net, noise(1, 3, 20, 20), noise(1, 3, 20, 20), (3, 3), ["logits"], "incremental")
    assert not made.incremental
    assert "12 x 12" in made.words


@pytest.mark.parametrize("window", [(25, 3), (3, 25), (0, 3)])
def test_windows_that_do_not_fit_are_mistakes(window):
    with pytest.raises(Mistake, match=r"does not fit a picture of 24 x 24 pixels"):
        IncrementalReader(network(Everything()), noise(1, 3, 24, 24), noise(1, 3, 24, 24), window, ["logits"])


@pytest.mark.parametrize("corner", [(21, 0), (0, 21), (-1, 0)])
@pytest.mark.parametrize("how", ["incremental", "full"])
def test_windows_that_leave_the_picture_are_mistakes(corner, how):
    made = IncrementalReader(network(Everything()), noise(1, 3, 24, 24), noise(1, 3, 24, 24), (4, 4), ["logits"], how)
    with pytest.raises(Mistake, match="leaves the picture"):
        made.read([(0, 0), corner])


def test_batches_are_larger_for_small_pictures_and_bounded():
    assert batch_for(224, 224, True) == 64
    assert batch_for(224, 224, False) == 8
    assert batch_for(448, 448, False) == 2
    assert batch_for(4000, 4000, True) == 1
    assert batch_for(8, 8, False) == 256


# ------------------------------------------------------------------------------------------------------ the borrowing


def test_the_model_is_given_back_as_it_was():
    net = network(Everything())
    net.model.train()
    for parameter in list(net.model.parameters())[::2]:
        parameter.requires_grad_(False)
    before = state(net.model)
    made = IncrementalReader(
        net, noise(1, 3, 24, 24), noise(1, 3, 24, 24), (4, 4), ["stem.conv", "logits"], "incremental"
    )
    made.read([(0, 0), (3, 7)])
    assert made.incremental
    assert state(net.model) == before


@pytest.mark.slow
def test_many_pictures_share_one_recording_until_the_weights_change():
    net, corners = network(Everything()), [(0, 0), (9, 12)]
    assert_same(net, (4, 4), corners)
    recording = net.recording((24, 24), ["logits"])
    assert_same(net, (6, 5), corners)
    assert net.recording((24, 24), ["logits"]) is recording
    with torch.no_grad():
        net.model.shared.weight.mul_(1.5)
        net.model.stem.norm.running_mean.add_(0.3)
    assert_same(net, (6, 5), corners)
    assert net.recording((24, 24), ["logits"]) is not recording


def test_bfloat16_stays_near_float32():
    torch.manual_seed(0)
    net = Network(stirred(plain().float()), size=32, mean=(0.5,) * 3, std=(0.25,) * 3)
    low = net.following(dict.fromkeys(PURPOSES, Plan("bfloat16", True, ())))
    pictures = noise(1, 3, 32, 32).float(), noise(1, 3, 32, 32, seed=1).float()
    made = IncrementalReader(low, *pictures, (4, 4), ["1", "logits"])
    exact = IncrementalReader(net, *pictures, (4, 4), ["1", "logits"], "full")
    assert made.incremental
    corners = everywhere((32, 32), (4, 4), 7)
    a, b = exact.read(corners), made.read(corners)
    for name in a:
        assert b[name].dtype == torch.float32
        assert 0 < (a[name] - b[name]).abs().max() < 0.03 * a[name].abs().max()


# ------------------------------------------------------------------------------------------------------ real networks


@pytest.mark.slow
@pytest.mark.parametrize("name", ["inception5h", "mobilenet_v2", "squeezenet1_1", "cifar_resnet20"])
def test_real_networks_say_the_same(name, shared_network):
    check_float32(shared_network(name))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet18", "vgg11", "densenet121", "shufflenet_v2_x1_0"])
def test_untrained_architectures_say_the_same(name):
    from phosphene.models.specs import load

    net = load(f"torchvision:{name}?weights=none", device="cpu", precision="float32")
    stirred(net.model)
    check_float32(net)


def check_float32(net):
    side = net.size[0]
    window = round(side / 7)
    net = net.planned("search")
    picture, baseline = noise(1, 3, side, side).float(), torch.full((1, 3, side, side), 0.5)
    middle = list(net.layers)[len(net.layers) // 2]
    full, part = (
        IncrementalReader(net, picture, baseline, (window, window), [middle, "logits"], how) for how in ("full", "auto")
    )
    assert part.incremental, part.words
    last = side - window
    corners = [(0, 0), (last, last), (0, last // 2), (last // 3, last // 2 + 1), (last // 2, last // 3)]
    a, b = full.read(corners), part.read(corners)
    for layer in a:
        assert (a[layer] - b[layer]).abs().max() <= 1e-4 * a[layer].abs().max(), layer
    assert (a[middle] - full.clean[middle]).abs().max() > 1e-2 * a[middle].abs().max()  # there is something to see


def test_windows_count_as_pictures_that_are_read_however_they_are_computed():
    meter = Meter(40)
    net = network(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 2, 3))).within(
        Allowance(meter=meter, name="made.png")
    )
    reader = IncrementalReader(net, noise(1, 3, 24, 24), noise(1, 3, 24, 24, seed=1), (4, 4), ["logits"], "incremental")
    assert reader.incremental
    before = meter.read
    reader.read(everywhere((24, 24), (4, 4), 4)[:20])
    assert meter.read == before + 20
    with pytest.raises(Mistake, match=r"^made\.png asks to read more than 40 pictures"):
        reader.read(everywhere((24, 24), (4, 4), 4))

"""Whatever a network is made of, readings under windows are those of the plain model: by parts, or in full with a word.

Every network here is one that recomputing by parts could get wrong, or could fail on; each is compared with the model
itself on occluded pictures, one at a time.
"""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from phosphene.attribution.incremental.reader import IncrementalReader
from phosphene.attribution.methods.occlusion import occlusion
from phosphene.core.networks.network import Network
from phosphene.core.networks.plan import PURPOSES, Plan
from tests.attribution.asked import answer, photos
from tests.small import levels, noise

SIDE = 24


def after(*layers, channels=8):
    """A convolution, these layers, and an answer."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), *layers, nn.Conv2d(channels, 6, 3, padding=1), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 5),
    )  # fmt: skip


class Step(nn.Module):
    """A function as a layer."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def step(function, channels=8):
    return after(Step(function), channels=channels)


class Double(torch.autograd.Function):
    """An operation of somebody's own."""

    @staticmethod
    def forward(ctx, x):
        return 2 * x + x.roll(1, 2)

    @staticmethod
    def backward(ctx, above):
        return 2 * above + above.roll(-1, 2)


class Attention(nn.Module):
    """Every place looks at every other one."""

    def __init__(self, written):
        super().__init__()
        self.qkv, self.written = nn.Conv2d(8, 24, 1), written

    def forward(self, x):
        n, c, h, w = x.shape
        q, k, v = self.qkv(x).flatten(2).chunk(3, 1)
        if self.written == "einsum":
            weights = torch.einsum("ncq,nck->nqk", q, k).softmax(-1)
            out = torch.einsum("nqk,nck->ncq", weights, v)
        else:
            out = F.scaled_dot_product_attention(*(t.transpose(1, 2) for t in (q, k, v))).transpose(1, 2)
        return x + out.reshape(n, c, h, w)


class Attended(nn.Module):
    """nn.MultiheadAttention over places."""

    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, x):
        tokens = x.flatten(2).transpose(1, 2)
        return self.attention(tokens, tokens, tokens)[0].transpose(1, 2).reshape(x.shape)


class PlacesNormalized(nn.Module):
    """LayerNorm over the channels of each place, as ConvNeXt has it."""

    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm(8)

    def forward(self, x):
        return self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Squeezed(nn.Module):
    """Squeeze and excitation."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Conv2d(8, 8, 1)

    def forward(self, x):
        return x * torch.sigmoid(self.fc(x.mean((2, 3), keepdim=True)))


def written_in_place(x):
    x = x.clone()
    x[:, :2] = 0.5
    x[:, :, 3:5, 2:9] += 1
    return x


def written_into_a_part(x):
    x = x.clone()
    part = x[:, :, 4:8]
    part.mul_(2)
    return x


def deciding(x):
    return x * 2 if float(x.mean()) > 0.1 else x - 1


def deciding_by_numpy(x):
    return x * 2 if x.detach().numpy().mean() > 0.1 else x - 1


def brightest_alone(x):
    """Another number of places each time."""
    return x * (x > x.flatten(1).quantile(0.7, dim=1).view(-1, 1, 1, 1))


def masked(x):
    out = torch.zeros_like(x)
    out[x > 0.2] = x[x > 0.2] * 3
    return out


def spectral(x):
    spectrum = torch.fft.rfft2(x)
    return torch.fft.irfft2(spectrum * torch.linspace(1, 0, spectrum.shape[-1]), s=x.shape[-2:])


def sorted_places(x):
    return x.flatten(2).sort(2).values.view(x.shape)


def gathered(x):
    index = torch.arange(x.shape[3] - 1, -1, -1).expand(x.shape)
    return x.gather(3, index)


def scattered(x):
    index = (torch.arange(x.shape[2]) // 2).view(1, 1, -1, 1).expand(x.shape)
    return torch.zeros_like(x).scatter_add(2, index, x)


def sampled(x):
    n, _, h, w = x.shape
    rows, columns = torch.meshgrid(torch.linspace(-0.8, 1, h), torch.linspace(-1, 0.9, w), indexing="ij")
    grid = torch.stack([columns, rows], -1).to(x).expand(n, -1, -1, -1)
    return F.grid_sample(x, grid, align_corners=False)


def unfolded(x):
    return F.unfold(x, 3, padding=1).view(len(x), 72, *x.shape[2:])


def folded(x):
    return F.fold(F.unfold(x, 3, padding=1), x.shape[2:], 3, padding=1)


def windows_shifted(x):
    """Swin's: the picture rolled, cut into windows, attended within each."""
    n, c, h, w = x.shape
    x = torch.roll(x, (-2, -2), (2, 3)).view(n, c, h // 6, 6, w // 6, 6).permute(0, 2, 4, 3, 5, 1).reshape(-1, 36, c)
    x = (x @ x.transpose(1, 2) / 8).softmax(-1) @ x
    x = x.view(n, h // 6, w // 6, 6, 6, c).permute(0, 5, 1, 3, 2, 4).reshape(n, c, h, w)
    return torch.roll(x, (2, 2), (2, 3))


NETWORKS = {
    "group norm": lambda: after(nn.GroupNorm(2, 8), nn.ReLU()),
    "group norm of one group": lambda: after(nn.GroupNorm(1, 8)),
    "instance norm": lambda: after(nn.InstanceNorm2d(8, affine=True), nn.ReLU()),
    "layer norm over everything": lambda: after(nn.LayerNorm([8, SIDE, SIDE])),
    "layer norm over places": lambda: after(nn.LayerNorm([SIDE, SIDE])),
    "layer norm over channels": lambda: after(PlacesNormalized()),
    "rms norm over places": lambda: after(nn.RMSNorm([SIDE, SIDE])),
    "local response norm": lambda: after(nn.LocalResponseNorm(3)),
    "attention by einsum": lambda: after(Attention("einsum")),
    "attention by a function": lambda: after(Attention("function")),
    "attention by a module": lambda: after(Attended()),
    "attention in shifted windows": lambda: step(windows_shifted),
    "squeeze and excitation": lambda: after(Squeezed()),
    "an autograd function": lambda: step(Double.apply),
    "writes into channels and places": lambda: step(written_in_place),
    "writes into a part": lambda: step(written_into_a_part),
    "decides by a number": lambda: step(deciding),
    "decides by NumPy": lambda: step(deciding_by_numpy),
    "a quantile": lambda: step(brightest_alone),
    "boolean masks": lambda: step(masked),
    "a spectrum": lambda: step(spectral),
    "sorted": lambda: step(sorted_places),
    "gather": lambda: step(gathered),
    "scatter": lambda: step(scattered),
    "roll": lambda: step(lambda x: x.roll(3, 3)),
    "flip": lambda: step(lambda x: x.flip(2)),
    "rot90": lambda: step(lambda x: x.rot90(1, (2, 3))),
    "transpose": lambda: step(lambda x: x.transpose(2, 3)),
    "pixel shuffle": lambda: after(nn.PixelShuffle(2), channels=2),
    "pixel unshuffle": lambda: after(nn.PixelUnshuffle(2), channels=32),
    "nearest": lambda: after(nn.Upsample(scale_factor=2)),
    "bilinear": lambda: step(lambda x: F.interpolate(x, (31, 17), mode="bilinear")),
    "bicubic, smaller": lambda: step(lambda x: F.interpolate(x, scale_factor=0.5, mode="bicubic", antialias=True)),
    "grid sample": lambda: step(sampled),
    "unfold": lambda: step(unfolded, channels=72),
    "fold": lambda: step(folded),
    "adaptive average pool": lambda: after(nn.AdaptiveAvgPool2d(7)),
    "adaptive max pool": lambda: after(nn.AdaptiveMaxPool2d((5, 7))),
    "lp pool": lambda: after(nn.LPPool2d(2, 3)),
    "reflected border": lambda: after(nn.ReflectionPad2d(2)),
    "repeated border": lambda: after(nn.ReplicationPad2d(2)),
    "circular convolution": lambda: after(nn.Conv2d(8, 8, 3, padding=1, padding_mode="circular")),
    "transposed convolution": lambda: after(nn.ConvTranspose2d(8, 8, 3, stride=2)),
    "cumulative sum": lambda: step(lambda x: x.cumsum(3) / 10),
    "softmax over places": lambda: step(lambda x: x.flatten(2).softmax(2).view(x.shape) * 50),
    "softmax over channels": lambda: step(lambda x: x.softmax(1)),
    "spread over places": lambda: step(lambda x: x / x.std((2, 3), keepdim=True)),
    "the largest of each row": lambda: step(lambda x: x / (1 + x.amax(3, keepdim=True))),
    "median": lambda: step(lambda x: x - x.flatten(2).median(2).values[:, :, None, None]),
    "channels last inside": lambda: step(lambda x: x.to(memory_format=torch.channels_last)),
    "three dimensions": lambda: step(lambda x: F.avg_pool3d(x[:, None], 3, 1, 1)[:, 0]),
    "complex": lambda: step(lambda x: torch.view_as_real(torch.polar(x.abs(), x)).sum(-1)),
    "a table": lambda: step(lambda x: x + torch.take(torch.arange(10.0, dtype=x.dtype), (x.abs() * 3).long() % 10)),
    "where it is": lambda: step(lambda x: x + torch.arange(x.shape[3], dtype=x.dtype) / 10),
}


LONG = [name for name in NETWORKS if name.startswith(("attention", "group"))]
"""And every other one: they are read again with the slow tests."""


def plain(net, picture, baseline, window, corners):
    """The logits under each window, one picture at a time through the model itself."""
    found = []
    for row, column in corners:
        covered, part = picture.clone(), (slice(row, row + window), slice(column, column + window))
        covered[:, :, *part] = baseline[:, :, *part]
        with torch.no_grad():
            found.append(net.model((covered - 0.5) / 0.25))
    return torch.cat(found)


def made(name, layout):
    model = NETWORKS[name]().double().eval()
    network = Network(model, size=SIDE, mean=(0.5,) * 3, std=(0.25,) * 3)
    return network.following(dict.fromkeys(PURPOSES, Plan("float64", layout, ())))


@pytest.mark.parametrize(
    "layout",
    [pytest.param(False, id="channels first"), pytest.param(True, id="channels last", marks=pytest.mark.slow)],
)
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] if name in LONG or at % 2 else [])
        for at, name in enumerate(NETWORKS)
    ],
)
def test_readings_under_windows_are_those_of_the_model(name, layout):
    network = made(name, layout)
    picture, baseline = noise(1, 3, SIDE, SIDE, seed=1), noise(1, 3, SIDE, SIDE, seed=2)
    corners = [(row, column) for row in range(0, 20, 5) for column in (0, 7, 19)]
    reader = IncrementalReader(network, picture, baseline, (5, 5), ["logits"], "incremental")
    expected = plain(network, picture, baseline, 5, corners)
    torch.testing.assert_close(reader.read(corners)["logits"], expected, rtol=1e-9, atol=1e-12)
    assert reader.words.startswith(("computed in full: ", "recomputes only"))
    alone = reader.read(corners[5:6])["logits"]
    torch.testing.assert_close(alone, expected[5:6], rtol=1e-9, atol=1e-12)
    assert "from some place on" not in reader.words


def test_an_operation_that_fails_when_it_is_played_again_is_named(monkeypatch):
    network = made("group norm", False)
    from phosphene.core.networks.recording import Call

    play = Call.play

    def failing(call, tensors, pictures):
        if call.operation == "native_group_norm":
            raise RuntimeError("Expected X to be something else\nand more")
        return play(call, tensors, pictures)

    monkeypatch.setattr(Call, "play", failing)
    picture, baseline = noise(1, 3, SIDE, SIDE, seed=1), noise(1, 3, SIDE, SIDE, seed=2)
    reader = IncrementalReader(network, picture, baseline, (5, 5), ["logits"], "incremental")
    assert not reader.incremental
    assert reader.words == (
        "computed in full: group_norm in 1 can't be computed by itself (Expected X to be something else)"
    )
    torch.testing.assert_close(
        reader.read([(3, 4)])["logits"], plain(network, picture, baseline, 5, [(3, 4)]), rtol=1e-9, atol=1e-12
    )


def test_what_fails_at_later_windows_is_read_again_in_full_and_said(monkeypatch):
    from phosphene.core.networks.recording import Call

    network, pictures = made("adaptive max pool", False), photos(1, SIDE)
    whole = answer(occlusion, network, pictures, target=1, incremental=False, window=5, stride=2)
    play, counted = Call.play, []

    def failing(call, tensors, some):
        if call.operation == "relu":
            counted.append(some)
            if len(counted) > 3:
                raise RuntimeError("no more")
        return play(call, tensors, some)

    monkeypatch.setattr(Call, "play", failing)
    monkeypatch.setattr("phosphene.attribution.incremental.reader.MARGIN", 0.0)  # by parts, whatever it costs
    monkeypatch.setattr("phosphene.attribution.incremental.reader.MOST", 8)
    found = answer(occlusion, network, pictures, target=1, window=5, stride=2)
    assert (
        "computed in full from some place on: relu in 3 can't be computed by itself (no more)"
        in found.facts[0]["computed"]
    )
    assert len(counted) == 4
    torch.testing.assert_close(found.values, whole.values, rtol=1e-9, atol=1e-12)


@pytest.mark.slow
def test_a_default_occlusion_of_a_network_with_group_normalization():
    network = Network(NETWORKS["group norm"](), size=SIDE)
    by_default = occlusion(network, levels(3, SIDE, SIDE)).result
    in_full = occlusion(network, levels(3, SIDE, SIDE), incremental=False).result
    assert abs(by_default.values - in_full.values).max() < 1e-6 * abs(in_full.numbers[0]["value"])

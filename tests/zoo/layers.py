"""What networks are made of: normalizations, weights that are computed, attention, recurrences, transforms."""

import math

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations, parametrize, prune, spectral_norm, weight_norm

from tests.zoo.case import Case, Net, conv, linear, mean, plainest
from tests.zoo.inputs import RGB


def normed(norm, **facts):
    """Convolution, normalization, rectifier, twice."""
    return Net(
        lambda m, x: m.fc(mean(m.n2(m.b(m.n1(m.a(x)).relu())).relu())),
        a=conv(), n1=norm(4), b=conv(4, 4), n2=norm(4), fc=linear(), **facts,
    )  # fmt: skip


def between(middle, **parts):
    """The plainest network with something between its convolutions."""
    return Net(
        lambda m, x: m.fc(mean(m.b(middle(m, m.a(x))).relu())), a=conv(), b=conv(4, 4), fc=linear(), **parts
    )  # fmt: skip


def changed(change):
    """The plainest network whose convolutions were changed by a function of torch.nn.utils."""
    model = plainest()
    for module in (model.a, model.b):
        change(module)
    return model


class Standardized(nn.Conv2d):
    """A convolution whose weight is standardized in every pass."""

    def forward(self, x):
        w = self.weight - self.weight.mean((1, 2, 3), keepdim=True)
        return self._conv_forward(x, w / (w.std((1, 2, 3), keepdim=True) + 1e-5), self.bias)


class Symmetric(nn.Module):
    """A parametrization: the mean of a filter and its mirror image."""

    def forward(self, w):
        return (w + w.flip(3)) / 2


class Ghost(nn.BatchNorm2d):
    """Normalizes parts of the batch each for themselves while it learns."""

    def forward(self, x):
        if self.training:
            return torch.cat([super(Ghost, self).forward(part) for part in x.chunk(2)])
        return super().forward(x)


class Frozen(nn.Module):
    """Batch normalization as detectors have it: buffers alone, in the function's form."""

    def __init__(self, channels):
        super().__init__()
        for name, value in (("weight", 1.2), ("bias", 0.3), ("mean", 0.1), ("var", 0.8)):
            self.register_buffer(name, torch.full((channels,), value))

    def forward(self, x):
        return F.batch_norm(x, self.mean, self.var, self.weight, self.bias, False)


class ChannelNorm(nn.LayerNorm):
    """Layer normalization over channels, by two permutations."""

    def forward(self, x):
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Attention(nn.Module):
    """Multi-head attention, by hand."""

    def __init__(self, width, heads=2):
        super().__init__()
        self.heads, self.qkv, self.out = heads, nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x):
        n, tokens, width = x.shape
        q, k, v = self.qkv(x).reshape(n, tokens, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        weights = (q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])).softmax(-1)
        return self.out((weights @ v).transpose(1, 2).reshape(n, tokens, width))


class Block(nn.Module):
    """A transformer's block."""

    def __init__(self, width):
        super().__init__()
        self.n1, self.attention, self.n2 = nn.LayerNorm(width), Attention(width), nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, x):
        x = x + self.attention(self.n1(x))
        return x + self.mlp(self.n2(x))


class Transformer(nn.Module):
    """A vision transformer with tokens before its grid."""

    def __init__(self, before=1, pooled=False):
        super().__init__()
        self.pooled, self.before = pooled, before
        self.patch, self.norm, self.fc = nn.Conv2d(3, 8, 6, 6), nn.LayerNorm(8), linear(8)
        self.block, self.last = Block(8), Block(8)
        self.tokens = nn.Parameter(torch.randn(1, before, 8))
        self.positions = nn.Parameter(torch.randn(1, 16 + before, 8) / 4)

    def forward(self, x):
        y = self.patch(x).flatten(2).transpose(1, 2)
        y = torch.cat([self.tokens.expand(len(x), -1, -1), y], 1) + self.positions
        y = self.norm(self.last(self.block(y)))
        return self.fc(y[:, self.before :].mean(1) if self.pooled else y[:, 0])


def swin(m, x):
    """Attention in windows, shifted by a roll."""
    y = m.a(x).permute(0, 2, 3, 1)
    y = y.roll((-1, -1), (1, 2))
    n, h, w, c = y.shape
    windows = y.view(n, h // 2, 2, w // 2, 2, c).permute(0, 1, 3, 2, 4, 5).reshape(-1, 4, c)
    windows = windows + m.attention(m.norm(windows))
    y = windows.view(n, h // 2, w // 2, 2, 2, c).permute(0, 1, 3, 2, 4, 5).reshape(n, h, w, c).roll((1, 1), (1, 2))
    return m.fc(y.mean((1, 2)))


def mixer(m, x):
    """Linear layers over patches, then over channels; no convolution anywhere."""
    n, c, h, w = x.shape
    y = x.reshape(n, c, h // 6, 6, w // 6, 6).permute(0, 2, 4, 1, 3, 5).reshape(n, 16, -1)
    y = m.embed(y)
    y = y + m.across(y.transpose(1, 2)).transpose(1, 2)
    return m.fc((y + m.within(y)).mean(1))


def einsums(m, x):
    y = torch.einsum("nchw,kc->nkhw", x, m.w).relu()
    return torch.einsum("nkhw,ck->nc", y, m.v) / y.shape[2] / y.shape[3]


def capsules(m, x):
    y = m.a(x).relu().flatten(2).transpose(1, 2)
    y = torch.einsum("npi,iod->npod", y, m.votes)
    routes = y.new_zeros(y.shape[:3])
    for _ in range(3):
        s = (routes.softmax(2)[..., None] * y).sum(1)
        long = s.square().sum(-1, keepdim=True)
        v = long / (1 + long) * s / (long + 1e-8).sqrt()
        routes = routes + (y * v[:, None]).sum(-1)
    return v.norm(dim=-1)


def spatial_transformer(m, x):
    move = m.where(mean(m.look(x).relu())).view(-1, 2, 3)
    grid = F.affine_grid(move + torch.eye(2, 3).to(x), list(x.shape), align_corners=False)
    return m.fc(mean(m.a(F.grid_sample(x, grid, align_corners=False)).relu()))


def fourier(m, x):
    spectrum = torch.fft.rfft2(m.a(x))
    return m.fc(mean(torch.fft.irfft2(spectrum * torch.view_as_complex(m.filter), s=x.shape[-2:]).relu()))


def rows_in_time(m, x):
    steps, _ = m.cell(x.permute(0, 2, 1, 3).flatten(2))
    return m.fc(steps[:, -1])


def one_by_one(m, x):
    """A recurrence over the rows of a convolution, step by step."""
    y, state = m.a(x).relu().mean(3), x.new_zeros(len(x), 4)
    for step in y.unbind(2):
        state = m.cell(step, state)
    return m.fc(state)


def unfolded(m, x):
    y = F.unfold(x, 3, padding=1)
    return m.fc((m.w @ y).relu().mean(2))


def quantized(m, x):
    """The nearest word of a book, straight through."""
    y = m.a(x)
    flat = y.permute(0, 2, 3, 1).reshape(-1, 4)
    nearest = torch.cdist(flat, m.book.weight).argmin(1)
    words = m.book(nearest).view(len(y), *y.shape[2:], 4).permute(0, 3, 1, 2)
    return m.fc(mean((y + (words - y).detach()).relu()))


def kernels_of_the_picture(m, x):
    """Weights that are computed from each picture, applied by a grouped convolution."""
    n, c, h, w = x.shape
    kernels = m.make(x.mean((2, 3))).view(n * 4, c, 3, 3)
    y = F.conv2d(x.reshape(1, n * c, h, w), kernels, padding=1, groups=n).view(n, 4, h, w)
    return m.fc(mean(y.relu()))


def experts(m, x):
    """The two best of four experts, by gate."""
    y = mean(m.a(x).relu())
    gates, chosen = m.gate(y).topk(2, 1)
    every = torch.stack([expert(y) for expert in m.experts], 1)
    return (gates.softmax(1)[..., None] * every[torch.arange(len(y))[:, None], chosen]).sum(1)


def hard(m, x):
    """Each picture goes to one branch alone."""
    y = m.a(x).relu()
    left = (mean(y).sum(1) > 1.0)[:, None]
    return torch.where(left, m.fc(mean(m.b(y).relu())), m.other(mean(y)))


def unpooled(m, x):
    y, where = F.max_pool2d(m.a(x).relu(), 2, return_indices=True)
    return m.fc(mean(m.b(F.max_unpool2d(y, where, 2)).relu()))


def written(m, x):
    """Writes into parts of a tensor."""
    y, read = torch.zeros(len(x), 4, *x.shape[2:], dtype=x.dtype, device=x.device), m.a(x)
    y[:, :2] = read[:, :2].relu()
    y[:, 2:, ::2] = read[:, 2:, ::2]
    return m.fc(mean(y))


def tied(m, x):
    y = m.n(m.a(x)).relu()
    return m.fc(F.conv_transpose2d(y, m.a.weight, stride=2, padding=1).flatten(1))


def attended(m, x):
    y = m.a(x).relu().flatten(2).transpose(1, 2)
    return m.fc(m.attention(y, y, y, need_weights=False)[0].mean(1))


def encoded(m, x):
    return m.fc(m.encoder(m.a(x).flatten(2).transpose(1, 2)).mean(1))


def doubly(m, x):
    return m.fc(mean(m.act(m.b(m.act(m.b(m.act(m.a(x))))))))


def shuffled(m, x):
    n, c, h, w = (y := m.a(x).relu()).shape
    return m.fc(mean(m.b(y.view(n, 2, c // 2, h, w).transpose(1, 2).contiguous().view(n, c, h, w)).relu()))


def viewed(m, x):
    y = F.max_pool2d(m.a(x).relu(), 4)
    return m.fc(y.view(x.size(0), -1))


def contiguous(m, x):
    y = m.a(x)
    if not y.is_contiguous():
        raise RuntimeError("this kernel wants contiguous memory")
    return m.fc(mean(y.relu()))


def strided(m, x):
    """Reads windows by strides that only contiguous pictures have."""
    y = m.a(x).relu()
    n, c, h, w = y.shape
    windows = torch.as_strided(y, (n, c, h // 2, w // 2, 2, 2), (c * h * w, h * w, 2 * w, 2, w, 1))
    return m.fc(windows.amax((4, 5)).mean((2, 3)))


SAME = {"rectified": True}
GATED = ("lrp",)

LAYERS = [
    Case("view", "a view that a channels-last activation does not have", lambda: Net(
        viewed, a=conv(), fc=linear(4 * 36)), RGB, **SAME),
    Case("contiguous", "refuses memory that is not contiguous", lambda: Net(contiguous, a=conv(), fc=linear()), RGB,
         **SAME),
    Case("as-strided", "silently reads other numbers of channels-last memory", lambda: Net(
        strided, a=conv(), fc=linear()), RGB),
    Case("channel-shuffle", "views that divide channels", lambda: Net(shuffled, a=conv(), b=conv(4), fc=linear()), RGB,
         **SAME),
    Case("tied", "a weight that is read twice", lambda: Net(
        tied, a=conv(3, 4, 4, stride=2, padding=1, bias=False), n=nn.BatchNorm2d(4), fc=linear(3 * 24 * 24)), RGB),
    Case("weight-read-beside", "a weight's length is part of the answer", lambda: Net(
        lambda m, x: m.fc(mean(m.n(m.a(x)).relu())) * m.a.weight.norm(), a=conv(), n=nn.BatchNorm2d(4), fc=linear()),
        RGB),
    Case("one-convolution-twice", "a shared convolution with two normalizations", lambda: Net(
        lambda m, x: m.fc(mean(F.leaky_relu(m.n2(m.b(m.n1(m.b(m.a(x))).relu())), 0.1))), a=conv(), b=conv(4),
        n1=nn.BatchNorm2d(4), n2=nn.BatchNorm2d(4), fc=linear()), RGB),
    Case("one-rectifier", "a shared module of activation, a shared convolution", lambda: Net(
        doubly, a=conv(), b=conv(4), act=nn.ReLU(), fc=linear()), RGB, **SAME),
    Case("rectifiers-in-place", "overwrite what they get", lambda: Net(
        doubly, a=conv(), b=conv(4), act=nn.ReLU(inplace=True), fc=linear()), RGB, **SAME),
    Case("weight-norm", "a weight that a hook computes", lambda: changed(weight_norm), RGB, **SAME),
    Case("weight-norm-parametrized", "a weight that is a property", lambda: changed(parametrizations.weight_norm), RGB,
         **SAME),
    Case("spectral-norm", "a power iteration in train mode", lambda: changed(spectral_norm), RGB, **SAME),
    Case("spectral-norm-parametrized", "the same as a parametrization", lambda: changed(parametrizations.spectral_norm),
         RGB, **SAME),
    Case("parametrized", "a parametrization of one's own", lambda: changed(
        lambda m: parametrize.register_parametrization(m, "weight", Symmetric())), RGB, **SAME),
    Case("pruned", "a weight with a mask", lambda: changed(lambda m: prune.random_unstructured(m, "weight", 0.4)), RGB,
         **SAME),
    Case("standardized-weights", "a weight that is standardized in the pass", lambda: Net(
        lambda m, x: m.fc(mean(m.n(m.a(x)).relu())), a=Standardized(3, 4, 3, padding=1), n=nn.BatchNorm2d(4),
        fc=linear()), RGB),
    Case("batch-norm", "folded", lambda: normed(nn.BatchNorm2d), RGB, **SAME),
    Case("batch-norm-alone", "without weights of its own", lambda: normed(
        lambda c: nn.BatchNorm2d(c, affine=False)), RGB, **SAME),
    Case("batch-norm-before", "before its convolution", lambda: Net(
        lambda m, x: m.fc(mean(m.a(m.n(x)).relu())), n=nn.BatchNorm2d(3), a=conv(), fc=linear()), RGB),
    Case("batch-norm-behind", "behind its rectifier", lambda: Net(
        lambda m, x: m.fc(mean(m.n(m.a(x).relu()))), a=conv(), n=nn.BatchNorm2d(4), fc=linear()), RGB),
    Case("batch-norm-read-twice", "a residual connection beside it", lambda: Net(
        lambda m, x: m.fc(mean((m.n(y := m.a(x)) + y).relu())), a=conv(), n=nn.BatchNorm2d(4), fc=linear()), RGB),
    Case("ghost-norm", "a subclass of batch normalization", lambda: normed(Ghost), RGB),
    Case("frozen-norm", "batch normalization as a function", lambda: normed(Frozen), RGB),
    Case("batch-statistics", "batch normalization without running statistics", lambda: between(
        lambda m, y: m.n(y).relu(), n=nn.BatchNorm2d(4, track_running_stats=False)), RGB, layer="n", alone=True),
    Case("group-norm", "", lambda: normed(lambda c: nn.GroupNorm(2, c)), RGB, layer="n1"),
    Case("instance-norm", "", lambda: normed(
        lambda c: nn.InstanceNorm2d(c, affine=True)), RGB, layer="n1"),
    Case("instance-norm-running", "with running statistics", lambda: normed(
        lambda c: nn.InstanceNorm2d(c, affine=True, track_running_stats=True)), RGB, may=GATED),
    Case("layer-norm", "over channels, by permutation", lambda: normed(ChannelNorm), RGB),
    Case("local-response-norm", "as in 2012", lambda: normed(lambda c: nn.LocalResponseNorm(3)), RGB),
    Case("leaky", "another rectifier", lambda: between(lambda m, y: F.leaky_relu(y, 0.1)), RGB, **SAME),
    Case("prelu", "a rectifier with a parameter", lambda: between(lambda m, y: m.act(y), act=nn.PReLU(4)), RGB),
    Case("gelu", "a smooth one", lambda: between(lambda m, y: F.gelu(y)), RGB),
    Case("silu", "another smooth one", lambda: between(lambda m, y: F.silu(y)), RGB),
    Case("hardswish", "made of pieces", lambda: between(lambda m, y: F.hardswish(y)), RGB),
    Case("clamped", "rectified by a clamp", lambda: between(lambda m, y: y.clamp(min=0)), RGB, **SAME),
    Case("glu", "one half gates the other", lambda: Net(
        lambda m, x: m.fc(mean(m.b(F.glu(m.a(x), 1)).relu())), a=conv(), b=conv(2, 4), fc=linear()), RGB, may=GATED),
    Case("maxout", "the larger of two", lambda: Net(
        lambda m, x: m.fc(mean(torch.maximum(m.a(x), m.b(x)))), a=conv(), b=conv(), fc=linear()), RGB,
        may=(*GATED, "guided")),
    Case("squeeze-and-excite", "channels that are gated", lambda: between(
        lambda m, y: y * m.gate(mean(y)).sigmoid()[:, :, None, None], gate=linear(4, 4)), RGB),
    Case("depthwise", "a group for each channel", lambda: between(
        lambda m, y: m.d(y.relu()), d=conv(4, 4, groups=4)), RGB, **SAME),
    Case("dilated", "", lambda: between(lambda m, y: m.d(y.relu()), d=conv(4, 4, dilation=2, padding=2)), RGB, **SAME),
    Case("transposed", "a transposed convolution", lambda: between(
        lambda m, y: m.d(y.relu()), d=nn.ConvTranspose2d(4, 4, 3, 2, 1, 1)), RGB, **SAME),
    Case("pixel-shuffle", "", lambda: Net(lambda m, x: m.fc(mean(m.b(F.pixel_shuffle(m.a(x).relu(), 2)).relu())),
                                          a=conv(3, 8), b=conv(2, 4), fc=linear()), RGB, **SAME),
    Case("padded-unevenly", "more on one side", lambda: between(lambda m, y: F.pad(y.relu(), (0, 1, 2, 3))), RGB,
         **SAME),
    Case("mirrored", "a mirrored border, and one that goes round", lambda: Net(
        lambda m, x: m.fc(mean(m.b(m.a(x).relu()).relu())), a=conv(padding_mode="reflect"),
        b=conv(4, padding_mode="circular"), fc=linear()), RGB),
    Case("pooled", "maxima and means", lambda: between(
        lambda m, y: F.avg_pool2d(F.max_pool2d(y.relu(), 3, 2, 1, ceil_mode=True), 2, ceil_mode=True)), RGB, **SAME),
    Case("pooled-by-powers", "", lambda: between(lambda m, y: F.lp_pool2d(y.relu() + 0.1, 2, 2)), RGB,
         may=(*GATED, "guided")),
    Case("adaptive", "pooled to a grid that does not divide", lambda: between(
        lambda m, y: F.adaptive_max_pool2d(F.adaptive_avg_pool2d(y.relu(), 7), 5)), RGB, **SAME),
    Case("unpooled", "the places of maxima", lambda: Net(unpooled, a=conv(), b=conv(4), fc=linear()), RGB, may=GATED),
    Case("interpolated", "enlarged inside", lambda: between(
        lambda m, y: F.interpolate(y.relu(), scale_factor=2, mode="bilinear", align_corners=True)), RGB, **SAME),
    Case("unfolded", "a convolution by columns", lambda: Net(
        unfolded, w=nn.Parameter(torch.randn(4, 27) / 5), fc=linear()), RGB, layer=None, may=GATED),
    Case("written-into", "parts of a tensor are written", lambda: Net(written, a=conv(), fc=linear()), RGB, may=GATED),
    Case("dense", "concatenations and sums", lambda: Net(
        lambda m, x: m.fc(mean(m.b(torch.cat([y := m.a(x).relu(), y + 1], 1)).relu())), a=conv(), b=conv(8),
        fc=linear()), RGB, **SAME),
    Case("einsum", "no module at all", lambda: Net(
        einsums, w=nn.Parameter(torch.randn(4, 3)), v=nn.Parameter(torch.randn(5, 4))), RGB, layer=None, may=GATED),
    Case("mixer", "linear layers over patches", lambda: Net(
        mixer, embed=linear(108, 8), across=nn.Sequential(linear(16, 16), nn.GELU(), linear(16, 16)),
        within=nn.Sequential(linear(8, 8), nn.GELU(), linear(8, 8)), fc=linear(8)), RGB, layer=None),
    Case("transformer", "a class token", Transformer, RGB, layer="block", prefix=1),
    Case("transformer-with-registers", "five tokens before the grid", lambda: Transformer(5), RGB, layer="block",
         prefix=5),
    Case("transformer-pooled", "no token before the grid", lambda: Transformer(0, True), RGB, layer="block", prefix=0),
    Case("swin", "windows and rolls", lambda: Net(
        swin, a=nn.Conv2d(3, 8, 4, 4), attention=Attention(8), norm=nn.LayerNorm(8), fc=linear(8)), RGB),
    Case("torch-attention", "PyTorch's own attention", lambda: Net(
        attended, a=nn.Conv2d(3, 8, 6, 6), attention=nn.MultiheadAttention(8, 2, batch_first=True), fc=linear(8)), RGB),
    Case("torch-encoder", "PyTorch's own encoder, with its fast path", lambda: Net(
        encoded, a=nn.Conv2d(3, 8, 6, 6), fc=linear(8),
        encoder=nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2)), RGB),
    Case("capsules", "routing by agreement", lambda: Net(
        capsules, a=conv(3, 4, 5, stride=4, padding=0), votes=nn.Parameter(torch.randn(4, 5, 3) / 2)), RGB, may=GATED),
    Case("spatial-transformer", "looks elsewhere", lambda: Net(
        spatial_transformer, look=conv(3, 4, stride=2), where=linear(4, 6), a=conv(), fc=linear()), RGB, may=GATED),
    Case("fourier", "complex numbers inside", lambda: Net(
        fourier, a=conv(), filter=nn.Parameter(torch.randn(24, 13, 2)), fc=linear()), RGB, may=GATED),
    Case("lstm", "rows as time steps, which are no image", lambda: Net(
        rows_in_time, cell=nn.LSTM(72, 6, batch_first=True), fc=linear(6)), RGB, layer=None, may=GATED),
    Case("gru-step-by-step", "a cell called for every row", lambda: Net(
        one_by_one, a=conv(), cell=nn.GRUCell(4, 4), fc=linear()), RGB, may=GATED),
    Case("one-dimensional", "a convolution over all pixels in a row", lambda: Net(
        lambda m, x: m.fc(m.a(x.flatten(2)).relu().mean(2)), a=nn.Conv1d(3, 4, 5, padding=2), fc=linear()), RGB,
        layer=None, **SAME),
    Case("codebook", "the nearest word, straight through", lambda: Net(
        quantized, a=conv(), book=nn.Embedding(8, 4), fc=linear()), RGB, may=GATED),
    Case("kernels-of-the-picture", "weights that are computed from the picture", lambda: Net(
        kernels_of_the_picture, make=linear(3, 108), fc=linear()), RGB, layer=None, may=GATED),
    Case("experts", "the two best of four", lambda: Net(
        experts, a=conv(), gate=linear(4, 4), experts=nn.ModuleList([linear() for _ in range(4)])), RGB, may=GATED),
    Case("hard-routing", "a branch for each picture", lambda: Net(
        hard, a=conv(), b=conv(4), fc=linear(), other=linear()), RGB, may=GATED),
    Case("sorted", "sorts, and cumulates", lambda: Net(
        lambda m, x: m.fc(m.a(x).relu().flatten(2).sort(2).values.cumsum(2)[..., -50:].mean(2) / 100), a=conv(),
        fc=linear()), RGB, may=GATED),
    Case("mapped", "torch.func.vmap inside", lambda: Net(
        lambda m, x: torch.func.vmap(lambda one: m.fc(m.a(one[None]).relu().mean((2, 3))[0]))(x), a=conv(),
        fc=linear()), RGB, layer=None, may=(*GATED, "guided")),
]  # fmt: skip

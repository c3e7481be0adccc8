"""Tokens that are patches of a grid, however they were cut and ordered, and tokens that are none."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from phosphene.core.optimization.terms import TokenGrid
from phosphene.core.units.spelling import parse_unit
from phosphene.core.units.token_grids import fitting, grid_of, looked_at, token_grid


class Cut(nn.Module):
    """Patches of (high, wide) pixels as tokens of eight numbers, cut in one of several ways."""

    def __init__(self, way, high, wide):
        super().__init__()
        self.way, self.high, self.wide = way, high, wide
        self.conv, self.linear = nn.Conv2d(3, 8, (high, wide), (high, wide)), nn.Linear(3 * high * wide, 8)
        self.stem = nn.Sequential(
            *(m for cin in (3, 8) for m in (nn.Conv2d(cin, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU()))
        )  # fmt: skip

    def forward(self, x):
        n, _, height, width = x.shape
        if self.way == "convolution":
            return self.conv(x).flatten(2).transpose(1, 2)
        if self.way == "stem":  # patches of 4 px that overlap
            return self.stem(x).flatten(2).transpose(1, 2)
        if self.way == "unfold":
            return self.linear(F.unfold(x, (self.high, self.wide), stride=(self.high, self.wide)).transpose(1, 2))
        x = x.view(n, 3, height // self.high, self.high, width // self.wide, self.wide)
        if self.way == "columns":
            x = x.transpose(2, 4).transpose(3, 5)
        return self.linear(x.permute(0, 2, 4, 3, 5, 1).flatten(3).flatten(1, 2))


def shuffled(x):
    return x[:, torch.randperm(x.shape[1], generator=torch.Generator().manual_seed(0))]


def windows(x):
    """A 4 x 4 grid in four windows of 2 x 2, one after another."""
    return x.view(len(x), 2, 2, 2, 2, 8).transpose(2, 3).flatten(1, 4)


def pooled(x):
    return F.adaptive_avg_pool1d(x.transpose(1, 2), 10).transpose(1, 2)


class Tokens(nn.Module):
    """Tokens, other ones before and behind them, one block with attention, and a linear layer."""

    def __init__(self, way="convolution", patch=(4, 4), before=0, behind=0, then=None, size=None):
        super().__init__()
        torch.manual_seed(0)
        self.cut, self.then, self.size = Cut(way, *patch), then, size
        self.before, self.behind = (nn.Parameter(torch.randn(1, many, 8)) for many in (before, behind))
        self.block, self.head = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, norm_first=True), nn.Linear(8, 4)

    def forward(self, x):
        if self.size not in (None, tuple(x.shape[2:])):
            raise ValueError("another size")
        x = self.cut(x)
        x = x if self.then is None else self.then(x)
        x = torch.cat([self.before.expand(len(x), -1, -1), x, self.behind.expand(len(x), -1, -1)], 1)
        return self.head(self.block(x).mean(1))


def found(model, size=(16, 16), layer="block"):
    network = Network(model.double(), size=size)
    return token_grid(network, network.layer(layer))


@pytest.mark.parametrize(
    ("options", "size", "grid", "shape"),
    [
        ({}, (16, 16), TokenGrid(0), (4, 4)),
        ({"way": "stem", "before": 1}, (32, 32), TokenGrid(1), (8, 8)),
        ({"way": "unfold", "before": 1}, (16, 16), TokenGrid(1), (4, 4)),
        ({"way": "reshape", "before": 2}, (16, 16), TokenGrid(2), (4, 4)),
        ({"before": 5}, (16, 16), TokenGrid(5), (4, 4)),
        ({"behind": 1}, (16, 16), TokenGrid(0, suffix=1), (4, 4)),
        ({"before": 1, "behind": 4}, (16, 16), TokenGrid(1, suffix=4), (4, 4)),
        ({"before": 1}, (16, 48), TokenGrid(1), (4, 12)),
        ({"before": 1}, (8, 4), TokenGrid(1), (2, 1)),
        ({"patch": (8, 4), "before": 1}, (16, 16), TokenGrid(1, proportion=2), (2, 4)),
        ({"patch": (8, 4), "before": 1, "size": (16, 16)}, (16, 16), TokenGrid(1, 4), (2, 4)),
        ({"way": "columns", "before": 1}, (8, 16), TokenGrid(1, by_columns=True), (2, 4)),
        ({"way": "columns", "size": (16, 12)}, (16, 12), TokenGrid(0, 3, by_columns=True), (4, 3)),
    ],
)
def test_patches_are_found_however_they_were_cut(options, size, grid, shape):
    assert found(Tokens(**options), size) == (grid, shape)


@pytest.mark.parametrize("then", [shuffled, windows, pooled, lambda x: x.mean(1, keepdim=True).expand(-1, 6, -1)])
@pytest.mark.parametrize("before", [0, 1])
def test_tokens_that_lie_in_no_rows_are_no_grid(then, before):
    with pytest.raises(Mistake, match="tokens of block are no grid of patches; write @TOKEN"):
        found(Tokens(then=then, before=before))


def test_tokens_that_were_put_into_another_order_are_a_grid_no_more():
    model = Tokens(then=windows)
    assert found(model, layer="cut") == (TokenGrid(0, 4), (4, 4))
    with pytest.raises(Mistake, match="the 16 tokens of block are no grid"):
        found(model)
    assert found(Tokens(), layer="block.self_attn") == (TokenGrid(0), (4, 4))  # each sees everything


class Rows(nn.Module):
    """Reads the rows of the picture one after another."""

    def __init__(self, first):
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Linear(16, 8) if first else nn.Identity()
        self.memory, self.head = nn.GRU(8 if first else 16, 8, batch_first=True), nn.Linear(8, 4)

    def forward(self, x):
        return self.head(self.memory(self.first(x.mean(1)))[0].mean(1))


class Queries(nn.Module):
    """Nine tokens that look at all of the patches."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.cut, self.ask = Cut("convolution", 4, 4), nn.Parameter(torch.randn(1, 9, 8))
        self.look, self.head = nn.MultiheadAttention(8, 2, batch_first=True), nn.Linear(8, 4)

    def forward(self, x):
        x = self.cut(x)
        return self.head(self.look(self.ask.expand(len(x), -1, -1), x, x, need_weights=False)[0].mean(1))


class Mixer(nn.Module):
    """An MLP-Mixer's block: tokens are mixed with channels and tokens changed about."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.cut, self.mix, self.head = Cut("convolution", 4, 4), nn.Linear(16, 16), nn.Linear(8, 4)
        self.norm = nn.LayerNorm(8)

    def forward(self, x):
        x = self.cut(x)
        return self.head(self.norm(x + self.mix(x.transpose(1, 2)).transpose(1, 2)).mean(1))


@pytest.mark.parametrize(
    ("model", "layer"), [(Rows(True), "first"), (Rows(False), "memory"), (Queries(), "look"), (Mixer(), "mix")]
)
def test_time_steps_queries_and_channels_are_no_image(model, layer):
    with pytest.raises(Mistake, match=f"tokens of {layer} are no grid of patches"):
        found(model, layer=layer)


def test_patches_that_have_been_mixed_are_still_in_their_rows():
    assert found(Mixer(), layer="norm") == (TokenGrid(0, 4), (4, 4))


def test_the_class_token_may_be_the_last():
    network = Network(Tokens(behind=1, size=(16, 16)).double(), size=16)
    assert [str(unit) for unit in parse_unit(network, "block:3@class")] == ["block:3@16"]
    assert [unit.grid for unit in parse_unit(network, "block:3@1,2")] == [TokenGrid(0, 4, suffix=1)]
    with pytest.raises(Mistake, match="class token behind the patches, whose number changes; write @TOKEN"):
        parse_unit(Network(Tokens(behind=1).double(), size=16), "block:3@class")


def test_a_token_looks_where_its_patch_is():
    network = Network(Tokens(before=1).double(), size=16)
    where, seen = looked_at(network, "block", (16, 16))
    assert seen.all()  # attention has looked at the patches
    where, seen = looked_at(network, "cat", (16, 16))
    assert seen.tolist() == [False] + 16 * [True]
    middles = ((torch.arange(4) + 0.5) / 4).expand(4, 4).double()
    torch.testing.assert_close(where[1:].view(4, 4, 2)[..., 0], middles.T, rtol=0, atol=0.08)
    torch.testing.assert_close(where[1:].view(4, 4, 2)[..., 1], middles, rtol=0, atol=0.08)


def test_a_grid_at_another_size_is_looked_for_there():
    network = Network(Tokens(before=1).double(), size=16)
    assert grid_of(network, 1 + 6 * 8, (24, 32)) == (TokenGrid(1), (6, 8))
    assert grid_of(network, 50, (24, 32)) is None


@pytest.mark.parametrize("rows", [2, 3, 7])
def test_of_a_perfect_grid_every_shape_and_order_is_found(rows):
    for columns in (2, 5, 6):
        down = ((torch.arange(rows) + 0.5) / rows)[:, None].expand(rows, columns)
        right = ((torch.arange(columns) + 0.5) / columns).expand(rows, columns)
        both = torch.stack([down, right], 2).double()
        seen = torch.ones(rows * columns + 1, dtype=torch.bool)
        seen[0] = False
        for turned in (False, True):
            where = (both.transpose(0, 1) if turned else both).flatten(0, 1)
            where = torch.cat([where.new_zeros(1, 2), where])
            grid = TokenGrid(1, columns, by_columns=turned)
            assert fitting(where, seen, (64, 64), True) == (grid, (rows, columns))

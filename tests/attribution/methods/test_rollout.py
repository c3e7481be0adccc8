"""Rollout is the product of the blocks' attention, as the paper has it, however attention is written."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from phosphene.attribution import rollout
from phosphene.attribution.methods.rollout import attention_weights
from phosphene.attribution.question import question
from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from tests.core.witness import apart, state
from tests.foreign import foreign
from tests.small import convnet, levels, noise

WAYS = ["sdpa", "softmax", "module", "module with weights", "encoder"]


class Block(nn.Module):
    """Attention and a sum, written in one of several ways, with the same weights."""

    def __init__(self, way, heads=2, width=8):
        super().__init__()
        self.way, self.heads = way, heads
        if way == "encoder":
            self.layer = nn.TransformerEncoderLayer(width, heads, 16, batch_first=True, norm_first=True)
        self.attention = self.layer.self_attn if way == "encoder" else nn.MultiheadAttention(
            width, heads, batch_first=True
        )  # fmt: skip

    def forward(self, x):
        if self.way == "encoder":
            return self.layer(x)
        if self.way.startswith("module"):
            return x + self.attention(x, x, x, need_weights=self.way == "module with weights")[0]
        n, tokens, width = x.shape
        mixed = F.linear(x, self.attention.in_proj_weight, self.attention.in_proj_bias)
        q, k, v = mixed.view(n, tokens, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        if self.way == "sdpa":
            y = F.scaled_dot_product_attention(q, k, v)
        else:
            y = F.softmax(q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1]), dim=-1) @ v
        return x + self.attention.out_proj(y.transpose(1, 2).reshape(n, tokens, width))


class Transformer(nn.Module):
    """TokenGrid of 4 pixels, other tokens before them, a few blocks, and a linear layer."""

    def __init__(self, way="sdpa", others=1, blocks=3, query=False):
        super().__init__()
        torch.manual_seed(0)
        self.cut = nn.Conv2d(3, 8, 4, 4)
        self.others = nn.Parameter(torch.randn(1, others, 8))
        self.blocks = nn.ModuleList(Block(way) for _ in range(blocks))
        self.head = nn.Linear(8, 4)
        self.query = nn.Parameter(torch.randn(1, 1, 1, 8)) if query else None
        self.double().eval()
        with torch.no_grad():
            for block in self.blocks:
                block.attention.in_proj_weight.mul_(4)  # attention that differs from token to token

    def forward(self, x):
        x = self.cut(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.others.expand(len(x), -1, -1), x], 1)
        for block in self.blocks:
            x = block(x)
        if self.query is not None:
            keys = x[:, None]
            pooled = F.scaled_dot_product_attention(self.query.expand(len(x), -1, -1, -1), keys, keys)
            return self.head(pooled[:, 0, 0])
        return self.head(x[:, 0] if self.others.shape[1] else x.mean(1))


def maps(network, x, **options):
    return rollout.method(question(network, x, target=0), x, **options)


def weights_of(model, x):
    """Every head's attention of one picture, block by block, in loops: [block][head][from][to]."""
    tokens = model.cut(x[None]).flatten(2).transpose(1, 2)[0]
    tokens = torch.cat([model.others[0], tokens])
    found = []
    for block in model.blocks:
        read = block.layer.norm1(tokens) if block.way == "encoder" else tokens
        weight, bias = block.attention.in_proj_weight, block.attention.in_proj_bias
        q, k = (read @ weight[i * 8 : i * 8 + 8].T + bias[i * 8 : i * 8 + 8] for i in (0, 1))
        heads = []
        for head in range(2):
            part = slice(4 * head, 4 * head + 4)
            rows = []
            for i in range(len(tokens)):
                scores = [math.exp(float(q[i, part] @ k[j, part]) / 2) for j in range(len(tokens))]
                rows.append([score / sum(scores) for score in scores])
            heads.append(rows)
        found.append(heads)
        tokens = block(tokens[None])[0]
    return found, tokens


def slow(model, x, start, join=lambda heads: sum(heads) / len(heads)):
    """Abnar & Zuidema, equation 1, from the first block to the last: the shares of the tokens in what `start` reads."""
    with torch.no_grad():
        blocks, _ = weights_of(model, x)
    many = len(blocks[0][0])
    product = np.eye(many)
    for heads in blocks:
        share = np.array([[join([head[i][j] for head in heads]) for j in range(many)] for i in range(many)])
        share = 0.5 * share + 0.5 * np.eye(many)
        product = (share / share.sum(1, keepdims=True)) @ product
    return torch.from_numpy(np.array(start) @ product)


def shown(shares, others, rows, columns):
    patches = shares[others:].view(1, 1, rows, columns)
    return F.interpolate(patches, (4 * rows, 4 * columns), mode="bilinear", align_corners=False)[0]


@pytest.mark.parametrize("way", WAYS)
def test_it_equals_the_papers_product_however_attention_is_written(way):
    model, x = Transformer(way), noise(2, 3, 16, 12)
    found = maps(Network(model, size=(16, 12)), x)
    for i in range(2):
        shares = slow(model, x[i], [1.0] + [0.0] * 12)
        assert apart(found.values[i][None], shown(shares, 1, 4, 3)) < 1e-12
        assert found.facts[i] == {
            "read": "class token", "blocks": 3, "patches": [4, 3],
            "on patches": pytest.approx(float(shares[1:].sum())),
        }  # fmt: skip


@pytest.mark.parametrize(("heads", "join"), [("max", max), ("min", min)])
def test_heads_may_be_joined_by_their_largest_or_least_weight(heads, join):
    model, x = Transformer(), noise(1, 3, 16, 16)
    found = maps(Network(model, size=16), x, heads=heads).values
    assert apart(found, shown(slow(model, x[0], [1.0] + [0.0] * 16, join), 1, 4, 4)) < 1e-12


def test_without_other_tokens_it_begins_at_all_patches_alike():
    model, x = Transformer(others=0), noise(1, 3, 16, 16)
    found = maps(Network(model, size=16), x)
    assert apart(found.values, shown(slow(model, x[0], [1 / 16] * 16), 0, 4, 4)) < 1e-12
    assert found.facts[0]["read"] == "mean over patches"
    assert found.facts[0]["on patches"] == pytest.approx(1)


def test_of_several_other_tokens_the_first_is_the_class():
    model, x = Transformer(others=3), noise(1, 3, 16, 16)
    found = maps(Network(model, size=16), x)
    assert apart(found.values, shown(slow(model, x[0], [1.0] + [0.0] * 18), 3, 4, 4)) < 1e-12


def test_a_last_query_that_reads_all_tokens_is_where_it_begins():
    model, x = Transformer(others=0, query=True), noise(1, 3, 16, 16)
    with torch.no_grad():
        _, tokens = weights_of(model, x[0])
        scores = (model.query[0, 0, 0] @ tokens.T / math.sqrt(8)).softmax(0)
    found = maps(Network(model, size=16), x)
    assert apart(found.values, shown(slow(model, x[0], scores.tolist()), 0, 4, 4)) < 1e-12
    assert found.facts[0]["read"] == "attention pooling"
    assert found.facts[0]["blocks"] == 3


def test_weights_are_those_that_attention_applies():
    q, k = noise(2, 3, 5, 4), noise(2, 3, 5, 4, seed=1)
    eye = torch.eye(5, dtype=torch.float64).expand(2, 3, 5, 5)
    masks = [None, noise(5, 5), noise(5, 5) > 0.3 * (1 - torch.eye(5)), noise(2, 3, 5, 5)]
    for mask in masks:
        for scale in (None, 0.7):
            expected = F.scaled_dot_product_attention(q, k, eye, mask, scale=scale)
            assert apart(attention_weights(q, k, eye, mask, scale=scale), expected) < 1e-12
    expected = F.scaled_dot_product_attention(q, k, eye, is_causal=True)
    assert apart(attention_weights(q, k, eye, is_causal=True), expected) < 1e-12


def test_a_picture_of_another_size_has_its_own_grid():
    model, x = Transformer(), noise(1, 3, 24, 12)
    found = maps(Network(model, size=16), x)
    assert found.facts[0]["patches"] == [6, 3]
    assert apart(found.values, shown(slow(model, x[0], [1.0] + [0.0] * 18), 1, 6, 3)) < 1e-12


def test_what_is_discarded_makes_room_for_the_rest():
    network, x = Network(Transformer(), size=16), noise(2, 3, 16, 16)
    most = [maps(network, x, discard=share).values.amax((1, 2)) for share in (0, 0.5, 0.9)]
    assert (most[0] < most[1]).all()
    assert (maps(network, x, discard=0.99).values < 1).all()
    with pytest.raises(Mistake, match=r"1 is not a valid value for discard: it must be 0 to 0\.99"):
        rollout(network, levels(3, *network.size), discard=1.0)


@pytest.mark.parametrize("way", ["sdpa", "module with weights"])
def test_a_batch_is_its_pictures_one_by_one(way):
    network, x = Network(Transformer(way), size=16), noise(5, 3, 16, 16)
    together = rollout.method(question(network, x, target=0, batch=2), x)
    for i in range(5):
        alone = maps(network, x[i : i + 1])
        assert apart(together.values[i], alone.values[0]) < 1e-12
        assert together.facts[i] == alone.facts[0] | {"on patches": pytest.approx(alone.facts[0]["on patches"])}


def test_the_model_is_given_back_as_it_was():
    model = Transformer("encoder").train()
    network, x = Network(model, size=16), noise(1, 3, 16, 16)
    _ = network.layers
    before = state(model)
    maps(network, x)
    assert state(model) == before
    assert model.training


def test_it_asks_about_no_class():
    network = Network(Transformer(), size=16)
    result = rollout(network, levels(3, 16, 16))
    assert result.values.shape == (1, 16, 16)
    assert result.values.dtype == np.float32
    assert "target" not in result.numbers[0]
    for name, value in {"target": 1, "against": 1, "unit": "cut:1", "score": "p"}.items():
        with pytest.raises(TypeError, match=f"rollout has no option '{name}'"):
            rollout(network, levels(3, 16, 16), **{name: value})


def test_a_network_without_attention_is_refused():
    with pytest.raises(Mistake, match=r"follows attention from token to token, and .* has none that can be seen"):
        rollout(convnet(), levels(3, 16, 16))


class Windows(nn.Module):
    """Attention within the quarters of the picture."""

    def __init__(self):
        super().__init__()
        self.cut, self.block, self.head = nn.Conv2d(3, 8, 4, 4), Block("sdpa"), nn.Linear(8, 4)

    def forward(self, x):
        n = len(x)
        x = self.cut(x).view(n, 8, 2, 2, 2, 2).permute(0, 2, 4, 3, 5, 1).reshape(4 * n, 4, 8)
        return self.head(self.block(x).view(n, 16, 8).mean(1))


class Channels(nn.Module):
    """Attention among channels, which are no patches."""

    def __init__(self):
        super().__init__()
        self.cut, self.head = nn.Conv2d(3, 32, 4, 4), nn.Linear(32, 4)

    def forward(self, x):
        x = self.cut(x).flatten(2)
        return self.head(F.scaled_dot_product_attention(x[:, None], x[:, None], x[:, None])[:, 0].mean(2))


@pytest.mark.parametrize(("model", "said"), [(Windows, "attends within windows"),
                                             (Channels, "32 tokens of .* are no grid of patches")])  # fmt: skip
def test_attention_that_is_not_among_all_patches_is_refused(model, said):
    network = Network(model().double().eval(), size=16)
    with pytest.raises(Mistake, match=said):
        rollout(network, levels(3, 16, 16))


@pytest.mark.slow
@pytest.mark.parametrize(("spec", "grid"), [("torchvision:vit_b_16", 14), ("timm:vit_tiny_patch16_224", 14),
                                            ("timm:deit_tiny_distilled_patch16_224", 14),
                                            ("timm:vit_base_patch16_siglip_224", 14)])  # fmt: skip
def test_vision_transformers_of_the_zoo_have_a_rollout(spec, grid):
    from phosphene.models.specs import load

    if spec.startswith("timm"):
        foreign("timm")
    network = load(f"{spec}?weights=none")
    network = Network(network.model, size=224)
    x = noise(2, 3, 224, 224, dtype=torch.float32)
    found = maps(network, x)
    assert found.values.shape == (2, 224, 224)
    assert found.facts[0]["blocks"] == 12
    assert found.facts[0]["patches"] == [grid, grid]
    # bilinear resizing keeps the mean, but for the weight of the border
    assert float(found.values[0].mean()) * grid**2 == pytest.approx(found.facts[0]["on patches"], rel=1e-2)
    attentions = [module for module in network.model.modules() if hasattr(module, "fused_attn")]
    assert bool(attentions) == spec.startswith("timm")
    for module in attentions:
        module.fused_attn = False
    assert apart(maps(Network(network.model, size=224), x).values, found.values) < 1e-4

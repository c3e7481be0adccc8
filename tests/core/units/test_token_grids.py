"""Units of vision transformers: tokens, heads, and where patches are among tokens."""

import pytest
import torch
from torch import nn

from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.objectives import gradient
from phosphene.core.optimization.terms import TokenGrid
from phosphene.core.units.spelling import parse_unit, parse_units
from phosphene.core.units.units import Unit, unit_term
from phosphene.models.torchvision import import_torchvision
from tests.core.units.test_units import TOKENS, Attentive, asked, assert_by_hooks, one, tiny, transformer
from tests.foreign import foreign
from tests.small import convnet, noise


@pytest.mark.parametrize("network", [TOKENS, transformer((16, 48)), transformer((24, 8), fixed=False)])
def test_tokens_are_counted_and_patches_are_rows_and_columns_behind_them(network):
    rows, columns = (side // 8 for side in network.size)
    assert network.fixed == (network.size != (24, 8))
    patches = TokenGrid(1, columns if network.fixed else None)
    assert one(network, "block:5") == Unit("block", 5)
    assert one(network, "block:5@class") == one(network, "block:5@0") == Unit("block", 5, 0)
    last = one(network, f"block:5@{rows - 1},{columns - 1}")
    assert last == Unit("block", 5, (rows - 1, columns - 1), patches)
    x = noise(1, 3, *network.size)
    y = network.model.block(torch.cat([network.model.extra, network.model.cut(x).flatten(2).transpose(1, 2)], 1))
    for text, token in ((last, -1), ("block:5@class", 0), ("block:5@2", 2)):
        value, *_ = gradient(network, unit_term(parse_units(network, [text])))(
            x, torch.tensor([0]), Key(0, [0], step=0)
        )
        torch.testing.assert_close(value, y[:, token, 5].detach(), rtol=0, atol=1e-14)
    with pytest.raises(Mistake, match=f"block has patches in rows 0 to {rows - 1} and columns 0 to {columns - 1} at"):
        parse_unit(network, f"block:5@{rows},0")
    with pytest.raises(Mistake, match=f"block has tokens 0 to {rows * columns} at the network's own size, not 99"):
        parse_unit(network, "block:5@99")


def test_on_a_larger_picture_a_patch_is_still_at_its_row_and_column():
    network = transformer((16, 16), fixed=False)
    term = unit_term(parse_unit(network, "block:2@1,1"))
    x = noise(1, 3, 24, 40)
    y = network.model.block(network.model.cut(x).flatten(2).transpose(1, 2))
    value, slope, _ = gradient(network, term)(x, torch.tensor([0]), Key(0, [0], step=0))
    torch.testing.assert_close(value, y[:, 1 * 5 + 1, 2].detach(), rtol=0, atol=1e-14)
    assert (slope[..., 8:16, 8:16] != 0).all() and slope.count_nonzero() == 3 * 64
    with pytest.raises(Mistake, match="block has 2 tokens on pictures of this size, and the patch at 1,1 is none"):
        gradient(network, term)(noise(1, 3, 8, 8), torch.tensor([0]), Key(0, [0], step=0))


def test_the_class_token_is_told_only_where_it_is_the_only_other_one():
    with pytest.raises(Mistake, match="block has 18 tokens, 2 of them no patches, so it can't be told"):
        parse_unit(transformer(prefix=2), "block:0@class")
    with pytest.raises(Mistake, match="0 of them no patches"):
        parse_unit(transformer(prefix=0), "block:0@class")
    assert one(transformer(prefix=2), "block:0@0,1").grid == TokenGrid(2, 4)


def test_class_and_patch_tokens_of_a_small_vision_transformer_have_the_slope_of_a_loop_by_hand():
    model = tiny(num_classes=4)
    nn.init.normal_(model.heads.head.weight)  # it begins at zero
    assert_by_hooks(model, 32, asked([0, 1], 4, 4))


@pytest.mark.slow
def test_class_and_patch_tokens_of_vit_b_16_have_the_slope_of_a_loop_by_hand():
    torch.manual_seed(0)
    model = import_torchvision().models.vit_b_16().double()
    nn.init.normal_(model.heads.head.weight)
    assert_by_hooks(model, 224, asked([3, 11], 14, 14))


def test_the_heads_inside_of_torchs_attention_are_units():
    model = tiny(num_classes=4).eval()
    network = Network(model, size=32)
    name = "encoder.layers.encoder_layer_1.self_attention"
    layer = network.layer(f"{name}.scaled_dot_product_attention")
    assert (layer.shape, layer.channels, layer.kind) == ((2, 17, 8), 2, "attention")
    x = noise(3, 3, 32, 32)
    found = network.read(x, [layer.name, name, "logits"])
    part = model.get_submodule(name)
    heads = part.out_proj(found[layer.name].transpose(1, 2).flatten(2))
    torch.testing.assert_close(heads.mT, found[name], rtol=0, atol=1e-12)
    torch.testing.assert_close(found["logits"], model(x), rtol=0, atol=1e-12)

    kept = []
    hook = model.get_submodule("encoder.layers.encoder_layer_1.ln_1").register_forward_hook(
        lambda m, i, o: kept.append(o)
    )
    leaf = x.clone().requires_grad_()
    model(leaf)
    hook.remove()
    q, k, v = (
        (kept[0] @ w.T + b).unflatten(2, (2, 8)).transpose(1, 2)
        for w, b in zip(part.in_proj_weight.chunk(3), part.in_proj_bias.chunk(3), strict=True)
    )
    slow = (q @ k.transpose(2, 3) / 8**0.5).softmax(3) @ v
    torch.testing.assert_close(found[layer.name], slow, rtol=0, atol=1e-12)
    cases = {"1": slow[:, 1].mean((1, 2)), "1@class": slow[:, 1, 0].mean(1), "0@3": slow[:, 0, 3].mean(1)}
    cases |= {"1@2,3": slow[:, 1, 1 + 2 * 4 + 3].mean(1)}
    for words, value in cases.items():
        term = unit_term(parse_unit(network, f"{layer.name}:{words}") * 3)
        values, slope, _ = gradient(network, term)(x, torch.arange(3), Key(0, [0, 1, 2], step=0))
        torch.testing.assert_close(values, value.detach(), rtol=0, atol=1e-12)
        (expected,) = torch.autograd.grad(value.sum(), leaf, retain_graph=True)
        torch.testing.assert_close(slope, expected, rtol=0, atol=1e-12)
    with pytest.raises(Mistake, match="has heads 0 to 1, not 2"):
        parse_unit(network, f"{layer.name}:2")


@pytest.mark.parametrize("options", [{}, {"add_bias_kv": True}, {"add_zero_attn": True}, {"kdim": 5, "vdim": 5}])
@pytest.mark.parametrize("masked", [False, True])
def test_seeing_into_torchs_attention_changes_nothing(options, masked):
    for weights in (False, True):
        model = Attentive(masked, weights, **options).double()
        network, x = Network(model, size=16), noise(2, 3, 16, 16)
        inside = [name for name in network.layers if name.startswith("attention.")]
        assert inside == ["attention.mean" if weights else "attention.scaled_dot_product_attention"]
        found = network.read(x, [*inside, "logits"])["logits"]
        torch.testing.assert_close(found, model.eval()(x), rtol=0, atol=1e-12)


@pytest.mark.slow
def test_the_heads_of_timms_attention_are_units():
    timm = foreign("timm.models.vision_transformer")
    torch.manual_seed(0)
    model = timm.VisionTransformer(
        img_size=32, patch_size=8, depth=1, num_heads=2, embed_dim=16, num_classes=5
    ).double()
    network = Network(model.eval(), size=32)
    layer = network.layer("blocks.0.attn.scaled_dot_product_attention")
    assert (layer.shape, layer.channels) == ((2, 17, 8), 2)
    x = noise(2, 3, 32, 32)
    found = network.read(x, [layer.name, "blocks.0.attn"])
    heads = model.blocks[0].attn.proj(found[layer.name].transpose(1, 2).flatten(2))
    torch.testing.assert_close(heads.mT, found["blocks.0.attn"], rtol=0, atol=1e-12)
    assert len(parse_unit(network, f"{layer.name}:all@class")) == 2


def test_a_convnet_has_the_units_that_it_had():
    assert [str(unit) for unit in parse_units(convnet(), ["conv2:1", "conv2:0-1", "logits:zebra"])] == [
        "conv2:1", "conv2:0", "logits:1",
    ]  # fmt: skip

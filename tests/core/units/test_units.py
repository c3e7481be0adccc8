"""Units in words: every spelling, back and forth; and what is said to a spelling that is none."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import nn

from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.objectives import gradient
from phosphene.core.optimization.terms import Patches, Reading
from phosphene.core.units.directions import Direction
from phosphene.core.units.inputs import target_unit, unit_words
from phosphene.core.units.units import Sum, Unit, groups, parse_unit, parse_units, signature, stems, unit_term
from phosphene.models.specs import import_torchvision
from tests.small import convnet, noise, normal

NAMES = ["black swan", "sea-slug, nudibranch", "Granny Smith", "jack-o'-lantern", "conv1", "drop - off", "a+b", "all"]


def named():
    """A small network of five layers and eight classes with difficult names."""
    torch.manual_seed(0)
    layers = {f"conv{i}": nn.Conv2d(3 if i == 1 else 4, 4, 3, stride=i, padding=1) for i in (1, 2)}
    model = nn.Sequential()
    for name, layer in {**layers, "mean": nn.AdaptiveAvgPool2d(1), "flat": nn.Flatten(), "fc": nn.Linear(4, 8)}.items():
        model.add_module(name, layer)
    return Network(model.double(), size=8, labels=NAMES)


def transformer(size=(32, 32), prefix=1, fixed=True):
    """A tiny vision transformer with `prefix` tokens before the patches of 8 x 8 px."""
    torch.manual_seed(0)

    class Tokens(nn.Module):
        def __init__(self):
            super().__init__()
            self.cut, self.block, self.head = nn.Conv2d(3, 6, 8, 8), nn.Linear(6, 6), nn.Linear(6, 4)
            self.register_buffer("extra", torch.randn(1, prefix, 6))

        def forward(self, x):
            if fixed and tuple(x.shape[2:]) != size:
                raise ValueError("another size")
            x = self.cut(x).flatten(2).transpose(1, 2)
            return self.head(self.block(torch.cat([self.extra.expand(len(x), -1, -1), x], 1)).tanh().mean(1))

    return Network(Tokens().double(), size=size)


NETWORK, TOKENS = named(), transformer()


def one(network, text):
    (unit,) = parse_unit(network, text)
    return unit


# ------------------------------------------------------------------------------------------------ there and back

# beartype chooses at random which numbers of a vector it checks
pytestmark = pytest.mark.filterwarnings("ignore:Do not use the `random` module")

WEIGHTS = st.floats(allow_nan=False, allow_infinity=False)
PLAIN = (
    st.builds(Unit, st.sampled_from(["conv1", "conv2", "fc"]), st.integers(0, 3) | st.none())
    | st.builds(Unit, st.just("logits"), st.integers(0, 7) | st.none())
    | st.builds(Unit, st.sampled_from(["conv1", "conv2"]), st.integers(0, 3), st.tuples(*[st.integers(0, 3)] * 2))
)
VECTORS = st.tuples(*[WEIGHTS] * 4).filter(any)
DIRECTIONS = st.builds(
    Direction, st.sampled_from(["conv1", "conv2"]), VECTORS,
    st.text("aZ0_.-é", min_size=1), st.floats(0, 100),
)  # fmt: skip
PARTS = st.lists(st.tuples(WEIGHTS, PLAIN | DIRECTIONS), min_size=1, max_size=4).map(tuple)
SUMS = st.builds(Sum, PARTS.filter(lambda parts: len(parts) > 1 or parts[0][0] != 1))


@settings(max_examples=60)
@given(PLAIN | DIRECTIONS | SUMS)
def test_the_spelling_of_a_unit_is_read_as_that_unit(unit):
    assert parse_unit(NETWORK, str(unit)) == [unit]
    assert parse_units(NETWORK, unit) == parse_units(NETWORK, [str(unit), unit]) == [unit]


@given(st.integers(0, 5), st.none() | st.integers(0, 16) | st.tuples(*[st.integers(0, 3)] * 2))
def test_the_spelling_of_a_token_is_read_as_that_token(index, at):
    unit = Unit("block", index, at, Patches(1, 4) if isinstance(at, tuple) else None)
    assert parse_unit(TOKENS, str(unit)) == [unit]


@settings(max_examples=50)
@given(st.integers(0, 7), st.sampled_from("+-"), st.floats(0, 9), PLAIN, st.booleans())
def test_a_class_with_spaces_and_hyphens_can_be_part_of_a_sum(index, sign, weight, other, tight):
    name = NAMES[index].partition(",")[0]
    if name == "all":  # that is every class
        name = str(index)
    words = f"logits:{name}{sign if tight else f' {sign} '}{weight!r}*{other}"
    signed = -weight if sign == "-" else weight
    assert one(NETWORK, words) == Sum(((1.0, Unit("logits", index)), (signed, other)))
    assert one(NETWORK, f"logits:{name}") == Unit("logits", index)


@given(st.text("conv12logits:@,+-*. 0e5[]=file^all", max_size=20))
def test_whatever_is_written_is_a_unit_or_a_mistake(text):
    try:
        units = parse_unit(NETWORK, text)
    except Mistake as mistake:
        assert "\n" not in str(mistake)
    else:
        assert units
        assert [one(NETWORK, str(unit)) for unit in units if not isinstance(unit, Sum) or len(unit.parts) > 1] == [
            unit for unit in units if not isinstance(unit, Sum) or len(unit.parts) > 1
        ]


A, B = Unit("conv1", 2), Unit("conv2", 3, (1, 0))


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("conv1:2 + 0.5*conv2:3@1,0", ((1, A), (0.5, B))),
        ("conv1:2+0.5*conv2:3@1,0", ((1, A), (0.5, B))),
        ("conv1:2-conv2:3@1,0", ((1, A), (-1, B))),
        ("conv1:2 -conv2:3@1,0", ((1, A), (-1, B))),
        ("-2*conv1:2 - 1e-3 * conv2:3@1,0", ((-2, A), (-0.001, B))),
        ("- conv1:2", ((-1, A),)),
        (".5*conv1:2", ((0.5, A),)),
        ("logits:3 - conv2", ((1, Unit("logits", 3)), (-1, Unit("conv2", None)))),
        ("conv1 + logits:sea-slug-conv1:2", ((1, Unit("conv1", None)), (1, Unit("logits", 1)), (-1, A))),
        ("logits:drop - off - conv1", ((1, Unit("logits", 5)), (-1, Unit("conv1", None)))),
    ],
)
def test_a_sum_is_cut_where_a_part_begins(text, parts):
    assert one(NETWORK, text) == Sum(parts)


def test_all_of_a_layer_are_its_units_one_by_one_and_the_bare_layer_is_one():
    assert parse_unit(NETWORK, "conv2:all") == [Unit("conv2", i) for i in range(4)]
    assert len(parse_unit(NETWORK, "logits:all")) == 8
    assert parse_unit(NETWORK, "conv2:all@1,2") == [Unit("conv2", i, (1, 2)) for i in range(4)]
    assert parse_unit(NETWORK, "conv2") == [Unit("conv2", None)]
    assert parse_unit(NETWORK, "1*conv2:3") == [Unit("conv2", 3)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("conv1:999", "conv1 has channels 0 to 3, not 999"),
        ("conv1:2 + conv2:9", "conv2 has channels 0 to 3, not 9"),
        ("conv1:2 + 2*conv9:1", "no layer 'conv9'; did you mean 'conv"),
        ("conv1 + conv9", "no layer 'conv9'"),
        ("conv1:0-2 + conv2:1", "'conv1:0-2' names 3 units; a part of a sum is one, for example conv1:0"),
        ("2*conv1:all", "names 4 units"),
        ("conv1:2 + ", "no layer ''|is no unit"),
        ("1e999*conv1:2", "the weight in '1e999\\*conv1:2' is too large"),
        ("conv1:", "'conv1:' names no unit; write conv1:0, conv1:0-3 or conv1:0@ROW,COLUMN, or conv1 for the whole"),
        ("conv1:1@5", "conv1 has no tokens but rows and columns; write @ROW,COLUMN"),
        ("conv1:1@class", "conv1 has no tokens but"),
        ("fc:1@5", "fc has no rows and columns; leave the position out"),
        ("black swan", "no layer 'black swan'; for the class write logits:black swan"),
        ("conv1:v=[1,2]", "conv1 has 4 channels, the vector in v has 2 numbers"),
        ("conv1:v=[1,x,2,3]", "are no numbers; write them like"),
        ("conv1:v=[]", "are no numbers"),
        ("conv1:v=[0,0,0,0]", "the direction 'v' is zero everywhere"),
        ("conv1:v=[nan,0,0,0]", "not finite"),
        ("conv1:v=[1,0,0,0]^200", "the power of the cosine is 200; it must be 0 to 100"),
        ("conv1:file=[1,0,0,0]", "is no name for a direction|is no file of a direction"),
    ],
)
def test_what_is_no_unit_is_answered_with_what_is(text, said):
    with pytest.raises(Mistake, match=said):
        parse_unit(NETWORK, text)


@pytest.mark.parametrize("network", [TOKENS, transformer((16, 48)), transformer((24, 8), fixed=False)])
def test_tokens_are_counted_and_patches_are_rows_and_columns_behind_them(network):
    rows, columns = (side // 8 for side in network.size)
    assert network.fixed == (network.size != (24, 8))
    patches = Patches(1, columns if network.fixed else None)
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
    assert one(transformer(prefix=2), "block:0@0,1").patches == Patches(2, 4)


# --------------------------------------------------------------------------------------------------- directions


def test_a_direction_comes_from_a_file_and_carries_its_numbers(tmp_path):
    vector = np.array([0.1, -2, 3e-9, 1], dtype=np.float32)
    np.save(tmp_path / "my + file-2.npy", vector)
    save_file({"v": torch.from_numpy(vector)[None]}, tmp_path / "v.safetensors")
    expected = Direction.of("conv1", vector, "my___file-2")
    assert one(NETWORK, f"conv1:file={tmp_path}/my + file-2.npy") == expected
    assert one(NETWORK, f"conv1:file={tmp_path}/v.safetensors^2") == Direction.of("conv1", vector, "v", 2)
    both = one(NETWORK, f"conv1:2 - 2*conv1:file={tmp_path}/v.safetensors + conv1:file={tmp_path}/my + file-2.npy")
    assert both == Sum(((1, A), (-2, Direction.of("conv1", vector, "v")), (1, expected)))
    assert both.short == "conv1:2 - 2*conv1:v + conv1:my___file-2"


@pytest.mark.parametrize(
    ("saved", "said"),
    [
        (np.zeros(5), "conv1 has 4 channels, the vector in x.npy has 5 numbers"),
        (np.ones((2, 2)), "x.npy holds 2 x 2 numbers; a direction is one vector"),
        (np.array([None, 1, 2, 3]), "x.npy can't be read as .npy: .*Python objects"),
        (np.array(["a"] * 4), "x.npy holds no numbers"),
        (np.ones(4) * 1j, "x.npy holds complex128, not real numbers"),
        (np.array([1, np.inf, 0, 0]), "not finite"),
        (b"", "x.npy can't be read as .npy"),
        (b"no array", "x.npy can't be read as .npy"),
        (None, "there is no file .*x.npy"),
    ],
)
def test_a_file_that_is_no_direction_is_a_mistake(tmp_path, saved, said):
    path = tmp_path / "x.npy"
    if isinstance(saved, bytes):
        path.write_bytes(saved)
    elif saved is not None:
        np.save(path, saved, allow_pickle=True)
    with pytest.raises(Mistake, match=said) as mistake:
        parse_unit(NETWORK, f"conv1:file={path}")
    assert "\n" not in str(mistake.value)


def test_another_kind_of_file_is_a_mistake(tmp_path):
    with pytest.raises(Mistake, match=r"x.pt is no file of a direction; give a .npy or .safetensors file"):
        parse_unit(NETWORK, f"conv1:file={tmp_path}/x.pt")
    (tmp_path / "x.safetensors").write_bytes(b"\xff" * 20)
    with pytest.raises(Mistake, match=r"x.safetensors can't be read"):
        parse_unit(NETWORK, f"conv1:file={tmp_path}/x.safetensors")
    save_file({"a": torch.ones(4), "b": torch.ones(4)}, tmp_path / "x.safetensors")
    with pytest.raises(Mistake, match="holds 2 tensors; a direction's file holds one"):
        parse_unit(NETWORK, f"conv1:file={tmp_path}/x.safetensors")


# ------------------------------------------------------------------------------------------------------- asking


def test_units_alike_share_a_term_wherever_they_stand():
    words = ["conv1:0-1", "logits:3", "conv1:2@0,0", "conv1:3", "conv1", "conv1:0 - logits:2", "logits:1 + 2*conv1:3"]
    units = parse_units(NETWORK, words)
    assert groups(units) == [[0, 1, 4], [2], [3], [5], [6, 7]]
    assert unit_term(units[:2]).layers == {"conv1"}
    assert unit_term(units[6:]).layers == {"conv1", "logits"}
    with pytest.raises(ValueError, match="one signature"):
        unit_term(units[:3])


def test_a_sum_is_the_sum_of_what_its_parts_say():
    units = parse_units(NETWORK, ["conv1:0 - 0.5*logits:2", "2*logits:1 + 3*conv1:3"])
    assert signature(units[0]) == signature(units[1])
    y, logits = normal(2, 4, 3, 3), normal(2, 8, seed=1)
    x = normal(2, 3, 2, 2)
    r = Reading(x, torch.arange(2), x, torch.arange(2), {"conv1": y, "logits": logits})
    hand = [y[0, 0].mean() - 0.5 * logits[0, 2], 2 * logits[1, 1] + 3 * y[1, 3].mean()]
    torch.testing.assert_close(unit_term(units).of(r), torch.stack(hand))


def test_units_and_sums_have_names_for_files_that_tell_them_apart():
    words = ["conv1:2", "conv1:2@1,0", "conv1", "conv1:2 - 0.5*conv2:1", "conv1:v=[1,2,3,4]", "conv1:v=[1,2,3,4]^2"]
    stems = [unit.stem for unit in parse_units(NETWORK, words)]
    assert stems == ["conv1-2", "conv1-2@1,0", "conv1", "conv1-2-0.5_conv2-1", "conv1-v", "conv1-v^2"]
    long = [one(NETWORK, " + ".join(["conv1:2"] * 30 + [last])).stem for last in ("conv1:0", "conv1:1")]
    assert max(map(len, long)) == 80 and long[0] != long[1]


def test_no_two_units_share_a_file():
    units = [Direction.of("conv1", [i, 1, 1, 1], name) for i, name in enumerate(["v", "V", "v_2", "v"])]
    assert stems([*units, A]) == ["conv1-v", "conv1-V_2", "conv1-v_2_2", "conv1-v_3", "conv1-2"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("conv1:2", "unit conv1:2"),
        ("conv1", "layer conv1"),
        ("logits:1", "p of sea-slug"),
        ("conv1:v=[1,2,3,4]^2", "direction conv1:v^2"),
        ("logits:1 - 2*conv1:v=[1,2,3,4] + conv1:2", "sum p:sea-slug - 2*conv1:v + conv1:2"),
    ],
)
def test_a_caption_names_a_unit_in_short(text, words):
    assert unit_words(NETWORK, one(NETWORK, text), "p") == words


def test_a_target_is_a_class_first_and_then_a_layer():
    x = noise(1, 3, 8, 8)
    assert target_unit(NETWORK, x, "conv1") == Unit("logits", 4)  # there is such a class
    assert target_unit(NETWORK, x, "conv2") == Unit("conv2", None)
    assert target_unit(NETWORK, x, "conv2 + fc") == Sum(((1, Unit("conv2", None)), (1, Unit("fc", None))))
    assert target_unit(NETWORK, x, "black swan") == Unit("logits", 0)
    assert target_unit(NETWORK, x, "0.5*conv2:1") == Sum(((0.5, Unit("conv2", 1)),))
    with pytest.raises(Mistake, match="names several units"):
        target_unit(NETWORK, x, "conv2:all")
    with pytest.raises(Mistake, match="no class 'conv3'"):
        target_unit(NETWORK, x, "conv3")


def test_numbers_of_modules_are_classes_as_targets():
    network = Network(nn.Sequential(nn.Conv2d(3, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()).double(), size=8)
    assert target_unit(network, noise(1, 3, 8, 8), "1") == Unit("logits", 1)
    with pytest.raises(Mistake, match="'-1' means nothing"):
        target_unit(network, noise(1, 3, 8, 8), "-1")


# ----------------------------------------------------------------------------------------- vision transformers


def by_hooks(model, module, x, index, token, mean=0.0, std=1.0):
    """The value of a channel at a token (None: mean over tokens), and its slope, with a hook and plain autograd."""
    kept, x = [], x.clone().requires_grad_()
    hook = model.get_submodule(module).register_forward_hook(lambda m, i, o: kept.append(o)) if module else None
    out = model((x - mean) / std)
    if hook:
        hook.remove()
    y = kept[0] if module else out
    value = y[:, index] if not module else y[..., index].mean(1) if token is None else y[:, token, index]
    return value.detach(), torch.autograd.grad(value.sum(), x)[0]


def asked(blocks, grid, side):
    patch = (side // 2, 1)
    for block in blocks:
        name = f"encoder.layers.encoder_layer_{block}"
        yield f"{name}:3", name, 3, None
        yield f"{name}:3@class", name, 3, 0
        yield f"{name}:5@7", name, 5, 7
        yield f"{name}:1@{patch[0]},{patch[1]}", name, 1, 1 + patch[0] * grid + patch[1]
    yield "logits:2", "", 2, None


def assert_by_hooks(model, size, cases):
    network = Network(model, size=size, mean=(0.5,) * 3, std=(0.2,) * 3)
    x = noise(1, 3, size, size)
    for text, module, index, token in cases:
        found = gradient(network, unit_term(parse_unit(network, text)))(x, torch.tensor([0]), Key(0, [0], step=0))
        expected = by_hooks(network.model.eval(), module, x, index, token, 0.5, 0.2)
        for one_, other in zip(found[:2], expected, strict=True):
            torch.testing.assert_close(one_, other, rtol=1e-10, atol=1e-10 * float(other.abs().max()))
            assert other.abs().max() > 0


def tiny(**options):
    torch.manual_seed(0)
    facts = {"image_size": 32, "patch_size": 8, "num_layers": 2, "num_heads": 2, "hidden_dim": 16, "mlp_dim": 32}
    return import_torchvision().models.VisionTransformer(**facts, **options).double()


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


class Attentive(nn.Module):
    """nn.MultiheadAttention with all of its variants."""

    def __init__(self, masked, weights, **options):
        super().__init__()
        self.cut, self.key = nn.Conv2d(3, 6, 4, 4), nn.Linear(6, options.get("kdim", 6))
        self.attention = nn.MultiheadAttention(6, 2, batch_first=True, **options)
        future = torch.ones(16, 16).triu(1).bool()
        self.options = {"attn_mask": future if masked else None, "need_weights": weights}

    def forward(self, x):
        x = self.cut(x).flatten(2).transpose(1, 2)
        k = self.key(x)
        return self.attention(x, k, k, **self.options)[0].mean(1)


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


def test_the_heads_of_timms_attention_are_units():
    pytest.importorskip("timm")
    from timm.models.vision_transformer import VisionTransformer

    torch.manual_seed(0)
    model = VisionTransformer(img_size=32, patch_size=8, depth=1, num_heads=2, embed_dim=16, num_classes=5).double()
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

"""Units in words: every spelling, back and forth; and what is said to a spelling that is none."""

import pytest
import torch
from hypothesis import strategies as st
from torch import nn

from phosphene.core.networks.network import Network
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.objectives import gradient
from phosphene.core.optimization.terms import Reading
from phosphene.core.units.directions import Direction
from phosphene.core.units.spelling import parse_unit, parse_units
from phosphene.core.units.units import Sum, Unit, groups, signature, stems, unit_term
from phosphene.models.torchvision import import_torchvision
from tests.small import noise, normal

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


A, B = Unit("conv1", 2), Unit("conv2", 3, (1, 0))


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

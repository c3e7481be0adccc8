"""Relevance is zennit's where zennit sees the layers, the papers' formulas in loops, and adds up without biases."""

from itertools import product
from typing import get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from phosphene.attribution import lrp
from phosphene.attribution.methods.lrp import Composite
from phosphene.attribution.question import question
from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from tests.core.witness import apart, state
from tests.foreign import foreign
from tests.small import convnet, levels, noise

COMPOSITES = get_args(Composite)
THEIRS = {
    "epsilon-plus": "EpsilonPlus",
    "epsilon-plus-flat": "EpsilonPlusFlat",
    "epsilon-gamma-box": "EpsilonGammaBox",
    "epsilon-alpha2-beta1": "EpsilonAlpha2Beta1",
    "epsilon-alpha2-beta1-flat": "EpsilonAlpha2Beta1Flat",
}
FEW = ["epsilon-plus", "epsilon-plus-flat", "epsilon-gamma-box"]
"""One for each rule where the picture is seen."""
MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.25, 0.3)
LOW, HIGH = (
    torch.tensor([(end - m) / s for m, s in zip(MEAN, STD, strict=True)], dtype=torch.float64).view(3, 1, 1)
    for end in (0, 1)
)
"""Black and white as a network is fed them."""


def of(model, size=16, mean=MEAN, std=STD, **facts):
    return Network(model, size=size, mean=mean, std=std, **facts)


def relevance(network, x, target=2, against=None, unit=None, **options):
    """What the method finds, in the network's own precision."""
    named = {"unit": unit} if unit else {"target": target, "against": against}
    return lrp.method(question(network, x, **named), x, **options).values


@torch.no_grad()
def uneven(model):
    """In eval mode, its batch normalization with numbers that matter."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.uniform_(-0.3, 0.3)
            module.running_var.uniform_(0.5, 2)
            module.weight.uniform_(-1, 1.5)
            module.bias.uniform_(-0.3, 0.3)
            module.eps = 0.0  # zennit folds, and leaves a division by sqrt(1 + eps) behind: 5e-6 a layer
    return model.double().eval()


def vgg(norm=False):
    def norms(channels):
        return [nn.BatchNorm2d(channels)] if norm else []

    return uneven(nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), *norms(8), nn.ReLU(),
        nn.Conv2d(8, 8, 3, padding=1), *norms(8), nn.ReLU(inplace=True), nn.MaxPool2d(2),
        nn.Conv2d(8, 12, 3, stride=2), *norms(12), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(),
        nn.Linear(48, 16), nn.ReLU(), nn.Dropout(), nn.Linear(16, 5),
    ))  # fmt: skip


# -------------------------------------------------------------------------------------------------------- zennit


def zennits(name, model, x, target=2, canonizers=()):
    """The relevance of the score that zennit hands down, in the model's own space: the same number for each colour."""
    composites = foreign("zennit.composites")
    bounds = {"low": LOW[None], "high": HIGH[None]} if name.endswith("box") else {}
    fed = (LOW + x * (HIGH - LOW)).requires_grad_()
    composite = getattr(composites, THEIRS[name])(canonizers=list(canonizers), **bounds)
    with composite.context(model) as changed:
        logits = changed(fed)
        start = logits.detach() * F.one_hot(torch.full((len(x),), target), logits.shape[1])
        return torch.autograd.grad(logits, fed, start)[0]


def close(ours, theirs):
    return apart(ours, theirs) < 1e-9


@pytest.mark.parametrize("composite", THEIRS)
def test_it_is_zennits_on_a_network_like_vgg(composite):
    model, x = vgg(), noise(3, 3, 16, 16)
    assert close(relevance(of(model), x, composite=composite), zennits(composite, model, x))


@pytest.mark.parametrize("composite", THEIRS)
def test_batch_normalization_is_folded_as_zennit_folds_it(composite):
    canonizers = foreign("zennit.canonizers")
    model, x = vgg(norm=True), noise(2, 3, 16, 16)
    ours = relevance(of(model), x, composite=composite)
    assert close(ours, zennits(composite, model, x, canonizers=[canonizers.SequentialMergeBatchNorm()]))


@pytest.mark.parametrize("composite", THEIRS)
def test_batch_normalization_that_cannot_be_folded_passes_relevance_on_as_zennits(composite):
    model = vgg()
    model = uneven(nn.Sequential(*model[:2], nn.Conv2d(8, 8, 1), nn.Identity(), *model[2:]))
    model[3] = nn.Sequential(nn.Tanh(), nn.BatchNorm2d(8))
    model, x = uneven(model), noise(2, 3, 16, 16)
    assert close(relevance(of(model), x, composite=composite), zennits(composite, model, x))


@pytest.mark.slow
@pytest.mark.parametrize("composite", THEIRS)
def test_residual_networks_share_at_their_additions_as_zennits_do(composite):
    canonizer = foreign("zennit.torchvision").ResNetCanonizer()
    from torchvision import models

    model = uneven(models.resnet.ResNet(models.resnet.BasicBlock, [1, 1, 1, 1], num_classes=5))
    x = noise(2, 3, 32, 32)
    ours = relevance(of(model, 32), x, composite=composite)
    assert close(ours, zennits(composite, model, x, canonizers=[canonizer]))


class Functional(nn.Module):
    """The network like VGG with a function for every layer: zennit finds no module to hook."""

    def __init__(self, model):
        super().__init__()
        layers = [layer for layer in model if isinstance(layer, (nn.Conv2d, nn.Linear))]
        self.weights = nn.ParameterList([layer.weight for layer in layers])
        self.biases = nn.ParameterList([layer.bias for layer in layers])

    def forward(self, x):
        w, b = self.weights, self.biases
        x = F.relu(F.conv2d(x, w[0], b[0], padding=1))
        x = F.conv2d(x, w[1], bias=b[1], padding=1).relu_()
        x = F.max_pool2d(x, 2)
        x = F.conv2d(input=x, weight=w[2], bias=b[2], stride=2).clamp_(min=0)
        x = F.adaptive_avg_pool2d(x, 2).flatten(1)
        x = torch.maximum(F.linear(x, w[3], b[3]), x.new_zeros(1))
        return F.linear(x, w[4], b[4])


@pytest.mark.parametrize("composite", THEIRS)
def test_functions_are_seen_where_zennit_finds_nothing(composite):
    model, x = vgg(), noise(2, 3, 16, 16)
    expected = zennits(composite, model, x)
    functional = Functional(model).eval()
    assert close(relevance(of(functional), x, composite=composite), expected)
    assert not close(zennits(composite, functional, x), expected)


# ---------------------------------------------------------------------------------------------------- a slow twin


def stable(z, epsilon=1e-6):
    return z + (epsilon if z >= 0 else -epsilon)


def contributions(rule, x, w, b, y, low, high):
    """Of inputs x to one output y, with weights w and bias b: what each gets for, and what that is divided by."""
    z = [xi * wi for xi, wi in zip(x, w, strict=True)]
    if rule == "epsilon":
        return [(z, y)]
    if rule in ("plus", "alpha2-beta1"):
        agreeing, opposing = [max(zi, 0.0) for zi in z], [min(zi, 0.0) for zi in z]
        parts = [(agreeing, sum(agreeing) + max(b, 0.0)), (opposing, sum(opposing) + min(b, 0.0))]
        return parts[:1] if rule == "plus" else [([2 * a for a in parts[0][0]], parts[0][1]),
                                                 ([-o for o in parts[1][0]], parts[1][1])]  # fmt: skip
    if rule == "gamma":
        side = max if y > 0 else min
        favoured = [zi + 0.25 * side(zi, 0.0) for zi in z]
        return [(favoured, sum(favoured) + b + 0.25 * side(b, 0.0))]
    if rule == "flat":
        seen = [1.0 if wi != 0 else 0.0 for wi in w]
        return [(seen, sum(seen))]
    boxed = [zi - lo * max(wi, 0.0) - hi * min(wi, 0.0) for zi, wi, lo, hi in zip(z, w, low, high, strict=True)]
    return [(boxed, sum(boxed))]


def handed(rule, layer, x, relevance, low, high):
    """The relevance of a layer's outputs, handed to its inputs one by one."""
    zero = torch.zeros_like(x)
    b = layer(zero[None])[0].flatten()
    # a column of the layer's matrix is what it says about one input
    columns = []
    for i in range(x.numel()):
        one = zero.clone()
        one.view(-1)[i] = 1
        columns.append(layer(one[None])[0].flatten() - b)
    w = torch.stack(columns)
    y = layer(x[None])[0].flatten()
    numbers = [v.flatten().tolist() for v in (x, low, high)]
    given = [0.0] * x.numel()
    for j, r in enumerate(relevance.flatten().tolist()):
        xs, lows, highs = numbers
        for share, total in contributions(rule, xs, w[:, j].tolist(), b[j].item(), y[j].item(), lows, highs):
            for i, part in enumerate(share):
                given[i] += part / stable(total) * r
    return torch.tensor(given, dtype=torch.float64).view_as(x)


TWINS = {
    "epsilon": ("epsilon", "epsilon", "epsilon"),
    "gamma": ("gamma", "gamma", "gamma"),
    "epsilon-plus": ("plus", "plus", "epsilon"),
    "epsilon-plus-flat": ("flat", "plus", "epsilon"),
    "epsilon-gamma-box": ("box", "gamma", "epsilon"),
    "epsilon-alpha2-beta1": ("alpha2-beta1", "alpha2-beta1", "epsilon"),
    "epsilon-alpha2-beta1-flat": ("flat", "alpha2-beta1", "epsilon"),
}
"""The rules of the layer that sees the picture, of other convolutions, and of fully connected layers."""


def slow(composite, model, x, target):
    """The relevance of one picture, as it is fed, through conv, relu, conv, relu, max pooling, and a linear layer."""
    first, second, third = TWINS[composite]
    conv1, conv2, fc = model[0], model[2], model[6]
    with torch.no_grad():
        a = conv1(x[None])[0].clamp(min=0)
        b = conv2(a[None])[0].clamp(min=0)
        pooled, switches = F.max_pool2d(b[None], 2, return_indices=True)
        logits = fc(pooled.flatten(1))[0]
        r = torch.zeros_like(logits)
        r[target] = logits[target]
        low, high = (end.expand_as(x) for end in (LOW, HIGH))
        r = handed(third, fc, pooled.flatten(), r, pooled.flatten(), pooled.flatten()).view_as(pooled)
        r = F.max_unpool2d(r, switches, 2, output_size=b.shape[1:])[0]
        r = handed(second, conv2, a, r, a, a)
        return handed(first, conv1, x, r, low, high)


@pytest.mark.parametrize("composite", COMPOSITES)
def test_it_equals_the_papers_formulas_in_loops(composite):
    torch.manual_seed(3)
    model = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 3, 3), nn.ReLU(), nn.MaxPool2d(2),
                          nn.Flatten(), nn.Linear(12, 3)).double().eval()  # fmt: skip
    x = noise(1, 3, 6, 6)
    expected = slow(composite, model, LOW + x[0] * (HIGH - LOW), 1)
    assert close(relevance(of(model, 6), x, 1, composite=composite), expected[None])


# ----------------------------------------------------------------------------------------------------------- laws


def unbiased(seed=0, act=nn.ReLU):
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, bias=False), act(), nn.Conv2d(8, 8, 3, stride=2, bias=False), act(), nn.AvgPool2d(2),
        nn.Conv2d(8, 6, 1, bias=False), act(), nn.Flatten(), nn.Linear(54, 4, bias=False),
    ).double().eval()  # fmt: skip


@pytest.mark.slow
@settings(max_examples=25)
@given(st.sampled_from([name for name in COMPOSITES if "beta" not in name]), st.integers(0, 1000))
def test_relevance_is_conserved_where_there_are_no_biases(composite, seed):
    x = noise(2, 3, 16, 16, seed=seed)
    network = of(unbiased(seed))
    maps = lrp.method(question(network, x, target=1), x, composite=composite)
    for value, facts in zip(network.read(x, ["logits"])["logits"][:, 1].tolist(), maps.facts, strict=True):
        assert facts["value"] == pytest.approx(value)
        assert facts["relevance"] == pytest.approx(value, rel=2e-3, abs=1e-5)
        assert facts["lost"] == pytest.approx(facts["value"] - facts["relevance"])
    torch.testing.assert_close(
        maps.values.flatten(1).sum(1).tolist(), [facts["relevance"] for facts in maps.facts], rtol=1e-9, atol=1e-12
    )


@pytest.mark.parametrize(
    "act", [nn.GELU, nn.SiLU, nn.Hardswish, nn.Tanh, nn.ELU, nn.LeakyReLU, nn.ReLU6, lambda: nn.GELU("tanh")]
)
def test_activations_hand_on_all_that_they_get(act):
    x = noise(2, 3, 16, 16)
    facts = lrp.method(question(of(unbiased(act=act)), x, target=1), x).facts
    assert all(each["lost"] == pytest.approx(0, abs=1e-3 * abs(each["value"])) for each in facts)


@pytest.mark.parametrize("composite", FEW)
def test_why_this_rather_than_that_is_the_difference(composite):
    network, x = of(vgg()), noise(2, 3, 16, 16)
    this, that = (relevance(network, x, target, composite=composite) for target in (1, 3))
    assert close(relevance(network, x, 1, against=3, composite=composite), this - that)


@pytest.mark.parametrize("composite", FEW)
def test_a_batch_is_its_pictures_one_by_one(composite):
    network, x = of(vgg(norm=True)), noise(5, 3, 16, 16)
    together = lrp.method(question(network, x, batch=2), x, composite=composite)
    for i in range(5):
        alone = lrp.method(question(network, x[i : i + 1]), x[i : i + 1], composite=composite)
        assert close(together.values[i], alone.values[0])
        assert together.facts[i] == pytest.approx(alone.facts[0])


@pytest.mark.parametrize(("composite", "size"), [("epsilon", {"epsilon": 0.1}), ("gamma", {"gamma": 1.0}),
                                                 ("epsilon-gamma-box", {"gamma": 1.0})])  # fmt: skip
def test_their_sizes_are_options(composite, size):
    network, x = of(vgg()), noise(1, 3, 16, 16)
    found = relevance(network, x, composite=composite)
    assert not close(relevance(network, x, composite=composite, **size), found)


def test_gamma_0_is_epsilon_with_the_size_of_the_stabilizer():
    network, x = of(vgg()), noise(1, 3, 16, 16)
    assert close(relevance(network, x, composite="gamma", gamma=0), relevance(network, x, composite="epsilon"))


def test_epsilon_0_leaves_the_gradient_times_the_input_of_a_network_of_rectifiers():
    network, x = of(unbiased()), noise(1, 3, 16, 16)
    fed = network.preprocess(x).detach().requires_grad_()
    (slope,) = torch.autograd.grad(network.model(fed)[:, 2].sum(), fed)
    found = relevance(network, x, composite="epsilon", epsilon=0)
    assert apart(found, (fed * slope).detach()) < 1e-3  # average pooling has its stabilizer


@pytest.mark.parametrize("composite", COMPOSITES)
def test_a_blank_picture_is_no_trouble(composite):
    network = of(vgg())
    x = torch.tensor(MEAN, dtype=torch.float64).view(1, 3, 1, 1).expand(1, 3, 16, 16).clone()
    assert relevance(network, x, composite=composite).isfinite().all()


def test_a_unit_of_a_layer_has_relevance_in_its_receptive_field_alone():
    network, x = convnet(), noise(1, 3, 16, 16)
    found = relevance(network, x, unit="conv2:1@2,3", composite="epsilon-plus-flat")
    outside = torch.ones(16, 16, dtype=torch.bool)
    outside[2:7, 4:9] = False
    assert found[..., outside].abs().max() == 0
    assert found.abs().max() > 0


# ---------------------------------------------------------------------------------------- how the picture comes in


class Normalized(nn.Module):
    """Fed pixels, it does what others leave to whoever feeds them."""

    def __init__(self, model, way):
        super().__init__()
        self.model, self.way = model, way
        self.register_buffer("mean", torch.tensor(MEAN, dtype=torch.float64).view(3, 1, 1))
        self.register_buffer("std", torch.tensor(STD, dtype=torch.float64).view(3, 1, 1))

    def forward(self, x):
        if self.way == "in place":
            return self.model(x.clone().sub_(self.mean).div_(self.std))
        if self.way == "turned":
            return self.model((self.mean - x) / -self.std)
        if self.way == "by channel":
            each = [(x[:, c : c + 1] - self.mean[c]) * (1 / self.std[c]) for c in range(3)]
            return self.model(torch.cat(each, 1))
        return self.model(x.sub(self.mean) / self.std)


@pytest.mark.parametrize(("composite", "way"), product(FEW, ["", "in place", "turned", "by channel"]))
def test_a_normalization_inside_of_the_model_makes_no_difference(composite, way):
    model, x = vgg(), noise(2, 3, 16, 16)
    inside = of(Normalized(model, way), mean=(0.0,), std=(1.0,))
    assert close(relevance(inside, x, composite=composite), relevance(of(model), x, composite=composite))


class Padded(nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, x):
        return self.model[1:](F.conv2d(F.pad(x, (1, 1, 1, 1)), self.model[0].weight, self.model[0].bias))


@pytest.mark.parametrize("composite", ["epsilon-plus", "epsilon-gamma-box"])
def test_padding_before_the_first_layer_makes_no_difference(composite):
    model, x = vgg(), noise(2, 3, 16, 16)
    assert close(relevance(of(Padded(model)), x, composite=composite), relevance(of(model), x, composite=composite))


@pytest.mark.parametrize("composite", FEW)
def test_relevance_is_of_rgb_whatever_order_the_model_wants(composite):
    model, x = vgg(), noise(2, 3, 16, 16)
    expected = relevance(of(model), x, composite=composite)
    with torch.no_grad():
        model[0].weight.copy_(model[0].weight.flip(1))
    assert close(relevance(of(model, bgr=True), x, composite=composite), expected)


@pytest.mark.parametrize("composite", FEW)
def test_a_grey_network_adds_up_to_the_relevance_of_its_one_channel(composite):
    model, x = vgg(), noise(2, 3, 16, 16)
    model[0] = nn.Conv2d(1, 8, 3, padding=1).double()
    found = relevance(of(model, mean=(0.5,), std=(0.2,)), x, composite=composite)
    grey = x.mean(1, keepdim=True).expand(-1, 3, -1, -1).contiguous()
    same = relevance(of(model, mean=(0.5,), std=(0.2,)), grey, composite=composite)
    assert close(found.sum(1), same.sum(1))
    if composite.endswith("flat"):
        assert close(found, found.mean(1, keepdim=True).expand_as(found))


def test_in_float32_and_channels_last_it_is_nearly_the_same():
    model, x = vgg(norm=True), noise(2, 3, 16, 16)
    exact = relevance(of(model), x)
    rounded = relevance(of(model.float()), x.float())
    assert rounded.dtype == torch.float32
    assert apart(rounded.double(), exact) < 1e-3


@pytest.mark.parametrize("score", ["log-p", "p"])
def test_other_scores_begin_with_each_logit_times_its_slope(score):
    model, x = vgg(), noise(1, 3, 16, 16)
    network = of(model)
    logits = network.read(x, ["logits"])["logits"].requires_grad_()
    p = logits.log_softmax(1) if score == "log-p" else logits.softmax(1)
    (slope,) = torch.autograd.grad(p[0, 2], logits)
    expected = sum(slope[0, k] * relevance(network, x, k) for k in range(5))
    assert close(lrp.method(question(network, x, target=2, score=score), x).values, expected)


# ------------------------------------------------------------------------------------- what else networks consist of


class Gated(nn.Module):
    """A block of squeeze and excitation, whose gate is a constant or not."""

    def __init__(self, gate, constant=False, by_hand=None):
        super().__init__()
        self.a, self.b, self.head = nn.Conv2d(3, 6, 3), nn.Conv2d(6, 6, 1), nn.Linear(6, 4)
        self.gate, self.constant, self.by_hand = gate, constant, by_hand
        self.double().eval()

    def forward(self, x):
        y = F.relu(self.a(x))
        gate = self.gate(self.b(y.mean((2, 3), keepdim=True)))
        gate = gate.detach() if self.constant else gate
        y = y * gate.expand_as(y) if self.by_hand is None else self.by_hand(y, gate)
        return self.head(y.mean((2, 3)))


@pytest.mark.parametrize("gate", [torch.sigmoid, F.hardsigmoid, lambda x: x.softmax(1), lambda x: x.sigmoid_()])
@pytest.mark.parametrize("by_hand", [None, lambda y, gate: y.mul_(gate), lambda y, gate: gate * y])
def test_gates_are_constants(gate, by_hand):
    torch.manual_seed(1)
    model, x = Gated(gate, by_hand=by_hand), noise(2, 3, 16, 16)
    constant = Gated(gate, True)
    constant.load_state_dict(model.state_dict())
    assert close(relevance(of(model), x), relevance(of(constant), x))


def test_another_product_of_two_signals_is_halved():
    torch.manual_seed(1)
    squared, x = Gated(lambda g: g, by_hand=lambda y, g: y * y), noise(2, 3, 16, 16)
    passing = Gated(lambda g: g, by_hand=lambda y, g: y.square())
    passing.load_state_dict(squared.state_dict())
    assert close(relevance(of(squared), x), relevance(of(passing), x))


class Block(nn.Module):
    """A transformer's, with a switch for each way to write it, and for the constants of Ali et al. put in by hand."""

    def __init__(self, way="sdpa", constant=False, width=12, heads=2):
        super().__init__()
        self.way, self.constant, self.heads = way, constant, heads
        self.attention = nn.MultiheadAttention(width, heads, bias=False, batch_first=True)
        self.up, self.down = nn.Linear(width, 24, bias=False), nn.Linear(24, width, bias=False)
        self.norms = nn.ModuleList(nn.LayerNorm(width, elementwise_affine=False) for _ in range(2))

    def norm(self, which, x):
        if not self.constant:
            return self.norms[which](x)
        centred = x - x.mean(-1, keepdim=True)
        return centred / (x.var(-1, unbiased=False, keepdim=True) + 1e-5).sqrt().detach()

    def attend(self, x):
        if self.way.startswith("module"):
            return self.attention(x, x, x, need_weights=self.way == "module with weights")[0]
        n, tokens, width = x.shape
        q, k, v = (x @ self.attention.in_proj_weight.T).view(n, tokens, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        if self.constant or self.way == "softmax":
            weights = (q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5).softmax(-1)
            mixed = (weights.detach() if self.constant else weights) @ v
        elif self.way == "by name":
            mixed = F.scaled_dot_product_attention(query=q, key=k, value=v)
        else:
            mixed = F.scaled_dot_product_attention(q, k, v)
        return self.attention.out_proj(mixed.transpose(1, 2).reshape(n, tokens, width))

    def forward(self, x):
        x = x + self.attend(self.norm(0, x))
        hidden = self.up(self.norm(1, x))
        if self.constant:
            return x + self.down(hidden * (F.gelu(hidden) / hidden).detach())
        return x + self.down(F.gelu(hidden))


class Transformer(nn.Module):
    def __init__(self, way="sdpa", constant=False):
        super().__init__()
        self.cut = nn.Conv2d(3, 12, 4, 4, bias=False)
        self.blocks = nn.Sequential(*(Block(way, constant) for _ in range(2)))
        self.head = nn.Linear(12, 4, bias=False)
        self.double().eval()

    def forward(self, x):
        return self.head(self.blocks(self.cut(x).flatten(2).transpose(1, 2)).mean(1))


@pytest.mark.parametrize("way", ["sdpa", "by name", "softmax", "module", "module with weights"])
def test_a_transformer_has_constant_weights_and_deviations_however_it_is_written(way):
    """Ali et al. 2022: there relevance is the gradient times the input of a network with these constants."""
    torch.manual_seed(2)
    model, x = Transformer(way), noise(2, 3, 16, 16)
    by_hand = Transformer(constant=True)
    by_hand.load_state_dict(model.state_dict())
    network = of(model)
    found = lrp.method(question(network, x, target=1), x, composite="epsilon", epsilon=1e-9)
    fed = network.preprocess(x).detach().requires_grad_()
    by_hand.requires_grad_(False)
    (slope,) = torch.autograd.grad(by_hand(fed)[:, 1].sum(), fed)
    # the additions and the mean have zennit's stabilizer
    assert apart(found.values, fed.detach() * slope) < 1e-3
    assert all(facts["lost"] == pytest.approx(0, abs=1e-3) for facts in found.facts)


@pytest.mark.parametrize("norm", [nn.GroupNorm(2, 6), nn.GroupNorm(1, 6, affine=False), nn.InstanceNorm2d(6),
                                  nn.InstanceNorm2d(6, affine=True)])  # fmt: skip
def test_group_and_instance_normalization_divide_by_a_constant(norm):
    torch.manual_seed(1)
    norm = norm.double()
    with torch.no_grad():
        for parameter in norm.parameters():
            parameter.uniform_(0.5, 1.5)
    groups = getattr(norm, "num_groups", 6)

    def constant(y):
        parts = y.reshape(len(y), groups, -1)
        parts = (parts - parts.mean(-1, keepdim=True)) / (
            parts.var(-1, unbiased=False, keepdim=True) + 1e-5
        ).sqrt().detach()
        y = parts.reshape(y.shape)
        return y if norm.weight is None else y * norm.weight.view(-1, 1, 1) + norm.bias.view(-1, 1, 1)

    a, head, x = nn.Conv2d(3, 6, 3).double(), nn.Linear(6, 4).double(), noise(2, 3, 16, 16)
    network = of(nn.Sequential(a, norm, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), head).eval())
    fed = network.preprocess(x).detach().requires_grad_()
    (slope,) = torch.autograd.grad(head(F.relu(constant(a(fed))).mean((2, 3)))[:, 2].sum(), fed)
    found = relevance(network, x, composite="epsilon", epsilon=1e-12)
    assert apart(found, (fed * slope).detach()) < 1e-4


@pytest.mark.parametrize("composite", COMPOSITES)
def test_local_response_normalization_hands_on_what_it_gets(composite):
    torch.manual_seed(0)
    with_it = nn.Sequential(*unbiased()[:2], nn.LocalResponseNorm(3, 0.5, k=2.0), *unbiased()[2:])
    x = noise(2, 3, 16, 16)
    facts = lrp.method(question(of(with_it), x, target=1), x, composite=composite).facts
    assert all(each["lost"] == pytest.approx(0, abs=1e-3 + 2e-3 * abs(each["value"])) for each in facts)


class Shared(nn.Module):
    """One convolution, one rectifier, several times, and everything in place."""

    def __init__(self, in_place):
        super().__init__()
        self.a, self.b, self.act, self.in_place = (
            nn.Conv2d(3, 6, 3),
            nn.Conv2d(6, 6, 3, padding=1),
            nn.ReLU(in_place),
            in_place,
        )
        self.head = nn.Linear(6, 4)
        self.double().eval()

    def forward(self, x):
        y = self.act(self.a(x))
        for _ in range(2):
            z = self.b(y)
            if self.in_place:
                z += y
                y = F.relu_(z) if z.requires_grad else F.relu(z, True)
            else:
                y = F.relu(z + y)
        return self.head(y.mean((2, 3)))


@pytest.mark.parametrize("composite", FEW)
def test_shared_modules_and_operations_in_place_are_like_any_other(composite):
    torch.manual_seed(1)
    plain, x = Shared(False), noise(2, 3, 16, 16)
    written = Shared(True)
    written.load_state_dict(plain.state_dict())
    assert close(relevance(of(written), x, composite=composite), relevance(of(plain), x, composite=composite))


# ------------------------------------------------------------------------------------------------------- the recipe


def test_the_result_says_what_was_lost():
    result = lrp(convnet(), levels(3, 16, 16), target="zebra")
    assert result.values.shape == (1, 3, 16, 16)
    (numbers,) = result.numbers
    assert numbers["words"] == "logit of zebra"
    assert numbers["lost"] == pytest.approx(numbers["value"] - numbers["relevance"])
    assert numbers["relevance"] == pytest.approx(float(result.values.sum()), rel=1e-5)


def test_the_model_is_given_back_as_it_was():
    network, x = of(vgg(norm=True).train()), noise(1, 3, 16, 16)
    _ = network.layers
    before = state(network.model)
    relevance(network, x)
    assert state(network.model) == before
    assert network.model.training


@pytest.mark.parametrize(("given", "said"), [("epsilon_plus_flat", "did you mean 'epsilon-plus-flat'"),
                                             ("excitation", "there are epsilon, gamma, epsilon-plus,")])  # fmt: skip
def test_a_composite_that_is_not_there_is_told(given, said):
    with pytest.raises(Mistake, match=said):
        lrp(convnet(), levels(3, 16, 16), composite=given)


def test_a_network_without_layers_to_act_on_is_refused():
    class Means(nn.Module):
        def forward(self, x):
            return torch.relu(x.mean((2, 3)))

    with pytest.raises(Mistake, match=r"hands relevance through convolutions .* has none"):
        relevance(Network(Means(), size=16), noise(1, 3, 16, 16))


@pytest.mark.parametrize("option", [{"epsilon": -1}, {"gamma": -0.1}])
def test_sizes_below_zero_are_refused(option):
    with pytest.raises(Mistake, match="it must be 0 to"):
        lrp(convnet(), levels(3, 16, 16), **option)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["inception5h", "mobilenet_v2", "squeezenet1_1"])
def test_on_a_dog_and_a_cat_each_class_is_found_where_it_is(shared_network, data, name):
    network = shared_network(name)
    photo = str(data / "images" / "cat_dog.png")
    dog, cat = (lrp(network, photo, target=target).values[0].sum(0) for target in ("bull mastiff", "tabby"))
    above, below = slice(0, 128), slice(128, 224)
    assert dog[above].sum() > 2 * dog[below].sum()
    assert cat[below].sum() / cat.sum() > 2 * dog[below].sum() / dog.sum()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["densenet121", "mobilenet_v3_small", "convnext_tiny", "swin_t", "vit_b_16"])
def test_any_network_of_the_zoo_says_the_same_while_relevance_passes(zoo, name):
    network = Network(zoo(name, **({"image_size": 64} if name == "vit_b_16" else {})), size=64)
    x = noise(1, 3, *network.size)
    maps = lrp.method(question(network, x, target=3), x)
    said = network.read(x, ["logits"])["logits"][:, 3]
    assert [facts["value"] for facts in maps.facts] == pytest.approx(said.tolist(), rel=1e-9)
    assert maps.values.isfinite().all() and maps.values.abs().sum() > 0

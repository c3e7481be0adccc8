"""The rules for rectifiers, against twins written by hand."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from phosphene.core.networks.rectifiers import ruled
from tests.core.networks.models import Around, conv, mean, of, pictures
from tests.core.witness import apart, state

RULES = ["gradient", "guided", "deconvnet"]


def normal_cdf(f):
    return 0.5 * (1 + torch.erf(f / math.sqrt(2)))


def relu(f):
    return f.clamp(min=0)


SCALE, ALPHA = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717
"""Of SELU (Klambauer et al. 2017, arXiv:1706.02515)."""

DERIVATIVES = {
    "relu": (relu, lambda f: (f > 0) * 1.0),
    "relu6": (lambda f: f.clamp(0, 6), lambda f: ((f > 0) & (f < 6)) * 1.0),
    "leaky": (
        lambda f: torch.where(f > 0, f, 0.1 * f),
        lambda f: torch.where(f > 0, torch.ones_like(f), torch.full_like(f, 0.1)),
    ),
    "gelu": (
        lambda f: f * normal_cdf(f),
        lambda f: normal_cdf(f) + f * torch.exp(-f * f / 2) / math.sqrt(2 * math.pi),
    ),
    "silu": (
        lambda f: f * torch.sigmoid(f),
        lambda f: torch.sigmoid(f) * (1 + f * (1 - torch.sigmoid(f))),
    ),
    "hardswish": (
        lambda f: f * (f + 3).clamp(0, 6) / 6,
        lambda f: torch.where(f <= -3, 0.0, torch.where(f >= 3, 1.0, (2 * f + 3) / 6)),
    ),
    "elu": (
        lambda f: torch.where(f > 0, f, 1.5 * (torch.exp(f) - 1)),
        lambda f: torch.where(f > 0, 1.0, 1.5 * torch.exp(f)),
    ),
    "celu": (
        lambda f: torch.where(f > 0, f, 1.5 * (torch.exp(f / 1.5) - 1)),
        lambda f: torch.where(f > 0, 1.0, torch.exp(f / 1.5)),
    ),
    "selu": (
        lambda f: SCALE * torch.where(f > 0, f, ALPHA * (torch.exp(f) - 1)),
        lambda f: SCALE * torch.where(f > 0, 1.0, ALPHA * torch.exp(f)),
    ),
    "softplus": (lambda f: torch.log1p(torch.exp(2 * f)) / 2, lambda f: 1 / (1 + torch.exp(-2 * f))),
    "mish": (
        lambda f: f * torch.tanh(torch.log1p(torch.exp(f))),
        lambda f: (
            torch.tanh(torch.log1p(torch.exp(f)))
            + f * torch.sigmoid(f) * (1 - torch.tanh(torch.log1p(torch.exp(f))) ** 2)
        ),
    ),
}
"""What an activation is and its derivative, written out."""


def passed(rule, derivative, f, above):
    """What goes back through one rectifier: the three rules, as they are defined."""
    if rule == "gradient":
        return derivative(f) * above
    if rule == "deconvnet":
        return above * (above > 0)
    return derivative(f) * (f > 0) * above * (above > 0)


def slow(rule, kind, x, a, b, head):
    """Logit 0 of head(mean(act(b(act(a(x)))))) and its signal at x, layer by layer."""
    activation, derivative = DERIVATIVES[kind]
    f1 = F.conv2d(x, a.weight, a.bias, padding=1)
    f2 = F.conv2d(activation(f1), b.weight, b.bias, padding=1)
    logit = (head.weight[0] * activation(f2).mean((2, 3))).sum(1) + head.bias[0]
    signal = (head.weight[0] / f2[0, 0].numel())[None, :, None, None].expand_as(f2)
    signal = F.conv_transpose2d(passed(rule, derivative, f2, signal), b.weight, padding=1)
    return logit, F.conv_transpose2d(passed(rule, derivative, f1, signal), a.weight, padding=1)


WAYS = {
    "nn.ReLU": ("relu", lambda m: nn.ReLU()),
    "nn.ReLU in place": ("relu", lambda m: nn.ReLU(inplace=True)),
    "F.relu": ("relu", lambda m: F.relu),
    "F.relu in place": ("relu", lambda m: lambda x: F.relu(x, inplace=True)),
    "F.relu in place by position": ("relu", lambda m: lambda x: F.relu(x, True)),
    "F.relu by keyword": ("relu", lambda m: lambda x: F.relu(input=x)),
    "torch.relu": ("relu", lambda m: torch.relu),
    "torch.relu_": ("relu", lambda m: torch.relu_),
    "Tensor.relu": ("relu", lambda m: lambda x: x.relu()),
    "Tensor.relu_": ("relu", lambda m: lambda x: x.relu_()),
    "nn.ReLU6": ("relu6", lambda m: nn.ReLU6()),
    "nn.ReLU6 in place": ("relu6", lambda m: nn.ReLU6(inplace=True)),
    "F.hardtanh": ("relu6", lambda m: lambda x: F.hardtanh(x, 0.0, 6.0)),
    "nn.LeakyReLU": ("leaky", lambda m: nn.LeakyReLU(0.1)),
    "nn.LeakyReLU in place": ("leaky", lambda m: nn.LeakyReLU(0.1, inplace=True)),
    "nn.PReLU": ("leaky", lambda m: prelu()),
    "nn.GELU": ("gelu", lambda m: nn.GELU()),
    "F.gelu": ("gelu", lambda m: F.gelu),
    "nn.SiLU": ("silu", lambda m: nn.SiLU()),
    "nn.SiLU in place": ("silu", lambda m: nn.SiLU(inplace=True)),
    "nn.Hardswish": ("hardswish", lambda m: nn.Hardswish()),
    "nn.Hardswish in place": ("hardswish", lambda m: nn.Hardswish(inplace=True)),
    "nn.ELU": ("elu", lambda m: nn.ELU(1.5)),
    "nn.ELU in place": ("elu", lambda m: nn.ELU(1.5, inplace=True)),
    "F.elu": ("elu", lambda m: lambda x: F.elu(x, alpha=1.5)),
    "F.elu_": ("elu", lambda m: lambda x: F.elu_(x, 1.5)),
    "nn.CELU": ("celu", lambda m: nn.CELU(1.5)),
    "torch.celu": ("celu", lambda m: lambda x: torch.celu(x, 1.5)),
    "nn.SELU": ("selu", lambda m: nn.SELU()),
    "F.selu in place": ("selu", lambda m: lambda x: F.selu(x, True)),
    "nn.Softplus": ("softplus", lambda m: nn.Softplus(2, 1000)),
    "nn.Mish": ("mish", lambda m: nn.Mish()),
    "F.mish": ("mish", lambda m: F.mish),
    "nn.RReLU": ("leaky", lambda m: nn.RReLU(0.05, 0.15)),
    "nn.Threshold": ("relu", lambda m: nn.Threshold(0.0, 0.0)),
    "Tensor.clamp": ("relu", lambda m: lambda x: x.clamp(min=0)),
    "Tensor.clamp by position": ("relu", lambda m: lambda x: x.clamp(0.0)),
    "Tensor.clamp_": ("relu", lambda m: lambda x: x.clamp_(min=0)),
    "torch.clamp": ("relu", lambda m: lambda x: torch.clamp(x, min=torch.zeros((), dtype=x.dtype))),
    "torch.clip": ("relu", lambda m: lambda x: torch.clip(x, 0)),
    "torch.clamp_min": ("relu", lambda m: lambda x: torch.clamp_min(x, 0)),
    "Tensor.clamp_min_": ("relu", lambda m: lambda x: x.clamp_min_(0)),
    "torch.maximum": ("relu", lambda m: lambda x: torch.maximum(x, x.new_zeros(1))),
    "torch.maximum the other way round": ("relu", lambda m: lambda x: torch.maximum(torch.zeros_like(x), other=x)),
    "torch.max": ("relu", lambda m: lambda x: torch.max(x, torch.zeros_like(x))),
}


def prelu():
    module = nn.PReLU().double()
    nn.init.constant_(module.weight, 0.1)
    return module


def rectified(make, shared=True):
    """Two convolutions, each behind it the rectifier; wide enough that every branch of it is met."""
    act = make(None)
    modules = {"act": act} if isinstance(act, nn.Module) else {}
    if not shared:
        modules["act2"] = make(None)

    def run(m, x):
        first = m.act if modules else act
        second = m.act2 if not shared else first
        return m.head(mean(second(m.b(first(m.a(x))))))

    model = Around(run, a=conv(), b=conv(4), head=nn.Linear(4, 2), **modules).double()
    with torch.no_grad():
        model.a.weight.mul_(20)
        model.b.weight.mul_(2)
    return of(model)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("way", WAYS)
def test_rules_equal_their_twin_however_the_rectifier_is_written(way, rule):
    kind, make = WAYS[way]
    network = rectified(make)
    model = network.model
    x = pictures(16, 16)
    before = state(model)
    logits = network.read(x, ["logits"], rule)["logits"]
    (gradient,) = torch.autograd.grad(logits[:, 0].sum(), x)
    logit, expected = slow(rule, kind, x.detach(), model.a, model.b, model.head)
    assert apart(logits[:, 0], logit) < 1e-12
    assert apart(gradient, expected) < 1e-12
    assert state(model) == before
    f = model.a(x)
    assert (f < -3).any() and (f > 6).any()


@pytest.mark.parametrize("rule", RULES)
def test_rules_equal_their_twin_with_a_module_for_each_site(rule):
    network = rectified(lambda m: nn.ReLU(), shared=False)
    x = pictures(16, 16)
    (gradient,) = torch.autograd.grad(network.read(x, ["logits"], rule)["logits"][:, 0].sum(), x)
    assert (
        apart(gradient, slow(rule, "relu", x.detach(), network.model.a, network.model.b, network.model.head)[1]) < 1e-12
    )


def test_the_rules_differ():
    network = rectified(lambda m: nn.ReLU())
    x = pictures(16, 16)
    gradients = [torch.autograd.grad(network.read(x, ["logits"], rule)["logits"][0, 0], x)[0] for rule in RULES]
    assert min(apart(gradients[i], gradients[j]) for i, j in ((0, 1), (0, 2), (1, 2))) > 0.01


@pytest.mark.slow
@pytest.mark.parametrize("rule", ["guided", "deconvnet"])
@pytest.mark.parametrize("inplace", [False, True])
def test_guided_backprop_and_deconvnet_equal_captums_on_relu_modules(rule, inplace):
    attr = pytest.importorskip("captum.attr")
    model = nn.Sequential(conv(3, 8), nn.ReLU(inplace), nn.MaxPool2d(2), conv(8, 8), nn.ReLU(inplace), nn.Flatten(),
                          nn.Linear(8 * 64, 5)).double().eval()  # fmt: skip
    network = Network(model, size=16)
    x = pictures(16, 16, n=2)
    (gradient,) = torch.autograd.grad(network.read(x, ["logits"], rule)["logits"][:, 3].sum(), x)
    oracle = {"guided": attr.GuidedBackprop, "deconvnet": attr.Deconvolution}[rule](
        nn.Sequential(*(nn.ReLU() if isinstance(module, nn.ReLU) else module for module in model))
    )
    assert apart(gradient, oracle.attribute(x.detach().requires_grad_(), target=3)) < 1e-12


@pytest.mark.parametrize("name", ["a", "relu", "add"])
def test_a_rule_and_a_functional_layer_in_place_go_together(name):
    def run(m, x):
        y = m.a(x).relu_()
        z = m.b(y)
        z += y
        return mean(z.relu_())

    network = of(Around(run, a=conv(), b=conv(4)))
    x = pictures(16, 16)
    if name == "a":
        with pytest.raises(Mistake, match="none that can be seen before this layer"):
            network.read(x, [name], "guided")
        return
    found = network.read(x, [name, "relu#2"], "guided")
    plain = network.read(x, [name, "relu#2"])
    assert all(apart(found[key], plain[key]) == 0 for key in found)
    ours, theirs = (torch.autograd.grad(y["relu#2"].sum(), x)[0] for y in (found, plain))
    assert apart(ours, theirs) > 0


def test_a_block_that_adds_to_its_own_input_can_be_guided():
    def run(m, x):
        y = m.a(x)
        y += m.b(F.relu(y))
        return mean(F.relu(y))

    x = pictures(16, 16)
    network = of(Around(run, a=conv(), b=conv(4)))
    (gradient,) = torch.autograd.grad(network.read(x, ["logits"], "guided")["logits"].sum(), x)
    copy = of(Around(lambda m, x: (lambda y: mean(F.relu(y + m.b(F.relu(y)))))(m.a(x)),
                     a=network.model.a, b=network.model.b))  # fmt: skip
    assert apart(gradient, torch.autograd.grad(copy.read(x, ["logits"], "guided")["logits"].sum(), x)[0]) < 1e-12


@pytest.mark.parametrize("rule", ["guided", "deconvnet"])
def test_a_network_without_rectifiers_is_refused(rule):
    network = of(Around(lambda m, x: mean(torch.sigmoid(m.a(x))), a=conv()))
    with pytest.raises(Mistake, match=f"^{rule} changes what rectifiers .* has none"):
        network.read(pictures(16, 16), ["logits"], rule)
    assert network.read(pictures(16, 16), ["logits"])["logits"].shape == (1, 4)


def test_a_closed_unit_is_opened_by_the_redirected_gradient():
    """A closed unit has a plain gradient of 0; the redirected one points where it opens; others keep the plain one."""
    weight = torch.tensor([[1.0, -2.0]], dtype=torch.float64)
    x = torch.tensor([[0.1, 0.9], [0.9, 0.1]], dtype=torch.float64, requires_grad=True)
    value = -ruled("redirected", F.relu, (x @ weight.T,), {}).sum()
    (gradient,) = torch.autograd.grad(value, x)
    torch.testing.assert_close(gradient, -weight.expand(2, -1))
    (pushed_shut,) = torch.autograd.grad(ruled("redirected", F.relu, (x @ weight.T,), {}).sum(), x)
    torch.testing.assert_close(pushed_shut, torch.cat([torch.zeros_like(weight), weight]))


RELU = [(1, -1, 0), (-1, -1, -1), (1, 1, 1), (-1, 1, -1), (1, 7, 1), (-1, 7, -1)]
RELU6 = [*RELU[:4], (1, 7, 1), (-1, 7, 0)]
"""(R, x, what is passed) as the tests of lucid have them; a plain ReLU has no end above."""
REDIRECTED = {
    "relu": (F.relu, {}, RELU),
    "relu6": (F.relu6, {}, RELU6),
    "hardtanh as relu6": (F.hardtanh, {"min_val": 0.0, "max_val": 6.0}, RELU6),
    "hardtanh": (F.hardtanh, {"min_val": -2.0, "max_val": 0.5},
                 [(1, -3, 0), (-1, -3, -1), (1, 0.25, 1), (-1, -1, -1), (1, 1, 1), (-1, 1, 0)]),
    "hardtanh below 0": (F.hardtanh, {"min_val": -3.0, "max_val": -1.0},
                         [(1, -4, 0), (-1, -4, -1), (1, -2, 1), (-1, -2, -1), (1, -0.5, 1), (-1, -0.5, 0)]),
    "threshold": (F.threshold, {"threshold": 1.0, "value": 20.0}, [(1, 0, 0), (-1, 0, -1), (1, 2, 1), (-1, 30, -1)]),
    "hardswish": (F.hardswish, {}, [(1, -4, 0), (-1, -4, -1), (1, 4, 1), (-1, 7, -1)]),
    "leaky_relu": (F.leaky_relu, {"negative_slope": 0.5}, [(1, -1, 0.5), (-1, -1, -0.5), (1, 7, 1), (-1, 7, -1)]),
    "leaky_relu that is flat": (F.leaky_relu, {"negative_slope": 0.0}, RELU),
    "selu far below": (F.selu, {}, [(1, -1e4, 0), (-1, -1e4, -1)]),
    "gelu far below": (F.gelu, {}, [(1, -1e4, 0), (-1, -1e4, -1), (1, 1e4, 1), (-1, 1e4, -1)]),
    "softplus far below": (F.softplus, {}, [(1, -1e4, 0), (-1, -1e4, -1), (-1, 1e4, -1)]),
}  # fmt: skip


@pytest.mark.parametrize("kind", REDIRECTED)
def test_a_blocked_signal_is_redirected_only_back_to_where_the_activation_is_not_flat(kind):
    activation, options, table = REDIRECTED[kind]
    above, x, passed = torch.tensor(table, dtype=torch.float64).T
    for shape in ((-1, 1), (-1,)):  # each a picture of its own
        leaf = x.reshape(shape).clone().requires_grad_()
        ruled("redirected", activation, (leaf,), options).backward(above.reshape(shape))
        assert leaf.grad.flatten().tolist() == passed.tolist()
    leaf = torch.cat([x, x.new_ones(1)])[None].requires_grad_()  # one picture, in which something comes through
    if kind.startswith(("relu", "leaky_relu that")):
        ruled("redirected", activation, (leaf,), options).backward(torch.cat([above, above.new_ones(1)])[None])
        (plain,) = torch.autograd.grad(activation(leaf, **options), leaf, torch.cat([above, above.new_ones(1)])[None])
        assert torch.equal(leaf.grad, plain) and (plain[0, :-1] != passed).any()


@pytest.mark.parametrize(("bias", "way"), [(9.0, -1), (-9.0, 1)])
def test_a_unit_of_relu6_that_is_shut_at_either_end_is_led_back_and_not_further_out(bias, way):
    network = of(Around(lambda m, x: m.act(m.a(x)), a=conv(), act=nn.ReLU6()))
    nn.init.constant_(network.model.a.bias, bias)
    weight, x = network.model.a.weight, pictures(16, 16)
    for push in (1, -1):  # the unit in the middle shall become larger, or smaller
        (plain,) = torch.autograd.grad(-push * network.read(x, ["act"])["act"][0, 1, 8, 8], x)
        assert not plain.any()
        (led,) = torch.autograd.grad(-push * network.read(x, ["act"], "redirected")["act"][0, 1, 8, 8], x)
        expected = torch.zeros_like(led)
        if push == way:
            expected[..., 7:10, 7:10] = -push * weight[1].detach()
        torch.testing.assert_close(led, expected)


OTHERS = [
    lambda x: x.clamp(0, 6),
    lambda x: x.clamp(min=1),
    lambda x: x.clamp(max=0),
    lambda x: x.max(1).values[:, None],
    lambda x: torch.max(x, 1, keepdim=True)[0],
    lambda x: torch.maximum(x, torch.ones_like(x)),
]


@pytest.mark.parametrize("other", OTHERS)
def test_other_clamps_and_maxima_are_no_rectifiers(other):
    network = of(Around(lambda m, x: mean(other(m.a(x)).expand(-1, 4, -1, -1)), a=conv()))
    assert not network.rectified
    with pytest.raises(Mistake, match="has none"):
        network.read(pictures(16, 16), ["logits"], "guided")

"""Folded batch normalization and weight overrides: the same numbers, and a model that never notices."""

import copy
from itertools import product

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from phosphene.core.errors import Mistake
from phosphene.core.networks.folding import ConvolutionReaders, folded
from phosphene.core.networks.network import Network
from phosphene.core.networks.plan import PURPOSES, Plan
from phosphene.core.networks.recorder import record
from phosphene.core.networks.verification import rewritable
from tests.small import noise, normal

FOLDED = Plan("float64", False, ("batch_norm",))


def uneven(model, seed=0):
    """With statistics and scales as training leaves them, in float64."""
    draw = torch.Generator().manual_seed(seed)
    for norm in model.modules():
        if isinstance(norm, nn.BatchNorm2d):
            for tensor, low, high in [(norm.running_mean, -1, 1), (norm.running_var, 0.3, 2)]:
                tensor.copy_(low + (high - low) * torch.rand(tensor.shape, generator=draw))
            if norm.affine:
                nn.init.uniform_(norm.weight, -1.5, 1.5, generator=draw)
                nn.init.uniform_(norm.bias, -1, 1, generator=draw)
    return model.double()


def pairs(model, x):
    """What can be folded in one pass of a model on x."""
    readers = ConvolutionReaders()
    return readers.pairs(model, record(model, x, [readers]))


class Block(nn.Module):
    """Pairs with and without bias and scale, grouped, one whose convolution is read by something else as well."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv1, self.norm1 = nn.Conv2d(3, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6)
        self.conv2, self.norm2 = nn.Conv2d(6, 6, 3, padding=1, groups=3), nn.BatchNorm2d(6, affine=False)
        self.conv3, self.norm3 = nn.Conv2d(6, 8, 1), nn.BatchNorm2d(8)
        self.relu = nn.ReLU(inplace=True)
        self.fc = nn.Linear(8, 4)

    def forward(self, x):
        x = self.relu(self.norm1(self.conv1(x)))
        x = x + F.relu(self.norm2(self.conv2(x)))
        x = self.conv3(x)
        x = self.norm3(x) + 0.5 * x  # the convolution itself is read here
        return self.fc(x.mean((2, 3)))


def network(model=None, plan=FOLDED):
    made = Network(uneven(model or Block()), size=12, mean=(0.5,) * 3, std=(0.25,) * 3)
    return made, made.following(dict.fromkeys(PURPOSES, plan))


def read_with_gradient(network, layers):
    x = noise(2, 3, 12, 14).requires_grad_()
    found = network.read(x, layers)
    total = sum((found[name] * normal(*found[name].shape, seed=i)).sum() for i, name in enumerate(layers))
    return found, torch.autograd.grad(total, x)[0]


def test_a_folded_convolution_does_the_work_of_both():
    for conv, eps in product((nn.Conv2d(3, 5, 3, bias=False), nn.Conv2d(3, 5, 3)), (1e-5, 1e-2, 0.3)):
        conv, norm = conv.double(), uneven(nn.BatchNorm2d(5, eps=eps)).eval()
        x = noise(2, 3, 9, 9)
        torch.testing.assert_close(F.conv2d(x, *folded(conv, norm)), norm(conv(x)), rtol=1e-13, atol=1e-13)


def test_only_convolutions_that_nothing_else_reads_are_paired():
    assert pairs(Block().eval(), torch.rand(2, 3, 12, 12)) == [("conv1", "norm1"), ("conv2", "norm2")]


class Odd(nn.Module):
    """What must not be folded: called twice, returned, of a kind of its own, without statistics, asked by value."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.twice, self.norm1 = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)
        self.returned, self.norm2 = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)
        self.own, self.norm3 = type("Own", (nn.Conv2d,), {})(3, 3, 1), nn.BatchNorm2d(3)
        self.batch, self.norm4 = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3, track_running_stats=False)
        self.asked, self.norm5 = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)
        self.good, self.norm6 = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)

    def forward(self, x):
        x = self.norm1(self.twice(self.norm1(self.twice(x))))
        kept = self.returned(x)
        x = self.norm4(self.batch(self.norm3(self.own(self.norm2(kept)))))
        x = self.asked(x)
        scale = 2.0 if x.max().item() > 1e9 else 1.0
        return self.norm6(self.good(scale * self.norm5(x))).mean((2, 3)), {"kept": [kept]}


def test_odd_pairs_are_left_alone():
    assert pairs(Odd().eval(), torch.rand(2, 3, 8, 8)) == [("good", "norm6")]


def test_parametrized_weights_are_left_alone():
    model = nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 4, 1)), nn.BatchNorm2d(4)).eval()
    assert pairs(model, torch.rand(2, 3, 8, 8)) == []


@pytest.mark.parametrize(
    "layers",
    [
        ["logits"], ["conv1", "logits"], ["norm1"], ["conv1", "norm1", "conv2", "norm2", "conv3", "norm3", "logits"],
        ["conv2", "norm3"], ["relu", "norm2"],
    ],
)  # fmt: skip
def test_folding_changes_no_number_with_taps_on_and_between_the_pair(layers):
    plain, folding = network()
    assert rewritable(folding.anatomy) == ("batch_norm",)
    (a, gradient), (b, other) = read_with_gradient(plain, layers), read_with_gradient(folding, layers)
    for name in layers:
        torch.testing.assert_close(b[name], a[name], rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(other, gradient, rtol=1e-9, atol=1e-12)


def test_folding_takes_the_normalization_out():
    plain, folding = network()
    calls = []

    class Count(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            calls.append(func)
            return func(*args, **(kwargs or {}))

    folding.read(noise(1, 3, 12, 12), ["logits"])  # what can be folded is found once
    for one, many in ((plain, 3), (folding, 1)):
        calls.clear()
        with Count():
            one.read(noise(1, 3, 12, 12), ["logits"])
        assert calls.count(F.batch_norm) == many


def test_the_model_is_given_back_also_after_an_error():
    _, folding = network()
    model = folding.model
    own = {name: (id(tensor), tensor.clone()) for name, tensor in [*model.named_parameters(), *model.named_buffers()]}
    before = copy.deepcopy({name: dict(module.__dict__) for name, module in model.named_modules()})

    def fail(*_):
        raise KeyError("stop")

    folding.read(noise(1, 3, 12, 12), ["logits"])
    hook = model.fc.register_forward_hook(fail)
    with pytest.raises(Mistake, match="fails: KeyError: 'stop'"):
        folding.read(noise(1, 3, 12, 12), ["logits"])
    hook.remove()
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        assert id(tensor) == own[name][0], name
        assert torch.equal(tensor, own[name][1]), name
    for name, module in model.named_modules():
        assert module.__dict__.keys() == before[name].keys(), name


def test_somebody_elses_hooks_see_what_they_always_saw():
    plain, folding = network()
    seen = []
    hook = plain.model.conv1.register_forward_hook(lambda module, inputs, output: seen.append(output.clone()))
    last = []
    for one in (plain, folding):
        one.read(noise(1, 3, 12, 12), ["logits"])
        last.append(seen[-1])
    hook.remove()
    assert torch.equal(last[1], last[0])


@pytest.mark.parametrize("change", ["in place", "exchanged", "statistics", "loaded"])
def test_new_weights_are_folded_anew(change):
    plain, folding = network()
    folding.read(noise(1, 3, 12, 12), ["logits"])
    model = plain.model
    with torch.no_grad():
        if change == "in place":
            model.conv1.weight.mul_(1.5)
        elif change == "exchanged":
            model.conv1.weight = nn.Parameter(model.conv1.weight * 1.5)
        elif change == "statistics":
            model.norm1.running_mean.add_(0.3)
        else:
            model.load_state_dict({name: tensor * 1.1 for name, tensor in model.state_dict().items()})
    a, b = (one.read(noise(1, 3, 12, 12), ["logits"])["logits"] for one in (plain, folding))
    torch.testing.assert_close(b, a, rtol=1e-9, atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet18", "googlenet", "densenet121", "mobilenet_v3_small"])
@pytest.mark.filterwarnings("ignore:The default weight initialization of GoogleNet")
def test_folding_equals_the_original_on_real_architectures(name):
    from phosphene.models.specs import load

    plain = load(f"torchvision:{name}?weights=none", precision="float64", device="cpu")
    uneven(plain.model)
    folding = plain.following(dict.fromkeys(PURPOSES, FOLDED))
    convs, norms = zip(*folding.anatomy.native.pairs, strict=True)
    assert len(convs) > 10
    inside = [convs[0], norms[0], convs[len(convs) // 2], norms[-1]]
    for layers in (["logits"], [*inside, "logits"]):
        x = noise(2, 3, 96, 96).requires_grad_()
        results = []
        for one in (plain, folding):
            found = one.read(x, layers)
            total = sum((y / y.detach().norm() * normal(*y.shape, seed=1)).sum() for y in found.values())
            results.append((found, torch.autograd.grad(total, x)[0]))
        (a, gradient), (b, other) = results
        for layer in layers:
            assert (b[layer] - a[layer]).norm() <= 1e-9 * a[layer].norm(), layer
        assert (other - gradient).norm() <= 1e-9 * gradient.norm()

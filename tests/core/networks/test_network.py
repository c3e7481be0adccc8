"""Readings equal the untouched network's, and the borrowed model comes back as it was."""

import threading
from collections import namedtuple
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from phosphene.models.photo import Photo
from phosphene.models.specs import load
from tests.core.witness import Witness, apart, state
from tests.small import noise

SHARED_FAST = ["cifar_cnn_a_adv", "cifar_cnn_a_mix", "mnist_cnn"]
SHARED_SLOW = ["inception5h", "squeezenet1_1", "mobilenet_v2", "cifar_resnet20"]
ZOO_SLOW = ["alexnet", "googlenet", "resnet18", "densenet121", "mobilenet_v3_small", "convnext_tiny", "swin_t"]


def pictures(*size, n=1, seed=0):
    return noise(n, 3, *size, seed=seed).requires_grad_()


def fed(network, x):
    """What the model should be fed, written a second time."""
    channels = [(x[:, c] - network.mean[c % len(network.mean)]) / network.std[c % len(network.std)] for c in range(3)]
    if network.grey:
        return ((x[:, 0] + x[:, 1] + x[:, 2]) / 3 - network.mean[0])[:, None] / network.std[0]
    return torch.stack(channels[::-1] if network.bgr else channels, 1)


def weighted(y):
    """A random sum over a layer, of about the same size for every layer, so that none drowns in the others."""
    weights = torch.randn(y.shape, dtype=y.dtype, generator=torch.Generator().manual_seed(3))
    return (y * weights).sum() / (y.detach().norm() + 1e-30)


@contextmanager
def frozen(model):
    """Parameters without gradients, as a reading has them, but by another hand."""
    required = [parameter for parameter in model.parameters() if parameter.requires_grad]
    model.requires_grad_(False)
    yield
    for parameter in required:
        parameter.requires_grad_(True)


def assert_faithful(network, size, every):
    """Every layer's value and the slope of a sum over all of them; every `every`-th layer once more in a reading alone.

    The sum weighs each layer at random, so a wrong slope of any one of them shows. The model is in train mode, to see
    that it is put into eval mode and given back.
    """
    network.model.train()
    before = state(network.model)
    x = pictures(*size)
    names = list(network.layers)
    together = network.read(x, names)
    assert list(together) == names
    assert len(names) == len({network.layers[name].tap for name in names})
    (slope,) = torch.autograd.grad(sum(map(weighted, together.values())), x)
    assert state(network.model) == before

    network.model.eval()
    with frozen(network.model):
        seen = Witness(network.model).run(fed(network, x))
    expected = {
        name: seen[layer.tap.owner, layer.tap.function, layer.tap.index].movedim(layer.channel_axis, 1)
        for name, layer in network.layers.items()
    }
    for name in names:
        assert apart(together[name], expected[name]) < 1e-9, name
        assert together[name].requires_grad == expected[name].requires_grad, name
    (wanted,) = torch.autograd.grad(sum(map(weighted, expected.values())), x, retain_graph=True)
    assert wanted.abs().max() > 0 and apart(slope, wanted) < 1e-9

    before = state(network.model)
    for name in names[::every]:
        (alone,) = network.read(x, [name]).values()
        assert apart(alone, expected[name]) < 1e-9, name
        if expected[name].requires_grad:
            (slope,) = torch.autograd.grad(weighted(alone), x)
            (wanted,) = torch.autograd.grad(weighted(expected[name]), x, retain_graph=True)
            assert apart(slope, wanted) < 1e-9, name
    assert state(network.model) == before


# ----------------------------------------------------------------------------------- every layer, value and gradient


def test_every_layer_of_the_photo_network_equals_the_untouched_run():
    assert_faithful(Network(Photo(10, norm=True).double().eval(), size=32), (32, 32), every=31)


@pytest.mark.parametrize("name", SHARED_FAST)
def test_every_layer_of_a_small_network_equals_the_untouched_run(shared_network, name):
    network = shared_network(name, torch.float64)
    assert_faithful(network, network.size, every=1)


def test_every_layer_of_an_encoder_with_mirrored_padding_equals_the_untouched_run(shared_module):
    assert_faithful(Network(shared_module("vgg19_16x").build_encoder(3).double(), size=32), (32, 48), every=1)


@pytest.mark.slow
@pytest.mark.parametrize("level", [1, 2, 4, 5])
def test_every_layer_of_the_other_encoders_equals_the_untouched_run(shared_module, level):
    assert_faithful(Network(shared_module("vgg19_16x").build_encoder(level).double(), size=64), (64, 48), every=1)


@pytest.mark.slow
@pytest.mark.parametrize("name", SHARED_SLOW)
def test_every_layer_of_a_larger_network_equals_the_untouched_run(shared_network, name):
    network = shared_network(name, torch.float64)
    assert_faithful(network, network.size if name.startswith("cifar") else (64, 96), every=13)


@pytest.mark.slow
def test_every_layer_of_the_embedded_photo_network_equals_the_untouched_run():
    network = load("embedded:photo", precision="float64")
    assert_faithful(network, network.size, every=13)


def test_every_layer_of_a_residual_network_equals_the_untouched_run(zoo):
    assert_faithful(Network(zoo("resnet18", num_classes=10), size=64), (64, 64), every=31)


@pytest.mark.slow
@pytest.mark.parametrize("name", ZOO_SLOW)
def test_every_layer_of_the_zoo_equals_the_untouched_run(zoo, name):
    options = {"init_weights": False, "aux_logits": False} if name == "googlenet" else {}
    size = (64, 64) if name == "alexnet" else (64, 96)
    assert_faithful(Network(zoo(name, **options), size=64, std=(0.2, 0.3, 0.4), mean=(0.5, 0.4, 0.3)), size, every=31)


@pytest.mark.slow
def test_every_layer_of_a_vision_transformer_equals_the_untouched_run(zoo):
    assert_faithful(Network(zoo("vit_b_16"), size=224), (224, 224), every=31)


def test_a_functional_layer_is_named_after_its_module_and_call(shared_network):
    layers = shared_network("inception5h", torch.float64).layers
    assert layers["mixed3b.relu#2"].shape == layers["mixed3b.conv_3x3_reduce"].shape
    assert {"relu", "relu#2", "relu#3", "mixed3a.cat", "local_response_norm#2", "max_pool2d#4", "mean"} <= set(layers)
    assert list(layers)[-1] == "logits"


# ---------------------------------------------------------------------------------------------------- small models


class Plain(nn.Module):
    """Convolutions, an in-place ReLU behind each, batch normalization."""

    def __init__(self):
        super().__init__()
        self.conv1, self.bn, self.relu = nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(inplace=True)
        self.conv2, self.relu2 = nn.Conv2d(4, 5, 3, stride=2), nn.ReLU(inplace=True)
        self.head = nn.Linear(5, 6)

    def forward(self, x):
        x = self.relu(self.bn(self.conv1(x)))
        x = self.relu2(self.conv2(x))
        return self.head(x.mean((2, 3)))


def of(model, size=16, **options):
    return Network(model.double().eval(), size=size, **options)


class Around(nn.Module):
    """A model made of a function."""

    def __init__(self, run, **modules):
        super().__init__()
        self.run = run
        for name, module in modules.items():
            setattr(self, name, module)

    def forward(self, x):
        return self.run(self, x)


def conv(cin=3, cout=4):
    return nn.Conv2d(cin, cout, 3, padding=1)


def mean(x):
    return x.mean((2, 3))


FUNCTIONS = {
    "tensor method in place": lambda m, x: mean(m.b(m.a(x).relu_())),
    "functional in place": lambda m, x: mean(m.b(F.relu(m.a(x), inplace=True))),
    "functional in place, by position": lambda m, x: mean(m.b(F.relu(m.a(x), True))),
    "torch function in place": lambda m, x: mean(m.b(torch.relu_(m.a(x)))),
    "leaky in place": lambda m, x: mean(m.b(F.leaky_relu(m.a(x), 0.2, inplace=True))),
    "hardtanh in place": lambda m, x: mean(m.b(F.hardtanh(m.a(x), -0.1, 0.1, inplace=True))),
    "silu in place": lambda m, x: mean(m.b(F.silu(m.a(x), inplace=True))),
    "plain operators": lambda m, x: mean(F.gelu(m.a(x)) + 0.5 * torch.sigmoid(m.b(m.a(x)))),
    "concatenation": lambda m, x: mean(torch.cat([m.a(x), m.b(torch.tanh(m.a(x)))], dim=1)),
}


def added(m, x):
    y = m.a(x)
    z = m.b(y)
    z += y
    z += 1
    return mean(z.relu())


def residual(m, x):
    y = m.a(x)
    y += m.b(F.relu(y))
    return mean(F.relu(y))


FUNCTIONS |= {"addition in place": added, "residual sum in place": residual}


@pytest.mark.parametrize("run", FUNCTIONS.values(), ids=FUNCTIONS)
def test_functional_calls_in_and_out_of_place_are_read_as_they_were(run):
    assert_faithful(of(Around(run, a=conv(), b=conv(4))), (16, 16), every=1)


def test_a_network_without_modules_is_read():
    weight = torch.randn(4, 3, 3, 3)
    network = Network(Around(lambda m, x: mean(F.relu(F.conv2d(x, weight)) + 1)), size=16)
    assert list(network.layers) == ["relu", "add", "mean", "logits"]
    x = pictures(16, 16)
    torch.testing.assert_close(network.read(x, ["relu"])["relu"], F.relu(F.conv2d(x.float(), weight)))
    model = Around(lambda m, x: mean(F.relu(F.conv2d(x, m.weight)) + 1))
    model.register_buffer("weight", weight)
    assert_faithful(of(model), (16, 16), every=1)


@pytest.mark.parametrize("together", [["conv1"], ["conv1", "logits"], ["conv1", "bn", "relu", "conv2", "relu2"]])
def test_an_in_place_relu_does_not_overwrite_what_was_read_before_it(together):
    network = of(Plain())
    x = pictures(16, 16)
    found = network.read(x, together)
    torch.testing.assert_close(found["conv1"], network.model.conv1(x))
    assert (found["conv1"] < 0).any()


def test_an_in_place_call_behind_a_tuple_does_not_overwrite_what_was_read():
    pair = Around(lambda m, x: (m.a(x), x), a=conv())
    assert_faithful(of(Around(lambda m, x: mean(m.b(m.pair(x)[0].relu_())), pair=pair, b=conv(4))), (16, 16), every=1)


def test_an_in_place_call_on_what_an_identity_handed_on_does_not_overwrite_what_was_read():
    def run(m, x):
        y = m.a(x)
        m.same(y)
        return mean(m.b(y.relu_()))

    network = of(Around(run, a=conv(), same=nn.Identity(), b=conv(4)))
    x = pictures(16, 16)
    torch.testing.assert_close(network.read(x, ["same", "logits"])["same"], network.model.a(x))


def test_what_is_behind_a_layer_can_be_differentiated_with_respect_to_it():
    network = of(Plain())
    x = pictures(16, 16)
    found = network.read(x, ["conv1", "bn", "relu2", "logits"])
    for name in ("conv1", "bn", "relu2"):
        (slope,) = torch.autograd.grad(found["logits"].sum(), found[name], retain_graph=True)
        assert slope.abs().max() > 0
    network = of(Around(added, a=conv(), b=conv(4)))
    found = network.read(x, ["add", "add#2", "logits"])
    slopes = torch.autograd.grad(found["logits"].sum(), [found["add"], found["add#2"]])
    torch.testing.assert_close(slopes[0], slopes[1])
    assert slopes[0].abs().max() > 0


def test_grandchildren_and_module_lists_keep_their_own_functional_calls():
    class Block(nn.Module):
        def __init__(self, cin):
            super().__init__()
            self.conv = conv(cin)

        def forward(self, x):
            return F.relu(self.conv(x))

    def run(m, x):
        x = F.relu(m.blocks[0](x) - 0.01)
        x = F.relu(m.blocks[1](x) - 0.02)
        return mean(F.relu(0.01 + m.deep.inner(x)))

    model = Around(run, blocks=nn.ModuleList([Block(3), Block(4)]), deep=nn.ModuleDict({"inner": Block(4)}))
    network = of(model)
    assert {"blocks.0.relu", "relu", "blocks.1.relu", "relu#2", "deep.inner.relu", "relu#3"} <= set(network.layers)
    assert_faithful(network, (16, 16), every=1)


def test_a_child_called_relu_is_told_from_the_function():
    network = of(Around(lambda m, x: mean(F.relu(m.relu(m.a(x)) - 0.1)), a=conv(), relu=nn.ReLU()))
    assert list(network.layers) == ["a", "relu", "functional_relu", "mean", "logits"]
    assert_faithful(network, (16, 16), every=1)


def test_a_module_called_several_times_has_a_layer_for_each_call():
    network = of(Around(lambda m, x: mean(m.b(m.act(m.b(m.act(m.a(x)))))), a=conv(), b=conv(4), act=nn.ReLU()))
    assert list(network.layers) == ["a", "act", "b", "act#2", "b#2", "mean", "logits"]
    assert_faithful(network, (16, 16), every=1)
    x = pictures(16, 16)
    torch.testing.assert_close(network.read(x, ["act#1"])["act#1"], network.read(x, ["act"])["act"])


def test_a_shared_module_answers_to_all_its_names():
    block = Around(lambda m, x: F.relu(m.conv(x)), conv=conv(4))
    network = of(Around(lambda m, x: mean(m.second(m.first(m.a(x)))), a=conv(), first=block, second=block))
    x = pictures(16, 16)
    for name in ("{}", "{}#2", "{}.conv", "{}.conv#2", "{}.relu", "{}.relu#2"):
        one, other = name.format("first"), name.format("second")
        found = network.read(x, [one, other])
        torch.testing.assert_close(found[one], found[other])
    assert not torch.equal(*network.read(x, ["first", "second#2"]).values())
    assert_faithful(network, (16, 16), every=1)


# ------------------------------------------------------------------------------------------------------- borrowing


def test_a_model_in_train_mode_is_read_in_eval_mode_and_stays_in_train_mode():
    model = Around(lambda m, x: m.head(m.drop(mean(m.bn(m.a(x))))), a=conv(), bn=nn.BatchNorm2d(4),
                   drop=nn.Dropout(0.5), head=nn.Linear(4, 4)).double()  # fmt: skip
    model.train()
    model.bn.eval()
    model.a.weight.requires_grad_(False)
    before = state(model)
    network = Network(model, size=16)
    x = pictures(16, 16)
    first, second = (network.read(x, ["logits"])["logits"] for _ in range(2))
    assert state(model) == before
    assert torch.equal(first, second)
    torch.testing.assert_close(first, model.eval()(x))


def test_parameters_get_no_gradient_from_a_reading():
    network = of(Plain())
    network.read(pictures(16, 16), ["logits"])["logits"].sum().backward()
    assert all(parameter.grad is None for parameter in network.model.parameters())


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("where", ["forward", "hook"])
@pytest.mark.parametrize("layers", [["conv2", "logits"], ["mean", "conv1"]])
def test_the_model_is_given_back_after_an_exception(error, where, layers):
    model = Plain().double().train()
    network = Network(model, size=16)
    _ = network.layers

    def fail(*_):
        raise error("stop")

    if where == "hook":
        model.conv2.register_forward_hook(fail)
    else:
        model.conv2.forward = fail
    before = state(model)
    for rule in ("gradient", "guided"):
        with pytest.raises(error):
            network.read(pictures(16, 16), layers, rule)
        assert state(model) == before
    assert not torch.overrides._get_current_function_mode_stack()


def test_an_interrupted_look_at_the_layers_gives_the_model_back():
    model = Plain().train()

    def fail(*_):
        raise KeyboardInterrupt

    model.conv2.forward = fail
    before = state(model)
    with pytest.raises(KeyboardInterrupt):
        _ = Network(model, size=16).layers
    assert state(model) == before
    assert not torch.overrides._get_current_function_mode_stack()


def test_hooks_and_patched_forwards_of_the_user_work_and_stay():
    model = Plain().double().eval()
    plain, calls = model.conv2.forward, []
    model.conv2.forward = lambda x: 2 * plain(x)
    model.conv1.register_forward_hook(lambda module, inputs, output: output * 2)
    model.bn.register_forward_pre_hook(lambda module, inputs: calls.append("bn"))
    model.relu.register_forward_hook(lambda m, inputs, kwargs, out: out, with_kwargs=True, always_call=True)
    assert_faithful(Network(model, size=16), (16, 16), every=1)
    assert calls


def test_functions_called_in_a_users_hook_do_not_disturb_the_names():
    model = Around(lambda m, x: mean(F.relu(m.block(x)) + 1),
                   block=Around(lambda m, x: F.relu(m.a(x)), a=conv())).double().eval()  # fmt: skip
    model.block.register_forward_hook(lambda module, inputs, output: F.relu(output - 0.1) + 1)
    network = Network(model, size=16)
    x = pictures(16, 16)
    found = network.read(x, list(network.layers))
    inner = F.relu(model.block.a(x))
    torch.testing.assert_close(found["block.relu"], inner)
    torch.testing.assert_close(found["block"], F.relu(inner - 0.1) + 1)
    torch.testing.assert_close(found["logits"], model(x))
    for name in network.layers:
        torch.testing.assert_close(network.read(x, [name])[name], found[name])


def test_a_reading_inside_of_a_reading_disturbs_neither():
    for layers in (["conv1", "relu", "conv2"], ["conv2", "mean"], ["mean"], ["logits"]):
        model = Plain().double().eval()
        network, other = Network(model, size=16), Network(model, size=16, mean=(0.5,))
        x, y = pictures(16, 16), pictures(16, 16, seed=1)
        expected, inner = network.read(x, layers), other.read(y, [*layers, "conv2"])
        seen = []

        def look(module, inputs, output, model=model, other=other, y=y, layers=layers, seen=seen):
            if not seen:
                seen.append(None)
                seen[0] = other.read(y, [*layers, "conv2"])

        model.conv1.register_forward_hook(look)
        found = network.read(x, layers)
        for name in layers:
            assert torch.equal(found[name], expected[name])
            assert torch.equal(seen[0][name], inner[name])


def test_a_reading_of_another_network_inside_of_a_reading_disturbs_neither():
    outer, inner = Around(residual, a=conv(), b=conv(4)), of(Around(residual, a=conv(), b=conv(4)))
    x = pictures(16, 16)
    inside = inner.read(x, ["relu", "add"])
    outer = of(outer)
    before = outer.read(x, ["relu", "add", "relu#2"])
    seen = []
    outer.model.b.register_forward_hook(lambda *_: seen.append(inner.read(x, ["relu", "add"])))
    found = outer.read(x, ["relu", "add", "relu#2"])
    assert all(torch.equal(found[name], before[name]) for name in before)
    assert all(torch.equal(seen[0][name], inside[name]) for name in inside)


def test_a_function_mode_of_the_models_own_survives_a_functional_reading():
    class Own(TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            counted.append(func)
            return func(*args, **(kwargs or {}))

    counted = []

    def run(m, x):
        with Own():
            y = m.block(m.a(x))
            assert isinstance(torch.overrides._get_current_function_mode(), Own)
            counted.clear()
            y = F.relu(y)
            assert len(counted) == 1
        return mean(y)

    network = of(Around(run, a=conv(), block=Around(lambda m, x: F.relu(m.a(x)), a=conv(4))))
    x = pictures(16, 16)
    found = network.read(x, ["block.relu", "relu", "logits"])
    torch.testing.assert_close(found["relu"], F.relu(found["block.relu"]))
    assert torch.equal(found["relu"], found["block.relu"])
    assert not torch.overrides._get_current_function_mode_stack()


def test_threads_take_turns_with_one_model():
    model = Plain().double().train()
    before = state(model)
    networks = [Network(model, size=16), Network(model, size=16)]
    x = pictures(16, 16).detach()
    layers = ["conv1", "mean", "logits"]
    expected = networks[0].read(x, layers)
    wrong = []

    def work(network):
        for _ in range(20):
            found = network.read(x, layers)
            wrong.extend(name for name in layers if not torch.equal(found[name], expected[name]))

    threads = [threading.Thread(target=work, args=(network,)) for network in networks * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert state(model) == before


def test_parameters_that_the_model_passes_through_functions_are_not_marked():
    model = Around(lambda m, x: mean(m.a(x.to(torch.float64)) * m.gain.to(torch.float64).contiguous()), a=conv())
    model.gain = nn.Parameter(torch.ones(4, 1, 1))
    before = state(model.double())
    network = Network(model, size=16)
    assert network.layers["a"].field is not None
    assert state(model) == before


# -------------------------------------------------------------------------------------------------- the early stop


def test_modules_behind_the_deepest_layer_never_run(zoo):
    model = zoo("squeezenet1_1", num_classes=7)
    network = Network(model, size=64)
    names = [name for name, layer in network.layers.items() if layer.tap.function is None and name != "logits"]
    x = pictures(64, 64)
    ran = []
    for name, module in model.named_modules():
        if not list(module.children()):
            module.register_forward_pre_hook(lambda *_, name=name: ran.append(name))
    leaves = [name for name in names if not list(model.get_submodule(name).children())]
    for index in range(0, len(leaves), 5):
        ran.clear()
        network.read(x, [leaves[index], leaves[0]])
        assert ran == leaves[: index + 1]


def test_a_functional_layer_ends_the_forward_too():
    network = of(Around(residual, a=conv(), b=conv(4)))
    ran = []
    network.model.b.register_forward_pre_hook(lambda *_: ran.append("b"))
    _ = network.layers
    ran.clear()
    network.read(pictures(16, 16), ["relu"])
    assert ran == []
    network.read(pictures(16, 16), ["add"])
    assert ran == ["b"]


def test_a_model_that_catches_every_exception_can_be_stopped():
    def run(m, x):
        try:
            x = m.a(x)
        except Exception:
            pytest.fail("the model swallowed the stop")
        return mean(m.b(x))

    network = of(Around(run, a=conv(), b=conv(4)))
    x = pictures(16, 16)
    torch.testing.assert_close(network.read(x, ["a"])["a"], network.model.a(x))


# ------------------------------------------------------------------------------------------------ wrappers, formats


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_a_model_in_another_precision_is_fed_its_own(dtype):
    network = Network(Plain().to(dtype).eval(), size=16, mean=(0.4, 0.5, 0.6), std=(0.2, 0.2, 0.2))
    x = pictures(16, 16)
    before = state(network.model)
    found = network.read(x, ["conv1", "relu2", "mean", "logits"])
    assert {y.dtype for y in found.values()} == {dtype}
    (slope,) = torch.autograd.grad(found["logits"].float().sum(), x)
    assert slope.dtype == x.dtype and slope.abs().max() > 0
    assert state(network.model) == before
    precise = Network(network.model.double(), size=16, mean=(0.4, 0.5, 0.6), std=(0.2, 0.2, 0.2))
    torch.testing.assert_close(found["conv1"].double(), precise.read(x, ["conv1"])["conv1"], rtol=0.05, atol=0.05)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_fixed_size_is_met_at_the_door_in_every_precision(dtype):
    network = Network(fixed().to(dtype), size=16)
    assert network.read(pictures(24, 20), ["logits"])["logits"].shape == (1, 3)


def fixed():
    return nn.Sequential(conv(), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 16 * 16, 3))


def test_a_network_of_a_fixed_size_resizes_what_it_is_fed():
    network = of(fixed())
    assert network.fixed and not of(Plain()).fixed
    x = pictures(48, 32)
    small = F.interpolate(x, (16, 16), mode="bilinear", antialias=True)
    torch.testing.assert_close(network.read(x, ["logits"])["logits"], network.model(small))
    torch.testing.assert_close(of(Plain()).preprocess(x), x)


def test_the_size_of_a_network_is_found_by_trying():
    model = nn.Sequential(conv(), nn.Flatten(), nn.Linear(4 * 28 * 28, 3))
    assert Network(model).size == (28, 28)
    assert Network(Plain()).size == (224, 224)
    with pytest.raises(Mistake, match=r"takes none of the usual picture sizes; give it: Network\(model, size="):
        _ = Network(nn.Linear(5, 5)).size
    with pytest.raises(Mistake, match="can't take a picture of 30 x 30 pixels"):
        _ = Network(model, size=30).layers


def test_a_grey_network_is_fed_the_mean_of_the_three_channels():
    network = of(nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU()), mean=(0.3,), std=(0.5,))
    x = pictures(16, 16)
    torch.testing.assert_close(network.read(x, ["0"])["0"], network.model[0]((x.mean(1, keepdim=True) - 0.3) / 0.5))


def test_a_bgr_network_is_normalized_in_rgb_and_then_turned_round():
    network = of(nn.Sequential(conv()), mean=(0.1, 0.2, 0.3), std=(1, 2, 4), bgr=True)
    x = pictures(16, 16)
    native = torch.stack([(x[:, 2] - 0.3) / 4, (x[:, 1] - 0.2) / 2, x[:, 0] - 0.1], 1)
    torch.testing.assert_close(network.read(x, ["logits"])["logits"], network.model(native))


def test_data_parallel_is_unwrapped():
    model = Plain().double().eval()
    network = Network(nn.DataParallel(model), size=16)
    assert network.model is model
    assert_faithful(network, (16, 16), every=1)


def test_a_compiled_model_is_read_through_its_wrapper():
    model = Plain().double().eval()
    network = Network(torch.compile(model, backend="eager"), size=16)
    assert network.model is model
    assert_faithful(network, (16, 16), every=1)


def test_a_model_compiled_in_place_is_read_uncompiled_and_stays_compiled():
    model = Plain().double().eval()
    expected = model(pictures(16, 16))
    model.compile(backend="eager")
    before = state(model)
    network = Network(model, size=16)
    found = network.read(pictures(16, 16), ["conv1", "mean", "logits"])
    torch.testing.assert_close(found["logits"], expected)
    assert state(model) == before and model._compiled_call_impl is not None


def test_a_compiled_part_is_read_uncompiled_and_stays_compiled():
    model = Around(lambda m, x: mean(m.b(m.part(x))), part=nn.Sequential(conv(), nn.ReLU()), b=conv(4)).double().eval()
    x = pictures(16, 16)
    expected = model.part(x), model(x)
    model.part = torch.compile(model.part, backend="eager")
    before = state(model)
    network = Network(model, size=16)
    found = network.read(x, ["part", "logits"])
    torch.testing.assert_close(found["part"], expected[0])
    torch.testing.assert_close(found["logits"], expected[1])
    guided = network.read(x, ["logits"], "guided")["logits"]
    torch.testing.assert_close(guided, expected[1])
    assert state(model) == before


Pair = namedtuple("Pair", "logits aux")


@dataclass
class Answer:
    loss: Tensor | None
    logits: Tensor


OUTPUTS = {
    "a tuple": lambda y, z: (y, z),
    "a list": lambda y, z: [y, z],
    "a dict": lambda y, z: {"aux": z, "logits": y},
    "segmentation's dict": lambda y, z: {"aux": z, "out": y},
    "a named tuple": lambda y, z: Pair(y, z),
    "an object with logits": lambda y, z: Answer(None, y),
    "a tuple that begins with nothing": lambda y, z: (None, (y, z)),
}


@pytest.mark.parametrize("wrap", OUTPUTS.values(), ids=OUTPUTS)
def test_containers_that_modules_return_are_opened_and_handed_on(wrap):
    def unwrap(output):
        if isinstance(output, dict):
            return output.get("logits", output.get("out"))
        if isinstance(output, (Answer, Pair)):
            return output.logits
        return unwrap(output[1]) if output[0] is None else output[0]

    inner = Around(lambda m, x: wrap(m.a(x), x), a=conv())
    model = Around(lambda m, x: wrap(mean(m.b(unwrap(m.inner(x)).relu_())), x), inner=inner, b=conv(4)).double().eval()
    network = of(model)
    x = pictures(16, 16)
    found = network.read(x, ["inner", "b", "logits"])
    torch.testing.assert_close(found["inner"], model.inner.a(x))
    torch.testing.assert_close(found["logits"], unwrap(model(x)))
    (slope,) = torch.autograd.grad(found["logits"].sum(), found["inner"])
    assert slope.abs().max() > 0


@pytest.mark.parametrize("output", ["second", lambda out: out["second"]], ids=["a key", "a function"])
def test_output_says_which_part_holds_the_logits(output):
    model = Around(lambda m, x: {"first": x, "second": mean(m.a(x))}, a=conv())
    network = of(model, output=output)
    x = pictures(16, 16)
    torch.testing.assert_close(network.read(x, ["logits"])["logits"], mean(model.a(x)))
    assert network.classes == 4


def test_output_may_be_an_index_or_an_attribute():
    x = pictures(16, 16)
    model = Around(lambda m, x: Pair(x, mean(m.a(x))), a=conv())
    for output in (1, "aux"):
        torch.testing.assert_close(of(model, output=output).read(x, ["logits"])["logits"], mean(model.a(x)))
    with pytest.raises(Mistake, match="returns str, not a tensor; say which part with output="):
        _ = of(Around(lambda m, x: "cat")).layers


def test_scripted_models_are_refused_in_one_sentence():
    scripted = torch.jit.trace(nn.Sequential(conv(), nn.ReLU()), torch.rand(1, 3, 8, 8))
    with pytest.raises(Mistake, match=r"^this model is TorchScript, [^.]*; give the Python module [^.]*$"):
        Network(scripted)
    with pytest.raises(Mistake, match="the module '0' is TorchScript"):
        Network(nn.Sequential(scripted))


def test_a_wrong_name_is_answered_with_the_nearest():
    network = of(Plain())
    with pytest.raises(Mistake, match=r"^no layer 'conv3'; did you mean 'conv1' or 'conv2'\?.*\(8 in all: "):
        network.read(pictures(16, 16), ["conv3"])


def test_a_layer_that_depends_on_the_size_says_so_where_it_did_not_run():
    model = Around(lambda m, x: mean(m.b(x) if x.shape[-1] < 20 else m.a(x)), a=conv(), b=conv())
    network = of(model)
    with pytest.raises(Mistake, match="did not run its layer 'b' on a picture of"):
        network.read(pictures(24, 24), ["b"])


def test_reading_without_gradients_builds_no_graph():
    network = of(Plain())
    with torch.no_grad():
        found = network.read(pictures(16, 16), ["conv1", "mean", "logits"])
    assert not any(y.requires_grad for y in found.values())
    with torch.inference_mode():
        other = network.read(pictures(16, 16), ["conv1", "mean", "logits"])
    assert all(torch.equal(found[name], other[name]) for name in found)


def normalized(seed):
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    model[1].running_mean.uniform_(), model[1].running_var.uniform_(0.5, 2)
    return model.double().eval()


@pytest.mark.parametrize("purpose", ["reading", "search"])
def test_another_model_of_the_same_architecture_is_read_with_its_own_weights_folded_ones_too(purpose):
    x = pictures(16, 16).double()
    network = Network(normalized(0), size=16, mean=(0.5, 0.4, 0.3), std=(0.2,) * 3, labels=["a"] * 4).planned(purpose)
    before = network.read(x, ["logits"])["logits"]  # its own weights are folded and kept by now
    other = network.of(normalized(1))
    fed = (x - torch.tensor([0.5, 0.4, 0.3]).view(3, 1, 1)) / 0.2
    torch.testing.assert_close(other.read(x, ["logits"])["logits"], normalized(1)(fed).detach(), rtol=1e-6, atol=1e-7)
    assert torch.equal(network.read(x, ["logits"])["logits"], before)
    assert other.purpose == purpose and other.labels == network.labels


def test_another_mean_is_subtracted_for_the_other_network_alone():
    network = Network(normalized(0), size=16, mean=(0.5,) * 3)
    x = pictures(16, 16).double()
    before = network.read(x, ["logits"])["logits"]
    other = network.subtracting((0.75,) * 3)
    torch.testing.assert_close(other.read(x + 0.25, ["logits"])["logits"], before)
    assert network.mean == (0.5,) * 3 and torch.equal(network.read(x, ["logits"])["logits"], before)

"""Readings equal the untouched network's."""

from collections import namedtuple
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
from tests.core.networks.models import Around, Plain, added, assert_faithful, conv, mean, of, pictures, residual

SHARED_FAST = ["cifar_cnn_a_adv", "cifar_cnn_a_mix", "mnist_cnn"]


SHARED_SLOW = ["inception5h", "squeezenet1_1", "mobilenet_v2", "cifar_resnet20"]


ZOO_SLOW = ["alexnet", "googlenet", "resnet18", "densenet121", "mobilenet_v3_small", "convnext_tiny", "swin_t"]


@pytest.mark.slow
def test_every_layer_of_the_photo_network_equals_the_untouched_run():
    assert_faithful(Network(Photo(10, norm=True).double().eval(), size=32), (32, 32), every=31)


@pytest.mark.parametrize("name", SHARED_FAST)
def test_every_layer_of_a_small_network_equals_the_untouched_run(shared_network, name):
    network = shared_network(name, torch.float64)
    assert_faithful(network, network.size, every=1)


@pytest.mark.slow
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


@pytest.mark.slow
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
        (gradient,) = torch.autograd.grad(found["logits"].sum(), found[name], retain_graph=True)
        assert gradient.abs().max() > 0
    network = of(Around(added, a=conv(), b=conv(4)))
    found = network.read(x, ["add", "add#2", "logits"])
    gradients = torch.autograd.grad(found["logits"].sum(), [found["add"], found["add#2"]])
    torch.testing.assert_close(gradients[0], gradients[1])
    assert gradients[0].abs().max() > 0


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


def test_modules_behind_the_deepest_layer_never_run(zoo):
    model = zoo("squeezenet1_1", num_classes=7)
    network = Network(model, size=64)
    names = [name for name, layer in network.layers.items() if layer.tap.function is None and name != "logits"]
    x = pictures(64, 64)
    network.read(x, ["logits"])
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
    (gradient,) = torch.autograd.grad(found["logits"].sum(), found["inner"])
    assert gradient.abs().max() > 0


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


def test_pictures_that_leave_behind_a_layer_are_not_in_what_is_read_later():
    network, x = of(Plain()), pictures(16, 16, n=5)
    whole = network.read(x, ["conv1", "mean", "logits"])
    part = network.read(x, ["conv1", "mean", "logits"], leaving={"conv1": 2, "mean": 1})
    for name, first in (("conv1", 0), ("mean", 2), ("logits", 3)):
        torch.testing.assert_close(part[name], whole[name][first:])

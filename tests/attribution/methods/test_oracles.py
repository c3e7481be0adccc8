"""What others compute: Captum where it is right, and where it is silently wrong, on a network rewritten for it."""

import types

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from phosphene.attribution import deconvnet, gradient, guided, saliency
from phosphene.core.networks.network import Network
from phosphene.core.pictures.files import open_photo
from phosphene.core.pictures.fitting import fit
from tests.attribution.asked import answer, on_pixels, photos
from tests.small import convnet

THEIRS = {gradient: "Saliency", saliency: "Saliency", guided: "GuidedBackprop", deconvnet: "Deconvolution"}
BY_NAME = {recipe.about.name: recipe for recipe in THEIRS}


class OnPixels(nn.Module):
    """A network as a module from RGB pictures, so that Captum finds its modules and nothing stands before them."""

    def __init__(self, network, model=None):
        super().__init__()
        self.model, self.network = network.model if model is None else model, network

    def forward(self, x):
        mean, std = (x.new_tensor(v).view(-1, 1, 1) for v in (self.network.mean, self.network.std))
        x = (x - mean) / std
        return self.model(x.flip(1) if self.network.bgr else x)


def captum(name, module, pictures, target):
    attr = pytest.importorskip("captum.attr")
    options = {"abs": False} if name == "Saliency" else {}
    return getattr(attr, name)(module).attribute(pictures.clone().requires_grad_(), target=target, **options).detach()


@pytest.mark.parametrize("name", BY_NAME)
@pytest.mark.filterwarnings("ignore")
def test_on_modules_captum_computes_the_same(name):
    recipe, network, pictures = BY_NAME[name], convnet(), photos(3)
    found = answer(recipe, network, pictures, target=2).values
    expected = captum(THEIRS[recipe], OnPixels(network), pictures, 2)
    expected = expected.abs().amax(1) if recipe is saliency else expected
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)


def rewritten(module, build):
    """A copy of a shared network whose every F.relu is an nn.ReLU of its own, called in the same order."""
    model = build().double()
    model.rewritten = nn.ModuleList()
    turn = []

    def relu(x, inplace=False):
        if len(turn) == len(model.rewritten):
            model.rewritten.append(nn.ReLU())
        turn.append(None)
        return model.rewritten[len(turn) - 1](x)

    functions = types.SimpleNamespace(**{name: getattr(F, name) for name in dir(F) if not name.startswith("__")})
    functions.relu = relu
    module.F = functions
    model.register_forward_pre_hook(lambda *_: turn.clear())
    return model


@pytest.mark.parametrize("name", ["guided", "deconvnet"])
@pytest.mark.parametrize("net", [pytest.param("inception5h", marks=pytest.mark.slow), "cifar_resnet20"])
@pytest.mark.filterwarnings("ignore")
def test_on_functions_captum_is_silently_the_plain_gradient_and_this_equals_a_copy_with_modules(
    net, name, shared_module, data
):
    recipe = BY_NAME[name]
    module = shared_module(net)
    spec = {key: module.SPEC[key] for key in ("mean", "std", "bgr")}
    side = module.SPEC["input_size"]
    network = Network(module.build().double(), size=side, **spec)
    picture = fit(open_photo(data / "images" / "cat_dog.png"), network.size, "crop").double()
    found = answer(recipe, network, picture, target=3).values
    plain = answer(gradient, network, picture, target=3).values
    silent = captum(THEIRS[recipe], OnPixels(network), picture, 3)
    torch.testing.assert_close(silent, plain, rtol=1e-6, atol=1e-9 * float(plain.abs().max()))

    other = shared_module(net)  # a module object of its own, whose F is exchanged
    model = rewritten(other, other.build)
    with torch.no_grad():
        OnPixels(network, model)(picture)  # makes the ReLUs, one for each call
    right = captum(THEIRS[recipe], OnPixels(network, model), picture, 3)
    scale = float(right.abs().max())
    torch.testing.assert_close(found, right, rtol=1e-6, atol=1e-9 * scale)
    assert float((found - plain).abs().max()) > 0.1 * scale


class Pooled(nn.Module):
    """Two convolutions, each rectified and pooled, and a linear layer."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.a, self.b, self.head = nn.Conv2d(3, 6, 3, padding=1), nn.Conv2d(6, 8, 3, stride=2), nn.Linear(8, 4)

    def forward(self, x):
        x = F.max_pool2d(torch.relu(self.a(x)), 2)
        x = F.max_pool2d(torch.relu(self.b(x)), 3)
        return self.head(x.flatten(1))


@pytest.mark.parametrize("asked", ["class", "neuron"])
def test_the_deconvnet_is_the_reverse_network_of_transposed_filters_switches_and_rectifiers(asked):
    network, pictures = Network(Pooled().double(), size=20), photos(2, 20)
    options = {"target": 1} if asked == "class" else {"unit": "b:5@1,2"}
    found = answer(deconvnet, network, pictures, **options).values
    model = network.model
    with torch.no_grad():
        up_a, switches_a = F.max_pool2d(model.a(pictures).relu(), 2, return_indices=True)
        before_b = model.b(up_a)
        _, switches_b = F.max_pool2d(before_b.relu(), 3, return_indices=True)
        if asked == "class":
            signal = model.head.weight[1].view(1, 8, 1, 1).expand(2, -1, -1, -1)
            signal = F.max_unpool2d(signal, switches_b, 3, output_size=before_b.shape).relu()  # unpool, rectify
        else:  # zero everywhere but at the neuron, which is before the rectifier
            signal = torch.zeros_like(before_b)
            signal[:, 5, 1, 2] = 1
        signal = F.conv_transpose2d(signal, model.b.weight, stride=2, output_padding=1)  # the filter, transposed
        signal = F.max_unpool2d(signal, switches_a, 2).relu()
        signal = F.conv_transpose2d(signal, model.a.weight, padding=1)
    torch.testing.assert_close(found, signal, rtol=1e-9, atol=1e-12)
    assert found.any()


@pytest.mark.filterwarnings("ignore")
def test_a_shared_and_in_place_rectifier_is_seen_every_time_it_is_called():
    torch.manual_seed(0)
    relu = nn.ReLU(inplace=True)
    layers = [
        nn.Conv2d(3, 5, 3),
        relu,
        nn.Conv2d(5, 6, 3),
        relu,
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(6, 3),
    ]
    shared = Network(nn.Sequential(*layers).double(), size=12)
    own = [nn.ReLU() if layer is relu else layer for layer in layers]
    apart = Network(nn.Sequential(*own), size=12)
    pictures = photos(2, 12)
    for recipe in (guided, deconvnet):
        expected = captum(THEIRS[recipe], OnPixels(apart), pictures, 2)
        torch.testing.assert_close(answer(recipe, shared, pictures, target=2).values, expected, rtol=1e-9, atol=1e-12)


def test_one_class_against_another_is_the_difference_of_their_gradients():
    network, pictures = convnet(), photos(2)
    model = on_pixels(network)
    x = pictures.clone().requires_grad_()
    logits = model(x)
    expected = torch.autograd.grad((logits[:, 2] - logits[:, 0]).sum(), x)[0]
    found = answer(gradient, network, pictures, target=2, against=0)
    torch.testing.assert_close(found.values, expected, rtol=1e-9, atol=1e-12)
    assert found.facts[0]["value"] == pytest.approx(float(logits[0, 2] - logits[0, 0]))

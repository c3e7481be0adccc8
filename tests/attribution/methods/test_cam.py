"""Class activation maps, beside Captum and the papers' formulas."""

import pytest
import torch

from phosphene.attribution import grad_cam, grad_cam_plus_plus, guided, guided_grad_cam, layer_cam
from phosphene.attribution.methods.cam import coarse, layers_before
from phosphene.attribution.question import question
from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from phosphene.models.torchvision import import_torchvision
from tests.attribution.asked import answer, on_pixels, photos
from tests.small import convnet, levels, linear, noise


def read(network, pictures, name, target):
    """A layer's activations and the slopes of a logit, by hand."""
    kept = []
    hook = network.model.get_submodule(name).register_forward_hook(lambda m, i, out: kept.append(out))
    logit = on_pixels(network)(pictures)[:, target]
    hook.remove()
    return kept[0].detach(), torch.autograd.grad(logit.sum(), kept[0])[0], logit.detach()


@pytest.mark.slow
@pytest.mark.parametrize("layer", ["relu2", "conv3", "relu1"])
@pytest.mark.filterwarnings("ignore")
def test_grad_cam_equals_captums(layer):
    attr = pytest.importorskip("captum.attr")
    network, pictures = convnet(), photos(3)
    asked = question(network, pictures, target=2)
    theirs = attr.LayerGradCam(on_pixels(network), network.model.get_submodule(layer))
    # Captum calls the function, which is no module: it needs nothing but the layer
    expected = theirs.attribute(pictures, target=2, relu_attributions=True)[:, 0]
    torch.testing.assert_close(coarse(asked, pictures, layer), expected.detach(), rtol=1e-9, atol=1e-14)


def test_grad_cam_plus_plus_equals_its_formula_place_by_place():
    network, pictures = convnet(), photos(2)
    there, slope, logit = read(network, pictures, "relu2", 1)
    expected = torch.zeros_like(there[:, 0])
    for n in range(2):
        y = logit[n].exp()  # the paper's score, whose second and third derivatives are y g^2 and y g^3
        for k in range(there.shape[1]):
            weight = 0.0
            for i in range(there.shape[2]):
                for j in range(there.shape[3]):
                    g = slope[n, k, i, j]
                    below = 2 * y * g**2 + there[n, k].sum() * y * g**3
                    alpha = y * g**2 / below if below != 0 else 0.0
                    weight += alpha * (y * g).clamp(min=0)
            expected[n] += weight * there[n, k]
        expected[n] = expected[n].clamp(min=0) / y
    size = (16, 16)
    expected = torch.nn.functional.interpolate(expected[:, None], size, mode="bilinear", align_corners=False)[:, 0]
    found = answer(grad_cam_plus_plus, network, pictures, target=1, layer="relu2").values
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize("layer", ["relu1", "conv2", "relu3"])
def test_layer_cam_equals_its_formula_place_by_place(layer):
    network, pictures = convnet(), photos(2)
    there, slope, _ = read(network, pictures, layer, 1)
    n, channels, rows, columns = there.shape
    expected = torch.zeros(n, rows, columns, dtype=torch.float64)
    for picture in range(n):
        for i in range(rows):
            for j in range(columns):
                total = sum(max(float(slope[picture, k, i, j]), 0.0) * there[picture, k, i, j] for k in range(channels))
                expected[picture, i, j] = max(float(total), 0.0)
    expected = torch.nn.functional.interpolate(expected[:, None], (16, 16), mode="bilinear", align_corners=False)[:, 0]
    found = answer(layer_cam, network, pictures, target=1, layer=layer).values
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-14)
    assert found.any()


def test_guided_grad_cam_is_the_product_of_both():
    network, pictures = convnet(), photos(2)
    both = answer(guided_grad_cam, network, pictures, target=1, layer="conv2").values
    where = answer(grad_cam, network, pictures, target=1, layer="conv2").values
    what = answer(guided, network, pictures, target=1).values
    torch.testing.assert_close(both, what * where[:, None], rtol=1e-12, atol=0)
    assert both.any()


def test_without_a_layer_it_is_the_last_one_with_places_before_what_is_asked():
    network, pictures = convnet(), photos(1)
    assert answer(grad_cam, network, pictures, target=1).facts[0]["layer"] == "relu3"
    assert answer(grad_cam, network, pictures, unit="relu2:3").facts[0]["layer"] == "conv2"


@pytest.mark.parametrize("layer", ["fc", "mean", "logits"])
def test_a_layer_without_places_is_told_with_one_that_has_some(layer):
    with pytest.raises(Mistake, match="without places that a map could show; take 'conv3' or 'relu3'"):
        grad_cam(convnet(), levels(3, 16, 16), layer=layer)


def test_a_layer_behind_what_is_asked_is_told():
    with pytest.raises(Mistake, match="does not depend on conv3"):
        grad_cam(convnet(), levels(3, 16, 16), unit="conv1:2", layer="conv3")


def test_a_network_without_places_is_told():
    with pytest.raises(Mistake, match="comes from no layer with places; take gradient or occlusion"):
        grad_cam(linear(noise(2, 3, 8, 8), [0.0, 0.0]), levels(3, 8, 8))


def small_transformer():
    """torchvision's vision transformer with two blocks of 12 channels, and a head that is not zero."""
    torch.manual_seed(0)
    sizes = {"num_layers": 2, "num_heads": 2, "hidden_dim": 12, "mlp_dim": 24, "num_classes": 5}
    model = import_torchvision().models.VisionTransformer(32, 16, **sizes).double()
    torch.nn.init.normal_(model.heads.head.weight)
    return model


@pytest.mark.slow
def test_the_places_of_a_vision_transformer_are_its_patches():
    network = Network(small_transformer(), size=32)
    pictures = photos(2, 32)
    asked = question(network, pictures, target=1)
    maps = answer(grad_cam, network, pictures, target=1)
    name = maps.facts[0]["layer"]
    assert name in layers_before(asked)
    assert coarse(asked, pictures, name).shape == (2, 2, 2)
    tokens, slope = asked.layer_gradients(pictures, torch.arange(2), name)
    there, slope = tokens[..., 1:].unflatten(2, (2, 2)), slope[..., 1:].unflatten(2, (2, 2))
    expected = torch.einsum("nk,nkhw->nhw", slope.mean((2, 3)), there).clamp(min=0)
    torch.testing.assert_close(coarse(asked, pictures, name), expected)
    assert slope.any()

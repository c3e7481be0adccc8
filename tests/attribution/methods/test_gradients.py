"""Gradients have closed forms on linear models, and are those that others compute on small ones."""

import pytest
import torch

from phosphene.attribution import deconvnet, gradient, guided, saliency
from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from tests.small import LABELS, convnet, levels, linear, noise

WEIGHT = noise(4, 3, 8, 8) - 0.5
BIAS = [0.1, -0.2, 0.3, 0.0]
PHOTO = levels(3, 8, 8, seed=1)


def line(**facts):
    return linear(WEIGHT, BIAS, labels=LABELS, **facts)


def values(result):
    return torch.from_numpy(result.values[0]).double()


def test_the_gradient_of_a_linear_model_is_its_weights():
    torch.testing.assert_close(values(gradient(line(), PHOTO, target="zebra")), WEIGHT[1], rtol=1e-6, atol=1e-7)


def test_the_gradient_is_per_pixel_value_whatever_the_network_divides_by():
    network = line(mean=(0.5, 0.4, 0.3), std=(0.1, 0.2, 0.4))
    expected = WEIGHT[1] / torch.tensor([0.1, 0.2, 0.4])[:, None, None]
    torch.testing.assert_close(values(gradient(network, PHOTO, target=1)), expected, rtol=1e-6, atol=1e-6)


def test_saliency_of_a_linear_model_is_its_largest_weight_in_each_place():
    result = saliency(line(), PHOTO, target=1)
    assert result.values.shape == (1, 8, 8)
    torch.testing.assert_close(values(result), WEIGHT[1].abs().amax(0), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("score", ["logit", "log-p", "p"])
def test_each_score_has_its_own_slope(score):
    z = (WEIGHT * PHOTO.double()).flatten(1).sum(1) + torch.tensor(BIAS)
    p = z.softmax(0)
    mean = (p[:, None, None, None] * WEIGHT).sum(0)
    expected = {"logit": WEIGHT[1], "log-p": WEIGHT[1] - mean, "p": p[1] * (WEIGHT[1] - mean)}[score]
    result = gradient(line(), PHOTO, target=1, score=score)
    torch.testing.assert_close(values(result), expected, rtol=1e-5, atol=1e-7)
    said = {"logit": z, "log-p": z.log_softmax(0), "p": p}[score][1]
    assert result.numbers[0]["value"] == pytest.approx(said.item(), rel=1e-6)


def test_without_a_target_it_is_what_the_network_says():
    z = (WEIGHT * PHOTO.double()).flatten(1).sum(1) + torch.tensor(BIAS)
    result = gradient(line(), PHOTO)
    assert result.numbers[0]["target"] == f"logits:{int(z.argmax())}"
    torch.testing.assert_close(values(result), WEIGHT[z.argmax()], rtol=1e-6, atol=1e-7)


def two_layers():
    first, second = noise(7, 192, seed=2) - 0.5, noise(2, 7, seed=3) - 0.5
    model = torch.nn.Sequential(
        torch.nn.Flatten(), torch.nn.Linear(192, 7, bias=False), torch.nn.ReLU(), torch.nn.Linear(7, 2, bias=False)
    ).double()
    with torch.no_grad():
        model[1].weight.copy_(first)
        model[3].weight.copy_(second)
    return Network(model, size=8), first, second


@pytest.mark.parametrize("method", [gradient, guided, deconvnet])
def test_the_three_rules_of_a_rectifier_by_hand(method):
    network, first, second = two_layers()
    f = first @ PHOTO.double().flatten()
    above = second[1]
    passed = {gradient: (f > 0) * above, deconvnet: (above > 0) * above, guided: (f > 0) * (above > 0) * above}[method]
    assert 0 < (f > 0).sum() < 7  # it makes a difference
    assert 0 < (above > 0).sum() < 7
    expected = (passed @ first).view(3, 8, 8)
    torch.testing.assert_close(values(method(network, PHOTO, target=1)), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("method", "theirs"), [(gradient, "Saliency"), (guided, "GuidedBackprop"), (deconvnet, "Deconvolution")]
)
@pytest.mark.filterwarnings("ignore")
def test_captum_computes_the_same(method, theirs):
    attr = pytest.importorskip("captum.attr")
    network = convnet()
    photo = levels(3, 16, 16)
    fed = ((photo.double() - 0.5) / 0.2)[None].requires_grad_()
    options = {"abs": False} if theirs == "Saliency" else {}
    expected = getattr(attr, theirs)(network.model).attribute(fed, target=2, **options)[0] / 0.2
    torch.testing.assert_close(values(method(network, photo, target=2)), expected.detach(), rtol=1e-5, atol=1e-7)


def test_a_unit_of_a_layer_can_be_asked_about():
    network, photo = convnet(), levels(3, 16, 16)
    result = gradient(network, photo, unit="conv2:1@2,3")
    outside = torch.ones(16, 16, dtype=torch.bool)
    outside[2:7, 4:9] = False
    assert values(result)[:, outside].abs().max() == 0
    assert values(result).abs().max() > 0
    assert result.numbers[0]["target"] == "conv2:1@2,3"


@pytest.mark.parametrize("method", [guided, deconvnet])
def test_rules_for_rectifiers_need_rectifiers(method):
    with pytest.raises(Mistake, match="has none that can be seen"):
        method(line(), PHOTO)


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("crane", "2 .*3 "),
        ("zebr", "did you mean 'zebra'"),
        (7, "classes 0 to 3"),
        ("-1", "no class '-1'"),
        ("logits:0-2", "is not a class"),
    ],
)
def test_a_target_that_is_not_there_is_told(target, said):
    with pytest.raises(Mistake, match=said):
        gradient(line(), PHOTO, target=target)


def test_a_synonym_and_any_case_name_a_class():
    assert gradient(line(), PHOTO, target="MOUSER").numbers[0]["target"] == "logits:0"
    assert gradient(line(), PHOTO, target="crane, Wading Bird").numbers[0]["target"] == "logits:2"


def test_the_model_is_given_back_as_it_was():
    network = convnet()
    network.model.train()
    guided(network, levels(3, 16, 16))
    assert network.model.training
    assert all(p.requires_grad and p.grad is None for p in network.model.parameters())
    assert not any(m._forward_hooks for m in network.model.modules())

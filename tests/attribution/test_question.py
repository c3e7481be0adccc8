"""What is asked about pictures: values and gradients against a loop by hand, and every question that makes no sense."""

import numpy as np
import pytest
import torch
from torch import nn

import phosphene
from phosphene.attribution.question import every, question
from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from tests.attribution.asked import on_pixels, photos
from tests.small import convnet, levels


@pytest.mark.parametrize(
    ("options", "by_hand"),
    [
        ({"target": 1}, lambda y: y[1]),
        ({"target": "zebra", "against": 3}, lambda y: y[1] - y[3]),
        ({"target": 1, "score": "log-p"}, lambda y: y.log_softmax(0)[1]),
        ({"target": 1, "score": "p"}, lambda y: y.softmax(0)[1]),
        ({"unit": "logits:2"}, lambda y: y[2]),
    ],
)
def test_values_and_gradients_are_those_of_a_loop_by_hand(options, by_hand):
    network, pictures = convnet(), photos(3)
    asked = question(network, pictures, batch=2, **options)
    values, gradients = asked.gradients(pictures, every(pictures))
    torch.testing.assert_close(asked.values(pictures, every(pictures)), values)
    for i, picture in enumerate(pictures):
        x = picture[None].clone().requires_grad_()
        value = by_hand(on_pixels(network)(x)[0])
        torch.testing.assert_close(values[i], value.detach())
        torch.testing.assert_close(gradients[i], torch.autograd.grad(value, x)[0][0])


def test_by_default_each_picture_is_asked_about_its_own_answer():
    network, pictures = convnet(), photos(6)
    own = on_pixels(network)(pictures).argmax(1).tolist()
    assert [unit.index for unit in question(network, pictures).units] == own


def test_a_layers_gradients_are_with_respect_to_its_activations():
    network, pictures = convnet(), photos(2)
    activations, gradients = question(network, pictures, target=1).layer_gradients(pictures, every(pictures), "relu3")
    # behind relu3 are only a mean and a linear layer: the gradient is the weight, shared out over the positions
    weight = network.model.fc.weight[1].detach()
    torch.testing.assert_close(gradients, (weight / 64)[None, :, None, None].expand_as(activations))


def test_variants_belong_to_the_picture_of_their_row():
    network, pictures = convnet(), photos(2)
    asked = question(network, pictures)
    rows = torch.tensor([1, 0, 1])
    both = asked.values(pictures, every(pictures))
    torch.testing.assert_close(asked.values(pictures[rows], rows), both[rows])
    torch.testing.assert_close(asked.of([1, 0]).values(pictures.flip(0), every(pictures)), both.flip(0))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"unit": "conv2:1", "target": 1}, "can't both be asked"),
        ({"unit": "conv2:0-3"}, "names several units"),
        ({"target": "conv2:1"}, "--unit conv2:1"),
        ({"target": 1, "against": 1}, "another class"),
        ({"target": "horse"}, "no class 'horse'"),
    ],
)
def test_a_question_that_makes_no_sense_is_answered(options, words):
    with pytest.raises(Mistake, match=words):
        question(convnet(), photos(1), **options)


def test_a_region_of_a_class_map_is_asked_about_and_its_gradient_stays_there():
    torch.manual_seed(0)
    network = Network(nn.Sequential(nn.Conv2d(3, 4, 2, 2), nn.Conv2d(4, 3, 1)).double(), size=16)
    photo = levels(3, 16, 16)
    result = phosphene.gradient(network, photo, target=2, region="4,8,4,4")
    y = network.model(photo.double()[None])
    assert result.numbers[0]["value"] == pytest.approx(y[0, 2, 4:6, 2:4].mean().item())
    inside = np.zeros((16, 16), bool)
    inside[8:12, 4:8] = True
    assert np.abs(result.values[0]).sum(0)[inside].all() and not np.abs(result.values[0]).sum(0)[~inside].any()
    with pytest.raises(Mistake, match=r"'3,4' is not a region; write X,Y,WIDTH,HEIGHT"):
        phosphene.gradient(network, photo, region="3,4")
    with pytest.raises(Mistake, match="a unit and a region can't both"):
        phosphene.gradient(network, photo, unit="0:1", region="0,0,2,2")


def test_how_similar_a_picture_is_to_another_is_asked_of_the_network_s_code():
    torch.manual_seed(0)
    network = Network(nn.Sequential(nn.Flatten(), nn.Linear(768, 5)).double(), size=16, head="numbers")
    one, other = levels(3, 16, 16), levels(3, 16, 16, seed=1)
    result = phosphene.gradient(network, one, similar_to=other)
    x = one.double()[None].requires_grad_()
    cosine = torch.nn.functional.cosine_similarity(network.model(x), network.model(other.double()[None]))[0]
    (gradient,) = torch.autograd.grad(cosine, x)
    assert result.numbers[0]["value"] == pytest.approx(cosine.item())
    np.testing.assert_allclose(result.values, gradient.numpy(), rtol=1e-5, atol=1e-9)
    with pytest.raises(Mistake, match="a similar picture and a class can't both be asked about"):
        phosphene.gradient(network, one, similar_to=other, target=1)


def test_an_array_of_several_pictures_is_several_and_their_channels_may_be_many():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(6, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(784, 3)).double()
    network = Network(model, size=16, shown=(5, 1, 0))
    several = torch.stack([levels(6, 16, 16, seed=i) for i in range(3)])
    result = phosphene.gradient(network, several, target=1)
    x = ((several * 255).round().double() / 255).requires_grad_()
    (gradient,) = torch.autograd.grad(model(x)[:, 1].sum(), x)
    np.testing.assert_allclose(result.values, gradient.numpy(), rtol=1e-5, atol=1e-9)
    assert result.image.shape == (3, 3, 16, 16) and len(result.names) == 3

"""What is asked about pictures: values and gradients against a loop by hand, and every question that makes no sense."""

import pytest
import torch

from phosphene.attribution.question import every, question
from phosphene.core.errors import Mistake
from tests.attribution.asked import on_pixels, photos
from tests.small import convnet


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

"""Metamers: several pictures of one code, all at the same error, that differ where the code is free."""

from collections import OrderedDict

import numpy as np
import pytest
import torch
from torch import nn

from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from phosphene.core.optimization.engine import Evaluation
from phosphene.core.optimization.optimizers import steepest
from phosphene.inversion import metamers
from phosphene.inversion.metamers import Abreast, deviation
from phosphene.inversion.search import ERROR
from tests.small import convnet, levels, normal


def relative(network, pictures, photo, layer):
    """|code - wanted|^2 / |wanted|^2 of each picture, by the network itself."""
    said, wanted = (network.read(one.double(), [layer])[layer] for one in (pictures, photo))
    return (said - wanted).flatten(1).square().sum(1) / wanted.square().sum()


def test_all_are_at_the_same_error_and_it_is_that_of_the_saved_pictures():
    network, photo = convnet(), levels(3, 16, 16)
    run = metamers(network, photo, layer="conv2", many=3, steps=40)
    errors = [one["error"] for one in run.numbers]
    assert max(errors) < 1.05 * min(errors) and max(errors) < 0.4
    np.testing.assert_allclose(errors, relative(network, run.image, photo[None], "conv2"), rtol=1e-5)
    assert torch.equal(run.image * 255, (run.image * 255).round())


def test_they_are_different_pictures_and_the_map_says_where():
    run = metamers(convnet(), levels(3, 16, 16), layer="conv3", many=3, steps=20, tv=0.0)
    assert (run.image[0] - run.image[1]).abs().mean() > 0.05
    assert run.numbers[0]["deviation"] == pytest.approx(float(deviation(run.image).mean()))
    shown = run.result.panels[0][-1][1][0].sum(0)
    assert shown.flatten()[deviation(run.image).flatten().argmax()] == shown.max()


def test_what_a_projection_can_not_see_is_where_they_differ():
    model = nn.Sequential(nn.Flatten(), nn.Linear(192, 20, bias=False)).double()
    with torch.no_grad():
        model[1].weight.copy_(normal(20, 192))
    run = metamers(Network(model, size=8), levels(3, 8, 8), layer="1", many=2, steps=80, tv=0.0, deviation=1.0)
    assert run.numbers[0]["freedom"] == {"inputs": 192, "held": 20, "free": 172, "kind": "exact"}
    apart = (run.image[0] - run.image[1]).double().flatten()
    seen = torch.linalg.pinv(model[1].weight) @ (model[1].weight @ apart)
    assert seen.norm() < 0.1 * apart.norm()


def test_where_a_layer_keeps_everything_they_agree():
    model = nn.Sequential(OrderedDict(turn=nn.Conv2d(3, 3, 1), flat=nn.Flatten(), out=nn.Linear(192, 2))).double()
    with torch.no_grad():
        model.turn.weight.copy_(torch.eye(3)[[1, 2, 0]][:, :, None, None])
        model.turn.bias.zero_()
    run = metamers(Network(model, size=8), levels(3, 8, 8, low=60, high=200), layer="turn", many=2, steps=100, tv=0.0)
    assert run.numbers[0]["freedom"]["free"] == 0
    assert run.numbers[0]["deviation"] < 0.02


def test_a_picture_stops_at_the_error_that_was_asked_for():
    run = metamers(convnet(), levels(3, 16, 16), layer="conv2", many=3, steps=400, error=0.2)
    errors = [one["error"] for one in run.numbers]
    assert run.last.index < 400
    assert all(0.1 < error < 0.21 for error in errors)


def test_more_steps_are_never_worse():
    worst = [
        max(one["error"] for one in metamers(convnet(), levels(3, 16, 16), layer="conv2", many=2, steps=n).numbers)
        for n in (2, 4, 12)
    ]
    assert worst == sorted(worst, reverse=True)


def found(*errors):
    """What is said about pictures with these errors."""
    return Evaluation(torch.zeros(len(errors)), torch.zeros(len(errors), 1, 1, 1), {ERROR: torch.tensor(errors)})


def test_one_that_is_ahead_waits():
    abreast, parameter = Abreast(3, steps=5), torch.zeros(3, 1)
    update = abreast.optimizer(steepest(1.0))([parameter])
    places = []
    for _ in range(5):
        assert not abreast(torch.zeros(3, 1, 1, 1), torch.arange(3), found(1.0, 0.99, 0.5)).any()
        update(torch.ones(3), [torch.ones(3, 1)], torch.arange(3), lambda rows: None)
        places.append(parameter.flatten().tolist())
    assert places == [[-1, -1, -1], [-2, -2, -2], [-3, -3, -2], [-4, -4, -2], [-5, -5, -2]]


def test_in_the_end_all_are_within_a_few_percent():
    assert [round(Abreast(2, steps).ahead, 2) for steps in (0, 10)] == [1, 1]
    abreast = Abreast(2, steps=10)
    for _ in range(8):
        abreast(torch.zeros(2, 1, 1, 1), torch.arange(2), found(1.0, 1.0))
    assert abreast.ahead == 0.02


def test_all_are_finished_when_the_last_one_does_not_come_nearer():
    abreast = Abreast(2, steps=1, patience=2)
    ends = [abreast(torch.zeros(2, 1, 1, 1), torch.arange(2), found(1.0, 0.9 - i / 10)).tolist() for i in range(3)]
    assert ends == [[False, False], [False, False], [True, True]]


def test_deviation_is_that_of_the_pictures():
    black_and_white = torch.stack([torch.zeros(3, 2, 2), torch.ones(3, 2, 2)])
    assert deviation(black_and_white).tolist() == [[0.5, 0.5], [0.5, 0.5]]
    assert not deviation(torch.ones(4, 3, 2, 2)).any()


def test_one_picture_alone_is_no_metamer():
    with pytest.raises(Mistake, match="1 is not a valid value for many"):
        metamers(convnet(), levels(3, 16, 16), many=1)


def test_several_layers_at_once_are_refused():
    with pytest.raises(Mistake, match="metamers are of one layer at a time, not of relu1, relu2, relu3; name one"):
        metamers(convnet(), levels(3, 16, 16), layer="all")

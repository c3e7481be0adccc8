"""Metamers: several pictures of one code, all at the same error, that differ where the code is free."""

from collections import OrderedDict

import numpy as np
import pytest
import torch
from torch import nn

from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from phosphene.core.optimization.steps import Step
from phosphene.inversion import metamers
from phosphene.inversion.metamers import Trail, deviation, levelled
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
    assert max(errors) < 1.02 * min(errors) and max(errors) < 0.4
    np.testing.assert_allclose(errors, relative(network, run.image, photo[None], "conv2"), rtol=1e-5)
    assert torch.equal(run.image * 255, (run.image * 255).round())


def test_they_are_different_pictures_and_the_map_says_where():
    run = metamers(convnet(), levels(3, 16, 16), layer="conv3", many=3, steps=20, tv=0.0)
    assert (run.image[0] - run.image[1]).abs().mean() > 0.05
    assert run.numbers[0]["deviation"] == pytest.approx(float(deviation(run.image).mean()))
    shown = run.result.panels[0][-1][1][0].sum(0)
    assert shown.flatten()[deviation(run.image).flatten().argmax()] == shown.max()


@pytest.mark.slow
def test_what_a_projection_can_not_see_is_where_they_differ():
    model = nn.Sequential(nn.Flatten(), nn.Linear(192, 20, bias=False)).double()
    with torch.no_grad():
        model[1].weight.copy_(normal(20, 192))
    run = metamers(Network(model, size=8), levels(3, 8, 8), layer="1", many=2, steps=80, tv=0.0, deviation=1.0)
    assert run.numbers[0]["freedom"] == {"inputs": 192, "held": 20, "free": 172, "kind": "exact"}
    apart = (run.image[0] - run.image[1]).double().flatten()
    seen = torch.linalg.pinv(model[1].weight) @ (model[1].weight @ apart)
    assert seen.norm() < 0.1 * apart.norm()


@pytest.mark.slow
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
    assert all(0.196 < error < 0.204 for error in errors)


@pytest.mark.slow
def test_more_steps_are_never_worse():
    worst = [
        max(one["error"] for one in metamers(convnet(), levels(3, 16, 16), layer="conv2", many=2, steps=n).numbers)
        for n in (2, 4, 12)
    ]
    assert worst == sorted(worst, reverse=True)


def test_who_came_nearer_goes_back_on_its_own_way_to_the_error_of_the_last_one():
    """On a line, with the distance from 0 for an error: 1, and 3 at least, back from .2 by way of .5, 2 and 4."""

    def picture(*values):
        return torch.tensor(values, dtype=torch.float64).view(-1, 1, 1, 1).expand(-1, 3, 2, 2)

    def steps():
        for values in ((8.0, 8.0), (4.0, 4.0), (2.0, 3.0), (0.5, 2.0), (0.2, 1.0)):
            yield Step(0, picture(*values), torch.zeros(2), outputs={ERROR: torch.tensor(values)})

    def measured(pictures):
        return pictures.abs().mean((1, 2, 3))

    trail = Trail()
    *_, last = trail.noted(steps())
    assert [float(one[0, 0, 0]) for one in trail.back(0)] == [0.2, 0.5, 2.0, 4.0]
    together = levelled(measured, last.pictures, trail)
    torch.testing.assert_close(measured(together), torch.ones(2, dtype=torch.float64), rtol=1e-3, atol=0)
    assert torch.equal(together[1], last.pictures[1])
    further = levelled(measured, last.pictures, trail, least=1.5)
    torch.testing.assert_close(measured(further), torch.full((2,), 1.5, dtype=torch.float64), rtol=1e-3, atol=0)


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

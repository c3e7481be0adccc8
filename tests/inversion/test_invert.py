"""Inversion finds a picture with the same code, and reports the error of the picture that is saved."""

from collections import OrderedDict

import pytest
import torch
from torch import nn

from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from phosphene.core.optimization.lbfgs import lbfgs
from phosphene.core.optimization.parameterizations import Laplacian
from phosphene.core.pictures.files import open_photo
from phosphene.inversion import invert
from tests.small import convnet, levels


def smooth(side=16):
    """A picture of 8-bit values that changes slowly."""
    y, x = torch.meshgrid(torch.linspace(0, 1, side), torch.linspace(0, 1, side), indexing="ij")
    return torch.stack([x, y, (x + y) / 2]).mul(200).add(20).round() / 255


def code(network, picture, layer):
    kept = []
    hook = network.model.get_submodule(layer).register_forward_hook(lambda m, i, o: kept.append(o))
    with torch.no_grad():
        network.model((picture.double() - 0.5) / 0.2)
    hook.remove()
    return kept[0]


def test_the_error_falls_and_is_that_of_the_saved_picture(tmp_path):
    network, photo = convnet(), smooth()
    run = invert(network, photo, layer="conv2", steps=40)
    first, *_, last = [step.values.item() for step in run]
    assert last < 0.3 * first
    saved = open_photo(run.save(tmp_path / "found.png"))
    wanted = code(network, photo[None], "conv2")
    error = (code(network, saved, "conv2") - wanted).square().sum() / wanted.square().sum()
    assert run.numbers[0]["error"] == pytest.approx(error.item(), rel=1e-4)


def test_what_a_layer_keeps_whole_is_found_again():
    model = nn.Sequential(
        OrderedDict(turn=nn.Conv2d(3, 3, 1), relu=nn.ReLU(), flat=nn.Flatten(), out=nn.Linear(768, 2))
    )
    with torch.no_grad():
        model.turn.weight.copy_(torch.eye(3)[[1, 2, 0]][:, :, None, None])
        model.turn.bias.zero_()
    run = invert(Network(model, size=16), smooth(), layer="turn", steps=200, tv=0.0)
    assert (run.image[0] - smooth()).abs().mean() < 8 / 255
    assert run.numbers[0]["error"] < 5e-3


def test_total_variation_makes_it_smoother():
    def roughness(tv):
        image = invert(convnet(), levels(3, 16, 16), layer="conv3", steps=60, tv=tv).image
        return image.diff(dim=3).abs().mean() + image.diff(dim=2).abs().mean()

    assert roughness(0.5) < 0.7 * roughness(0.0)


def test_what_was_fed_is_shown_beside_it():
    run = invert(convnet(), levels(3, 40, 60), steps=1)
    assert run.result.input.shape == (1, 3, 16, 16)
    assert run.result.recipe["arguments"]["steps"] == 1


@pytest.mark.parametrize("options", [{"steps": -1}, {"tv": -1.0}])
def test_impossible_numbers_are_mistakes(options):
    with pytest.raises(Mistake, match=next(iter(options))):
        list(invert(convnet(), levels(3, 16, 16), **options))


def test_a_layer_that_says_nothing_can_not_be_inverted():
    network = convnet()
    nn.init.zeros_(network.model.conv2.weight)
    nn.init.zeros_(network.model.conv2.bias)
    with pytest.raises(Mistake, match="conv2"):
        list(invert(network, levels(3, 16, 16), layer="conv2"))


def test_in_python_an_inversion_takes_objects_in_place_of_its_settings():
    network, photo = convnet(), smooth()
    run = invert(network, photo, layer="conv2", steps=30, tv=0.0, parameterization=Laplacian, optimizer=lbfgs())
    first, *_, last = [step.values.item() for step in run]
    assert last < 0.05 * first
    assert "given in Python" in run.result.recipe["arguments"]["parameterization"]

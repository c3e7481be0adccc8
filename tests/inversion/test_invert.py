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
from phosphene.core.units.default_layers import stages
from phosphene.inversion import invert
from phosphene.models.specs import load
from tests.foreign import foreign
from tests.small import Tokens, convnet, levels


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


@pytest.mark.slow
def test_what_a_layer_keeps_whole_is_found_again():
    model = nn.Sequential(
        OrderedDict(turn=nn.Conv2d(3, 3, 1), relu=nn.ReLU(), flat=nn.Flatten(), out=nn.Linear(768, 2))
    )
    with torch.no_grad():
        model.turn.weight.copy_(torch.eye(3)[[1, 2, 0]][:, :, None, None])
        model.turn.bias.zero_()
    run = invert(Network(model, size=16), smooth(), layer="turn", preset="plain", steps=200)
    assert (run.image[0] - smooth()).abs().mean() < 8 / 255
    assert run.numbers[0]["error"] < 5e-3


@pytest.mark.slow
def test_total_variation_makes_it_smoother():
    def roughness(tv):
        image = invert(convnet(), levels(3, 16, 16), layer="conv3", preset="plain", steps=60, tv=tv).image
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


def test_several_layers_are_one_picture_each_beside_the_photograph_in_one_row():
    network, photo = convnet(), smooth()
    result = invert(network, photo, layer=["conv3", "conv1"], steps=4).result
    assert list(result.names) == ["conv3", "conv1"] and result.image.shape == (2, 3, 16, 16)
    alone = [invert(network, photo, layer=layer, steps=4).result for layer in ("conv3", "conv1")]
    assert [one["error"] for one in result.numbers] == pytest.approx([one.numbers[0]["error"] for one in alone])
    assert result.figure().width > 3 * 224  # three panels in one row
    assert len(alone[0].panels[0]) == 2


def test_all_is_every_block_of_the_network():
    names = invert(convnet(), smooth(), layer="all", steps=1).result.names
    assert list(names) == stages(convnet())


def test_of_several_starts_the_best_is_kept_for_each_layer():
    network, photo, layers = convnet(), smooth(), ["conv1", "conv3"]
    run = invert(network, photo, layer=layers, restarts=3, steps=6)
    alone = invert(network, photo, layer=layers, steps=6)
    for one, single in zip(run.numbers, alone.numbers, strict=True):
        starts = one["errors of the starts"]
        assert len(starts) == 3 and len(set(starts)) == 3
        assert one["error"] == pytest.approx(min(starts), rel=0.2)  # that of the 8-bit picture
        assert starts[0] == pytest.approx(single["error"], rel=0.2)
    assert run.image.shape == (2, 3, 16, 16)


def test_more_steps_are_never_worse():
    network, photo = convnet(), smooth()
    found = [[s.outputs["error"].item() for s in invert(network, photo, layer="conv2", steps=n, rate=0.5, patience=0)]
             for n in (10, 30)]  # fmt: skip
    assert found[1][:11] == found[0] and found[1][-1] <= found[0][-1]


def test_it_stops_when_nothing_falls_any_more_and_says_after_how_many_steps():
    how = {"layer": "conv2", "preset": "plain", "rate": 0.0}
    assert invert(convnet(), smooth(), steps=60, patience=5, **how).numbers[0]["steps"] == 5
    assert invert(convnet(), smooth(), steps=12, patience=0, **how).numbers[0]["steps"] == 12


@pytest.mark.parametrize("preset", ["default", "mahendran", "plain"])
def test_every_preset_comes_nearer_to_the_code(preset):
    run = invert(convnet(), smooth(), layer="conv1", preset=preset, steps=30)
    errors = [step.outputs["error"].min().item() for step in run]
    assert errors[-1] < 0.5 * errors[0]


def test_how_near_it_is_to_the_photograph_is_said():
    numbers = invert(convnet(), smooth(), layer="conv1", steps=30).numbers[0]
    assert numbers["psnr"] > 5 and -1 <= numbers["ssim"] <= 1 and numbers["colour error"] > 0


@pytest.mark.parametrize("layer", ["logits", "probabilities", "log-probabilities"])
def test_of_what_the_network_says_in_the_end_the_classes_are_told_beside_the_codes(layer):
    network = convnet()
    run = invert(network, smooth(), layer=layer, steps=60)
    numbers = run.numbers[0]
    assert [one["class"] for one in numbers["top"]] == network.model((run.image.double() - 0.5) / 0.2)[0].argsort(
        descending=True
    ).tolist()
    assert numbers["kept classes"] == 4  # there are no more
    assert "4 of its 4 strongest classes" in run.result.panels[0][1][0]


def test_tokens_and_what_the_network_says_in_the_end_are_inverted_too():
    tokens = Network(Tokens().double(), size=16)
    run = invert(tokens, smooth(), layer=["patches", "mix", "log-probabilities"], steps=30)
    first, *_, last = [step.outputs["error"] for step in run]
    assert (last < 0.5 * first)[:2].all() and list(run.result.names) == ["patches", "mix", "log-probabilities"]


@pytest.mark.slow
def test_a_vision_transformer_is_inverted_block_by_block():
    foreign("timm")
    network = load("timm:vit_tiny_patch16_224?weights=none")
    layers = ["blocks.1", "blocks.8", "log-probabilities"]
    run = invert(network, levels(3, 64, 64), layer=layers, steps=8)
    first, *_, last = [step.outputs["error"] for step in run]
    assert (last < 0.8 * first).all() and run.image.shape == (3, 3, 224, 224)
    assert [one["layer"] for one in run.numbers] == layers


def test_in_python_an_inversion_takes_objects_in_place_of_its_settings():
    network, photo = convnet(), smooth()
    run = invert(network, photo, layer="conv2", steps=30, tv=0.0, parameterization=Laplacian, optimizer=lbfgs())
    first, *_, last = [step.values.item() for step in run]
    assert last < 0.05 * first
    assert "given in Python" in run.result.recipe["arguments"]["parameterization"]


def test_from_a_start_what_the_code_can_not_see_stays_as_it_was():
    model = nn.Sequential(nn.Flatten(), nn.Linear(192, 8, bias=False)).double()
    network, photo, start = Network(model, size=8), levels(3, 8, 8, low=80, high=180), levels(3, 8, 8, seed=1)
    run = invert(
        network, photo, layer="1", steps=100, preset="plain", start=start, parameterization="pixels", rate=0.01
    )
    assert run.numbers[0]["error"] < 1e-2
    assert (run.image[0] - start).abs().mean() < 0.5 * (run.image[0] - photo).abs().mean()
    assert torch.equal(run.result.panels[0][1][1][0], start)


def test_a_start_of_another_size_and_several_of_one_are_refused():
    with pytest.raises(Mistake, match="the start is 20 x 18 px and the code is of 16 x 16"):
        invert(convnet(), levels(3, 16, 16), start=levels(3, 20, 18), fit="whole")
    with pytest.raises(Mistake, match="2 restarts at one picture would be the same search"):
        invert(convnet(), levels(3, 16, 16), start=levels(3, 16, 16), restarts=2)
    with pytest.raises(Mistake, match="leave out restarts or decoder"):
        invert(convnet(), levels(3, 16, 16), decoder="d.safetensors", restarts=2)


@pytest.mark.parametrize("robustness", ["strong", "lucid"])
def test_views_of_what_is_compared_place_by_place_are_as_large_as_the_picture(robustness):
    for size in (16, 18, 21):
        run = invert(convnet(size=size), levels(3, size, size), layer="conv2", robustness=robustness, steps=2)
        assert run.numbers[0]["error"] < 3
    with pytest.raises(Mistake, match=r"crop-from 0\.5 shows parts of the picture, and here the whole is compared"):
        invert(convnet(), levels(3, 16, 16), crop_from=0.5)


def test_of_all_layers_those_that_say_nothing_are_left_out_and_named(recwarn):
    network = convnet()
    with torch.no_grad():
        network.model.conv2.weight.zero_()
        network.model.conv2.bias.fill_(-1)
        network.model.conv3.weight.zero_()
    names = [one["layer"] for one in invert(network, levels(3, 16, 16), layer="all", steps=1).numbers]
    assert "relu1" in names and "relu2" not in names
    assert "left out, as there is nothing to invert in what it says: relu2" in str(recwarn.list[0].message)
    with pytest.raises(Mistake, match="relu2 of Sequential says nothing but zeros"):
        invert(network, levels(3, 16, 16), layer="relu2")

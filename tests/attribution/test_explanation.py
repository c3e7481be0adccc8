"""What all methods have in common: batches, questions, pictures, files, mistakes."""

import inspect

import numpy as np
import pytest
import torch
from torch import nn

from phosphene.attribution import RECIPES, gradient, guided, integrated, occlusion, saliency
from phosphene.attribution.question import question
from phosphene.catalogue import method
from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from phosphene.core.results.results import Run
from tests.attribution.asked import photos
from tests.small import convnet, levels, linear, noise

QUICK = {
    "smoothgrad": {"samples": 3}, "gradient-shap": {"samples": 3}, "integrated": {"steps": 4},
    "rise": {"masks": 9}, "occlusion": {"stride": 7},
}  # fmt: skip
CONVOLUTIONAL = [recipe for recipe in RECIPES if recipe.about.name != "rollout"]
"""Rollout is for transformers alone."""
ASKING = [recipe for recipe in CONVOLUTIONAL if recipe.about.asks]


def result(made):
    return made.result if isinstance(made, Run) else made


def made(recipe, network, given, **options):
    return result(recipe(network, given, **QUICK.get(recipe.about.name, {}), **options))


@pytest.mark.parametrize("recipe", CONVOLUTIONAL, ids=lambda recipe: recipe.about.name)
@pytest.mark.parametrize("batch", [1, 2, 16])
def test_a_batch_of_pictures_is_as_many_single_ones(recipe, batch):
    network, given = convnet(), [levels(3, 16, 16, seed=i) for i in range(3)]
    together = made(recipe, network, given, batch=batch)
    assert len(together.image) == len(together.names) == len(together.numbers) == len(together.values) == 3
    for i, one in enumerate(given):
        alone = made(recipe, network, one)
        np.testing.assert_allclose(together.values[i], alone.values[0], rtol=1e-5, atol=1e-9)
        np.testing.assert_allclose(together.image[i], alone.image[0], atol=1e-5)
        assert together.numbers[i].keys() == alone.numbers[0].keys()
        assert together.numbers[i].get("target") == alone.numbers[0].get("target")


@pytest.mark.parametrize("recipe", CONVOLUTIONAL, ids=lambda recipe: recipe.about.name)
def test_values_are_float32_of_every_colour_or_of_every_pixel(recipe):
    found = made(recipe, convnet(torch.float32), levels(3, 16, 16))
    assert found.values.dtype == np.float32
    assert found.values.shape in ((1, 3, 16, 16), (1, 16, 16))
    assert np.isfinite(found.values).all()
    assert found.input.shape == (1, 3, 16, 16)
    assert found.image.shape == (1, 3, 16, 16)
    assert 0 <= found.image.min() <= found.image.max() <= 1


@pytest.mark.parametrize("recipe", ASKING, ids=lambda recipe: recipe.about.name)
def test_every_method_answers_for_a_unit_and_for_one_class_against_another(recipe):
    network, picture = convnet(), levels(3, 16, 16)
    unit = made(recipe, network, picture, unit="conv3:2")
    assert unit.numbers[0]["target"] == "conv3:2"
    assert "conv3-2" in unit.names[0]
    against = made(recipe, network, picture, target="zebra", against="tabby cat")
    assert against.numbers[0]["words"].endswith("of zebra rather than tabby cat")


@pytest.mark.parametrize("recipe", CONVOLUTIONAL, ids=lambda recipe: recipe.about.name)
def test_the_model_comes_back_as_it_was(recipe):
    network = convnet()
    network.model.train()
    before = {name: value.clone() for name, value in network.model.state_dict().items()}
    made(recipe, network, levels(3, 16, 16))
    assert network.model.training
    assert all(p.requires_grad and p.grad is None for p in network.model.parameters())
    assert not any(m._forward_hooks or "forward" in m.__dict__ for m in network.model.modules())
    assert all(torch.equal(value, before[name]) for name, value in network.model.state_dict().items())


def test_a_recipe_has_the_options_of_its_method_between_the_question_and_the_way_it_is_shown():
    names = list(inspect.signature(integrated).parameters)
    assert names == [
        "network", "photos", "similar_to", "target", "against", "unit", "region", "score", "baseline", "steps", "rule",
        "fit", "show", "scale", "check", "batch",
    ]  # fmt: skip
    told = inspect.getdoc(integrated)
    assert all(f"    {name}: " in told for name in names)
    assert inspect.signature(integrated).return_annotation is Run


def test_each_photograph_is_asked_about_the_class_that_is_seen_in_it():
    weight = torch.zeros(3, 3, 8, 8, dtype=torch.float64)
    weight[0, 0], weight[1, 1], weight[2, 2] = 1, 1, 1
    network = linear(weight, [0.0, 0.0, 0.0], labels=["red", "green", "blue"])
    pictures = torch.zeros(3, 3, 8, 8)
    for i, colour in enumerate((2, 0, 1)):
        pictures[i, colour] = 1
    found = gradient(network, list(pictures))
    assert [numbers["target"] for numbers in found.numbers] == ["logits:2", "logits:0", "logits:1"]
    assert [int(values.any((1, 2)).argmax()) for values in found.values] == [2, 0, 1]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"target": 1, "unit": "conv1:0"}, "a unit and a class can't both be asked about"),
        ({"target": 1, "against": 1}, "zebra is what would be asked about; give --against another class"),
        ({"target": "conv1:0"}, r"'conv1:0' is not a class; for a unit write it as unit \(--unit conv1:0\)"),
        ({"unit": "conv1:0-3"}, "names several units"),
        ({"unit": "conv1:99"}, "conv1 has channels 0 to 5, not 99"),
        ({"target": "zebr"}, "did you mean 'zebra'"),
        ({"against": "horse"}, "no class 'horse'"),
        ({"batch": 0}, "0 is not a valid value for batch: it must be 1 to 1024"),
        ({"show": "rainbow"}, "'rainbow' is not a valid value for show; there are colours, grey, heat, overlay"),
        ({"scale": "logarithmic"}, "'logarithmic' is not a valid value for scale; there are own, common"),
    ],
)
def test_a_question_that_can_not_be_asked_is_one_sentence(options, said):
    with pytest.raises(Mistake, match=said):
        gradient(convnet(), levels(3, 16, 16), **options)


def test_photographs_of_several_sizes_can_not_be_fed_whole_together():
    with pytest.raises(Mistake, match="different sizes"):
        gradient(convnet(), [levels(3, 16, 16), levels(3, 16, 20)], fit="whole")
    assert gradient(convnet(), levels(3, 16, 20), fit="whole").values.shape == (1, 3, 16, 20)
    with pytest.raises(Mistake, match="no photograph"):
        gradient(convnet(), [])


def test_one_number_for_each_pixel_has_no_colours():
    with pytest.raises(Mistake, match="saliency has one number for each pixel, not three"):
        saliency(convnet(), levels(3, 16, 16), show="colours")


def test_contributions_diverge_from_white_and_sensitivities_begin_at_black():
    weight = torch.zeros(2, 3, 8, 8, dtype=torch.float64)
    weight[1, :, 0, 0], weight[1, :, 0, 7] = 1, -1
    network = linear(weight, [0.0, 0.0])
    signed = method("attribute", "input-x-gradient")(network, torch.ones(3, 8, 8), target=1).image[0]
    assert signed[0, 0, 0] > signed[2, 0, 0]  # red where it adds
    assert signed[2, 0, 7] > signed[0, 0, 7]  # blue where it takes away
    assert signed[:, 4, 4].min() > 0.9
    unsigned = saliency(network, torch.ones(3, 8, 8), target=1, show="grey").image[0]
    assert (unsigned[:, 0, 0] == 1).all()
    assert (unsigned[:, 0, 7] == 1).all()
    assert unsigned[:, 4, 4].max() == 0


def test_on_a_common_scale_a_picture_half_as_strong_is_half_as_bright():
    weight = noise(2, 3, 8, 8)
    network = linear(weight, [0.0, 0.0])
    strong, weak = torch.full((3, 8, 8), 200 / 255), torch.full((3, 8, 8), 100 / 255)
    recipe = method("attribute", "input-x-gradient")
    own = recipe(network, [strong, weak], target=1, show="grey").image
    torch.testing.assert_close(own[0], own[1])
    common = recipe(network, [strong, weak], target=1, show="grey", scale="common").image
    torch.testing.assert_close(common[0], own[0])
    dim = common[0] < 0.99
    torch.testing.assert_close(2 * common[1][dim], common[0][dim])


def test_the_default_figure_of_guided_is_the_lectures_strip():
    found = guided(convnet(), levels(3, 16, 16), target=1)
    words = [caption.partition(":")[0] for caption, _ in found.panels[0]]
    assert words == ["the network's input", "gradient", "deconvnet", "guided"]


def test_files_of_several_photographs_have_their_names_no_two_alike(tmp_path):
    from PIL import Image

    for name in ("a/cat.png", "b/cat.png", "dog.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (16, 16), "red").save(tmp_path / name)
    given = [str(tmp_path / name) for name in ("a/cat.png", "b/cat.png", "dog.png")]
    assert saliency(convnet(), given).names == ["cat-saliency", "cat-saliency-2", "dog-saliency"]
    assert saliency(convnet(), given[2], target=1).names == ["saliency-logits-1"]


def test_a_question_is_asked_in_the_score_that_was_given():
    network, pictures = convnet(), photos(2)
    asked = question(network, pictures, target=1, score="p")
    said = asked.values(pictures, torch.arange(2))
    expected = network.model((pictures - 0.5) / 0.2).softmax(1)[:, 1]
    torch.testing.assert_close(said, expected.detach())


def test_a_network_that_answers_nan_is_told_off():
    network = convnet()
    nn.init.constant_(network.model.fc.weight, float("nan"))
    for recipe in (gradient, occlusion, method("attribute", "grad-cam"), method("attribute", "rise")):
        with pytest.raises(Mistake, match="not finite"):
            result(recipe(network, levels(3, 16, 16), target=1))


@pytest.mark.slow
def test_a_network_of_grey_pictures_of_a_fixed_size_can_be_asked():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 3))
    network = Network(model, size=8)
    for recipe in CONVOLUTIONAL:
        assert np.isfinite(made(recipe, network, levels(3, 8, 8)).values).all()

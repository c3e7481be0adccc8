"""Any style in one pass: what comes out, what is told about it, and what is refused in a sentence."""

import pytest
import torch

import phosphene
from phosphene.core.errors import Mistake
from phosphene.core.pictures.eight_bit import precise
from phosphene.core.pictures.files import open_photo
from phosphene.core.pictures.fitting import resize
from phosphene.style import transforms
from phosphene.style.arbitrary import adain, transport, wct
from phosphene.style.levels import levels
from phosphene.style.restyling import Restyling
from tests.small import convnet
from tests.style.pictured import decodable, picture

PHOTO, STYLE, OTHER = picture(), picture(28, 20, seed=1), picture(16, 16, seed=2)


@pytest.mark.parametrize(
    ("recipe", "method", "strength"),
    [(adain, transforms.adain, 1.0), (wct, transforms.wct, 0.6), (transport, transforms.transport, 0.8)],
)
def test_each_method_is_its_transform_at_every_level_with_the_style_at_the_photographs_size(recipe, method, strength):
    network = decodable()
    found = recipe(network, PHOTO, [STYLE]).result
    scaled = precise(resize(STYLE, (26, 19)), torch.float64)  # about 20 x 24 pixels
    how = Restyling(levels(network), [scaled], [1.0], method, strength)
    *_, expected = how.pictures(precise(PHOTO, torch.float64))
    torch.testing.assert_close(found.image, expected.float())
    assert found.names == [recipe.name]


def test_its_steps_are_the_levels_and_where_it_is_stopped_there_is_a_picture():
    run = wct(decodable(), PHOTO, [STYLE])
    steps = [step.pictures for step in run]
    assert len(steps) == 3 == run.total + 1
    torch.testing.assert_close(steps[0].float(), PHOTO)
    stopped = wct(decodable(), PHOTO, [STYLE])
    for step in stopped:
        if step.index == 1:
            break
    assert stopped.so_far().numbers[0]["layers"] == ["relu2"]
    assert torch.equal(stopped.so_far().image, steps[1].float())


def test_numbers_say_how_far_the_style_and_the_photograph_are():
    (numbers,) = wct(decodable(), PHOTO, [STYLE]).numbers
    assert numbers["layers"] == ["relu2", "relu1"] == list(numbers["style loss"])
    assert numbers["strength"] == 0.6 and numbers["detail"] == 0 and numbers["seconds"] >= 0
    assert numbers["content loss"] > 0
    assert all(set(one) == {"photo", "picture"} for one in numbers["style loss"].values())


def test_the_size_is_the_longer_side_and_styles_are_scaled_with_it():
    assert wct(decodable(), PHOTO, [STYLE], size=48).image.shape == (1, 3, 40, 48)
    result = wct(decodable(), PHOTO, [STYLE], size=48, style_scale=0.5).result
    assert result.panels[0][1][1].shape == (1, 3, 26, 19)


def test_several_styles_count_by_their_shares():
    network = decodable()
    one, other = (wct(network, PHOTO, [style]).image for style in (STYLE, OTHER))
    torch.testing.assert_close(wct(network, PHOTO, [STYLE, OTHER], shares="3,0").image, one)
    torch.testing.assert_close(wct(network, PHOTO, [STYLE, OTHER], shares="0, 1").image, other)
    both = wct(network, PHOTO, [STYLE, OTHER])
    assert (both.image - one).abs().max() > 0.01 and (both.image - other).abs().max() > 0.01
    assert [words for words, _ in both.result.panels[0]][:3] == ["the photograph", "style 1", "style 2"]


def refusal(*styles, network=None, **options):
    with pytest.raises(Mistake) as refused:
        wct(network or decodable(), PHOTO, list(styles), **options)
    return str(refused.value)


def test_what_makes_no_sense_is_refused_in_a_sentence():
    assert refusal(STYLE, shares="lots").startswith("'lots' is not a valid value for shares: write numbers with commas")
    assert refusal(STYLE, shares="1,2") == "shares has 2 numbers for 1 styles; give one for each"
    assert refusal("a.mp4") == "a.mp4 is a film, and a style is a picture; give a frame of it"
    assert refusal(STYLE, statistics="frame") == (
        "--statistics is about a film, and a photograph is given; leave it out"
    )
    assert "there is no decoder of Sequential here" in refusal(STYLE, network=convnet())
    assert "no layer 'conv9'" in refusal(STYLE, layer="conv9")


def test_the_users_network_and_its_decoders_stay_as_they_are():
    network = decodable()
    network.model.train()
    before = {name: value.clone() for name, value in network.model.state_dict().items()}
    assert wct(network, PHOTO, [STYLE]).image.isfinite().all()
    assert network.model.training and network.model.decoders["relu1"].training
    assert all(torch.equal(value, before[name]) for name, value in network.model.state_dict().items())


@pytest.mark.slow
@pytest.mark.parametrize("recipe", [adain, wct, transport])
def test_with_the_embedded_network_a_photograph_comes_nearer_to_the_style(recipe):
    network = phosphene.load("embedded:photo")
    (numbers,) = recipe(network, "skimage:chelsea", ["painting:night"], size=160).numbers
    for layer, one in numbers["style loss"].items():
        assert one["picture"] < one["photo"] / 2, layer
    strength = recipe(network, "skimage:chelsea", ["painting:night"], size=160, strength=0, detail=0)
    photo = resize(open_photo("skimage:chelsea"), strength.image.shape[2:])
    assert (strength.image - photo).square().mean() < 0.02

import pytest
import torch
from scipy import ndimage

import phosphene
from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from phosphene.style.texture import texture
from tests.small import Tokens, convnet, noise

HOW = {"steps": 8, "seed": 1}
SMALL = {**HOW, "layer": ["conv1", "conv2"]}


def stripes(side=48, width=4, seed=0):
    """Lines from left to right, with a little noise."""
    rows = (torch.arange(side) // width % 2).float().view(1, side, 1)
    return (0.25 + 0.5 * rows + 0.1 * noise(3, side, side, seed=seed, dtype=torch.float32)).clamp(0, 1)


def spots(side=48, seed=0):
    """Red blots."""
    blots = noise(side, side, seed=seed, dtype=torch.float32)
    smooth = torch.from_numpy(ndimage.gaussian_filter(blots.numpy(), 2, mode="wrap"))
    return torch.stack([(smooth > 0.5).float(), 0.2 * torch.ones(side, side), 0.3 * torch.ones(side, side)])


def test_a_texture_comes_nearer_to_its_picture_and_says_how_much():
    run = texture(convnet(), [stripes()], size=40, **SMALL)
    numbers = run.result.numbers[0]
    assert run.image.shape == (1, 3, 40, 40) and numbers["sizes"] == [[40, 40]] and numbers["steps"] == 8
    assert list(numbers["style"]) == ["conv1", "conv2"] and numbers["fall"] > 20
    assert numbers["fall"] == pytest.approx(
        sum(numbers["style at the start"].values()) / sum(numbers["style"].values()), rel=1e-6
    )


def test_the_same_seed_gives_the_same_texture_and_another_seed_another():
    one, same, other = (
        texture(convnet(), [stripes()], size=40, **{**SMALL, "seed": seed}).image for seed in (1, 1, 2)
    )  # fmt: skip
    assert torch.equal(one, same) and (one - other).abs().mean() > 0.02


def test_sizes_double_up_to_one_that_is_as_high_as_it_is_asked_to_be():
    result = texture(convnet(), [stripes()], size=400, height=200, layer="conv1", steps=1).result
    assert result.image.shape == (1, 3, 200, 400)
    assert result.numbers[0]["sizes"] == [[100, 200], [200, 400]]


def edge(picture, axis):
    """The mean step over the edge, beside the mean of all steps inside, along an axis."""
    inside = picture.diff(dim=axis).abs()
    over = (picture.select(axis, 0) - picture.select(axis, -1)).abs()
    return (over.mean() / inside.mean()).item(), (inside.mean(tuple({1, 2, 3} - {axis})) / inside.mean()).max().item()


@pytest.mark.slow
def test_a_seamless_texture_has_no_seam_and_a_plain_one_has():
    plain, seamless = (
        texture(convnet(), [spots()], size=44, steps=25, layer=["conv1", "conv3"], seamless=on).image
        for on in (False, True)
    )
    for axis in (2, 3):
        over, most = edge(seamless, axis)
        assert over < most
        assert edge(plain, axis)[0] > 1.5 * over


def test_masks_say_where_each_texture_is():
    left = torch.zeros(40, 40)
    left[:, :20] = 1
    image = texture(convnet(), [spots(), stripes()], mask=[left], size=40, **{**SMALL, "steps": 30}).image[0]
    colourful = (image.amax(0) - image.amin(0)).mean(0)
    assert colourful[:16].mean() > 2 * colourful[24:].mean()


def test_textures_without_masks_are_blended_all_over():
    image = texture(convnet(), [spots(), stripes()], size=40, **SMALL).image[0]
    wanted = torch.stack([spots(), stripes()]).mean((0, 2, 3))
    torch.testing.assert_close(image.mean((1, 2)), wanted, atol=0.05, rtol=0)


def test_a_statistic_of_all_features_stands_beside_those_of_sums_or_alone():
    numbers = texture(convnet(), [stripes()], size=40, gram=0, spread=0, sliced=1, **SMALL).result.numbers[0]
    assert numbers["statistics"] == {"sliced": 1} and numbers["fall"] > 3


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"textures": []}, "no texture is given; name a picture of one"),
        ({"gram": 0, "spread": 0}, "no statistic is left, so the texture says nothing; give one of them a weight"),
        ({"textures": [stripes(8)], "layer": "conv3"}, "conv3 sees 9 px, and a texture has only 8; give a larger"),
        ({"layer": "conv9"}, "no layer 'conv9'; did you mean"),
        ({"mask": [torch.zeros(40, 40)] * 3}, "3 masks for 1 styles"),
        ({"seamless": True, "pad": 0.1}, "a seamless texture is looked at as it is"),
    ],
)
def test_what_makes_no_sense_is_told_in_a_sentence(how, words):
    how = {"textures": [stripes()], "size": 40, "layer": "conv1", "steps": 1, **how}
    with pytest.raises(Mistake, match=words):
        _ = texture(convnet(), how.pop("textures"), **how).image


def test_a_network_whose_positions_see_everything_makes_no_seamless_texture():
    network = Network(Tokens().double(), size=32)
    with pytest.raises(Mistake, match="can't look over the edge; a seamless texture needs a convolutional network"):
        _ = texture(network, [stripes()], size=32, layer="mix", seamless=True, steps=1).image


@pytest.mark.slow
def test_on_a_real_network_a_seamless_brick_wall_has_no_seam():
    image = phosphene.texture(phosphene.load(), ["skimage:brick"], size=192, seamless=True, steps=40).image
    for axis in (2, 3):
        over, most = edge(image, axis)
        assert over < most

"""Pictures in a style: what each option does, what is said about them, and what can't be."""

import numpy as np
import pytest
import torch

import phosphene
from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from phosphene.core.pictures.recolouring import luma
from tests.small import convnet, levels

PHOTO, STYLE = levels(3, 40, 56, low=60, high=190), levels(3, 48, 48, seed=1)


def stylize(*styles, **options):
    return phosphene.stylize(convnet(), PHOTO, list(styles) or [STYLE], **{"steps": 3, **options})


def test_the_picture_keeps_its_shape_and_comes_nearer_to_the_style_than_the_photograph_is():
    run = stylize(steps=20)
    assert run.image.shape == (1, 3, 40, 56) and run.image.min() >= 0 and run.image.max() <= 1
    (one,) = run.numbers
    assert one["fall"] > 3 and one["steps"] == run.total == 20
    for layer in one["layers"]:
        assert one["style"][layer] < one["style at the start"][layer]


@pytest.mark.slow
def test_by_default_it_is_512_px_and_grows_from_128():
    photo = levels(3, 300, 600)
    run = phosphene.stylize(convnet(), photo, [STYLE], steps=0)
    assert run.image.shape == (1, 3, 256, 512)
    assert [max(size) for size in run.numbers[0]["sizes"]] == [128, 181, 256, 362, 512]
    assert stylize(steps=0, size=64).image.shape == (1, 3, 46, 64)


def test_without_steps_it_is_the_photograph_or_the_picture_that_it_starts_at():
    assert torch.equal(stylize(steps=0).image[0], PHOTO)
    assert torch.equal(stylize(steps=0, start=PHOTO.flip(2)).image[0], PHOTO.flip(2))


def test_the_same_seed_gives_the_same_bytes_and_another_noise_another_picture():
    first, again, other = (stylize(begin="noise", seed=seed).image for seed in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)


@pytest.mark.slow
def test_more_content_stays_nearer_to_the_photograph_and_more_strength_leads_further_away():
    content = [stylize(steps=10, content=weight).numbers[0]["content"] for weight in (0.001, 0.1, 10)]
    assert content == sorted(content, reverse=True)
    assert stylize(steps=10, content=0.1, strength=100).numbers[0]["content"] == pytest.approx(content[0], rel=0.05)


def test_shares_of_nothing_leave_a_style_out():
    other = levels(3, 48, 48, seed=2, high=90)
    alone, mixed = stylize(other, begin="noise").image, stylize(STYLE, other, begin="noise", shares="0,1").image
    torch.testing.assert_close(mixed, alone, atol=2 / 255, rtol=0)
    assert not torch.equal(stylize(STYLE, other, begin="noise").image, alone)


def test_luminance_keeps_the_photographs_chroma_within_rounding():
    image = stylize(steps=8, colours="luminance").image
    chroma = (image - luma(image)) - (PHOTO - luma(PHOTO[None]))[0]
    assert chroma.abs().max() <= 2 / 255 and not torch.equal(image[0], PHOTO)


def test_a_grid_takes_one_layer_more_from_row_to_row_and_less_content_from_column_to_column():
    run = stylize(grid=True, steps=2)
    numbers = run.numbers
    assert len(run.image) == len(numbers) == 4 * len(numbers[0]["layers"])
    first, last = numbers[0]["weights"], numbers[-1]["weights"]
    assert first["style"][1:] == [0.0] and all(last["style"])
    assert [round(one["weights"]["content"] / last["content"]) for one in numbers[:4]] == [1000, 100, 10, 1]
    corner = stylize(content=last["content"], steps=2).image
    torch.testing.assert_close(run.image[-1:], corner, atol=1 / 255, rtol=0)


@pytest.mark.slow
def test_the_smallest_style_decides_which_layers_are_read():
    network = phosphene.load("embedded:photo")
    run = phosphene.stylize(network, PHOTO, [levels(3, 90, 64)], steps=0)
    assert run.numbers[0]["layers"] == ["conv1", "conv2", "mixed3a"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"layer": "relu4"}, "no layer 'relu4'; did you mean 'relu1'"),
        ({"layer": "fc"}, "fc has no rows and columns"),
        ({"shares": "1,2"}, "shares has 2 numbers for 1 styles; give one for each"),
        ({"shares": "a.png"}, "'a.png' is not a valid value for shares: write numbers with commas"),
        ({"shares": "0"}, "'0' is not a valid value for shares: one of them has to be above 0"),
        ({"layer_weights": "1"}, "layer-weights has 1 numbers for 2 layers"),
        ({"styles": ["walk.mp4"]}, "walk.mp4 is a film, and a style has to be a picture; give one of its frames"),
        ({"styles": []}, "no style is given"),
        ({"gram": 0, "spread": 0}, "no statistic is left"),
        ({"styles": [np.zeros((8, 8, 3), np.uint8)]}, "relu3 sees 9 px, and a style has only 8"),
    ],
)
def test_what_cannot_be_is_one_sentence(options, words):
    options = {"styles": [STYLE], "layer": ["relu1", "relu3"], **options}
    with pytest.raises(Mistake) as mistake:
        phosphene.stylize(convnet(), PHOTO, **options)
    assert words in str(mistake.value) and "\n" not in str(mistake.value)


def test_a_network_that_sees_no_colours_of_its_own_paints_none():
    with pytest.raises(Mistake, match="only three colours are painted"):
        phosphene.stylize(Network(torch.nn.Conv2d(5, 4, 3), size=16, channels=5), PHOTO, [STYLE])


def left_half(soft=0.0):
    mask = torch.zeros(1, 3, 40, 56)
    mask[..., :28] = 1
    if soft:
        mask[..., 24:32] = soft
    return mask


@pytest.mark.slow
def test_masks_say_where_each_style_is_meant_and_each_region_comes_near_to_its_own():
    other = levels(3, 48, 48, seed=2, high=90)
    given = {"mask": [left_half(soft=0.5)], "layer": "relu1"}
    found, before = (stylize(STYLE, other, steps=steps, **given).numbers[0]["regions"] for steps in (30, 0))
    assert sorted(region["shares"] for region in found) == [[0, 1], [0.5, 0.5], [1, 0]]
    for now, then in zip(found, before, strict=True):
        assert round(now["part"], 3) == (0.143 if 0.5 in now["shares"] else 0.429)
        assert now["style"]["relu1"] < then["style"]["relu1"] / 5


def test_where_no_style_is_meant_the_photograph_stays():
    x = stylize(steps=10, mask=[left_half()], content=1.0).image[0]
    assert (x - PHOTO)[..., 44:].abs().mean() < (x - PHOTO)[..., :20].abs().mean() / 4


@pytest.mark.slow
def test_of_a_style_only_what_its_mask_shows_counts():
    dark = STYLE.clone()
    dark[..., 24:] = 0
    part = torch.zeros(1, 3, 48, 48)
    part[..., :24] = 1
    whole, masked = (stylize(dark, steps=20, content=0.0, **more).image for more in ({}, {"style_mask": [part]}))
    assert masked.mean() > whole.mean() + 0.1


@pytest.mark.parametrize(
    ("styles", "masks", "said"),
    [
        ([STYLE], {"mask": [torch.ones(1, 3, 20, 56)]}, "the mask is 56 x 20 pixels and the photograph 56 x 40"),
        ([STYLE] * 3, {"mask": [left_half()]}, "1 masks for 3 styles; give one for each, or for all but the last"),
        ([STYLE], {"style_mask": [left_half()]}, "the mask is 56 x 40 pixels and its style 48 x 48"),
        ([STYLE] * 2, {"style_mask": [left_half()]}, "1 style masks for 2 styles; give one for each"),
        ([STYLE], {"mask": [torch.zeros(1, 3, 40, 56)]}, "the masks are black all over"),
        ([STYLE], {"style_mask": [torch.zeros(1, 3, 48, 48)]}, "the mask of style 1 is black all over"),
    ],
)
def test_masks_that_do_not_fit_are_one_sentence(styles, masks, said):
    with pytest.raises(Mistake, match=said):
        stylize(*styles, **masks)


@pytest.mark.slow
@pytest.mark.parametrize("statistic", ["sliced", "histogram", "nearest"])
def test_a_grey_or_thin_mask_has_positions_for_every_statistic(statistic):
    grey, thin = torch.full((1, 3, 40, 56), 0.3), torch.zeros(1, 3, 40, 56)
    thin[..., 20, :] = 1
    for mask in ([grey], [thin]):
        made = stylize(STYLE, mask=mask, steps=2, **{statistic: 1.0})
        assert made.image.isfinite().all()

"""A style put into pictures level by level: the cascade step by step, margins, and frames that share a transform."""

import pytest
import torch

from phosphene.style import transforms
from phosphene.style.levels import levels
from phosphene.style.moments import gram_distance, moments
from phosphene.style.restyling import Restyling, summary
from tests.style.pictured import decodable, picture

PHOTO, STYLE, OTHER = picture().double(), picture(28, 20, seed=1).double(), picture(16, 16, seed=2).double()


def how(method=transforms.wct, strength=1.0, styles=(STYLE,), shares=(1.0,), layers=None):
    return Restyling(levels(decodable(), layers=layers), list(styles), list(shares), method, strength)


def mirrored(picture, before, after):
    """Pixel by pixel: rows and columns in front and behind are those inside, the border's counted once."""
    for axis in (2, 3):
        lines = list(picture.split(1, axis))
        for _ in range(before):
            lines.insert(0, lines[2 * (len(lines) - picture.shape[axis] + 1) - 1])
        while len(lines) < before + picture.shape[axis] + after[axis - 2]:
            last = before + picture.shape[axis] - 1
            lines.append(lines[2 * last - len(lines)])
        picture = torch.cat(lines, axis)
    return picture


def test_margins_are_mirrored_and_cut_off_again():
    x = picture(9, 12).double()[:, :, :, :11]
    framed = how().framed(x)
    assert framed.shape == (1, 3, 18, 20)  # two positions of two pixels on each side, and up to the next whole one
    torch.testing.assert_close(framed, mirrored(x, 4, (5, 5)))
    assert torch.equal(how().unframed(framed, (9, 11)), x)


def test_each_level_reads_what_the_one_before_has_decoded():
    one, other = levels(decodable())
    restyling = how(strength=0.7)
    x, style = restyling.framed(PHOTO), restyling.framed(STYLE)
    for level, found in zip((one, other), restyling.pictures(PHOTO), strict=True):
        features, wanted = level.features(x).flatten(2), level.features(style).flatten(2)
        moved = transforms.wct(moments(features), moments(wanted))(features)
        rows = x.shape[2] // level.stride
        blend = (0.3 * features + 0.7 * moved).unflatten(2, (rows, -1))
        x = level.pictures(blend, (x.shape[2], x.shape[3]))
        torch.testing.assert_close(found, restyling.unframed(x, (20, 24)))


def test_without_strength_it_is_the_plain_reconstruction():
    (level,) = levels(decodable(), layers="relu2")
    restyling = how(strength=0.0, layers="relu2")
    (found,) = restyling.pictures(PHOTO)
    framed = restyling.framed(PHOTO)
    plain = level.pictures(level.features(framed), (framed.shape[2], framed.shape[3]))
    assert torch.equal(found, restyling.unframed(plain, (20, 24)))


def test_what_the_decoder_loses_of_the_picture_is_put_back_as_far_as_is_asked_for():
    (level,) = levels(decodable(), layers="relu2")
    plain = how(layers="relu2")
    half = Restyling(plain.levels, plain.styles, plain.shares, plain.method, 1.0, 0.5)
    (without,), (found,) = plain.pictures(PHOTO), half.pictures(PHOTO)
    framed = plain.framed(PHOTO)
    lost = framed - level.pictures(level.features(framed), (framed.shape[2], framed.shape[3]))
    torch.testing.assert_close(found, (without + plain.unframed(lost, (20, 24)) / 2).clamp(0, 1))
    all_of_it = Restyling(plain.levels, plain.styles, plain.shares, plain.method, 0.0, 1.0)
    torch.testing.assert_close(next(all_of_it.pictures(PHOTO)), PHOTO)


def test_frames_that_are_pooled_get_the_transform_of_all_their_moments():
    restyling = how()
    (alone,) = {len(restyling.pooled([PHOTO]))}
    assert alone == 2
    fixed = restyling.pooled([PHOTO])
    for one, other in zip(restyling.pictures(PHOTO, fixed), restyling.pictures(PHOTO), strict=True):
        torch.testing.assert_close(one, other)
    first = restyling.pooled([PHOTO, OTHER])[0]
    level = restyling.levels[0]
    every = torch.cat([level.features(restyling.framed(x)).flatten(2) for x in (PHOTO, OTHER)], 2)
    wanted = moments(level.features(restyling.framed(STYLE)).flatten(2))
    for one, other in zip(first, transforms.wct(moments(every), wanted), strict=True):
        torch.testing.assert_close(one, other)


def test_styles_are_blended_by_their_shares_whatever_their_sizes():
    alone, mixed = how(styles=[STYLE]).wanted, how(styles=[STYLE, OTHER], shares=[1.0, 0.0]).wanted
    for one, other in zip(alone, mixed, strict=True):
        torch.testing.assert_close(one.mean, other.mean)
        torch.testing.assert_close(one.covariance, other.covariance)
    half = how(styles=[STYLE, OTHER], shares=[2.0, 2.0]).wanted[0].mean
    torch.testing.assert_close(half, (alone[0].mean + how(styles=[OTHER]).wanted[0].mean) / 2)


@pytest.mark.parametrize("method", [transforms.adain, transforms.wct, transforms.transport])
def test_losses_are_told_against_the_photograph_and_the_style(method):
    restyling = how(method)
    *_, picture = restyling.pictures(PHOTO)
    content, style = restyling.losses(PHOTO, picture)
    deep, x, style_x = restyling.levels[0], restyling.framed(PHOTO), restyling.framed(STYLE)
    here, there = deep.features(restyling.framed(picture)), deep.features(x)
    assert content == pytest.approx(((here - there).square().sum() / there.square().sum()).item())
    wanted = moments(deep.features(style_x).flatten(2))
    assert style["relu2"]["photo"] == pytest.approx(gram_distance(moments(there.flatten(2)), wanted).item())
    assert style["relu2"]["picture"] == pytest.approx(gram_distance(moments(here.flatten(2)), wanted).item())
    assert restyling.losses(PHOTO, PHOTO)[0] == 0
    assert summary({"a": {"photo": 1.0, "picture": 0.5}, "b": {"photo": 3.0, "picture": 0.1}}) == (
        "style loss 0.3, of the photograph 2"
    )

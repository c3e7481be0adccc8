"""Pictures at another size, with a closed form or against Pillow."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch.nn import functional as F

from phosphene.core.errors import Mistake
from phosphene.core.pictures.files import open_photo
from phosphene.core.pictures.fitting import enlarge, fed_part, fit, on_original, resize
from tests.core.photographs import close, noise

# Sizes


@pytest.mark.parametrize("how", ["crop", "squash", "whole"])
@given(st.integers(1, 90), st.integers(1, 90), st.integers(1, 40), st.integers(1, 40))
def test_fitting_gives_exactly_the_size_in_eight_bits(how, height, width, h, w):
    fitted = fit(noise(1, 3, height, width), (h, w), how)
    assert fitted.shape == (1, 3, h, w)
    assert torch.equal(fitted, (fitted * 255).round() / 255)
    assert fitted.min() >= 0 and fitted.max() <= 1


@pytest.mark.parametrize("how", ["crop", "squash", "whole"])
def test_a_fitting_picture_is_only_rounded(how):
    x = noise(2, 3, 12, 10)
    assert torch.equal(fit(x, (12, 10), how), (x * 255).round() / 255)
    assert torch.equal(fit(fit(x, (12, 10), how), (12, 10), how), fit(x, (12, 10), how))


def test_cropping_cuts_the_middle_out_and_leaves_its_pixels():
    x = noise(1, 3, 10, 30)
    assert torch.equal(fit(x, (10, 10)), fit(x[..., 10:20], (10, 10)))
    assert torch.equal(fit(x.mT, (10, 10)), fit(x[..., 10:20].mT, (10, 10)))


def test_what_is_odd_is_cut_off_behind():
    x = noise(1, 3, 10, 13)
    assert torch.equal(fit(x, (10, 10)), fit(x[..., 1:11], (10, 10)))
    assert torch.equal(fit(x.mT, (10, 10)), fit(x[..., 1:11].mT, (10, 10)))
    beside = fit(torch.ones(1, 3, 10, 7), (10, 10), "whole")
    assert (beside[..., 1:8] == 1).all() and (beside[..., [0, 8, 9]] == 128 / 255).all()


def test_cropping_is_shorter_side_to_size_and_centre_crop(cat, plain):
    small = cat.resize((337, 224), Image.Resampling.BILINEAR)  # 224 / 300 of 451 x 300
    left = (337 - 224) // 2
    assert close(fit(plain, (224, 224)), open_photo(small.crop((left, 0, left + 224, 224))), 3)


def test_halving_means_over_neighbours_and_does_not_alias():
    stripes = torch.zeros(1, 3, 64, 64)
    stripes[..., ::2] = 1
    assert (fit(stripes, (16, 16))[..., 2:-2] - 0.5).abs().max() < 0.02


@pytest.mark.parametrize("factor", [2, 3, 4, 7])
def test_scaling_down_by_a_whole_factor_weighs_the_neighbourhood_by_a_triangle(factor):
    """Pillow's bilinear filter widened by the factor: a triangle of 2 factor px, of which every pixel gets its part."""
    x = noise(1, 3, 6 * factor, 5 * factor)
    at = torch.arange(-factor, 2 * factor).double()
    weights = (1 - ((at + 0.5 - factor / 2) / factor).abs()).clamp(min=0)
    weights /= weights.sum()
    blurred = torch.nn.functional.conv2d(x.double(), (weights[:, None] * weights).expand(3, 1, -1, -1),
                                         stride=factor, groups=3)  # fmt: skip
    for how in ("crop", "squash", "whole"):
        inner = fit(x, (6, 5), how)[..., 1:-1, 1:-1].double()
        assert (inner - blurred).abs().max() < 0.51 / 255


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_what_is_shown_smaller_does_not_alias(factor):
    stripes = torch.zeros(1, 3, 12, 24 * factor)
    stripes[..., ::2] = 1
    assert (resize(stripes, (4, 24))[..., 2:-2] - 0.5).abs().max() < 0.07
    x = noise(1, 3, 24 * factor, 24 * factor)
    assert (resize(x, (24, 24)) - x.unfold(2, factor, factor).unfold(3, factor, factor).mean((4, 5))).std() < 0.1


def test_the_whole_picture_is_there_with_grey_beside_it():
    fitted = fit(torch.ones(1, 3, 20, 10), (20, 20), "whole")
    assert torch.equal(fitted[..., 5:15], torch.ones(1, 3, 20, 10))
    assert torch.equal(fitted[..., :5], torch.full((1, 3, 20, 5), 128 / 255))
    assert torch.equal(fitted[..., :5], fitted[..., 15:])


def test_a_long_strip_needs_no_memory():
    assert fit(torch.ones(1, 3, 8, 2_000_000), (224, 224)).min() == 1


def test_a_wrong_way_to_fit_is_answered():
    with pytest.raises(Mistake, match="by crop, squash or whole, not by 'crops'; did you mean 'crop'"):
        fit(noise(1, 3, 8, 8), (8, 8), "crops")
    with pytest.raises(Mistake, match="cannot be fitted to 0 x 8 pixels"):
        fit(noise(1, 3, 8, 8), (0, 8))


def test_resizing_a_flat_picture_keeps_it_flat_and_any_picture_in_range():
    torch.testing.assert_close(resize(torch.full((1, 3, 9, 9), 0.3), (21, 5)), torch.full((1, 3, 21, 5), 0.3))
    big = resize(noise(2, 3, 9, 9).round(), (40, 30))
    assert big.shape == (2, 3, 40, 30) and big.min() == 0 and big.max() == 1


def test_an_enlarged_pixel_is_a_square():
    x = noise(2, 3, 4, 5)
    big = enlarge(x, 3)
    assert big.shape == (2, 3, 12, 15)
    assert all(torch.equal(big[..., i::3, j::3], x) for i in range(3) for j in range(3))


def test_what_is_transparent_does_not_bleed_into_what_is_not_when_it_is_scaled():
    x = torch.zeros(1, 4, 16, 16)
    x[:, 0], x[:, 1] = 1, 0.25
    x[:, 3, :, :8] = 1
    x[:, :3, :, 8:] = torch.tensor([0.0, 1, 1])[None, :, None, None]  # hidden
    small = resize(x, (5, 5))
    seen = small[:, 3] > 0.05
    assert torch.allclose(small[:, :3].movedim(1, 3)[seen], torch.tensor([1, 0.25, 0]), atol=1e-4)
    assert small[0, 3, 0, 0] == 1 and small[0, 3, 0, 4] == 0 and small.isfinite().all()


def rounded(x):
    return (x * 255).round() / 255


def scaled(x, size):
    return rounded(F.interpolate(x, size, mode="bilinear", antialias=True))


def test_squashing_scales_each_side_by_itself_and_means_over_what_it_leaves_out():
    x = noise(1, 3, 20, 12)
    assert torch.equal(fit(x, (5, 7), "squash"), scaled(x, (5, 7)))


@pytest.mark.parametrize(
    ("shape", "size", "rows", "columns"),
    [
        ((7, 12), (7, 7), (0, 7), (2, 9)),  # one column more is lost at the right
        ((12, 7), (7, 7), (2, 9), (0, 7)),
        ((10, 20), (3, 7), (0, 9), (0, 20)),  # 20 / 7 x 3 = 8.57 rows
        ((21, 10), (4, 2), (0, 20), (0, 10)),
        ((1, 100), (10, 1), (0, 1), (49, 50)),  # a tenth of a column is one
        ((100, 1), (1, 10), (49, 50), (0, 1)),
    ],
)
def test_cropping_takes_the_largest_centred_part_of_the_right_shape_and_is_what_is_done_by_default(
    shape, size, rows, columns
):
    x = noise(1, 3, *shape)
    part = x[..., slice(*rows), slice(*columns)]
    assert torch.equal(fit(x, size), rounded(part) if part.shape[2:] == size else scaled(part, size))
    assert torch.equal(fit(x, size), fit(x, size, "crop"))


@pytest.mark.parametrize(
    ("shape", "size", "inside", "top", "left"),
    [
        ((10, 40), (20, 20), (5, 20), 7, 0),  # 15 rows of grey: 7 above, 8 below
        ((40, 10), (20, 20), (20, 5), 0, 7),
        ((8, 6), (13, 20), (13, 10), 0, 5),
        ((1, 100), (10, 10), (1, 10), 4, 0),
        ((100, 1), (10, 10), (10, 1), 0, 4),
    ],
)
def test_a_whole_picture_lies_in_the_middle_of_grey(shape, size, inside, top, left):
    x = noise(1, 3, *shape)
    expected = torch.full((1, 3, *size), 128 / 255)
    expected[..., top : top + inside[0], left : left + inside[1]] = scaled(x, inside)
    assert torch.equal(fit(x, size, "whole"), expected)


@pytest.mark.parametrize("size", [(0, 8), (8, 0), (8, -1)])
def test_a_size_of_nothing_is_said_as_it_was_given(size):
    with pytest.raises(Mistake, match=rf"^a picture cannot be fitted to {size[0]} x {size[1]} pixels$"):
        fit(noise(1, 3, 8, 8), size)


def test_resizing_is_bicubic_antialiased_and_clipped():
    x = noise(2, 3, 9, 12).round()
    for size in ((4, 5), (9, 5), (4, 12), (20, 30)):
        raw = F.interpolate(x, size, mode="bicubic", antialias=True)
        assert torch.equal(resize(x, size), raw.clamp(0, 1))
    assert raw.min() < 0 and raw.max() > 1
    assert resize(x, (9, 12)) is x


def test_resizing_with_alpha_weighs_colours_by_it():
    x = noise(1, 4, 9, 12)
    alpha = F.interpolate(x[:, 3:], (4, 5), mode="bicubic", antialias=True)
    colours = F.interpolate(x[:, :3] * x[:, 3:], (4, 5), mode="bicubic", antialias=True) / alpha
    torch.testing.assert_close(resize(x, (4, 5)), torch.cat([colours, alpha], 1).clamp(0, 1))
    assert not resize(x * torch.tensor([1, 1, 1, 0])[:, None, None], (4, 5)).any()


# Where it came from


@pytest.mark.parametrize("how", ["crop", "squash", "whole"])
@given(st.integers(20, 90), st.integers(20, 90), st.integers(3, 6), st.integers(3, 6))
def test_a_pixel_that_is_fed_comes_from_where_it_is_said_to(how, height, width, row, column):
    """A photograph whose colours say where they are: what is fed says the middle of the part that it comes from."""
    down, across = (torch.arange(length) + 0.5 for length in (height, width))
    x = torch.stack([(down / 90)[:, None].expand(-1, width), (across / 90)[None].expand(height, -1)])
    top, left, rows, columns = fed_part((height, width), (10, 10), how)
    at = (top + (row + 0.5) * rows, left + (column + 0.5) * columns)
    fitted = fit(torch.cat([x, x[:1]])[None], (10, 10), how)[0, :2, row, column] * 90
    if rows < at[0] < height - rows and columns < at[1] < width - columns:  # antialiasing looks as far as that
        assert fitted.tolist() == pytest.approx(at, abs=0.4)


def test_boxes_on_a_photograph_have_a_closed_form():
    assert on_original((2, 0, 4, 8), (32, 16), (8, 8), "crop") == (12, 0, 16, 16)
    assert on_original((2, 0, 4, 8), (32, 16), (8, 8), "squash") == (8, 0, 16, 16)
    assert on_original((2, 2, 4, 6), (32, 16), (8, 8), "whole") == (8, 0, 16, 16)
    assert on_original((-1, 3, 2, 9), (8, 8), (8, 8), "crop") == (-1, 3, 2, 9)
    assert fed_part((20, 10), (10, 10), "crop") == (5, 0, 1, 1)

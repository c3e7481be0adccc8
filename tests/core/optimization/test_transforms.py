"""Transforms against exact crops and an affine map by others."""

import math

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import ndimage

from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.transforms import as_is, compose, crop, lucid, noisy, roll, several, shake
from tests.small import STRONG, noise


def pictures(n=2, height=12, width=10):
    return noise(n, 3, height, width)


def key(n=2, step=0, seed=0):
    return Key(seed, list(range(n)), step=step)


def shown(transform, x, step=0):
    views, of = transform(x, torch.arange(len(x)), key(len(x), step))
    assert of.tolist() == list(range(len(x)))
    return views


def test_as_is_shows_the_pictures_themselves():
    x = pictures()
    assert shown(as_is, x) is x


@pytest.mark.parametrize("border", ["grey", "reflect"])
def test_a_shake_without_randomness_is_the_identity(border):
    x = pictures()
    torch.testing.assert_close(shown(shake(border=border), x), x, rtol=1e-12, atol=1e-12)


@given(st.integers(0, 5), st.integers(0, 6), st.integers(2, 9), st.integers(2, 9))
def test_views_have_the_size_that_is_promised(pad, jitter, height, width):
    assume(min(height, width) + 2 * pad > jitter)
    views = shown(shake(pad=pad, jitter=jitter, scale=(0.5, 2), rotate=45), pictures(2, height, width))
    assert views.shape == (2, 3, height + 2 * pad - jitter, width + 2 * pad - jitter)


@given(st.integers(0, 4), st.integers(0, 7), st.integers(0, 50), st.sampled_from(["grey", "reflect"]))
def test_jitter_is_an_exact_crop_of_the_padded_picture_at_a_whole_pixel(pad, jitter, step, border):
    x = pictures()
    padded = x.numpy() if pad == 0 else np.pad(
        x.numpy(), ((0, 0), (0, 0), (pad, pad), (pad, pad)),
        **({"mode": "constant", "constant_values": 0.5} if border == "grey" else {"mode": "symmetric"}),
    )  # fmt: skip
    views = shown(shake(pad=pad, jitter=jitter, border=border), x, step).numpy()
    height, width = views.shape[2:]
    for row in range(2):
        crops = [padded[row, :, i : i + height, j : j + width] for i in range(jitter + 1) for j in range(jitter + 1)]
        assert min(np.abs(crop - views[row]).max() for crop in crops) < 1e-12


def test_every_whole_pixel_of_the_jitter_is_drawn():
    x = torch.arange(81.0, dtype=torch.float64).reshape(1, 1, 9, 9).expand(1, 3, 9, 9) / 81
    corners = {round(shown(shake(jitter=3), x, step)[0, 0, 0, 0].item() * 81) for step in range(300)}
    assert corners == {9 * i + j for i in range(4) for j in range(4)}


@pytest.mark.parametrize("border", ["grey", "reflect"])
@pytest.mark.parametrize("step", range(6))
def test_a_shake_equals_scipys_affine_map(step, border):
    x, pad, jitter = pictures(2, 16, 13), 3, 5
    numbers = key(2, step).uniform(torch.arange(2), 4)
    views = shown(shake(pad=pad, jitter=jitter, scale=(0.6, 1.4), rotate=40, border=border), x, step)
    for row, (u, v, z, a) in enumerate(numbers.tolist()):
        down, right = (math.floor(t * (jitter + 1)) - jitter / 2 for t in (v, u))
        zoom, angle = 0.6 + 0.8 * z, math.radians(40) * (2 * a - 1)
        # from view to picture, (row, column) from the middle: turn back and shrink, then shift
        turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]]) / zoom
        middle_in, middle_out = (np.array(s) / 2 - 0.5 for s in (x.shape[2:], views.shape[2:]))
        offset = middle_in + np.array([down, right]) - turn @ middle_out
        for channel in range(3):
            oracle = ndimage.affine_transform(
                np.pad(x[row, channel].numpy(), 40, **(
                    {"mode": "constant", "constant_values": 0.5} if border == "grey" else {"mode": "symmetric"}
                )),
                turn, offset + 40, output_shape=views.shape[2:], order=1,
            )  # fmt: skip
            np.testing.assert_allclose(views[row, channel].numpy(), oracle, atol=1e-10)


def always(*numbers):
    """A key whose numbers are these."""

    class Fixed(Key):
        def uniform(self, rows, *shape):
            return torch.tensor(numbers, dtype=torch.float64).expand(len(rows), *shape)

    return Fixed(0, [0], step=0)


def test_a_quarter_turn_is_exact_and_clockwise():
    x = pictures(1, 9, 9)
    turned = shake(rotate=90)(x, torch.arange(1), always(0, 0, 0, 1.0))[0]
    back = shake(rotate=90)(x, torch.arange(1), always(0, 0, 0, 0.0))[0]
    options = [x.rot90(k, (2, 3)) for k in (1, 3)]
    torch.testing.assert_close(turned, options[0], rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(back, options[1], rtol=1e-9, atol=1e-9)


def test_a_scale_of_two_enlarges():
    x = torch.zeros(1, 3, 8, 8, dtype=torch.float64)
    x[:, :, 3:5, 3:5] = 1
    view = shake(scale=(2.0, 2.0))(x, torch.arange(1), key(1))[0]
    assert view[0, 0].sum() > 3.5 * x[0, 0].sum()
    assert view[0, 0, 4, 4] == 1 and view[0, 0, 0, 0] == 0


def test_what_is_outside_is_grey():
    view = shown(shake(pad=4), torch.ones(2, 3, 6, 6, dtype=torch.float64))
    assert (view[:, :, :4] == 0.5).all() and (view[..., -4:] == 0.5).all()
    torch.testing.assert_close(view[:, :, 4:-4, 4:-4], torch.ones(2, 3, 6, 6, dtype=torch.float64))


@given(st.integers(0, 7), st.integers(0, 50))
def test_a_roll_can_be_undone_and_reaches_no_further_than_it_says(reach, step):
    x = pictures()
    shifts = key(2, step).integers(torch.arange(2), 2, 2 * reach + 1) - reach
    assert shifts.abs().max() <= reach
    views = shown(roll(reach), x, step)
    back = torch.stack([view.roll((-a, -b), (1, 2)) for view, (a, b) in zip(views, shifts.tolist(), strict=True)])
    assert torch.equal(back, x)


def twice(x, rows, key):
    """Two views of each picture, the second darker."""
    return torch.cat([x, x / 2]), torch.arange(len(x)).repeat(2)


def test_a_composition_hands_views_on_and_knows_whose_they_are():
    x = pictures(3)
    views, of = compose(twice, shake(pad=2), twice)(x, torch.tensor([2, 0, 1]), key(3))
    assert views.shape == (12, 3, 16, 14) and of.tolist() == [0, 1, 2] * 4
    torch.testing.assert_close(views[9:, :, 2:-2, 2:-2], x / 4)
    torch.testing.assert_close(views[6:9, :, 2:-2, 2:-2], x / 2)


def test_the_parts_of_a_composition_draw_their_own_numbers():
    x = pictures(1, 40, 40)
    jittered = shown(compose(roll(9), roll(9)), x)
    first = key(1).child(0).integers(torch.arange(1), 2, 19) - 9
    second = key(1).child(1).integers(torch.arange(1), 2, 19) - 9
    assert not torch.equal(first, second)
    assert torch.equal(jittered[0], x[0].roll((first + second)[0].tolist(), (1, 2)))


@settings(max_examples=20)
@given(st.integers(0, 20))
def test_a_row_sees_what_it_would_see_alone(step):
    x, many = pictures(4, 20, 20), Key(3, [5, 9, 2, 7], step=step)
    transform = compose(roll(5), STRONG, lucid())
    together = transform(x, torch.arange(4), many)[0]
    for row, problem in enumerate(many.problems):
        alone = transform(x[[row]], torch.arange(1), Key(3, [problem], step=step))[0]
        torch.testing.assert_close(alone[0], together[row], rtol=1e-13, atol=1e-13)
    some = transform(x[[3, 1]], torch.tensor([3, 1]), many)[0]
    torch.testing.assert_close(some, together[[3, 1]], rtol=1e-13, atol=1e-13)


def test_the_gradient_goes_through_a_shake():
    x = pictures(1, 4, 4).requires_grad_()
    transform = shake(pad=1, jitter=1, scale=(0.8, 1.3), rotate=30)
    assert torch.autograd.gradcheck(lambda x: transform(x, torch.arange(1), key(1))[0], x)


def test_lucids_view_of_128_pixels_is_140_wide():
    assert shown(lucid(), torch.rand(1, 3, 128, 128)).shape == (1, 3, 140, 140)


def test_lucids_is_a_shake_by_these_numbers():
    x = pictures(2, 40, 30)
    expected = shown(shake(pad=12, jitter=8 + 4, scale=(0.9, 1.1), rotate=10.0, border="grey"), x, 3)
    assert torch.equal(shown(lucid(), x, 3), expected)


def test_noise_has_its_deviation_and_belongs_to_its_problem():
    x = torch.zeros(2, 3, 40, 40, dtype=torch.float64)
    views = shown(noisy(0.1), x)
    assert views.std().item() == pytest.approx(0.1, rel=0.05)
    alone, _ = noisy(0.1)(x[1:], torch.tensor([1]), key(2))
    assert torch.equal(views[1], alone[0])


@pytest.mark.parametrize("part", [0.25, 0.5, 1.0])
def test_a_part_in_the_middle_is_the_picture_resampled(part):
    x = pictures(2, 12, 12)
    views = shown(crop(part, part, 6, spread=0.0), x)
    at = (np.arange(6) + 0.5) / 6 * 12 * part + 6 - 6 * part - 0.5
    places = np.stack(np.meshgrid(at, at, indexing="ij"))
    for n in range(2):
        for c in range(3):
            expected = ndimage.map_coordinates(x[n, c].numpy(), places, order=1, mode="reflect")
            np.testing.assert_allclose(views[n, c].numpy(), expected, atol=1e-9)


def test_parts_are_square_and_lie_anywhere():
    views, of = crop(0.2, 0.5, 7)(pictures(2, 12, 20), torch.arange(2), key(2))
    assert views.shape == (2, 3, 7, 7)
    assert of.tolist() == [0, 1]
    assert not torch.equal(views, shown(crop(0.2, 0.5, 7), pictures(2, 12, 20), step=1))


def test_parts_are_spread_about_the_middle_as_they_say_and_by_no_number_that_is_used_twice():
    """On a picture that rises evenly down and across, the mean of a view tells where its middle was."""
    down, across = ((torch.arange(side) + 0.5).double() / side for side in (40, 20))
    ramps = torch.stack([down[:, None].expand(40, 20), across.expand(40, 20), 0 * across.expand(40, 20)])
    many, spread = 500, 0.05
    views, _ = crop(0.1, 0.3, 4, spread)(ramps.expand(many, -1, -1, -1), torch.arange(many), key(many))
    middles = views[:, :2].mean((2, 3)) - 0.5
    assert middles.std(0).tolist() == pytest.approx([spread, spread], rel=0.1)
    assert middles.mean(0).abs().max() < 0.2 * spread
    part = (views[:, 0, 3] - views[:, 0, 0]).mean(1) / 0.75 * 2  # of the height; the shorter side is half of it
    expected = 0.1 + 0.2 * key(many).uniform(torch.arange(many), 1)[:, 0]
    torch.testing.assert_close(part, expected)
    torch.testing.assert_close(middles.flip(1), spread * key(many).child(0).normal(torch.arange(many), 2))
    usual, written = (shown(crop(0.2, 0.5, 7, *more), pictures(2, 12, 12)) for more in ((), (0.15,)))
    assert torch.equal(usual, written)


def test_several_views_of_a_picture_differ_and_say_whose_they_are():
    x = pictures()
    views, of = several(3, shake(jitter=4))(x, torch.arange(2), key(2))
    assert of.tolist() == [0, 1, 0, 1, 0, 1]
    assert len({tuple(view.flatten().tolist()) for view in views}) == 6
    alone, _ = several(3, shake(jitter=4))(x[1:], torch.tensor([1]), key(2))
    assert torch.equal(views[1::2], alone)

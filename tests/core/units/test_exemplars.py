"""TokenGrid: found position by position, cut pixel by pixel, traced back one by one."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from phosphene.core.networks.receptive_fields import Axis, ReceptiveField
from phosphene.core.pictures.fitting import MID_GREY
from phosphene.core.units.exemplars import (
    Exemplar,
    Peak,
    Peaks,
    banded,
    cut,
    cut_original,
    cut_out,
    distinctive,
    effective_field,
    peaks,
    strongest,
    traced_back,
    visible_box,
)
from phosphene.core.units.inputs import feed
from phosphene.core.units.units import Unit
from tests.small import Tokens, convnet, levels, noise, normal

PHOTOS = [levels(1, 3, 18, 16 + i % 2, seed=i) for i in range(7)]


# ------------------------------------------------------------------------------------------------------- finding


def slow_peak(y):
    """Every position of (h, w), row by row."""
    best, where = -math.inf, None
    for r, row in enumerate(y.tolist()):
        for c, value in enumerate(row):
            if value > best:
                best, where = value, [r, c]
    return best, where


@pytest.mark.parametrize("fit", ["crop", "whole"])
def test_a_peak_is_the_largest_of_all_positions_whatever_the_batch(fit):
    network = convnet()
    found = peaks(network, PHOTOS, ["conv2", "relu3"], fit, batch=3)
    for name, channels in (("conv2", 8), ("relu3", 5)):
        assert found[name].values.shape == (len(PHOTOS), channels)
        for i, photo in enumerate(PHOTOS):
            y = network.read(feed(network, photo, fit), [name])[name][0]
            for k in range(channels):
                value, where = slow_peak(y[k])
                assert found[name].values[i, k].item() == pytest.approx(value, abs=1e-12)
                assert found[name].places[i, k].tolist() == where


def test_classes_have_no_place_and_tokens_have_one_number():
    found = peaks(convnet(), PHOTOS, ["logits", "flat"])
    assert found["logits"].places.shape == (7, 4, 0)
    assert [p.position for p in strongest(found["flat"], 2, 3)] == [None] * 3
    network = Network(Tokens().double(), size=16)
    (one,) = peaks(network, PHOTOS, ["mix"]).values()
    said = network.read(feed(network, PHOTOS[0]), ["mix"])["mix"][0]
    best = strongest(one, 3, 7)
    assert {p.photo: p.position for p in best}[0] == int(said[3].argmax())


def test_the_strongest_come_first_and_of_equals_the_first():
    found = Peaks(torch.tensor([[1.0], [3.0], [-1.0], [3.0], [2.0]]), torch.arange(10).reshape(5, 1, 2))
    assert strongest(found, 0, 3) == [Peak(1, (2, 3), 3.0), Peak(3, (6, 7), 3.0), Peak(4, (8, 9), 2.0)]


def test_each_band_is_sorted_by_what_it_is_near_to_and_of_equals_the_first_comes_first():
    values = torch.tensor([[2.0], [0.0], [5.0], [1.0], [2.0], [-3.0], [0.5]])
    lows = torch.tensor([[-2.0], [-7.0], [0.0], [-7.0], [1.0], [-9.0], [-1.0]])
    places = torch.zeros(7, 1, 2, dtype=torch.long)
    found = Peaks(values, places, Peaks(lows, places + 1))
    assert [(p.photo, p.value) for p in banded(found, 0, 3)] == [(2, 5.0), (0, 2.0), (4, 2.0)]
    assert [(p.photo, p.value, p.position) for p in banded(found, 0, 3, "weakest")] == [
        (5, -9.0, (1, 1)), (1, -7.0, (1, 1)), (3, -7.0, (1, 1)),
    ]  # fmt: skip
    never = Peaks(values + 4, places, Peaks(lows + 9, places + 1))  # goes below zero
    assert [(p.photo, p.value, p.position) for p in banded(never, 0, 2, "weakest")] == [
        (5, 1.0, (0, 0)), (1, 4.0, (0, 0)),
    ]  # fmt: skip
    assert [p.photo for p in banded(found, 0, 4, "median")] == [3, 6, 0, 1]  # the median is 1
    assert [p.photo for p in banded(found, 0, 9, "threshold")] == [6, 3, 0, 4, 2]
    assert [p.photo for p in banded(found, 0, 2, "threshold", threshold=1.0)] == [0, 4]


@pytest.mark.parametrize("fit", ["crop", "squash", "whole"])
def test_what_is_cut_out_of_the_original_is_what_the_network_was_fed_only_larger(fit):
    """A photograph of large squares, so that scaling leaves the middle of each as it is."""
    coarse = levels(1, 3, 8, 8, seed=3)
    photo = coarse.repeat_interleave(20, 2).repeat_interleave(20, 3)
    part = cut_original(photo, (2, -2, 7, 5), (8, 8), fit)
    assert part.shape == (1, 3, 100, 140)
    assert torch.equal(part[..., 10::20, 10::20], cut(coarse, (2, -2, 7, 5), MID_GREY))
    long = torch.cat([torch.zeros(1, 3, 160, 40), photo, torch.ones(1, 3, 160, 40)], 3)
    beyond = cut_original(long, (0, -1, 8, 9), (8, 8), "crop")
    assert (
        beyond.shape == (1, 3, 160, 200)
        and beyond[..., :20].eq(MID_GREY).all()
        and beyond[..., 180:].eq(MID_GREY).all()
    )


def test_all_of_the_picture_is_shown_with_the_field_in_it_where_that_is_asked_for():
    network = convnet()
    best = strongest(peaks(network, PHOTOS, ["conv2"])["conv2"], 1, 2)
    (one, _), (whole, _) = (
        cut_out(network, PHOTOS, Unit("conv2", 1), best, ["gradient"], sees) for sees in ("all", "picture")
    )
    assert one.marked is None and whole.box == (0, 0, 16, 16) and whole.field == one.box and not whole.whole
    top, left, bottom, right = (round(16 * part) for part in whole.marked)
    assert (top, left, bottom, right) == one.box
    assert torch.equal(cut(whole.crop, one.box, MID_GREY), one.crop)


@pytest.mark.parametrize(("n", "k"), [(10, 1), (12, 3), (9, 8)])
def test_a_unit_that_k_of_n_photographs_excite_alike_stands_out_by_a_closed_form_and_most_of_all(n, k):
    values = torch.zeros(n, 3)
    values[:k, 0] = 5.0
    values[:, 1] = normal(n, seed=k).float()
    said = distinctive(Peaks(values, torch.zeros(n, 3, 0, dtype=torch.long)), k)
    assert said[0].item() == pytest.approx(math.sqrt((n - k) / k))
    assert said[0] >= said[1] and said[2] == 0


@given(st.integers(0, 99), st.floats(0.01, 100), st.floats(-50, 50))
def test_how_far_a_unit_stands_out_does_not_depend_on_its_scale(seed, scale, shift):
    x = normal(8, 2, seed=seed)
    place = torch.zeros(8, 2, 0, dtype=torch.long)
    torch.testing.assert_close(distinctive(Peaks(scale * x + shift, place), 3), distinctive(Peaks(x, place), 3))


# ------------------------------------------------------------------------------------------------------- cutting


@given(st.integers(-9, 9), st.integers(-9, 9), st.integers(1, 12), st.integers(1, 12))
def test_a_cut_is_the_picture_inside_and_grey_outside_pixel_by_pixel(top, left, height, width):
    x = noise(1, 3, 6, 5)
    part = cut(x, (top, left, top + height, left + width), 0.5)
    assert part.shape == (1, 3, height, width)
    for r in range(height):
        for c in range(width):
            y, z = top + r, left + c
            expected = x[0, :, y, z] if 0 <= y < 6 and 0 <= z < 5 else torch.full((3,), 0.5, dtype=x.dtype)
            assert torch.equal(part[0, :, r, c], expected)


def test_a_field_that_is_larger_than_the_picture_is_the_whole_picture_along_that_axis():
    field = ReceptiveField(Axis(11, 4, -5), Axis(40, 4, -20))
    assert visible_box(field, (0, 3), (20, 30)) == (-5, 0, 6, 30)
    assert visible_box(field, (4, 0), (11, 41)) == (0, -20, 11, 20)
    assert (
        visible_box(field, None, (20, 30))
        == visible_box(None, (1, 2), (20, 30))
        == visible_box(None, 7, (20, 30))
        == (0, 0, 20, 30)
    )


def filters(stride=2, padding=2):
    network = Network(
        nn.Sequential(nn.Conv2d(3, 4, 5, stride, padding), nn.AdaptiveAvgPool2d(1), nn.Flatten()).double(), size=16
    )
    return network, network.model[0].weight.detach()


def test_what_is_traced_back_from_a_filter_is_the_filter_and_nothing_outside_the_picture():
    network, weight = filters()
    chosen = [Peak(0, (3, 4), 0.0), Peak(1, (0, 0), 0.0), Peak(2, (7, 5), 0.0)]
    for k in range(4):
        one, corner, low = cut_out(network, PHOTOS, Unit("0", k), chosen, ["gradient", "guided"])
        torch.testing.assert_close(one.traced["gradient"][0].double(), weight[k], rtol=1e-6, atol=1e-7)
        torch.testing.assert_close(one.traced["guided"], one.traced["gradient"])
        inside = torch.zeros(5, 5)
        inside[2:, 2:] = 1
        torch.testing.assert_close(corner.traced["gradient"][0].double(), weight[k] * inside, rtol=1e-6, atol=1e-7)
        assert (one.box, corner.box, low.box) == ((4, 6, 9, 11), (-2, -2, 3, 3), (12, 8, 17, 13))
        assert (one.frame, corner.frame) == ((6, 4, 5, 5), (-2, -2, 5, 5))
        fed = feed(network, PHOTOS[1]).float()
        assert torch.equal(corner.crop[..., 2:, 2:], fed[..., :3, :3])
        assert (corner.crop[..., :2, :] == MID_GREY).all() and (corner.crop[..., :2] == MID_GREY).all()
        assert not (one.whole or corner.whole or low.whole)


@pytest.mark.parametrize("rule", ["gradient", "deconvnet", "guided"])
def test_a_batch_of_positions_is_traced_back_as_each_one_alone(rule):
    network = convnet()
    pictures = torch.cat([feed(network, photo) for photo in PHOTOS])
    places = [(i % 4, (3 * i) % 8) for i in range(7)]
    together = traced_back(network, Unit("conv3", 2), places, pictures, rule)
    for i, place in enumerate(places):
        alone = traced_back(network, Unit("conv3", 2), [place], pictures[i : i + 1], rule)
        torch.testing.assert_close(together[i : i + 1], alone)
        x = pictures[i : i + 1].clone().requires_grad_()
        said = network.read(x, ["conv3"], rule)["conv3"][0, 2, place[0], place[1]]
        torch.testing.assert_close(alone, torch.autograd.grad(said, x)[0])


def test_before_the_first_rectifier_every_rule_is_the_gradient_and_from_it_on_none_is():
    network = convnet()
    x = torch.cat([feed(network, photo) for photo in PHOTOS[:2]])
    assert [network.rectified_before(name) for name in ("conv1", "relu1", "conv2", "logits")] == [
        False,
        True,
        True,
        True,
    ]
    for name, same in (("conv1", True), ("conv2", False)):
        unit, at = Unit(name, 1), [(2, 2), (3, 1)]
        assert torch.equal(traced_back(network, unit, at, x), traced_back(network, unit, at, x, "deconvnet")) == same


def test_pictures_of_several_sizes_are_cut_each_for_itself():
    network = convnet()
    found = peaks(network, PHOTOS, ["conv2"], "whole")["conv2"]
    chosen = strongest(found, 3, 7)
    exemplars = cut_out(network, PHOTOS, Unit("conv2", 3), chosen, ["guided"], fit="whole", batch=4)
    assert [e.peak for e in exemplars] == chosen
    for exemplar in exemplars:
        fed = feed(network, PHOTOS[exemplar.peak.photo], "whole").float()
        assert torch.equal(exemplar.crop, cut(fed, exemplar.box, MID_GREY))


@pytest.mark.slow
def test_units_without_a_place_are_refused_by_the_nearest_that_have_one(zoo):
    network = Network(zoo("vit_b_16", image_size=32, num_classes=4), size=32)
    name = next(name for name in network.layers if name.endswith("scaled_dot_product_attention"))
    with pytest.raises(Mistake, match=r"units of .*attention have no place in the picture \(its shape is"):
        peaks(network, PHOTOS, [name])


def test_values_that_are_not_finite_are_refused():
    network = convnet()
    with torch.no_grad():
        network.model.conv2.weight.fill_(math.nan)
    with pytest.raises(Mistake, match=r"conv2 of .* says values that are not finite"):
        peaks(network, PHOTOS, ["conv2"])


# -------------------------------------------------------------------------------------------------- effective field


def spot(height, width, row, column):
    slope = torch.zeros(1, 3, height, width)
    slope[0, 1, row, column] = -2.0
    return slope


def test_the_effective_field_ends_where_the_gradient_does_in_the_median():
    field = ReceptiveField(Axis(15, 1, -7), Axis(15, 1, -7))
    gradients = [spot(30, 30, 10, 10 + away) for away in (0, 3, 9)]  # 9 px away is outside, and is not believed
    found = effective_field(field, [(10, 10)] * 3, gradients)
    assert (found.rows, found.columns, found.measured) == (Axis(7, 1, -3), Axis(7, 1, -3), True)
    assert found.box(10, 10) == (7, 7, 14, 14)
    assert effective_field(field, [(10, 10)] * 3, gradients[2:] * 3) == ReceptiveField(field.rows, field.columns, True)


def test_the_effective_field_holds_95_of_100_of_the_sum_of_squares():
    slope = normal(1, 3, 41, 41).float()
    field = ReceptiveField(Axis(41, 1, -20), Axis(41, 1, -20))
    half = (effective_field(field, [(20, 20)], [slope]).rows.size - 1) / 2
    squares = slope.double().square().sum((0, 1))

    def share(reach):
        return float(squares[20 - reach : 21 + reach, 20 - reach : 21 + reach].sum() / squares.sum())

    assert half == int(half)
    assert share(int(half)) >= 0.95 > share(int(half) - 1)


def test_without_a_gradient_the_effective_field_is_the_field():
    field = ReceptiveField(Axis(5, 2, -2), Axis(7, 2, -3))
    assert effective_field(field, [(1, 1), None], [torch.zeros(1, 3, 8, 8), spot(8, 8, 1, 1)]) is field


def test_exemplars_cut_to_where_most_comes_from_are_parts_of_those_cut_to_all():
    network = convnet()
    chosen = strongest(peaks(network, PHOTOS, ["conv3"])["conv3"], 1, 5)
    every, most = (cut_out(network, PHOTOS, Unit("conv3", 1), chosen, ["deconvnet"], sees) for sees in ("all", "most"))
    for large, small in zip(every, most, strict=True):
        assert list(small.traced) == ["deconvnet"]
        assert large.box[0] <= small.box[0] < small.box[2] <= large.box[2]
        inner = tuple(a - b for a, b in zip(small.box, large.box[:2] * 2, strict=True))
        assert torch.equal(cut(large.traced["deconvnet"], inner, 0.0), small.traced["deconvnet"])


def some(n=9, side=12, rules=("gradient", "guided")):
    return [
        Exemplar(
            Peak(i, (i, i), 10.0 - i),
            (0, 0, side, side),
            False,
            levels(1, 3, side, side, seed=i),
            {rule: normal(1, 3, side, side, seed=10 * i + k).float() for k, rule in enumerate(rules)},
        )
        for i in range(n)
    ]


def test_values_are_told_in_three_figures():
    said = [Peak(0, None, value).short for value in (1234.5, -1234.5, 0.012345, 98.76, 2e6)]
    assert said == ["1234", "-1234", "0.0123", "98.8", "2e+06"]

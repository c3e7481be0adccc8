"""Deletion and insertion: curves by a loop, and on linear models, where the best order is known."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from phosphene.attribution.checks.curves import (
    compared,
    curves,
    edges,
    in_p,
    order,
    random_order,
)
from phosphene.attribution.question import question
from phosphene.core.optimization.operators import blurred
from phosphene.core.units.spelling import parse_unit
from tests.small import convnet, levels, linear, noise, normal

PHOTOS = levels(2, 3, 16, 16)
SMALL = levels(1, 3, 6, 5, seed=2)


def slow_curve(network, start, end, places, points, said):
    """One pixel at a time, one picture at a time."""
    height, width = places.shape
    found = []
    for step in range(points + 1):
        many, picture = round(step / points * height * width), start.clone()
        for row in range(height):
            for column in range(width):
                if places[row, column] < many:
                    picture[:, row, column] = end[:, row, column]
        found.append(said(network, picture))
    return torch.trapezoid(torch.tensor(found), dx=1 / points), found


def p(index):
    def said(network, picture):
        with torch.no_grad():
            return network.model((picture[None].double() - 0.5) / 0.2).softmax(1)[0, index].item()

    return said


@pytest.mark.parametrize("batch", [1, 7, 100])
def test_curves_equal_a_naive_loop(batch):
    network, maps = convnet(), noise(2, 16, 16, seed=3)
    asked = question(network, PHOTOS, target=1, batch=batch)
    first = order(maps)
    found = curves(asked, PHOTOS, first, points=6)
    for i in range(2):
        zero = torch.full((3, 16, 16), 0.5)  # the network's mean
        blur = blurred(PHOTOS[i : i + 1], 0.05 * 16)[0]
        for place, (curve, ends) in enumerate(
            [(found.deletion, (PHOTOS[i], zero)), (found.insertion, (blur, PHOTOS[i]))]
        ):
            area, expected = slow_curve(network, *ends, first[i], 6, p(1))
            torch.testing.assert_close(curve[i], torch.tensor(expected).double(), rtol=1e-6, atol=1e-8)
            torch.testing.assert_close(found.areas()[place][i], area.double(), rtol=1e-6, atol=1e-8)


def test_the_order_is_from_the_largest_to_the_smallest():
    maps = normal(2, 6, 5)
    places = order(maps)
    for one, place in zip(maps, places, strict=True):
        by_place = torch.empty(30, dtype=one.dtype)
        by_place[place.flatten()] = one.flatten()
        assert torch.equal(by_place, one.flatten().sort(descending=True).values)


@given(st.integers(1, 8), st.integers(1, 8), st.integers(1, 3))
def test_an_order_names_every_pixel_once(height, width, n):
    maps = (noise(n, height, width) * 3).round()  # with ties
    for places in (order(maps), random_order(maps, 0), random_order(maps, 1)):
        assert torch.equal(places.flatten(1).sort(dim=1).values, torch.arange(height * width).expand(n, -1))


def test_equal_pixels_go_in_random_order_the_same_for_each_picture():
    flat = order(torch.zeros(2, 20, 20))
    assert torch.equal(flat[0], flat[1])
    rows = torch.arange(20).repeat_interleave(20).double()
    assert abs(torch.corrcoef(torch.stack([rows, flat[0].flatten().double()]))[0, 1]) < 0.15
    assert not torch.equal(flat, order(torch.zeros(2, 20, 20), seed=1))


def test_random_orders_differ_by_their_index():
    maps = torch.zeros(2, 9, 9)
    first, second = random_order(maps, 0), random_order(maps, 1)
    assert torch.equal(first[0], first[1]) and not torch.equal(first, second)


def half_line():
    """Two classes whose scores are w . x and 0, on a network whose mean colour is black."""
    weight = torch.stack([noise(3, 6, 5, seed=4) - 0.5, torch.zeros(3, 6, 5)])
    return linear(weight.double(), [0.0, 0.0]), weight[0].double()


def test_on_a_linear_model_no_order_deletes_faster_than_that_of_the_contributions():
    network, weight = half_line()
    asked = question(network, SMALL, target=0)
    contributions = (weight * SMALL[0].double()).sum(0)
    best = curves(asked, SMALL, order(contributions[None]), points=30).deletion[0]
    # with one pixel a step the closed form is what the pixels that are left add up to
    left = contributions.sum() - contributions.flatten().sort(descending=True).values.cumsum(0)
    torch.testing.assert_close(best[1:], left.sigmoid(), rtol=1e-5, atol=1e-6)
    for index in range(20):
        other = curves(asked, SMALL, random_order(contributions[None], index), points=30).deletion[0]
        assert (best <= other + 1e-6).all()
        assert best.sum() < other.sum()


def test_where_pixels_matter_equally_the_curve_is_straight_for_any_order():
    network = linear(torch.ones(2, 3, 6, 5), [0.0, 0.0])
    white = torch.ones(1, 3, 6, 5)
    unit = question(network, white, unit="1:0")  # the layer before the softmax, as a unit
    found = curves(unit, white, order(noise(1, 6, 5)), points=10)
    torch.testing.assert_close(found.deletion[0], torch.linspace(1, 0, 11).double(), rtol=1e-5, atol=1e-6)
    assert found.areas()[0].item() == pytest.approx(0.5, abs=1e-6)


def test_of_a_class_p_is_told_of_a_unit_its_share():
    network = convnet()
    asked = question(network, PHOTOS, target=1, score="logit")
    assert in_p(asked).score == "p"
    unit = question(network, PHOTOS, unit="conv2:3")
    assert in_p(unit) is unit
    found = curves(unit, PHOTOS, order(noise(2, 16, 16)), points=4)
    torch.testing.assert_close(found.deletion[:, 0].abs(), torch.ones(2).double())
    torch.testing.assert_close(found.insertion[:, -1].abs(), torch.ones(2).double())


def test_one_class_against_another_is_the_difference_of_their_p():
    network = convnet()
    asked = question(network, PHOTOS, target=1, against=2)
    found = curves(asked, PHOTOS, order(noise(2, 16, 16)), points=2)
    said = network.read(PHOTOS, ["logits"])["logits"].softmax(1)
    torch.testing.assert_close(found.deletion[:, 0], (said[:, 1] - said[:, 2]).double(), rtol=1e-6, atol=1e-9)


def test_curves_begin_and_end_the_same_whatever_the_order():
    asked = question(convnet(), PHOTOS, target=1)
    one, other = (curves(asked, PHOTOS, order(noise(2, 16, 16, seed=s)), points=5) for s in (1, 2))
    for name in ("deletion", "insertion"):
        a, b = getattr(one, name), getattr(other, name)
        torch.testing.assert_close(a[:, [0, -1]], b[:, [0, -1]], rtol=1e-6, atol=1e-9)
        assert not torch.allclose(a, b)


def test_edges_are_the_length_of_sobels_slopes():
    step = torch.zeros(1, 3, 9, 9)
    step[..., 5:] = 0.6
    found = edges(step)[0]
    assert (found[2:7, 4:6] > 0.2).all() and found[:, :4].abs().max() < 1e-6 and found[:, 6:].abs().max() < 1e-6


def test_the_baselines_come_one_by_one_and_chance_is_their_mean():
    asked = question(convnet(), PHOTOS, target=1)
    steps = list(compared(asked, PHOTOS, noise(2, 16, 16), points=4))
    assert [(one.edges is not None, len(one.random)) for one in steps] == [(False, 0), *((True, i) for i in range(4))]
    last = steps[-1]
    torch.testing.assert_close(last.by_chance.deletion, sum(one.deletion for one in last.random) / 3)
    assert steps[0].by_chance is None
    again = curves(asked, PHOTOS, order(edges(PHOTOS)), points=4)
    torch.testing.assert_close(last.edges.insertion, again.insertion)


def test_a_batch_is_its_pictures_alone():
    maps = noise(2, 16, 16)
    maps[0] = maps[0].round()  # ties as well
    network = convnet()
    *_, both = compared(question(network, PHOTOS, target=1), PHOTOS, maps, points=4)
    for i in range(2):
        one_photo = PHOTOS[i : i + 1]
        *_, alone = compared(question(network, one_photo, target=1), one_photo, maps[i : i + 1], points=4)
        for name in ("deletion", "insertion"):
            for way in ("own", "edges", "by_chance"):
                mine, theirs = (getattr(getattr(one, way), name) for one in (both, alone))
                torch.testing.assert_close(mine[i], theirs[0], rtol=1e-7, atol=1e-10)


def test_a_sum_of_a_class_and_a_unit_has_no_p():
    network = convnet()
    (unit,) = parse_unit(network, "logits:1 - 0.5*conv2:3")
    asked = question(network, PHOTOS, unit=unit)
    assert in_p(asked) is asked

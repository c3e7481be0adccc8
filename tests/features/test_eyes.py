"""A photograph through the eyes of a layer: its directions are the activations, its groups add up to them."""

import sys

import numpy as np
import pytest
import torch

from phosphene.core.errors import Mistake
from phosphene.core.optimization.terms import Reading, code_distance, direction, likeness
from phosphene.core.units.inputs import code, feed
from phosphene.features import accentuate, activation_grid, caricature
from phosphene.features.factors import factorized
from phosphene.features.portraits import Portraits
from phosphene.features.presets import settings
from tests.small import convnet, levels, noise, normal

PHOTO = levels(1, 3, 16, 16, low=1, high=254)


def by_hook(network, picture, layer):
    """The activation, read by a hook of its own."""
    kept = []
    hook = network.model.get_submodule(layer).register_forward_hook(lambda m, i, o: kept.append(o.detach()))
    network.model((picture - 0.5) / 0.2)
    hook.remove()
    return kept[0]


def slow(y, v, power):
    """The mean over positions of dot * max(.1, cos)^power, position by position."""
    total = 0.0
    for row in range(y.shape[1]):
        for column in range(y.shape[2]):
            a, b = y[:, row, column], v[:, row, column]
            dot = float(a @ b)
            total += dot * max(0.1, dot / float(a.norm() * b.norm())) ** power
    return total / (y.shape[1] * y.shape[2])


# ------------------------------------------------------------------------------------------------------- the grid


def test_the_directions_of_a_grid_are_the_activations():
    network = convnet()
    run = activation_grid(network, PHOTO, layer="conv2", cell=8, steps=0)
    expected = by_hook(network, feed(network, PHOTO), "conv2")
    np.testing.assert_allclose(run.values, expected.float().numpy(), rtol=1e-6)
    assert expected.min() < 0  # also where nothing rectifies


def test_the_value_that_a_cell_climbs_is_that_of_its_own_activation():
    network = convnet()
    y = by_hook(network, PHOTO.double(), "conv2")
    run = activation_grid(network, PHOTO, layer="conv2", cell=8, steps=0, power=2)
    chosen = settings("default", {"robustness": "lucid", "steps": 0})
    step = list(run)[-1]
    portraits = Portraits(network, [([0], direction("conv2", y[0, :, [2], [3]].T, 2))], [0], chosen, (8, 8))
    alone = next(portraits.path)
    assert step.values[2 * 8 + 3].item() == pytest.approx(alone.values[0].item(), rel=1e-9)
    view = noise(1, 3, 16, 16)
    own = by_hook(network, view, "conv2")
    reading = Reading(view, torch.tensor([0]), view, torch.tensor([0]), {"conv2": own})
    v = y[0, :, 2, 3]
    found = direction("conv2", v[None], 2).of(reading).item()
    assert found == pytest.approx(slow(own[0], v[:, None, None].expand_as(own[0]), 2), rel=1e-9)


def test_a_cell_is_the_same_alone_and_among_others():
    network, chosen = convnet(), settings("default", {"robustness": "lucid", "steps": 2, "rate": 0.1})
    y = by_hook(network, PHOTO.double(), "conv2")
    run = activation_grid(network, PHOTO, layer="conv2", cell=8, steps=2, batch=30)
    *_, last = run
    for place in (0, 29, 63):
        row, column = divmod(place, 8)
        part = [([0], direction("conv2", y[0, :, row, column][None], 1.0))]
        *_, alone = Portraits(network, part, [0], chosen, (8, 8)).path
        torch.testing.assert_close(last.pictures[place], alone.pictures[0], rtol=0, atol=1e-9)
        shown = run.image[0, :, 8 * row : 8 * row + 8, 8 * column : 8 * column + 8]
        torch.testing.assert_close(shown, alone.pictures[0].float(), rtol=0, atol=1e-6)


def test_cells_are_as_large_as_their_activations():
    network = convnet()
    run = activation_grid(network, PHOTO, layer="conv2", cell=16, steps=0, scaled=True)
    sizes = by_hook(network, PHOTO.double(), "conv2")[0].norm(dim=0)
    cells = run.image[0].unfold(1, 16, 16).unfold(2, 16, 16)  # (3, rows, columns, 16, 16)
    painted = (cells != 1).any(0).sum((-1, -2))
    expected = (16 * sizes / sizes.max()).round().square()
    torch.testing.assert_close(painted.double(), expected)


# --------------------------------------------------------------------------------------------------------- groups


def test_groups_miss_what_they_say_they_miss():
    said = normal(1, 6, 5, 4, seed=3)
    found = factorized(said, 3)
    positive = said[0].clamp(min=0)
    rebuilt = torch.einsum("ghw,gc->chw", found.maps, found.directions)
    assert found.maps.min() >= 0 and found.directions.min() >= 0
    assert found.error == pytest.approx(float((positive - rebuilt).norm() / positive.norm()), rel=1e-9)
    assert 0.05 < found.error < 1
    assert found.negative == pytest.approx(float(1 - positive.square().sum() / said.square().sum()), rel=1e-9)
    torch.testing.assert_close(found.directions.norm(dim=1), torch.ones(3, dtype=torch.float64))


def test_what_is_made_of_two_groups_is_found_again():
    maps = noise(2, 5, 4)
    maps[0, 0], maps[1, -1] = 0, 0  # where there is only one of them: else the answer is not unique
    directions = torch.eye(6, dtype=torch.float64)[[1, 4]]
    found = factorized(torch.einsum("ghw,gc->chw", maps, directions)[None], 2)
    assert found.error < 1e-3
    order = maps.sum((1, 2)).argsort(descending=True)
    torch.testing.assert_close(found.directions, directions[order], rtol=0, atol=0.02)
    torch.testing.assert_close(found.maps, maps[order], rtol=0, atol=0.02)


def test_the_reported_error_is_that_of_the_layers_groups():
    network = convnet()
    run = activation_grid(network, PHOTO, layer="relu2", groups=3, cell=8, steps=1)
    found = factorized(by_hook(network, PHOTO.double(), "relu2"), 3)
    assert run.numbers[0]["error"] == pytest.approx(found.error, rel=1e-6)
    assert run.numbers[0]["negative"] == 0 and "left out" not in run.result.title
    np.testing.assert_allclose(run.values[0], found.maps.float().numpy(), rtol=1e-4, atol=1e-6)
    assert run.image.shape[3] == 3 * (8 + 2) - 2


def test_negative_activations_are_left_out_of_groups_and_that_is_said():
    run = activation_grid(convnet(), PHOTO, layer="conv2", groups=2, cell=8, steps=0)
    assert f"negative activations, {100 * run.numbers[0]['negative']:.1f} % of the square, are left out" in (
        run.result.title
    )


# ----------------------------------------------------------------------------------------------------- caricature


@pytest.mark.parametrize("power", [0.0, 1.0, 2.0])
def test_likeness_is_its_formula_position_by_position(power):
    y, c = normal(1, 6, 3, 4, seed=1), normal(1, 6, 3, 4, seed=2)
    picture = noise(1, 3, 8, 8)
    reading = Reading(picture, torch.tensor([0]), picture, torch.tensor([0]), {"conv1": y})
    assert likeness("conv1", c, power).of(reading).item() == pytest.approx(slow(y[0], c[0], power), rel=1e-9)


def test_a_caricature_goes_further_than_the_photograph_in_its_direction():
    network = convnet()
    run = caricature(network, PHOTO, layer="relu2", steps=12, jitter=0, rotate=0)
    y = by_hook(network, feed(network, PHOTO), "relu2")
    norms = y[0].square().sum(0)
    assert run.numbers[0]["photo"] == pytest.approx(float(norms.mean()), rel=1e-9)  # its cosine with itself is 1
    first = caricature(network, PHOTO, layer="relu2", steps=0, jitter=0, rotate=0)
    assert run.numbers[0]["value"] > 2 * first.numbers[0]["value"]


def test_a_layer_without_places_has_a_caricature_too():
    assert caricature(convnet(), PHOTO, layer="logits", steps=2).image.shape == (1, 3, 16, 16)


# ------------------------------------------------------------------------------------------------------ accentuate


def test_accentuation_starts_at_the_photograph_where_its_distance_is_0():
    network = convnet()
    run = accentuate(network, PHOTO, layer="conv2", steps=2, views=2)
    first = next(iter(run))
    torch.testing.assert_close(first.pictures, feed(network, PHOTO), rtol=0, atol=1e-9)
    assert run.so_far().numbers[0]["distance"] < 1e-12
    assert run.so_far().numbers[0]["value"] == pytest.approx(run.so_far().numbers[0]["photo"], rel=1e-6)


def test_black_and_white_move_by_less_than_a_level_at_the_start():
    network, photo = convnet(), levels(1, 3, 16, 16).round()
    first = next(iter(accentuate(network, photo, layer="conv2", steps=1)))
    assert 0 < (first.pictures - photo).abs().max() < 1 / 255


def test_the_distance_is_the_squared_one_over_the_codes():
    network, picture = convnet(), noise(1, 3, 16, 16)
    own, held = by_hook(network, picture, "conv2"), code(network, feed(network, PHOTO), "conv2")
    reading = Reading(picture, torch.tensor([0]), picture, torch.tensor([0]), {"conv2": own})
    found = code_distance("conv2", held).of(reading).item()
    assert found == pytest.approx(float((own - held).square().sum() / held.square().sum()), rel=1e-12)


def test_a_heavier_weight_keeps_it_nearer_to_the_photograph():
    network = convnet()

    def made(weight):
        return accentuate(network, PHOTO, layer="conv2", target=1, steps=5, weight=weight, views=1).numbers[0]

    free, held = made(0), made(1000)
    assert held["distance"] < free["distance"] / 2
    assert free["value"] > free["photo"]


def test_what_did_not_matter_is_the_photograph_in_grey():
    run = accentuate(convnet(), PHOTO, layer="conv2", target="conv2:3@4,4", steps=2, views=1)
    mattered = run.result.panels[0][2][1]
    assert mattered.shape == PHOTO.shape
    assert not torch.equal(mattered, PHOTO)


def test_the_held_term_is_added_to_what_is_climbed():
    network, chosen = convnet(), settings("default", {"robustness": "none", "steps": 0})
    c = code(network, feed(network, PHOTO), "conv2")
    climbed = direction("conv2", c[0, :, 0, 0][None], 1.0)
    with_it, without = (
        next(Portraits(network, [([0], climbed)], [0], chosen, (16, 16), held=held).path)
        for held in (3.0 * code_distance("conv2", c), None)
    )
    y = by_hook(network, with_it.pictures, "conv2")
    added = 3 * float((y - c).square().sum() / c.square().sum())
    assert (with_it.values - without.values).item() == pytest.approx(added, rel=1e-9)
    assert torch.equal(with_it.pictures, without.pictures)


# ----------------------------------------------------------------------------------------------------------- errors


def test_a_layer_without_rows_and_columns_has_no_grid_and_one_that_has_is_named():
    with pytest.raises(
        Mistake, match=r"^fc of .* has no rows and columns to lay pictures out by; take one .* 'mean'$|x"
    ):
        activation_grid(convnet(), PHOTO, layer="fc", steps=0)


def test_more_groups_than_channels_are_refused():
    with pytest.raises(Mistake, match="groups is 9; it must be 1 to 8"):
        activation_grid(convnet(), PHOTO, layer="conv2", groups=9, steps=0)


def test_without_scikit_learn_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.decomposition", None)
    with pytest.raises(Mistake, match=r"pip install 'phosphene\[maps\]'"):
        activation_grid(convnet(), PHOTO, layer="conv2", groups=2, steps=0)


@pytest.mark.parametrize("kind", ["phase", "fourier"])
def test_both_parameterizations_begin_at_the_photograph(kind):
    first = next(iter(accentuate(convnet(), PHOTO, layer="conv2", steps=1, parameterization=kind)))
    torch.testing.assert_close(first.pictures, PHOTO.double(), rtol=0, atol=1e-6)


@pytest.mark.parametrize("make", [activation_grid, caricature, accentuate])
def test_a_layer_that_says_nothing_is_refused(make):
    network = convnet()
    with torch.no_grad():
        network.model.conv2.weight.zero_()
        network.model.conv2.bias.fill_(-1)
    with pytest.raises(Mistake, match=r"relu2 of .* says nothing but zeros about this photograph"):
        make(network, PHOTO, layer="relu2")

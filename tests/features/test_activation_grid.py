"""A layer's grid: the directions of its cells are the activations."""

import sys

import numpy as np
import pytest
import torch

from phosphene.core.errors import Mistake
from phosphene.core.optimization.terms import Reading, direction
from phosphene.core.units.inputs import feed
from phosphene.core.units.portraits import Portraits
from phosphene.core.units.presets import settings
from phosphene.features import activation_grid
from tests.features.seen_through import PHOTO, by_hook, slow
from tests.small import convnet, noise

# ------------------------------------------------------------------------------------------------------- the grid


def test_the_directions_of_a_grid_are_the_activations():
    network = convnet()
    run = activation_grid(network, PHOTO, layer="conv2", cell=8, steps=0)
    expected = by_hook(network, feed(network, PHOTO), "conv2")
    np.testing.assert_allclose(run.values, expected.float().numpy(), rtol=1e-6)
    assert expected.min() < 0  # also where nothing rectifies


def test_the_value_that_a_cell_makes_large_is_that_of_its_own_activation():
    network = convnet()
    y = by_hook(network, feed(network, PHOTO), "conv2")
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
    y = by_hook(network, feed(network, PHOTO), "conv2")
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
    sizes = by_hook(network, feed(network, PHOTO), "conv2")[0].norm(dim=0)
    cells = run.image[0].unfold(1, 16, 16).unfold(2, 16, 16)  # (3, rows, columns, 16, 16)
    painted = (cells != 1).any(0).sum((-1, -2))
    expected = (16 * sizes / sizes.max()).round().square()
    torch.testing.assert_close(painted.double(), expected)


# ----------------------------------------------------------------------------------------------------------- errors


def test_a_layer_without_rows_and_columns_has_no_grid_and_one_that_has_is_named():
    with pytest.raises(Mistake, match=r"^fc of Sequential has no rows and columns .* for example relu3$"):
        activation_grid(convnet(), PHOTO, layer="fc", steps=0)


def test_more_groups_than_channels_are_refused():
    with pytest.raises(Mistake, match="9 is not a valid value for groups: it must be 1 to 8"):
        activation_grid(convnet(), PHOTO, layer="conv2", groups=9, steps=0)


def test_without_scikit_learn_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.decomposition", None)
    with pytest.raises(Mistake, match=r"pip install 'phosphene\[maps\]'"):
        activation_grid(convnet(), PHOTO, layer="conv2", groups=2, steps=0)


def test_transparency_where_there_can_be_none_is_a_mistake():
    with pytest.raises(Mistake, match="can't be transparent"):
        activation_grid(convnet(), PHOTO, groups=2, transparency="gradient")

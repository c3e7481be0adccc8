"""Activations of many photographs, laid out and put into cells."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from phosphene.core.units.inputs import feed
from phosphene.features.atlas import arranged
from phosphene.features.mapping import Activations, Cell, averages, cells_of, crops, layout, sample, whitened
from tests.features.test_atlas import PHOTOS
from tests.small import convnet, levels, normal


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=40), st.integers(1, 6))
def test_every_activation_falls_into_one_cell_the_one_that_contains_it(points, side):
    cells = cells_of(np.array(points), side)
    assert sorted(i for cell in cells for i in cell.members) == list(range(len(points)))
    for cell in cells:
        for i in cell.members:
            x, y = points[i]
            assert cell.column <= x * side <= cell.column + 1
            assert cell.row <= y * side <= cell.row + 1


def test_a_cell_averages_exactly_the_activations_that_fell_into_it():
    codes, points = normal(30, 4), torch.rand(30, 2, generator=torch.Generator().manual_seed(0)).numpy()
    cells = cells_of(points, 3)
    for cell, mean in zip(cells, averages(codes, cells), strict=True):
        total, many = [0.0] * 4, 0
        for i in range(30):
            if int(3 * points[i][1]) == cell.row and int(3 * points[i][0]) == cell.column:
                total, many = [a + b for a, b in zip(total, codes[i].tolist(), strict=True)], many + 1
        assert mean.tolist() == pytest.approx([a / many for a in total], rel=1e-12)


def test_a_cell_with_too_few_activations_stays_empty():
    points = np.array([[0.1, 0.1], [0.2, 0.2], [0.9, 0.9], [0.9, 0.1], [0.8, 0.2], [1.0, 0.0]])
    assert cells_of(points, 2, least=2) == [Cell(0, 0, (0, 1)), Cell(0, 1, (3, 4, 5))]
    sheet, alpha = arranged(torch.zeros(2, 3, 8, 8), cells_of(points, 2, least=2), 2, [8, 4])
    assert (sheet[..., 8:, :] == 1).all() and (alpha[..., 8:, :] == 0).all()  # the lower half: one point, and none
    assert (sheet[..., :8, :8] == 0).all() and alpha[..., :8, 8:].sum() == 4 * 4  # the second is drawn smaller


def test_activations_are_those_of_their_photographs_and_positions_each_position_once():
    network = convnet()
    found = sample(network, PHOTOS, "conv2", 5, batch=4, seed=3)
    assert found.photo.bincount().tolist() == [5] * 6
    seen = set()
    for code, photo, (row, column) in zip(found.codes, found.photo.tolist(), found.place.tolist(), strict=True):
        alone = network.read(feed(network, PHOTOS[photo]), ["conv2"])["conv2"]
        torch.testing.assert_close(code, alone[0, :, row, column])
        assert 0 < row < alone.shape[2] - 1 and 0 < column < alone.shape[3] - 1  # not at the border
        seen.add((photo, row, column))
    assert len(seen) == 30


def test_the_positions_of_a_photograph_do_not_depend_on_what_comes_after_it():
    few, many = (sample(convnet(), some, "conv2", 3) for some in (PHOTOS[:2], PHOTOS))
    assert torch.equal(few.place, many.place[:6])


def test_a_layer_without_rows_and_columns_gives_one_activation_a_photograph():
    found = sample(convnet(), PHOTOS, "logits", 5)
    assert found.codes.shape == (6, 4)
    assert found.place.tolist() == [[0, 0]] * 6


def test_neighbours_stay_neighbours_and_the_same_seed_makes_the_same_map():
    groups = [20 * torch.eye(5, dtype=torch.float64)[g] + 0.5 * normal(12, 5, seed=g) for g in range(2)]
    points = layout(torch.cat(groups), seed=1)
    assert points.min() == 0 and points.max() == 1
    middles = [points[:12].mean(0), points[12:].mean(0)]
    nearer = [np.linalg.norm(points - middle, axis=1) for middle in middles]
    assert (nearer[0][:12] < nearer[1][:12]).all() and (nearer[1][12:] < nearer[0][12:]).all()
    assert (points == layout(torch.cat(groups), seed=1)).all()


def test_whitened_is_the_inverse_of_the_second_moments():
    codes, vectors = normal(40, 3), normal(2, 3, seed=1)
    moments = sum(torch.outer(code, code) for code in codes) / 40
    torch.testing.assert_close(whitened(vectors, codes, ridge=0.0), vectors @ torch.linalg.inv(moments))
    assert whitened(vectors, codes[:1]).isfinite().all()  # fewer activations than channels


def test_a_patch_is_where_the_activation_looks():
    network, photo = convnet(), levels(1, 3, 16, 16, low=0, high=0)
    photo[:, :, 8:, 8:] = 1
    found = Activations(torch.zeros(2, 6), torch.zeros(2, dtype=torch.long), torch.tensor([[1, 1], [14, 14]]))
    dark, light = crops(network, [photo], "conv1", found, [0, 1], 8, "crop")
    assert dark.max() == 0 and light.min() > 0.99

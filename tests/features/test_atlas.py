"""An atlas: its cells average what fell into them, the same seed makes the same map, the page has it all inside."""

import json
import re
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import phosphene
from phosphene.core.errors import Mistake
from phosphene.core.units.directions import Direction
from phosphene.core.units.inputs import feed
from phosphene.features import atlas
from phosphene.features.atlas import arranged, nearest
from phosphene.features.mapping import Activations, Cell, averages, cells_of, layout, patches, sample, whitened
from tests.small import convnet, levels, normal

PHOTOS = [levels(1, 3, 20, 24, seed=i) for i in range(6)]
SMALL = {"layer": "conv2", "cells": 3, "least": 2, "per_photo": 4, "size": 16, "steps": 2, "batch": 4, "whiten": True}


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


def test_the_same_seed_makes_the_same_atlas_and_the_batch_is_no_matter():
    network = convnet()
    first, again, other = (atlas(network, PHOTOS, **SMALL | given) for given in ({}, {"batch": 3}, {"seed": 1}))
    assert first.image.shape == (1, 3, 48, 48)
    torch.testing.assert_close(first.image, again.image, rtol=0, atol=1e-6)
    assert not torch.equal(first.image, other.image)


def test_a_cells_picture_is_that_of_its_direction_and_those_to_come_are_white():
    network = convnet()
    run = atlas(network, PHOTOS, **SMALL | {"whiten": False, "power": 1.0})
    steps = list(run)
    (numbers,) = run.numbers
    assert [step.index for step in steps][-1] == run.total
    assert (steps[0].pictures[4:] == 1).all() and (steps[-1].pictures < 1).flatten(1).any(1).all()
    found = sample(network, PHOTOS, "conv2", 4)
    cell = cells_of(layout(found.codes), 3, 2)[0]
    aim = Direction.of("conv2", found.codes[list(cell.members)].double().mean(0).tolist())
    alone = phosphene.visualize(network, [aim], size=16, steps=2)
    top, left = 16 * cell.row, 16 * cell.column
    torch.testing.assert_close(run.image[:, :, top : top + 16, left : left + 16], alone.image, rtol=0, atol=1e-6)
    assert numbers["cells"][0]["activations"] == len(cell.members)


def test_the_page_has_all_its_data_inside_and_no_external_address():
    run = atlas(convnet(), PHOTOS, **SMALL)
    page = run.result.page
    data = json.loads(re.search(r'id="data">(.*?)</script>', page)[1])
    assert [tile["many"] for tile in data["tiles"]] == [cell["activations"] for cell in run.numbers[0]["cells"]]
    assert data["pixels"] == run.image.shape[3]
    assert page.count("data:image/webp;base64,") == 2
    assert not re.search(
        r"https?:|//[a-z]|@import|<link|src=(?!\"data:)|url\((?!data:)", re.sub(r"base64,[\w+/=]+", "", page)
    )


def test_a_name_cannot_leave_the_pages_data(tmp_path):
    file = tmp_path / "<script>x&.png"
    Image.new("RGB", (16, 16)).save(file)
    page = atlas(convnet(), [*PHOTOS, str(file)], **SMALL | {"layer": "conv1", "cells": 1, "steps": 0}).result.page
    assert "<script>x" not in page


def test_the_examples_of_a_cell_are_its_nearest_one_of_each_photograph():
    codes = torch.tensor([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0], [1.0, 1.0], [1.0, 0.05]])
    found = Activations(codes, torch.tensor([0, 0, 1, 2, 3]), torch.zeros(5, 2, dtype=torch.long))
    mean = torch.tensor([1.0, 0.0], dtype=torch.float64)
    assert nearest(found, Cell(0, 0, (0, 1, 2, 3, 4)), mean) == [0, 4, 3]


def test_a_patch_is_where_the_activation_looks():
    network, photo = convnet(), levels(1, 3, 16, 16, low=0, high=0)
    photo[:, :, 8:, 8:] = 1
    found = Activations(torch.zeros(2, 6), torch.zeros(2, dtype=torch.long), torch.tensor([[1, 1], [14, 14]]))
    dark, light = patches(network, [photo], "conv1", found, [0, 1], 8, "crop")
    assert dark.max() == 0 and light.min() > 0.99


def test_mistakes_are_told():
    network = convnet()
    with pytest.raises(Mistake, match=r"2 activations are too few for a map, it needs 8; .* --per-photo"):
        atlas(network, PHOTOS[:2], **SMALL | {"per_photo": 1})
    with pytest.raises(Mistake, match=r"no cell of 3 x 3 has 99 activations"):
        atlas(network, PHOTOS, **SMALL | {"least": 99})
    with pytest.raises(Mistake, match=r"no layer 'conv'; did you mean"):
        atlas(network, PHOTOS, **SMALL | {"layer": "conv"})


def test_without_the_extra_its_name_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "openTSNE", None)
    with pytest.raises(Mistake, match=r"this needs openTSNE: pip install 'phosphene\[maps\]'"):
        layout(normal(10, 3))

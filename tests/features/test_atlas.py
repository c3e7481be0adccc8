"""An atlas: its cells average what fell into them, the same seed makes the same map, the page has it all inside."""

import sys

import pytest
import torch

import phosphene
from phosphene.core.errors import Mistake
from phosphene.core.units.directions import Direction
from phosphene.features import atlas
from phosphene.features.atlas import nearest
from phosphene.features.mapping import Activations, Cell, cells_of, layout, sample
from tests.small import convnet, levels, normal

PHOTOS = [levels(1, 3, 20, 24, seed=i) for i in range(6)]
SMALL = {"layer": "conv2", "cells": 3, "least": 2, "per_photo": 4, "size": 16, "steps": 2, "batch": 4, "whiten": True}


@pytest.mark.slow
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


def test_the_examples_of_a_cell_are_its_nearest_one_of_each_photograph():
    codes = torch.tensor([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0], [1.0, 1.0], [1.0, 0.05]])
    found = Activations(codes, torch.tensor([0, 0, 1, 2, 3]), torch.zeros(5, 2, dtype=torch.long))
    mean = torch.tensor([1.0, 0.0], dtype=torch.float64)
    assert nearest(found, Cell(0, 0, (0, 1, 2, 3, 4)), mean) == [0, 4, 3]


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
    with pytest.raises(Mistake, match=r"atlas needs openTSNE: pip install 'phosphene\[maps\]'"):
        layout(normal(10, 3))


def test_the_photographs_of_an_index_are_drawn_for_an_atlas_and_named(small_indexed, monkeypatch):
    monkeypatch.setattr(sys.modules["phosphene.features.atlas"], "DRAWN", 20)
    network, photos, files = small_indexed
    options = {"layer": "relu2", "cells": 2, "steps": 1, "size": 16, "per_photo": 2}
    own = atlas(network, photos, **options).result
    drawn = [files[i] for i in photos.used]
    anew = atlas(network, drawn, **options).result
    assert torch.equal(own.image, anew.image) and len(drawn) == len(own.recipe["inputs"]) == 20
    assert own.numbers[0]["photographs"] == 20
    assert own.numbers[0]["cells"] == anew.numbers[0]["cells"]

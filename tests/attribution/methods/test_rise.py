"""RISE is a sum over masks; written twice."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from phosphene.attribution import rise
from phosphene.attribution.methods.rise import random_masks
from phosphene.core.errors import Mistake
from tests.attribution.asked import answer, on_pixels, photos
from tests.small import convnet, levels


@pytest.mark.parametrize("batch", [1, 7, 64])
def test_it_equals_a_loop_over_masks(batch):
    network, pictures = convnet(), photos(2)
    found = answer(rise, network, pictures, target=1, masks=12, cells=4, visible=0.4, seed=3, batch=batch).values
    model = on_pixels(network)
    for picture, own in zip(pictures, found, strict=True):
        expected = torch.zeros(16, 16, dtype=torch.float64)
        for mask in random_masks(range(12), (16, 16), 4, 0.4, 3).double():
            masked = picture * mask + 0.5 * (1 - mask)  # .5 is the mean colour of this network
            expected += model(masked[None]).softmax(1)[0, 1].detach() * mask
        torch.testing.assert_close(own, expected / 12 / 0.4, rtol=1e-9, atol=1e-12)


@pytest.mark.slow
@given(st.integers(8, 40), st.integers(8, 40), st.integers(1, 8), st.integers(0, 5))
def test_masks_are_of_the_pictures_size_and_between_zero_and_one(height, width, cells, seed):
    some = random_masks(range(3), (height, width), cells, 0.5, seed)
    assert some.shape == (3, height, width)
    assert some.min() >= 0
    assert some.max() <= 1
    assert torch.equal(some[1], random_masks(range(1, 2), (height, width), cells, 0.5, seed)[0])


def test_on_average_as_much_is_visible_as_was_asked():
    some = random_masks(range(600), (24, 24), 6, 0.3, 0)
    assert float(some.mean()) == pytest.approx(0.3, abs=0.02)


def test_a_score_that_sees_one_place_alone_is_traced_to_it():
    network, pictures = convnet(), photos(1, 16)
    maps = answer(rise, network, pictures, unit="conv1:2@4,12", masks=600, cells=5, seed=1)
    values = maps.values[0] * torch.sign(torch.tensor(maps.facts[0]["value"]))
    values = (values - values.mean()).abs()
    row, column = divmod(int(values.argmax()), 16)
    assert abs(row - 4) <= 3
    assert abs(column - 12) <= 3


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"masks": 0}, "0 is not a valid value for masks"),
        ({"cells": 17}, "17 is not a valid value for cells: it must be 1 to 16"),
        ({"visible": 1.0}, "between 0 and 1"),
    ],
)
def test_what_can_not_be_is_one_sentence(options, said):
    with pytest.raises(Mistake, match=said):
        rise(convnet(), levels(3, 16, 16), **options)

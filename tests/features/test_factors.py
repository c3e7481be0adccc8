"""Groups of channels: what they miss is what they say they miss."""

import numpy as np
import pytest
import torch

from phosphene.features import activation_grid
from phosphene.features.factors import factorized
from tests.features.seen_through import PHOTO, by_hook
from tests.small import convnet, noise, normal

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

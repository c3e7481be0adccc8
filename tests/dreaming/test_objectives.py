"""What a dream makes large, against loops."""

import pytest
import torch

from phosphene.core.errors import Mistake
from phosphene.core.optimization.terms import Reading, energy
from phosphene.dreaming import objectives
from phosphene.dreaming.objectives import amplified, guided, strongest
from tests.small import convnet, normal


def reading(y):
    pictures = torch.zeros(len(y), 3, 4, 4, dtype=y.dtype)
    rows = torch.arange(len(y))
    return Reading(pictures, rows, pictures, rows, {"layer": y})


def test_chosen_channels_are_energy_of_a_layer_that_has_no_others():
    y = normal(2, 5, 3, 4)
    some = amplified("layer", [4, 1]).of(reading(y))
    torch.testing.assert_close(some, energy("layer").of(reading(y[:, [1, 4]])))
    every = amplified("layer", range(5)).of(reading(y))
    torch.testing.assert_close(every, energy("layer").of(reading(y)))


@pytest.mark.parametrize("products", [1, 20, 1 << 24])
def test_a_guide_is_the_notebooks_formula_in_loops(products, monkeypatch):
    """google/deepdream: A = x.T.dot(y); the gradient at each position is y[:, A.argmax(1)]."""
    monkeypatch.setattr(objectives, "PRODUCTS", products)
    y, guide = normal(2, 4, 3, 5, seed=1).requires_grad_(), normal(4, 7, seed=2)
    values = guided("layer", guide).of(reading(y))
    (found,) = torch.autograd.grad(values.sum(), y)
    for n in range(2):
        total = 0.0
        for row in range(3):
            for column in range(5):
                dots = [sum(float(y[n, c, row, column] * guide[c, j]) for c in range(4)) for j in range(7)]
                best = dots.index(max(dots))
                total += dots[best]
                torch.testing.assert_close(15 * found[n, :, row, column], guide[:, best])
        assert values[n].item() == pytest.approx(total / 15)


def test_a_guide_of_another_layer_is_refused():
    with pytest.raises(Mistake, match="layer has 4 channels, the guide's features have 3 numbers"):
        guided("layer", normal(3, 7)).of(reading(normal(1, 4, 2, 2)))


def test_the_strongest_channels_are_those_of_the_largest_mean_square_in_their_order():
    network, pictures = convnet(), normal(2, 3, 16, 16).sigmoid()
    y = network.read(pictures, ["conv2"])["conv2"]
    found = strongest(network, "conv2", pictures, 2)
    for n in range(2):
        sizes = [float((y[n, c] ** 2).mean()) for c in range(y.shape[1])]
        assert found[n] == sorted(sorted(range(len(sizes)), key=lambda c: -sizes[c])[:2])
    assert strongest(network, "conv2", pictures, 999) == [list(range(y.shape[1]))] * 2


@pytest.mark.parametrize("many", [1, 63, 64, 65, 300])
def test_the_feature_that_fits_best_is_found_by_blocks(many):
    y, g = normal(7, 40), normal(7, many, seed=1)
    assert torch.equal(objectives._likest(y, g), (y.T @ g).argmax(1))

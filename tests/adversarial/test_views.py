"""Views of pictures and their gradients, from the papers' formulas."""

import math

import torch

from phosphene.adversarial.views import diverse, scaled, translated
from phosphene.core.optimization.engine import Evaluation
from phosphene.core.optimization.keys import Key
from tests.small import noise, normal

X, ROWS = noise(4, 3, 10, 12), torch.arange(4)
W = normal(4, 3, 10, 12)


def along(pictures, rows, key):
    """W . x of each, its gradient W; the pictures it saw come along."""
    w = W[rows]
    return Evaluation((w * pictures).flatten(1).sum(1), w, {"seen": pictures})


def squares(pictures, rows, key):
    return Evaluation(pictures.square().flatten(1).sum(1), 2 * pictures, {"seen": pictures})


def test_a_smaller_view_is_linear_and_its_gradient_is_that_of_the_picture():
    seen = diverse(along, p=1.0)(X, ROWS, Key(3))
    torch.testing.assert_close((seen.gradients * X).flatten(1).sum(1), seen.values)
    assert (seen.gradients != W).flatten(1).any(1).all()


def test_a_smaller_view_has_all_of_the_picture_within_black():
    white = torch.ones(200, 1, 40, 40).double()
    view = diverse(squares, p=1.0)(white, torch.arange(200), Key(1)).outputs["seen"]
    side = view.sum((1, 2, 3)).sqrt() / 40
    assert 0.899 < side.min() < 0.91 and 0.99 < side.max() <= 1.0001
    empty = (view.amax((1, 3)) == 0).double()  # rows above and below it
    assert (empty[:, 0] > empty[:, -1]).any() and (empty[:, 0] < empty[:, -1]).any()


def test_with_its_probability_a_picture_is_left_as_it_is_and_rows_do_not_matter():
    many = noise(200, 1, 6, 6)
    view = diverse(squares)(many, torch.arange(200), Key(1)).outputs["seen"]
    still = (view == many).flatten(1).all(1)
    assert abs(still.double().mean().item() - 0.5) < 0.1
    some = torch.tensor([3, 50, 199])
    torch.testing.assert_close(diverse(squares)(many[some], some, Key(1)).outputs["seen"], view[some])


def test_scales_are_the_mean_of_gradients_of_the_halves_and_answers_of_the_picture():
    seen = scaled(squares, 3)(X, ROWS, Key())
    x = X.clone().requires_grad_()
    value = sum((x / 2**i).square().flatten(1).sum(1) for i in range(3)) / 3
    (gradient,) = torch.autograd.grad(value.sum(), x)
    torch.testing.assert_close(seen.values, value.detach())
    torch.testing.assert_close(seen.gradients, gradient)
    assert torch.equal(seen.outputs["seen"], X)


def test_translations_are_the_weighted_mean_of_shifted_gradients():
    k, total = 2, torch.zeros_like(W)
    weights = {
        (i, j): math.exp(-(i * i + j * j) / (2 * (k / math.sqrt(3)) ** 2))
        for i in range(-k, k + 1)
        for j in range(-k, k + 1)
    }
    wide = torch.nn.functional.pad(W, (k, k, k, k))
    for (i, j), weight in weights.items():
        total += weight / sum(weights.values()) * wide[..., k + i : k + i + 10, k + j : k + j + 12]
    seen = translated(along, 5)(X, ROWS, Key())
    torch.testing.assert_close(seen.gradients, total)
    torch.testing.assert_close(translated(along, 1)(X, ROWS, Key()).gradients, W)

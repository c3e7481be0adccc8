"""Gradients from scores: a loop over directions, a linear score, and a network that can't be differentiated."""

import numpy as np
import pytest
import torch

from phosphene.core.errors import Mistake
from phosphene.core.optimization.constraints import linf
from phosphene.core.optimization.engine import NotFinite, argmin
from phosphene.core.optimization.estimates import estimated
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.objectives import gradient
from phosphene.core.optimization.optimizers import sign
from phosphene.core.optimization.parameterizations import Pixels
from phosphene.core.optimization.terms import cross_entropy
from tests.core.optimization.test_engine import photos, small
from tests.small import normal

ROWS = torch.tensor([2, 0])
W = normal(3, 3, 2, 2, seed=4)


def linear(pictures, rows):
    return (pictures * W[rows]).sum((1, 2, 3))


def wavy(pictures, rows):
    return pictures.sin().sum((1, 2, 3)) * (1 + rows) + pictures[:, 0, 0, 0] ** 2


def slow_estimate(score, x, row, key, directions, many, sigma):
    """One picture, direction by direction."""
    total = np.zeros(x.shape)
    for i in range(many):
        u = key.child(i).normal(torch.tensor([row]), *x.shape)[0]
        u = torch.where(u > 0, 1.0, -1.0).double() if directions == "signs" else u
        ahead, behind = (score((x + side * sigma * u)[None], torch.tensor([row])).item() for side in (1, -1))
        total += (ahead - behind) / (2 * sigma) * u.numpy() / many
    return total


@pytest.mark.parametrize("directions", ["normal", "signs"])
@pytest.mark.parametrize("score", [linear, wavy])
def test_an_estimate_is_the_loop_over_directions(directions, score):
    x, key = normal(2, 3, 2, 2), Key(3, [5, 6, 7]).at(4)
    seen = estimated(score, directions=directions, many=5, sigma=0.01, batch=3)(x, ROWS, key)
    torch.testing.assert_close(seen.values, score(x, ROWS))
    for picture, row, found in zip(x, ROWS.tolist(), seen.gradients, strict=True):
        np.testing.assert_allclose(found.numpy(), slow_estimate(score, picture, row, key, directions, 5, 0.01), 1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("directions", ["normal", "signs"])
def test_of_a_linear_score_the_expectation_is_the_gradient(directions):
    many, x = 4000, normal(2, 3, 2, 2)
    found = estimated(linear, directions=directions, many=many)(x, ROWS, Key(0).at(0)).gradients
    for row, estimate in zip(ROWS, found, strict=True):
        spread = 2**0.5 * W[row].norm() / many**0.5  # of one coordinate, at most
        assert (estimate - W[row]).abs().max() < 4.5 * spread
        assert (estimate - W[row]).abs().max() < 0.2 * W[row].abs().max()


def test_of_one_number_a_pair_of_signs_is_the_slope_of_the_secant():
    x = torch.full((1, 1, 1, 1), 0.3, dtype=torch.float64)
    objective = estimated(lambda x, rows: x.flatten() ** 2, directions="signs", many=1, sigma=0.1)
    assert objective(x, torch.arange(1), Key(0).at(0)).gradients.item() == pytest.approx(0.6)


def test_a_row_draws_what_it_draws_alone():
    x, objective = normal(2, 3, 2, 2), estimated(wavy, many=3)
    together = objective(x, ROWS, Key(1, [5, 6, 7]).at(0)).gradients
    alone = objective(x[[1]], ROWS[[1]], Key(1, [5]).at(0)).gradients
    torch.testing.assert_close(together[[1]], alone, rtol=1e-9, atol=1e-9)


@pytest.mark.slow
def test_a_network_is_fooled_by_its_scores_alone():
    network, x = small(), photos(2)
    truth = network.read(x, ["logits"])["logits"].argmax(1)

    def score(pictures, rows):
        assert not torch.is_grad_enabled()
        logits = torch.from_numpy(network.read(pictures, ["logits"])["logits"].detach().numpy())
        return logits.log_softmax(1)[torch.arange(len(rows)), truth[rows]]

    by_scores, by_gradients = (
        list(argmin(Pixels(x), objective, optimizer=sign(0.02), constraint=linf(x, 0.06), steps=3))[-1].values
        for objective in (estimated(score, many=50), gradient(network, -cross_entropy(truth.tolist())))
    )
    with torch.no_grad():
        before = score(x, torch.arange(2))
    assert (by_scores < before).all() and (by_gradients < by_scores).all()
    assert ((by_scores - before) < 0.1 * (by_gradients - before)).all()


def test_scores_that_are_not_finite_and_settings_that_make_no_sense_are_refused():
    with pytest.raises(NotFinite, match="step 2: a score is not finite"):
        estimated(lambda x, rows: torch.full((len(x),), torch.nan))(normal(1, 3, 2, 2), torch.arange(1), Key().at(2))
    with pytest.raises(Mistake, match="0 is not a valid value for sigma: it must be above 0"):
        estimated(linear, sigma=0)
    with pytest.raises(Mistake, match="0 is not a valid value for many"):
        estimated(linear, many=0)

"""The smallest change onto a hyperplane within bounds, against a solver."""

import pytest
import torch

from phosphene.adversarial.hyperplanes import crossing
from phosphene.adversarial.norms import size
from tests.adversarial.attacks.linear_problems import smallest
from tests.small import noise, normal

NORMS = ["linf", "l2", "l1", "l0"]


def cases(n=12, d=9):
    x = noise(n, d, seed=1)
    x[::2] = x[::2].round()  # many values at the bounds
    return x.view(n, d, 1, 1), normal(n, d, seed=2).view(n, d, 1, 1)


@pytest.mark.parametrize("norm", NORMS)
def test_no_smaller_change_reaches_the_hyperplane_within_the_bounds(norm):
    x, w = cases()
    most = (w.abs() * torch.where(w < 0, 1 - x, x)).flatten(1).sum(1)
    value = most * noise(len(x), seed=3)
    change, left = crossing(x, w, value, norm)
    assert ((x + change) >= -1e-12).all() and ((x + change) <= 1 + 1e-12).all() and not left.any()
    there = (w * change).flatten(1).sum(1)
    torch.testing.assert_close(there.clamp(min=-value) if norm == "l0" else there, -value)  # l0 may go beyond
    for i, far in enumerate(size(change, norm)):
        v, room = -w[i].flatten().numpy(), torch.where(w[i] < 0, 1 - x[i], x[i]).flatten().numpy()
        assert far.item() == pytest.approx(smallest(v, value[i].item(), room, norm), abs=1e-9)


@pytest.mark.parametrize(("norm", "dual"), [("linf", 1), ("l2", 2), ("l1", torch.inf)])
def test_without_bounds_it_is_as_far_as_the_dual_norm_says_on_either_side(norm, dual):
    x, w = cases()
    value = normal(len(x), seed=4)
    change, _ = crossing(x, w, value, norm, -torch.inf, torch.inf)
    torch.testing.assert_close(size(change, norm), value.abs() / w.flatten(1).norm(dual, dim=1))
    torch.testing.assert_close((w * change).flatten(1).sum(1), -value)


@pytest.mark.parametrize("norm", NORMS)
def test_what_is_out_of_reach_is_approached_as_far_as_the_bounds_let_it(norm):
    x, w = cases()
    change, left = crossing(x, w, torch.full((len(x),), 100.0).double(), norm, 0.0, 1.0)
    corner = (w < 0).double()
    torch.testing.assert_close(x + change, corner)
    torch.testing.assert_close(left, 100 + (w * (corner - x)).flatten(1).sum(1))


@pytest.mark.parametrize("norm", NORMS)
def test_vanishing_gradients_have_a_direction_and_none_has_none(norm):
    x, w = cases()
    x, w = x.float(), w.float()
    value = torch.full((len(x),), 0.3)
    small, _ = crossing(x, 1e-30 * w, 1e-30 * value, norm)
    torch.testing.assert_close(small, crossing(x, w, value, norm)[0])
    still, left = crossing(x, 0 * w, value, norm)
    assert not still.any() and torch.equal(left, value)


@pytest.mark.parametrize("norm", NORMS)
def test_a_row_is_moved_as_it_is_alone(norm):
    x, w = cases()
    value = noise(len(x), seed=3)
    together, _ = crossing(x, w, value, norm)
    for i in range(len(x)):
        assert torch.equal(crossing(x[[i]], w[[i]], value[[i]], norm)[0][0], together[i])

import torch

from phosphene.style import nearest as module
from phosphene.style.nearest import directions, nearest, nearest_distance
from tests.small import normal


def slow_nearest(f, g):
    """The mean over positions of 1 - the largest cosine of zero-centred features, one pair after the other."""
    f, g = f - f.mean(1, keepdim=True), g - g.mean(1, keepdim=True)
    total = 0.0
    for a in f.T:
        total += 1 - max(float(a @ b / (a.norm() * b.norm())) for b in g.T)
    return total / f.shape[1]


def test_nearest_equals_brute_force():
    f, g = normal(2, 4, 9), normal(1, 4, 13, seed=1)
    expected = torch.tensor([slow_nearest(one, g[0]) for one in f], dtype=torch.float64)
    torch.testing.assert_close(nearest_distance(g)(f), expected)


def test_chunks_find_the_same_neighbours(monkeypatch):
    f, g = directions(normal(1, 4, 19))[0], directions(normal(1, 4, 13, seed=1))[0]
    whole = nearest(f, g)
    monkeypatch.setattr(module, "AT_ONCE", 30)
    assert torch.equal(nearest(f, g), whole)
    assert torch.equal(nearest(g, g), torch.arange(13))


def test_of_a_large_style_some_positions_are_looked_at(monkeypatch):
    monkeypatch.setattr(module, "MOST", 5)
    style = normal(1, 4, 50)
    centred = style - style.mean(2, keepdim=True)
    few = [0, 12, 24, 37, 49]  # every 12.25th
    torch.testing.assert_close(nearest_distance(style)(style).item(), slow_among(centred[0], few))


def slow_among(g, few):
    cosines = torch.nn.functional.normalize(g, dim=0).T @ torch.nn.functional.normalize(g[:, few], dim=0)
    return float((1 - cosines.max(1).values).mean())


def test_nearest_has_the_slope_of_the_neighbours_it_has():
    f, g = normal(1, 4, 6).requires_grad_(), normal(1, 4, 7, seed=1)
    assert torch.autograd.gradcheck(nearest_distance(g), f)

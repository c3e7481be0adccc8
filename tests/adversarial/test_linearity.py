"""The walk along the gradient's sign: exact on networks whose lines are known."""

import pytest
import torch
from torch import nn

from phosphene.adversarial.linearity import Walk, walk
from phosphene.core.networks.network import Network
from tests.small import convnet, linear, noise, normal


def test_a_linear_network_is_straight_all_the_way_and_its_tangents_are_its_weights():
    network = linear(normal(3, 3, 8, 8), [0.1, 0.2, 0.3])
    x = noise(1, 3, 8, 8)
    seen = walk(network, x, points=33)
    torch.testing.assert_close(seen.scores, seen.straight)
    assert seen.near(True) == seen.near(False) == pytest.approx(16 / 255)
    assert seen.explained == pytest.approx(1)
    w, first = network.model[1].weight, int((network.model(x)).argmax())
    p = network.model(x).softmax(1)[0]
    way = ((p[:, None] * w).sum(0) - w[first]).sign()  # of the cross-entropy's gradient
    torch.testing.assert_close(seen.tangents, (w @ way)[list(seen.classes)])
    assert seen.classes[0] == first and seen.tangents[0] < 0


def test_the_walk_reads_the_network_at_its_points_and_differentiates_it_at_the_picture():
    network, x = convnet(), noise(1, 3, 16, 16)
    seen = walk(network, x, radius=0.1, points=9)
    assert seen.eps.tolist() == pytest.approx([-0.1, -0.05625, -0.025, -0.00625, 0, 0.00625, 0.025, 0.05625, 0.1])
    torch.testing.assert_close(seen.start, network.read(x, ["logits"])["logits"][0, list(seen.classes)])
    fine = walk(network, x, radius=1e-5, points=3)
    slopes = (fine.scores[2] - fine.scores[0]) / 2e-5
    torch.testing.assert_close(slopes, fine.tangents, rtol=1e-4, atol=1e-6)


class Bent(nn.Module):
    """The mean of all pixels, and from .5 on not more."""

    def forward(self, x):
        mean = x.mean((1, 2, 3))
        return torch.stack([-mean.clamp(max=0.5), mean.new_full((len(x),), -2)], 1)


def test_near_ends_where_a_line_bends():
    x = torch.full((1, 3, 8, 8), 0.46, dtype=torch.float64)
    seen = walk(Network(Bent(), size=8), x, radius=0.1, points=201)
    # behind .5 the tangent goes on by eps and the score has stayed at .04: off by eps - .04 <= eps / 10 until .0444
    assert seen.near(True) == pytest.approx(0.0444, abs=0.002)
    assert seen.near(False) == pytest.approx(0.1)
    assert seen.near(True, 1.0) == pytest.approx(0.1)


def test_a_line_that_is_off_at_once_is_nowhere_near():
    eps = torch.tensor([-1.0, 0, 1]).double()
    seen = Walk(eps, torch.tensor([[3.0], [1], [9]]).double(), torch.tensor([4.0]).double(), [0])
    assert (seen.near(True), seen.near(False)) == (0, 0)
    assert seen.near(True, 1.0) == 1


def test_of_a_parabola_a_straight_line_explains_nothing_and_of_a_constant_everything():
    eps = torch.linspace(-1, 1, 101).double()
    zero = torch.zeros(1).double()
    assert Walk(eps, eps[:, None] ** 2, zero, [0]).explained == pytest.approx(0)
    assert Walk(eps, torch.ones(101, 1).double(), zero, [0]).explained == 1


def test_what_is_explained_does_not_depend_on_where_the_points_are():
    t = torch.linspace(-1, 1, 2001).double()
    curves = [(eps, eps + eps.square()) for eps in (t, t * t.abs())]
    even, uneven = (Walk(eps, y[:, None], torch.ones(1).double(), [0]).explained for eps, y in curves)
    assert even == pytest.approx(uneven, abs=1e-4)
    assert even == pytest.approx((1 / 3) / (1 / 3 + 4 / 45), abs=1e-3)  # the variances of x and x^2 on [-1, 1]

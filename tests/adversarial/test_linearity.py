"""The walk along the gradient's sign, and the form of one step: exact on networks whose lines are known."""

import math

import pytest
import torch
from torch import nn

import phosphene
from phosphene.adversarial.linear import Linear
from phosphene.adversarial.linearity import BATCH, Walk, fooled_by_a_step, forms, walk
from phosphene.adversarial.norms import size
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


def test_the_forms_of_a_step_have_the_largest_value_or_the_length_of_the_sign():
    g = normal(4, 3, 6, 5)
    sign, long, peak = forms(g)
    for way in (sign, long, peak):
        torch.testing.assert_close(way.sign(), g.sign())
    torch.testing.assert_close(size(long, "l2"), size(sign, "l2"))
    torch.testing.assert_close(size(sign, "l2"), torch.full((4,), math.sqrt(90)).double())
    torch.testing.assert_close(size(peak, "linf"), size(sign, "linf"))
    torch.testing.assert_close(long[0] / g[0], (long[0] / g[0])[:1, :1, :1].expand(3, 6, 5))
    assert not forms(torch.zeros(1, 3, 2, 2)).any()


def test_steps_fool_as_often_as_the_fast_gradient_in_both_norms():
    network, x, radii = linear(normal(4, 3, 8, 8), [0.0] * 4), noise(BATCH + 9, 3, 8, 8, seed=4), [0.005, 0.02]
    labels = network.model(x).argmax(1)
    fooled = fooled_by_a_step(network, x, radii)
    for j, eps in enumerate(radii):
        for i, (norm, radius) in enumerate([("linf", eps), ("l2", eps * math.sqrt(3 * 8 * 8))]):
            found = phosphene.attacks.fgsm(network, x, labels, norm=norm, eps=radius).outcome
            assert fooled[i, j] == pytest.approx(float(found.success.double().mean()))
    assert ((fooled[:2, 1] > 0) & (fooled[:2, 1] < 1)).all()


def test_on_two_linear_classes_length_helps_the_gradient_and_a_largest_change_the_sign():
    w = normal(1, 3 * 64)
    model, x = Linear(torch.cat([w, -w]), -torch.stack([w.sum(), -w.sum()]).flatten() / 2), noise(200, 3, 8, 8)
    sign, long, peak = fooled_by_a_step(model, 0.4 + 0.2 * x, [0.005, 0.01])
    assert (peak < sign).all() and (sign < long).all()


def test_a_step_ends_within_the_box():
    model = Linear(torch.eye(2).double(), torch.tensor([0.0, 0.1]).double())
    x = torch.tensor([[0.15, 0.0]]).double().view(1, 1, 1, 2)  # taken for the first; only its first value can move down
    fooled = fooled_by_a_step(model, x, [0.02, 0.04])
    assert fooled[0].tolist() == [0, 1]

"""The rules of relevance on one linear layer, against their formulas written out in loops."""

import pytest
import torch
from torch.nn import functional as F

from phosphene.attribution.methods.relevance import (
    Linear,
    alpha_beta,
    carrier,
    epsilon,
    gamma,
    passed,
    shared,
    stabilized,
    z_plus,
)  # fmt: skip
from tests.small import normal


def layer_and_input():
    weight = torch.tensor([[1.0, -0.5, 0.25, 2.0], [-1.5, 0.75, -0.5, 1.0], [0.5, 1.25, -2.0, -0.25]]).double()
    layer = Linear(F.linear, weight, torch.tensor([0.25, -0.5, 0.125]).double())
    return layer, normal(1, 4, seed=3).abs()  # what comes out of a rectifier


def relevance(rule, layer, x, above):
    """R of the inputs: x times the gradient of the surrogate, seeded with R of the outputs over y."""
    leaf = x.clone().requires_grad_()
    y = layer(leaf)
    surrogate = rule(layer, leaf, y)
    return x * torch.autograd.grad(surrogate, leaf, above / y.detach())[0]


def slow(layer, x, above, part):
    """R_i = sum over j of part(x_i w_ji) / sum over k of part(x_k w_jk) R_j, in loops; `part` may use the bias."""
    found = torch.zeros_like(x)
    for j in range(len(layer.weight)):
        z = [float(x[0, i] * layer.weight[j, i]) for i in range(x.shape[1])]
        shares = part(z, float(layer.bias[j]))
        for i, share in enumerate(shares):
            found[0, i] += share * float(above[0, j])
    return found


def of_epsilon(size):
    def part(z, bias):
        total = sum(z) + bias
        return [one / (total + (size if total >= 0 else -size)) for one in z]

    return part


def of_positive(z, bias):
    total = sum(max(one, 0) for one in z) + max(bias, 0)
    return [max(one, 0) / total for one in z]


def of_gamma(size):
    def part(z, bias):
        total = sum(one + size * max(one, 0) for one in z) + bias + size * max(bias, 0)
        return [(one + size * max(one, 0)) / total for one in z]

    return part


@pytest.mark.parametrize(
    ("rule", "part"), [(epsilon(0.25), of_epsilon(0.25)), (z_plus, of_positive), (alpha_beta(1, 0), of_positive)]
)
def test_a_rule_shares_relevance_out_by_its_formula(rule, part):
    layer, x = layer_and_input()
    above = normal(1, 3, seed=4)
    torch.testing.assert_close(relevance(rule, layer, x, above), slow(layer, x, above, part), rtol=1e-5, atol=1e-6)


def test_gamma_goes_from_epsilon_to_z_plus():
    layer, x = layer_and_input()
    above = normal(1, 3, seed=4)
    torch.testing.assert_close(relevance(gamma(0.0), layer, x, above), relevance(epsilon(1e-6), layer, x, above))
    above = above * (layer(x) > 0)  # of negative outputs gamma prefers the negative parts
    assert above.any()
    large = relevance(gamma(1e9), layer, x, above)
    torch.testing.assert_close(large, relevance(z_plus, layer, x, above), rtol=1e-4, atol=1e-5)


def test_without_a_bias_relevance_is_kept():
    layer, x = layer_and_input()
    above = normal(1, 3, seed=4).abs()
    for rule in (epsilon(0.0), z_plus, gamma(0.3)):
        kept = relevance(rule, Linear(F.linear, layer.weight, None), x, above).sum()
        torch.testing.assert_close(kept, above.sum(), rtol=1e-4, atol=1e-6)


def test_the_stabilizer_moves_away_from_zero_on_both_sides():
    z = torch.tensor([-1.0, 0.0, 1.0], dtype=torch.float64)
    assert stabilized(z, 0.5).tolist() == [-1.5, 0.5, 1.5]


def test_what_is_passed_on_keeps_its_relevance_element_by_element():
    x = torch.tensor([2.0, -4.0, 0.0], dtype=torch.float64, requires_grad=True)
    y = torch.tensor([6.0, 2.0, 5.0], dtype=torch.float64)
    (gradient,) = torch.autograd.grad(passed(x, y).sum(), x)
    assert (gradient * x).tolist() == [6.0, 2.0, 0.0]


def test_a_carrier_hands_its_factor_on_as_the_gradient():
    x = normal(5).requires_grad_()
    (gradient,) = torch.autograd.grad((carrier(x) * torch.arange(5.0)).sum(), x)
    assert gradient.tolist() == [0, 1, 2, 3, 4] and torch.equal(carrier(x).detach(), torch.ones(5).double())


def test_shared_parts_add_up_to_the_whole():
    z, y = normal(2, 5, seed=1), normal(2, 5, seed=2)
    leaf = z.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(shared(leaf, y).sum(), leaf)
    torch.testing.assert_close(gradient * z, y, rtol=1e-3, atol=1e-4)

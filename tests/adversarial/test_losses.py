"""Ratios of logits: their formulas number by number, and what they do not depend on."""

import warnings

import pytest
import torch
from torch import nn

from phosphene.adversarial.goals import like
from phosphene.adversarial.losses import dlr, dlr_towards, highest_others
from phosphene.adversarial.problems import problems
from phosphene.core.errors import Note
from tests.small import convnet, noise, normal

Z, LABELS = normal(6, 5), torch.tensor([0, 1, 2, 3, 4, 0])


def given(classes=5, **more):
    return problems(nn.Linear(3, classes).double(), noise(6, 3), LABELS % classes, **more)


def by_hand(z, y):
    """Equation 6 of arXiv:2003.01690, with the sign that makes it small."""
    order = sorted(z.tolist(), reverse=True)
    other = max(value for i, value in enumerate(z.tolist()) if i != y)
    return (z[y].item() - other) / (order[0] - order[2])


def towards_by_hand(z, y, t):
    """Equation 7."""
    order = sorted(z.tolist(), reverse=True)
    return (z[y] - z[t]).item() / (order[0] - (order[2] + order[3]) / 2)


def test_the_ratio_equals_its_formula():
    expected = [by_hand(z, y) for z, y in zip(Z, LABELS.tolist(), strict=True)]
    torch.testing.assert_close(dlr(given())(Z, torch.arange(6)), torch.tensor(expected).double())
    aimed = dlr(given(targeted=True))(Z, torch.arange(6))
    torch.testing.assert_close(aimed, -torch.tensor(expected).double())


def test_the_ratio_towards_a_class_equals_its_formula_row_by_row():
    classes = torch.tensor([4, 0, 1, 2, 3, 2])
    rows = torch.tensor([5, 0, 3])
    expected = [towards_by_hand(Z[i], LABELS[i], classes[i]) for i in rows]
    torch.testing.assert_close(dlr_towards(given(), classes)(Z[rows], rows), torch.tensor(expected).double())


@pytest.mark.parametrize("measure", [dlr, lambda of: dlr_towards(of, (LABELS + 1) % 5)])
def test_neither_a_shift_nor_the_scale_of_the_logits_matters(measure):
    one, rows = measure(given()), torch.arange(6)
    torch.testing.assert_close(one(1000 * Z + 7, rows), one(Z, rows))


@pytest.mark.parametrize("measure", [dlr, lambda of: dlr_towards(of, (LABELS + 1) % 5)])
def test_equal_logits_have_a_finite_ratio(measure):
    assert measure(given())(torch.zeros(6, 5).double(), torch.arange(6)).isfinite().all()


@pytest.mark.parametrize(
    ("classes", "measure", "said"),
    [
        (2, dlr, "takes 3 classes, and there are 2; the plain margin is taken"),
        (3, lambda of: dlr_towards(of, (of.goal.labels + 1) % 3), "takes 4 classes, and there are 3"),
    ],
)
def test_with_too_few_classes_it_is_the_margin_and_is_said_once(classes, measure, said):
    z, own = Z[:, :classes], given(classes)
    one = measure(own)
    with pytest.warns(Note, match=said) as told:
        values = [one(z, torch.arange(6)) for _ in range(3)]
    assert len(told) == 1
    labels = own.goal.labels
    other = [z[i][[j for j in range(classes) if j != y]].amax() for i, y in enumerate(labels.tolist())]
    expected = z.gather(1, labels[:, None])[:, 0] - torch.stack(other)
    if classes == 3:
        expected = (z.gather(1, labels[:, None]) - z.gather(1, (labels[:, None] + 1) % 3))[:, 0]
    torch.testing.assert_close(values[-1], expected)


def test_a_network_says_it_and_a_layer_has_no_classes():
    goal = like(noise(1, 6, 4, 4), 0.1, layer="conv1")
    network = convnet(size=4)
    own = problems(network, noise(2, 3, 4, 4), goal)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        codes = noise(2, 6, 4, 4, seed=1)
        torch.testing.assert_close(dlr(own)(codes, torch.arange(2)), own.margin(codes, torch.arange(2)))
    assert [str(one.message) for one in told] == [
        "the ratio of logits (dlr) is about classes; the plain margin is taken"
    ]
    assert network.anatomy.told


def test_the_highest_others_are_in_order_and_never_its_own():
    z = torch.tensor([[3.0, 1, 2, 0], [0, 1, 2, 3]])
    own = problems(nn.Linear(3, 4), torch.rand(2, 3), [0, 0])
    assert highest_others(own, z, 2).tolist() == [[2, 1], [3, 2]]
    assert highest_others(own, z, 9).tolist() == [[2, 1, 3], [3, 2, 1]]

"""Groups of classes by their weights."""

import numpy as np

from phosphene.dataset.trial.groups import MOST, grouped, named, readout
from tests.small import convnet


def test_few_classes_stand_alone():
    assert grouped([3, 1, 3], None) == [[1], [3]] == grouped([1, 3], np.eye(4))


def test_classes_that_are_read_out_alike_are_one_group():
    """Forty classes around twelve directions, a few of each."""
    rng = np.random.default_rng(0)
    of = np.arange(40) % MOST
    weights = np.linalg.qr(rng.normal(size=(30, 30)))[0][of] + rng.normal(0, 0.03, (40, 30))
    found = grouped(range(40), weights)
    assert sorted(sorted(group) for group in found) == [sorted(np.flatnonzero(of == k)) for k in range(MOST)]
    assert [min(group) for group in found] == list(range(MOST))


def test_a_group_is_called_by_its_most_typical_class():
    weights = np.eye(14)
    weights[:3] = 0
    weights[:3, 0], weights[:3, 1] = 1, [0.4, 0, -0.4]  # the second is in the middle of the first three
    (group,) = (one for one in grouped(range(14), weights) if 0 in one)
    assert group == [1, 0, 2]
    assert named([group, [5]], {1: "cat", 5: "dog"}) == ["cat and 2 more", "dog"]
    assert named([[3]], {}) == ["class 3"]


def test_the_weights_that_classes_are_read_out_with_are_the_last_of_their_number():
    network = convnet()
    assert np.array_equal(readout(network), network.model.fc.weight.detach().float().numpy())

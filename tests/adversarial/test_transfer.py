"""Examples that are made on one network, tried on another."""

from functools import partial

import pytest
import torch

import phosphene
from phosphene.adversarial.transfer import Transfer, transferred
from phosphene.core.errors import Mistake
from tests.small import levels, linear, noise

WEIGHT = noise(3, 3, 8, 8) - 0.5
X = levels(20, 3, 8, 8, low=60, high=190)


def network(weight=WEIGHT, name="one"):
    bias = -(weight.flatten(1) @ X.double().mean(0).flatten())
    return linear(weight, bias.tolist(), name=name)


def made(network, pictures, labels, key, eps=8 / 255):
    options = {"steps": 10, "random_start": False, "until_fooled": False}
    return phosphene.attacks.pgd(network, pictures, labels, eps=eps, key=key, **options)


def table(*networks, labels=None, batch=7, **options):
    labels = network().model(X.double()).argmax(1) if labels is None else labels
    *steps, found = transferred(networks, X, labels, partial(made, **options), batch)
    assert steps == [None] * len(networks) * -(-len(X) // batch)
    return found


def test_what_fools_a_network_fools_its_twin_and_not_one_that_looks_at_something_else():
    blind = torch.zeros_like(WEIGHT)
    blind[:, 0], own = WEIGHT[:, 0], WEIGHT.clone()
    own[:, 0] = 0  # neither sees what the other sees
    labels = network(own).model(X.double()).argmax(1)
    found = table(network(own), network(own, "twin"), network(blind, "other"), labels=labels, eps=20 / 255)
    assert found.names == ("one", "twin", "other")
    assert found.rates[0, 0] == found.rates[0, 1] == 1 and torch.equal(found.fooled[0, 0], found.fooled[0, 1])
    assert found.counted[0, 2] == found.right[2].sum() > 0 and found.rates[0, 2] == 0


def test_those_that_a_network_names_wrongly_already_are_not_counted():
    labels = network().model(X.double()).argmax(1)
    labels[:5] = (labels[:5] + 1) % 3
    found = table(network(), network(name="twin"), labels=labels)
    assert found.right.sum(1).tolist() == [15, 15] and found.counted.tolist() == [[15, 15], [15, 15]]
    assert not found.fooled[:, :, :5].any() and found.accuracies.tolist() == [0.75, 0.75]


def test_examples_are_those_of_8_bits_and_the_batch_makes_no_difference():
    few, many = (table(network(), network(WEIGHT.flip(0), "other"), batch=batch) for batch in (3, 20))
    assert torch.equal(few.fooled, many.fooled)
    weak = table(network(), network(name="twin"), eps=0.4 / 255)  # 8 bits have no other picture so near
    assert not weak.fooled.any()


def test_a_record_says_all_and_none_where_nothing_is_counted():
    right = torch.tensor([[True, False], [False, True]])
    record = Transfer(("a", "b"), right, torch.ones(2, 2, 2, dtype=torch.bool)).record()
    assert record == {
        "networks": ["a", "b"], "pictures": 2, "accuracies": [0.5, 0.5], "fooled": [[1.0, None], [None, 1.0]],
        "counted": [[1, 0], [0, 1]],
    }  # fmt: skip


def test_two_networks_of_the_same_classes_are_needed():
    with pytest.raises(Mistake, match="give --net twice"):
        table(network())
    with pytest.raises(Mistake, match="one has 3 classes and two 2; networks of the same classes are needed"):
        table(network(), network(WEIGHT[:2], "two"))

"""Examples that are made on one network, tried on another."""

from functools import partial

import pytest
import torch

import phosphene
from phosphene.adversarial.transfer import Count, Transfer, noise_of, told_apart, transferred
from phosphene.core.errors import Mistake
from phosphene.core.optimization.keys import Key
from phosphene.core.results.intervals import wilson
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


@pytest.mark.slow
def test_what_fools_a_network_fools_its_twin_and_not_one_that_looks_at_something_else():
    blind = torch.zeros_like(WEIGHT)
    blind[:, 0], own = WEIGHT[:, 0], WEIGHT.clone()
    own[:, 0] = 0  # neither sees what the other sees
    labels = network(own).model(X.double()).argmax(1)
    found = table(network(own), network(own, "twin"), network(blind, "other"), labels=labels, eps=20 / 255)
    assert found.names == ("one", "twin", "other")
    assert found.pairs[0][0].share == found.pairs[0][1].share == 1 and torch.equal(
        found.fooled[0, 0], found.fooled[0, 1]
    )
    assert found.pairs[0][2] == (0, found.own[2].hits) and found.own[2].hits > 0


@pytest.mark.slow
def test_those_that_a_network_names_wrongly_already_are_not_counted():
    labels = network().model(X.double()).argmax(1)
    labels[:5] = (labels[:5] + 1) % 3
    found = table(network(), network(name="twin"), labels=labels)
    assert found.own == [(15, 20), (15, 20)] and [one.of for row in found.pairs for one in row] == [15] * 4
    assert not found.fooled[:, :, :5].any()


def slow_pairs(right, fooled):
    """Picture by picture."""
    k, n = right.shape
    hits, of = torch.zeros(k, k).int(), torch.zeros(k, k).int()
    for i in range(k):
        for j in range(k):
            for picture in range(n):
                if right[i, picture] and right[j, picture]:
                    of[i, j] += 1
                    hits[i, j] += int(fooled[i, j, picture])
    return [list(zip(*rows, strict=True)) for rows in zip(hits.tolist(), of.tolist(), strict=True)]


def test_of_the_pictures_that_both_name_rightly_those_that_fool_are_counted():
    right, fooled = noise(3, 40) < 0.6, noise(3, 3, 40, seed=1) < 0.3
    shuffled = noise(3, 3, 40, seed=2) < 0.1
    found = Transfer(("a", "b", "c"), right, fooled, shuffled)
    assert found.pairs == slow_pairs(right, fooled) and found.controls == slow_pairs(right, shuffled)
    assert found.pairs[0][1].of == found.pairs[1][0].of and found.pairs[2][2].of == found.own[2].hits


def test_a_count_says_how_sure_it_is():
    one, nothing = Count(101, 200), Count(0, 0)
    assert one.share == 0.505 and (one.percent, one.brackets) == ("50.5 %", "[43.6, 57.4]")
    assert nothing.share is None and (nothing.percent, nothing.brackets) == ("-", "[0.0, 100.0]")


@pytest.mark.slow
def test_examples_are_those_of_8_bits_and_the_batch_makes_no_difference():
    few, many = (table(network(), network(WEIGHT.flip(0), "other"), batch=batch) for batch in (3, 20))
    assert torch.equal(few.fooled, many.fooled) and torch.equal(few.shuffled, many.shuffled)
    weak = table(network(), network(name="twin"), eps=0.4 / 255)  # 8 bits have no other picture so near
    assert not weak.fooled.any()


def test_a_record_says_all_and_none_where_nothing_is_counted():
    right = torch.tensor([[True, False], [False, True]])
    every = torch.ones(2, 2, 2, dtype=torch.bool)
    record = Transfer(("a", "b"), right, every, ~every).record()
    assert record == {
        "networks": ["a", "b"], "pictures": 2, "accuracies": [0.5, 0.5], "fooled": [[1.0, None], [None, 1.0]],
        "counted": [[1, 0], [0, 1]], "accuracy intervals": [list(wilson(1, 2))] * 2,
        "fooled by shuffled": [[0.0, None], [None, 0.0]],
        "fooled intervals": [[list(wilson(1, 1)), [0, 1]], [[0, 1], list(wilson(1, 1))]],
    }  # fmt: skip


def test_noise_has_the_size_of_the_change_in_every_norm_and_is_another_change():
    x = levels(4, 3, 8, 8, low=60, high=190)
    change = (noise(4, 3, 8, 8, seed=3) * 17).floor().float() - 8
    found = noise_of(x + change / 255, x, Key(0))
    moved = ((found - x) * 255).round()
    assert torch.equal(moved.flatten(1).sort(1).values, change.flatten(1).sort(1).values)
    assert (moved != change).flatten(1).any(1).all()
    alone = noise_of((x + change / 255)[2:3], x[2:3], Key(0, [2]))
    assert torch.equal(alone[0], found[2])
    edge = noise_of(torch.full((1, 3, 8, 8), 1.0), torch.full((1, 3, 8, 8), 0.8), Key(0))
    assert torch.equal(edge, torch.ones(1, 3, 8, 8)) and noise_of(x + 1, x, Key(0)).max() == 1


def test_noise_fools_less_than_what_it_was_made_of():
    found = table(network(), network(name="twin"))
    assert found.pairs[0][1].share == 1 and found.controls[0][1].share < 0.5
    assert found.controls[0][1].of == found.pairs[0][1].of


def test_networks_that_are_called_the_same_are_numbered():
    assert told_apart(["one", "two", "one", "one"]) == ("one (1)", "two", "one (2)", "one (3)")
    assert table(network(), network()).names == ("one (1)", "one (2)")


def test_two_networks_of_the_same_classes_are_needed():
    with pytest.raises(Mistake, match="give --net twice"):
        table(network())
    with pytest.raises(Mistake, match="one has 3 classes and two 2; networks of the same classes are needed"):
        table(network(), network(WEIGHT[:2], "two"))

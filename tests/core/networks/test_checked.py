"""What is said about a network: right in every spelling that people use, else refused by the field's name."""

import math

import numpy as np
import pytest
import torch

from phosphene.core.errors import Mistake
from phosphene.core.networks.checked import checked_count, checked_facts
from phosphene.core.networks.head import HEADS


@pytest.mark.parametrize(
    "value", [(0.5, 0.25, 0.5), [0.5, 0.25, 0.5], np.array([0.5, 0.25, 0.5]), torch.tensor([0.5, 0.25, 0.5])]
)
def test_numbers_come_in_every_container(value):
    assert checked_facts(mean=value, std=value) == {"mean": (0.5, 0.25, 0.5), "std": (0.5, 0.25, 0.5)}


def test_one_number_is_for_all_channels():
    assert checked_facts(mean=0, std=np.float32(0.5), channels=4)["std"] == (0.5,)


@pytest.mark.parametrize(
    ("size", "sides"), [(224, (224, 224)), ((20, 24), (20, 24)), ([20, 24], (20, 24)), (torch.tensor(8), (8, 8))]
)
def test_a_size_is_a_side_or_two(size, sides):
    assert checked_facts(size=size)["size"] == sides


@pytest.mark.parametrize(
    ("given", "labels"),
    [
        (["cat", "dog"], ["cat", "dog"]),
        ((0, 1, np.int64(2)), ["0", "1", "2"]),
        (np.array(["cat", "dog"]), ["cat", "dog"]),
        (["cat", None, " dog "], ["cat", "", "dog"]),
        ({0: "cat", 1: "dog"}, ["cat", "dog"]),
        ({"1": "dog", "0": "cat"}, ["cat", "dog"]),
        ({"cat": 0, "dog": 1}, ["cat", "dog"]),
        ({"cat": 1, "kitten": 1, "dog": 0}, ["dog", "cat, kitten"]),
        ({2: "cat"}, ["", "", "cat"]),
        ({0: None, 1: "cat"}, ["", "cat"]),
        ({"1": 0, "2": 1}, ["1", "2"]),
        ({0: 1, 1: 2}, ["1", "2"]),
        ([], []),
    ],
)
def test_labels_are_a_name_for_each_class_in_order(given, labels):
    assert checked_facts(labels=given)["labels"] == labels


def test_what_is_not_given_stays_so():
    assert checked_facts(mean=None, labels=None, name="net") == {"mean": None, "labels": None, "name": "net"}


@pytest.mark.parametrize("head", HEADS)
def test_every_head_has_a_name(head):
    assert checked_facts(head=head) == {"head": head}


def test_what_makes_sense_stays_as_it_is():
    held = {"meta": torch.zeros(1)}
    facts = {"bgr": True, "channels": 3, "shown": (2, 1, 0), "input": "x", "inputs": held, "output": "logits"}
    assert checked_facts(**facts) == facts
    assert checked_facts(output=len)["output"] is len and checked_facts(output=0)["output"] == 0


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"std": 0}, "std has 0 in it"),
        ({"std": [0.2, 0.0, 0.2]}, "std has 0 in it"),
        ({"std": (0.2, -1, 0.2)}, "std has -1 in it"),
        ({"std": [math.nan] * 3}, "std has nan in it"),
        ({"mean": [math.inf] * 3}, "mean has inf in it"),
        ({"mean": "0.5"}, "mean is '0.5'"),
        ({"mean": ["0.5"] * 3}, "mean has '0.5' in it"),
        ({"mean": [True, 0, 0]}, "mean has True in it"),
        ({"mean": []}, r"mean is \[\]"),
        ({"mean": {"r": 0.5}}, "mean is {'r': 0.5}"),
        ({"mean": [[0.5] * 3]}, r"mean has \[0.5, 0.5, 0.5\] in it"),
        ({"mean": (0, 0), "std": (1, 1, 1)}, "mean has 2 numbers and std has 3"),
        ({"mean": (0, 0), "channels": 3}, "mean has 2 numbers, but the network takes 3 channels"),
        ({"std": (1, 1, 1), "channels": 1}, "std has 3 numbers, but the network takes 1 channel;"),
        ({"size": 0}, "size has 0 in it"),
        ({"size": (-1, 20)}, "size has -1 in it"),
        ({"size": 10**9}, "size has 1e.09 in it"),
        ({"size": 22.5}, "size has 22.5 in it"),
        ({"size": math.nan}, "size has nan in it"),
        ({"size": "224"}, "size is '224'"),
        ({"size": ("a", "b")}, "size has 'a' in it"),
        ({"size": (20, 20, 20)}, r"size is \(20, 20, 20\)"),
        ({"size": True}, "size is True"),
        ({"bgr": "no"}, "bgr is 'no'; give True"),
        ({"bgr": 1}, "bgr is 1"),
        ({"bgr": True, "channels": 4}, "bgr is for pictures of 3 channels, and the network takes 4"),
        ({"bgr": True, "mean": [0.5] * 4}, "bgr is for pictures of 3 channels, and the network takes 4"),
        ({"labels": 10}, "labels is 10; give a list"),
        ({"labels": "cat dog"}, "labels is 'cat dog'"),
        ({"labels": {"cat", "dog"}}, "labels is {'"),
        ({"labels": [["n01", "cat"]]}, r"labels has \['n01', 'cat'\] as the name of class 0"),
        ({"labels": [True]}, "labels has True as the name of class 0"),
        ({"labels": {-1: "cat"}}, "labels has a class -1"),
        ({"labels": {10**9: "cat"}}, "labels has a class 1000000000"),
        ({"labels": {"cat": "dog"}}, "labels has the key 'cat'"),
        ({"labels": {0.5: "dog"}}, "labels has the key 0.5"),
        ({"channels": 0}, "channels is 0"),
        ({"channels": "RGB"}, "channels is 'RGB'"),
        ({"channels": 3.0}, "channels is 3.0"),
        ({"shown": (0, 1)}, r"shown is \(0, 1\)"),
        ({"shown": (0, 1, 4), "channels": 4}, r"shown is \(0, 1, 4\), but the network's channels are 0 to 3"),
        ({"shown": 3}, "shown is 3"),
        ({"head": "sigmod"}, "head 'sigmod' is not known; did you mean 'sigmoid'"),
        ({"head": 1}, r"head 1 is not known \(there are softmax, sigmoid, probabilities, numbers\)"),
        ({"input": 0}, "input is 0"),
        ({"inputs": [1]}, "inputs is list"),
        ({"inputs": {1: torch.zeros(1)}}, "inputs is dict"),
        ({"output": True}, "output is True"),
        ({"output": 1.5}, "output is 1.5"),
    ],
)
def test_what_makes_no_sense_is_refused_by_its_name(facts, said):
    with pytest.raises(Mistake, match=f"^{said}") as told:
        checked_facts(**facts)
    assert "\n" not in str(told.value) and len(str(told.value)) < 200


def test_labels_are_as_many_as_classes():
    checked_count(None, 10)
    checked_count([], 10)
    checked_count(["a", "b"], 2)
    with pytest.raises(Mistake, match="labels has 2 names, but the network has 10 classes"):
        checked_count(["a", "b"], 10)
    with pytest.raises(Mistake, match="labels has 1 name, but"):
        checked_count(["a"], 2)

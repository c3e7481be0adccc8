"""Clusters: they partition what they are given, and are those that are there."""

import sys

import pytest
import torch

from phosphene.core.errors import Mistake
from phosphene.core.units.clusters import clustered
from tests.small import normal


def test_clusters_partition_what_they_are_given_and_are_those_that_are_there():
    codes = torch.cat(
        [10 * torch.eye(4, dtype=torch.float64)[g] + 0.1 * normal(n, 4, seed=g) for g, n in enumerate((3, 6, 4))]
    )
    clusters = clustered(codes, 3)
    assert [one.tolist() for one in clusters] == [list(range(3, 9)), list(range(9, 13)), [0, 1, 2]]
    many = clustered(normal(20, 4), 5, seed=2)
    assert sorted(torch.cat(many).tolist()) == list(range(20))
    assert [one.tolist() for one in many] == [one.tolist() for one in clustered(normal(20, 4), 5, seed=2)]


def test_photographs_that_are_all_the_same_are_one_cluster():
    assert [one.tolist() for one in clustered(torch.ones(4, 3, dtype=torch.float64), 3)] == [[0, 1, 2, 3]]


def test_without_scikit_learn_it_is_said_what_needs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.cluster", None)
    with pytest.raises(Mistake, match=r"an album without folders needs scikit-learn: pip install 'phosphene\[maps\]'"):
        clustered(normal(4, 3), 2, what="an album without folders")

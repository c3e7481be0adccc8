"""How far a map can be believed: the formulas, point by point."""

import numpy as np
import pytest

from phosphene.dataset.map_quality import knn_accuracy, neighbours_for, quality, sample, trustworthiness


def ranks(points, i, metric="euclidean"):
    """The others by their distance from point i, nearest first."""
    if metric == "cosine":
        points = points / np.linalg.norm(points, axis=1, keepdims=True)
    apart = np.linalg.norm(points - points[i], axis=1)
    return [j for j in np.argsort(apart, kind="stable") if j != i]


def slow_trustworthiness(codes, points, k, metric):
    """Venna & Kaski 2001, one pair after another."""
    n, late = len(codes), 0
    for i in range(n):
        order = ranks(codes, i, metric)
        for j in ranks(points, i)[:k]:
            late += max(0, order.index(j) + 1 - k)
    return 1 - 2 / (n * k * (2 * n - 3 * k - 1)) * late


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_trustworthiness_is_its_formula(metric):
    generator = np.random.default_rng(0)
    codes, points = generator.normal(size=(40, 5)), generator.normal(size=(40, 2))
    near = np.array([ranks(points, i)[:4] for i in range(40)])
    found = trustworthiness(codes, near, np.arange(40), metric)
    assert found == pytest.approx(slow_trustworthiness(codes, points, 4, metric), abs=1e-12)
    assert found < 0.9


def test_a_map_of_the_codes_themselves_can_be_trusted_wholly():
    codes = np.random.default_rng(1).normal(size=(50, 2))
    found, near = quality(codes, codes, np.full(50, -1), "euclidean")
    assert found.trustworthiness == 1 and found.on_map is None and found.neighbours == 10
    assert near[7].tolist() == ranks(codes, 7)[:10]


def test_the_class_of_most_neighbours_counts_and_of_equally_many_that_of_the_nearest():
    labels = np.array([0, 0, 1, 1, 2, -1])
    near = np.array([[1, 2, 3], [2, 0, 5], [4, 1, 3]])  # 0: one of 0, two of 1; 1: the nearest is of 1; 2: all differ
    assert knn_accuracy(labels, np.array([0, 1, 4]), near) == pytest.approx(1 / 3)


def test_classes_far_apart_are_told_apart_and_chance_is_the_largest():
    labels = np.array([0] * 12 + [1] * 8)
    points = np.random.default_rng(2).normal(0, 0.1, (20, 2)) + labels[:, None] * 5
    found, _ = quality(points + 1, points, labels, "euclidean")
    assert (found.on_map, found.by_code, found.chance) == (1, 1, 0.6)
    assert found.words.endswith("class by 6 neighbours: 100.0 % right on the map, 100.0 % by code, 60.0 % by chance")


def test_classes_of_one_image_each_say_nothing():
    points = np.random.default_rng(3).normal(size=(12, 2))
    assert quality(points, points, np.arange(12), "euclidean")[0].on_map is None


def test_few_images_have_few_neighbours_and_of_many_some_are_asked():
    assert [neighbours_for(n) for n in (2, 4, 8, 31, 5000)] == [1, 1, 2, 10, 10]
    assert sample(7, 10).tolist() == list(range(7)) and sample(9, 3).tolist() == [0, 4, 8]


@pytest.mark.slow
@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_trustworthiness_is_scikit_learns(metric):
    manifold = pytest.importorskip("sklearn.manifold")
    generator = np.random.default_rng(4)
    codes = generator.normal(size=(300, 10))
    points = codes[:, :2] + generator.normal(0, 0.3, (300, 2))
    found, _ = quality(codes, points, np.full(300, -1), metric)
    wanted = manifold.trustworthiness(codes, points, n_neighbors=10, metric=metric)
    assert found.trustworthiness == pytest.approx(wanted, abs=1e-9)

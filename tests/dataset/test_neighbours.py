"""Neighbours: those of a loop over all codes, in its order, ties by number, whatever the blocks are."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phosphene.dataset import neighbours
from phosphene.dataset.neighbours import Codes


def slow_nearest(codes, query, count, metric, skip=-1):
    """Every distance in float64, one code after the other; sorted by distance and number."""
    found = []
    for i, code in enumerate(codes.astype(np.float64)):
        if metric == "cosine":
            lengths = np.sqrt((code**2).sum()) * np.sqrt((query**2).sum())
            distance = 1 - (code * query).sum() / lengths if lengths > 0 else 1.0
        else:
            distance = np.sqrt(((code - query) ** 2).sum())
        if i != skip:
            found.append((distance, i))
    return sorted(found)[:count]


def codes_of(count, channels, seed, kind=np.float16):
    return np.maximum(np.random.default_rng(seed).normal(0, 1, (count, channels)), 0).astype(kind)


@settings(max_examples=40)
@given(
    st.integers(2, 40), st.integers(1, 9), st.integers(0, 100), st.sampled_from(["cosine", "euclidean"]),
    st.booleans(), st.sampled_from([np.float16, np.float32]),
)  # fmt: skip
def test_they_are_those_of_a_loop_over_all_codes(count, channels, seed, metric, skipping, kind):
    codes = codes_of(count, channels, seed, kind)
    queries = codes.astype(np.float64)
    many = max(1, count // 2)
    skip = np.arange(count) if skipping else None
    found = Codes(codes, metric).nearest(queries, many, skip)
    for i, query in enumerate(queries):
        wanted = slow_nearest(codes, query, many, metric, i if skipping else -1)
        np.testing.assert_allclose(found.distances[i], [distance for distance, _ in wanted], atol=1e-12)
        for image, (distance, other) in zip(found.images[i], wanted, strict=True):
            if image != other:  # only where rounding can't tell which is nearer
                assert abs(slow_distance(codes, query, int(image), metric) - distance) < 1e-12


def slow_distance(codes, query, image, metric):
    every = {i: distance for distance, i in slow_nearest(codes, query, len(codes), metric)}
    return every[image]


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_of_equals_the_smaller_number_comes_first_in_any_block(metric, monkeypatch):
    codes = np.tile(codes_of(5, 7, 3), (6, 1))  # number 2 is also 7, 12, 17, 22 and 27
    for block in (7, 14, 35, 1 << 20):
        monkeypatch.setattr(neighbours, "BLOCK", block)
        monkeypatch.setattr(neighbours, "HELD", 0 if block < 1 << 20 else 1 << 27)
        found = Codes(codes, metric).nearest(codes[2:3].astype(np.float64), 6)
        assert found.images.tolist() == [[2, 7, 12, 17, 22, 27]]
        assert len(set(found.distances[0].tolist())) == 1


def test_large_numbers_that_float32_can_not_tell_apart_are_told_apart():
    codes = np.full((50, 3), 1e4) + np.random.default_rng(0).normal(0, 1e-5, (50, 3))
    found = Codes(codes, "euclidean").nearest(codes[:4], 10)
    for i in range(4):
        assert found.images[i].tolist() == [image for _, image in slow_nearest(codes, codes[i], 10, "euclidean")]


def test_a_code_of_zeros_is_at_distance_one_from_all():
    codes = np.array([[0, 0], [1, 0], [0, 2]], np.float16)
    found = Codes(codes).nearest(np.array([[0.0, 0.0], [3.0, 0.0]]), 3)
    assert found.images.tolist() == [[0, 1, 2], [1, 0, 2]]
    assert found.distances.tolist() == [[1, 1, 1], [0, 1, 1]]


def test_it_tells_how_many_are_done(monkeypatch):
    monkeypatch.setattr(neighbours, "QUERIES", 4)
    codes, done = codes_of(10, 3, 0), []
    Codes(codes).nearest(codes.astype(np.float64), 2, done=done.append)
    assert done == [4, 8, 10]


@pytest.mark.parametrize(("count", "skip"), [(0, None), (11, None), (10, np.arange(10))])
def test_more_than_there_are_is_refused(count, skip):
    codes = codes_of(10, 3, 0)
    with pytest.raises(ValueError, match=f"{count} neighbours were asked for, and there are {10 - (skip is not None)}"):
        Codes(codes).nearest(codes.astype(np.float64), count, skip)


@pytest.mark.slow
@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_they_are_those_of_scikit_learns_brute_force_from_a_memory_map(metric, tmp_path):
    search = pytest.importorskip("sklearn.neighbors")
    np.save(tmp_path / "codes.npy", codes_of(3000, 64, 1))
    codes = np.load(tmp_path / "codes.npy", mmap_mode="r")
    whole = np.asarray(codes, np.float64)
    distances, images = (
        search.NearestNeighbors(n_neighbors=11, algorithm="brute", metric=metric).fit(whole).kneighbors(whole)
    )
    found = Codes(codes, metric).nearest(whole, 10, np.arange(3000))
    assert (found.images == images[:, 1:]).all()
    np.testing.assert_allclose(found.distances, distances[:, 1:], atol=1e-7)


@pytest.mark.slow
@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_faiss_finds_the_same(metric):
    pytest.importorskip("faiss")
    codes = codes_of(3000, 64, 2)
    queries, skip = codes[:200].astype(np.float64), np.arange(200)
    ours, theirs = Codes(codes, metric), Codes(codes, metric, faiss_above=100)
    assert theirs.nearest(queries, 10, skip).images.tolist() == ours.nearest(queries, 10, skip).images.tolist()

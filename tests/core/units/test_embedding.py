"""t-SNE: openTSNE's own result, the same twice, and a map on which new points move nobody."""

import numpy as np
import pytest

from phosphene.core.units.embedding import EVERY, MOVES, in_unit_square, placed_by_tsne, tsne


def clouds(count=60, channels=6, seed=0):
    """Three clouds; which one each point is of."""
    generator = np.random.default_rng(seed)
    of = np.arange(count) % 3
    return generator.normal(0, 0.3, (count, channels)) + 4 * np.eye(channels)[of], of


def test_a_map_is_stretched_along_each_axis_and_its_corners_are_touched():
    points = in_unit_square(np.array([[1.0, 5.0], [3.0, 6.0], [2.0, 9.0]]))
    assert points.tolist() == [[0, 0], [1, 0.25], [0.5, 1]]


def test_a_map_of_one_point_is_finite():
    assert in_unit_square(np.array([[3.0, 3.0]])).tolist() == [[0, 0]]


@pytest.mark.slow
@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_the_map_is_opentsnes_own(metric):
    codes, _ = clouds()
    opened = pytest.importorskip("openTSNE")
    own = opened.TSNE(
        perplexity=19.5, metric=metric, initialization="pca", neighbors="exact", random_state=3, n_jobs=1,
        negative_gradient_method="bh",
    ).fit(codes)  # fmt: skip
    told = []
    found = tsne(codes, seed=3, perplexity=19.5, metric=metric, moved=told.append)
    assert (found == np.asarray(own)).all()
    assert told == list(range(EVERY, MOVES + 1, EVERY))


@pytest.mark.slow
def test_codes_of_one_number_have_a_map():
    points = tsne(np.arange(40.0)[:, None] % 7, perplexity=5, metric="euclidean")
    assert points.shape == (40, 2) and np.isfinite(points).all()


@pytest.mark.slow
def test_new_points_come_to_their_cloud_and_each_is_placed_as_if_it_were_alone():
    codes, of = clouds()
    points = tsne(codes, seed=0, perplexity=10)
    new, of_new = clouds(6, seed=1)
    placed = placed_by_tsne(new, codes, points, perplexity=10)
    nearest = np.square(placed[:, None] - points[None]).sum(2).argmin(1)
    assert of[nearest].tolist() == of_new.tolist()
    for i in range(len(new)):
        alone = placed_by_tsne(new[i : i + 1], codes, points, perplexity=10)
        np.testing.assert_allclose(alone[0], placed[i], rtol=1e-6)

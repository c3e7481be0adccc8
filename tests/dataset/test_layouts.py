"""Layouts: the main axes in closed form, and what t-SNE and UMAP must keep."""

import numpy as np
import pytest

from phosphene.core.errors import Mistake
from phosphene.dataset.layouts import LEAST, Layout, main_axes
from tests.core.units.test_embedding import clouds


def test_the_main_axes_of_an_ellipse_are_its_own():
    t = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    long, short = np.array([0.6, 0.8, 0.0]), np.array([-0.8, 0.6, 0.0])
    codes = np.array([1.0, 2.0, 3.0]) + 5 * np.cos(t)[:, None] * long + np.sin(t)[:, None] * short
    mean, axes = main_axes(codes)
    np.testing.assert_allclose(mean, [1, 2, 3], atol=1e-12)
    np.testing.assert_allclose(np.abs(axes.T @ np.stack([long, short], 1)), np.eye(2), atol=1e-9)
    assert (axes[np.abs(axes).argmax(0), [0, 1]] > 0).all()  # not mirrored on another machine
    points = Layout("pca").points(codes)
    assert np.abs(points[:, 0]).max() == pytest.approx(5) and np.abs(points[:, 1]).max() == pytest.approx(1)


def test_a_new_code_on_the_main_axes_is_where_it_would_have_been():
    codes, _ = clouds()
    layout = Layout("pca")
    points = layout.points(codes)
    np.testing.assert_allclose(layout.placed(codes[5:9], codes, points), points[5:9], atol=1e-12)


def test_a_layer_of_one_channel_is_a_line():
    points = Layout("pca").points(np.arange(10.0)[:, None])
    assert (points[:, 1] == 0).all() and np.diff(points[:, 0]) == pytest.approx(1)


def test_what_is_no_map_is_told():
    codes, _ = clouds(LEAST - 1)
    with pytest.raises(Mistake, match="7 images are too few for a map, it needs 8"):
        Layout().points(codes)
    with pytest.raises(Mistake, match="says the same about all"):
        Layout().points(np.ones((20, 3), np.float16))
    with pytest.raises(Mistake, match="not finite"):
        Layout().points(np.full((20, 3), np.inf, np.float16))


def test_a_caption_says_how():
    assert Layout("pca").words == "the two main axes (PCA)"
    assert Layout(seed=4).words == "t-SNE of cosine distances, perplexity 30, seed 4"
    assert Layout("umap", "euclidean").words == "UMAP of euclidean distances, 15 neighbours, seed 0"


@pytest.mark.slow
def test_the_main_axes_are_scikit_learns_but_for_signs():
    codes, _ = clouds(200, 12)
    own = pytest.importorskip("sklearn.decomposition").PCA(2).fit_transform(codes)
    np.testing.assert_allclose(np.abs(Layout("pca").points(codes)), np.abs(own), atol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["tsne", "umap"])
def test_clouds_stay_apart_the_same_twice_and_new_codes_come_to_theirs(method):
    pytest.importorskip({"tsne": "openTSNE", "umap": "umap"}[method])
    codes, of = clouds(90, 8)
    layout = Layout(method, perplexity=10)
    points = layout.points(codes)
    assert (layout.points(codes) == points).all()
    apart = np.square(points[:, None] - points[None]).sum(2)
    np.fill_diagonal(apart, np.inf)
    assert (of[apart.argmin(1)] == of).all()
    new, of_new = clouds(9, 8, seed=5)
    placed = layout.placed(new, codes, points)
    assert of[np.square(placed[:, None] - points[None]).sum(2).argmin(1)].tolist() == of_new.tolist()

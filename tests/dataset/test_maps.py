"""A map of an index: everyone once, written and read back, and photographs that move nobody."""

import json
from dataclasses import replace

import numpy as np
import pytest

from phosphene.core.errors import Mistake
from phosphene.dataset.layouts import Layout
from phosphene.dataset.maps import NUMBERS, check_same, chosen, is_map, laid_out, question, read_map, with_photos

PCA = Layout("pca")


@pytest.fixture(scope="module")
def made(small):
    _, index = small
    return index, laid_out(index, "relu2", PCA)


def test_every_image_is_on_it_once_with_its_own_name_and_class(made):
    index, found = made
    assert list(found.ids) == index.ids and found.images.tolist() == list(range(60))
    assert (found.labels == index.labels).all()
    assert len(set(found.cells.tolist())) == 60 and found.cells.max() < found.shape.cells
    assert found.near.shape == (60, 6) and not (found.near == np.arange(60)[:, None]).any()
    assert found.points == pytest.approx(PCA.points(index.codes("relu2")))


def test_its_caption_says_how_it_was_made_and_how_far_it_can_be_believed(made):
    _, found = made
    assert found.title.startswith("60 images as relu2 of ")
    assert found.words.startswith("the two main axes (PCA); trustworthiness 0.9")
    assert found.words.endswith(" % by code, 25.0 % by chance.")


def test_it_tells_how_far_it_is(made):
    index, _ = made
    told = []
    laid_out(index, "relu2", PCA, report=lambda *one: told.append(one))
    assert [doing for doing, _, _ in told] == ["lay out", "grid", "grid", "neighbours"]
    assert told[-1] == ("neighbours", 60, 60)


def test_some_images_are_drawn_by_the_seed(made):
    index, _ = made
    some = chosen(index, 20, 1)
    assert len(set(some.tolist())) == 20 and some.tolist() == sorted(some.tolist())
    assert some.tolist() != chosen(index, 20, 2).tolist() and chosen(index, 60, 1).tolist() == list(range(60))
    found = laid_out(index, "relu2", replace(PCA, seed=1), 20)
    assert found.ids == [index.ids[i] for i in some] and found.near.max() < 20


def test_it_comes_back_from_its_file(made, tmp_path):
    _, found = made
    assert not is_map(tmp_path)
    (tmp_path / NUMBERS).write_text(json.dumps(found.record()))
    again = read_map(tmp_path)
    assert is_map(tmp_path) and again.record() == found.record()
    assert (again.points == found.points).all()


def test_a_photograph_is_placed_where_an_equal_image_is_and_nobody_moves(made):
    index, found = made
    new = np.asarray(index.codes("relu2")[[7, 40]], np.float64)
    placed = with_photos(found, index, PCA, ["seven", "forty"], new)
    assert (placed.points == found.points).all() and (placed.cells == found.cells).all()
    for one, image in zip(placed.placed, (7, 40), strict=True):
        assert one.point == pytest.approx(tuple(found.points[image]))
        assert one.near[0] == image and one.distances[0] == pytest.approx(0, abs=1e-12)


def test_another_map_is_told_by_what_differs(made, tmp_path):
    index, found = made
    codes = index.codes("relu2")
    check_same(found, question(index, "relu2", PCA, found.images, codes), tmp_path)
    with pytest.raises(Mistake, match="has a map of another method and seed; give --force"):
        check_same(found, question(index, "relu2", Layout("tsne", seed=3), found.images, codes), tmp_path)
    with pytest.raises(Mistake, match="another data"):
        check_same(found, question(index, "relu2", PCA, found.images, codes[::-1]), tmp_path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "there is no map in"),
        ("{", "is damaged; give --force"),
        ('{"format": 99}', "is of another version"),
        ('{"format": 1, "asked": 3}', "is damaged"),
        ("[]", "is damaged"),
    ],
)
def test_what_is_no_map_is_told(tmp_path, text, words):
    if text is not None:
        (tmp_path / NUMBERS).write_text(text)
    with pytest.raises(Mistake, match=words):
        read_map(tmp_path)

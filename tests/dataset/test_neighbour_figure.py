"""Photographs and the images most like them."""

import numpy as np
import pytest

from phosphene.core.errors import Mistake
from phosphene.dataset.neighbour_figure import Alike, alike, drawn, picture
from tests.small_index import small_network


def test_an_image_of_the_index_is_most_like_itself(small):
    _, index = small
    photos = [index.photo(11), index.photo(48)]
    found = alike(index, small_network(), "relu2", photos, 6)
    assert [one.images[0] for one in found] == [11, 48]
    assert all(one.distances[0] < 1e-5 and list(one.distances) == sorted(one.distances) for one in found)
    record = found[0].record(index)
    assert record["photo"] == found[0].name and record["neighbours"][0]["id"] == index.ids[11]
    assert [one["class"] for one in record["neighbours"]] == [int(index.labels[i]) for i in found[0].images]


def test_a_heading_counts_classes_the_most_frequent_first(small):
    _, index = small
    labels = index.labels
    images = [*np.flatnonzero(labels == 1)[:1], *np.flatnonzero(labels == 0)[:3], *np.flatnonzero(labels == 2)[:1]]
    assert Alike("x", list(map(int, images)), [0.0] * 5).classes(index) == "3 tabby cat, zebra, crane (wading bird)"


def test_the_figure_has_a_panel_for_the_photograph_and_one_for_each_neighbour(small):
    _, index = small
    network, photos = small_network(), [index.photo(11)]
    few, many = (
        drawn(index, network, "relu2", photos, alike(index, network, "relu2", photos, count), "cosine")
        for count in (4, 11)
    )
    assert many.width > few.width and many.height > few.height  # a second row


def test_where_the_original_is_gone_its_thumbnail_is_shown(small, monkeypatch):
    _, index = small

    def gone(self, image):
        raise Mistake("it is gone")

    whole = picture(index, small_network(), 5)
    monkeypatch.setattr(type(index), "photo", gone)
    assert picture(index, small_network(), 5).shape == index.thumbnail(5).shape and whole.shape[-1] == 16


def test_more_neighbours_than_images_are_refused(small):
    _, index = small
    with pytest.raises(Mistake, match="61 neighbours were asked for, and the index has 60 that could be"):
        alike(index, small_network(), "relu2", [index.photo(0)], 61)

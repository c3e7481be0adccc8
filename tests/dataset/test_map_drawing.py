"""A map as one picture: dots of their classes' colours where the images are."""

import numpy as np
import pytest

from phosphene.dataset.layouts import Layout
from phosphene.dataset.map_drawing import PLAIN, class_name, colours, picture, present, scatter, square
from phosphene.dataset.maps import Placed, laid_out
from tests.dataset.test_maps import PCA


def test_few_classes_have_the_colours_that_all_people_tell_apart_and_many_have_one_each():
    assert colours([4, 9]) == {4: "#e69f00", 9: "#56b4e9"}
    many = colours(list(range(100)))
    assert len(set(many.values())) == 100 and PLAIN not in many.values()


def test_a_class_is_called_by_its_first_name_or_its_number():
    assert class_name({3: "tabby cat, mouser", 4: ""}, 3) == "tabby cat"
    assert class_name({3: "tabby cat", 4: ""}, 4) == "4" and class_name({}, 5) == "5"
    assert present(np.array([3, -1, 0, 3])) == [0, 3]


def test_a_square_keeps_the_map_in_proportion_in_its_middle():
    found = square(np.array([[0.0, 0.0], [4.0, 2.0], [8.0, 0.0]]), np.array([[0.0, 0.0], [4.0, 2.0]]))
    assert found[0] == pytest.approx([0.02, 0.26]) and found[1] == pytest.approx([0.98, 0.74])
    assert found[2, 0] > 1  # of another map


def test_a_scatter_has_a_dot_of_its_class_for_an_image_and_a_ring_for_a_photograph(small):
    _, index = small
    shown = laid_out(index, "relu2", PCA)
    far = int(shown.points[:, 0].argmax())
    sheet = np.asarray(scatter(shown))
    x = square(shown.points, shown.points)[far] * 1200
    height = sheet.shape[0]
    column = sheet[:, round(32 + x[0])]
    colour = list(bytes.fromhex(colours(present(shown.labels))[int(shown.labels[far])][1:]))
    assert (np.abs(column.astype(int) - colour).sum(1) < 30).any()
    placed = Placed("a new one", tuple(shown.points[far]), (far,), (0.0,))
    ringed = np.asarray(scatter(shown.__class__(**{**vars(shown), "placed": [placed]})))
    assert ringed.shape[0] == height and (ringed != sheet).any()


def test_the_grid_is_there_pixel_for_pixel(small):
    _, index = small
    shown = laid_out(index, "relu2", Layout("pca"), 9)
    pixels = np.random.default_rng(0).integers(0, 256, (640, 640, 3), dtype=np.uint8)
    sheet = np.asarray(picture(shown, pixels))
    assert any((sheet[top : top + 640, 32 : 32 + 640] == pixels).all() for top in range(60, 120))

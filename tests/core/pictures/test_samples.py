import pytest

from phosphene.core.errors import Mistake
from phosphene.core.pictures.files import open_photo, pixel_count
from phosphene.core.pictures.samples import bare_name, is_known, is_sample


def test_a_painting_comes_with_the_program():
    night = open_photo("painting:night")
    assert night.shape == (1, 3, 576, 768) and pixel_count("painting:night") == 576 * 768
    assert night.std() > 0.2  # it is one


def test_names_of_pictures_without_a_file_are_told_apart_from_paths():
    assert is_sample("skimage:cat") and is_sample("painting:night") and not is_sample("painting.jpg")
    assert is_known("skimage:cat") and is_known("painting:night")
    assert not is_known("painting:../night") and not is_known("skimage:night")
    assert [bare_name(one) for one in ("skimage:cat", "painting:night", "a/b/cat.png")] == ["cat", "night", "cat"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("painting:nigth", "there is no painting 'nigth'; did you mean 'night'?"),
        ("painting:starry", "there is no painting 'starry'; there is night"),
        ("skimage:cats", "scikit-image brings no picture 'cats'; did you mean 'cat"),
    ],
)
def test_a_name_that_is_none_is_told_with_the_nearest(name, said):
    with pytest.raises(Mistake, match=said.replace("?", r"\?")):
        open_photo(name)

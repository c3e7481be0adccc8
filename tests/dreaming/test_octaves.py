"""A dream's sizes."""

from hypothesis import given
from hypothesis import strategies as st

from phosphene.dreaming.octaves import octave_sizes


def test_octaves_shrink_by_the_zoom_and_end_at_the_pictures_size():
    assert octave_sizes((575, 1024), 4, 1.4) == [(210, 373), (293, 522), (411, 731), (575, 1024)]


def test_a_small_picture_has_one_octave():
    assert octave_sizes((20, 20), 4, 1.4) == [(20, 20)]


def test_an_octave_of_32_px_is_the_smallest():
    assert octave_sizes((64, 96), 3, 2.0) == [(32, 48), (64, 96)]
    assert octave_sizes((63, 96), 3, 2.05) == [(63, 96)]


@given(st.integers(8, 2000), st.integers(8, 2000), st.integers(1, 10**9), st.floats(1.001, 1e9))
def test_octaves_grow_to_the_own_size_and_none_is_tiny(height, width, octaves, zoom):
    sizes = octave_sizes((height, width), min(octaves, 300) if zoom < 1.1 else octaves, zoom)
    assert sizes[-1] == (height, width)
    assert sizes == sorted(sizes)
    assert all(min(size) >= 32 for size in sizes[:-1])

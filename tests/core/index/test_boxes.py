from phosphene.core.index.boxes import seen_box
from phosphene.core.networks.receptive_fields import Axis, ReceptiveField

FIELD = ReceptiveField(Axis(5, 2, -2), Axis(3, 1, -1))


def test_a_box_is_clipped_at_the_border():
    assert seen_box(FIELD, (0, 0), (10, 12)) == (0, 0, 3, 2)
    assert seen_box(FIELD, (2, 5), (10, 12)) == (2, 4, 7, 7)
    assert seen_box(FIELD, (4, 11), (10, 12)) == (6, 10, 10, 12)


def test_without_a_field_or_a_place_it_is_the_whole_picture():
    for field, position in ((None, (1, 1)), (FIELD, None), (FIELD, 3)):
        assert seen_box(field, position, (10, 12)) == (0, 0, 10, 12)


def test_a_measured_field_that_fills_the_picture_is_the_whole_along_that_axis():
    field = ReceptiveField(Axis(10, 2, -4), Axis(3, 1, -1), measured=True)
    assert seen_box(field, (0, 5), (10, 12)) == (0, 4, 10, 7)


def test_a_unit_that_sees_padding_alone_gets_the_nearest_pixel():
    field = ReceptiveField(Axis(1, 1, -2), Axis(1, 1, -2))
    assert seen_box(field, (0, 13), (10, 12)) == (0, 11, 1, 12)

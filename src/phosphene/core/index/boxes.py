"""What a unit at a position sees of the picture, clipped at the border: the smallest box with every such pixel."""

from phosphene.core.networks.receptive_fields import Axis, ReceptiveField
from phosphene.core.units.exemplars import Box, Position


def seen_box(field: ReceptiveField | None, position: Position, size: tuple[int, int]) -> Box:
    """(top, left, bottom, right) in pixels of a picture of (height, width), ends excluded, inside of the picture.

    A field that was calculated along the graph is exact. One that was measured knows its size only as far as it fits
    into the picture, so along an axis on which it fills the picture, the box does, too. Of a unit that sees padding
    alone it is the nearest pixel, as nothing can be drawn of an empty box.

    Args:
        field: of the unit's layer; None where that is the whole picture.
        position: a unit without a row and a column sees all of it.
    """
    if field is None or not isinstance(position, tuple):
        return 0, 0, *size
    top, bottom = _along(field.rows, position[0], size[0], field.measured)
    left, right = _along(field.columns, position[1], size[1], field.measured)
    return top, left, bottom, right


def _along(axis: Axis, at: int, length: int, measured: bool) -> tuple[int, int]:
    if measured and axis.size >= length:
        return 0, length
    start = round(axis.offset + at * axis.stride)
    first = min(max(start, 0), length - 1)
    return first, max(min(start + round(axis.size), length), first + 1)

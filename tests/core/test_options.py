"""What stands beside an option's type."""

from dataclasses import dataclass
from typing import Annotated, TypedDict, get_type_hints

import pytest

from phosphene.core.options import ANY, Bounds, Flag, Words, options_of


def test_bounds_have_both_ends_unless_nothing_is_said():
    assert (Bounds(1, 3).low, Bounds(1, 3).high) == (1, 3)
    assert Bounds() == ANY and ANY.low == -ANY.high == -float("inf")


@pytest.mark.parametrize("note", [Bounds(0, 1), Words("a sentence"), Flag("--top")])
def test_a_note_is_a_value_that_a_type_keeps_to_itself(note):
    assert hash(note) == hash(type(note)(*vars(note).values()))

    def f(x: Annotated[float, note]) -> None: ...

    assert get_type_hints(f)["x"] is float
    assert get_type_hints(f, include_extras=True)["x"].__metadata__ == (note,)


def test_a_typed_dict_knows_the_dataclass_that_says_everything():
    @dataclass
    class Manner:
        steps: int = 3

    class MannerOptions(TypedDict, total=False):
        steps: int | None

    options_of(MannerOptions, Manner)
    assert MannerOptions.__settings__ is Manner

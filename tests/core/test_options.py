"""What stands beside an option's type, and the numbers that it allows."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated, TypedDict, get_type_hints

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from phosphene import catalogue
from phosphene.core.errors import Mistake
from phosphene.core.options import ANY, Bounds, Flag, Words, options_of, range_words, read_number, shown


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


# --------------------------------------------------------------------------------------------------------- numbers


@pytest.mark.parametrize(
    ("given", "value"),
    [
        (3, 3), ("3", 3), (0.5, 0.5), ("0.5", 0.5), (".5", 0.5), ("8/255", 8 / 255), ("8 / 255", 8 / 255),
        ("2.5/255", 2.5 / 255), ("-1/3", -1 / 3), ("1e-3", 1e-3), ("+2.", 2.0), (Fraction(1, 4), 0.25),
        (np.float32(0.5), 0.5), (np.int64(3), 3), (torch.tensor(3), 3), (torch.tensor(0.5), 0.5), (np.array(7), 7),
    ],
)  # fmt: skip
def test_a_number_is_read_however_it_is_given(given, value):
    found = read_number(given, "eps", Bounds(-10, 10))
    assert found == value and type(found) in (int, float)


@pytest.mark.parametrize(("given", "value"), [(512.0, 512), ("1e3", 1000), ("1024/2", 512), ("4294967295", 2**32 - 1)])
def test_a_whole_number_is_an_integer_however_it_is_given(given, value):
    found = read_number(given, "size", Bounds(0, 2**32), whole=True)
    assert found == value and type(found) is int


NO_NUMBERS = [
    "", " ", "many", "1/0", "0/0", "1/2/3", "/2", "1/", "nan", "inf", "-inf", "NaN", "Infinity", "0x10", "0b1", "1_000",
    "1,5", "٣", "１", "²", "1e", "e5", "--1", "1+1", "1\x1b", "(1)", "1j", True, None, [1], (1,), {}, b"1", object, 1j,
    np.array([1, 2]), torch.ones(1),
]  # fmt: skip


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("given", NO_NUMBERS, ids=range(len(NO_NUMBERS)))
def test_what_is_no_number_is_one_sentence_that_repeats_it(given, whole):
    with pytest.raises(Mistake) as told:
        read_number(given, "steps", Bounds(0, 10), whole=whole)
    kind = "a whole number" if whole else "a number"
    assert str(told.value).endswith(f"is not a valid value for steps: it must be {kind}, 0 to 10")
    assert len(str(told.value)) < 200 and str(told.value).isprintable()


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        (-1, "-1"), ("-1", "-1"), (11, "11"), ("11", "11"), ("1e99999999", "'1e99999999'"), (1e300, "1e+300"),
        (float("inf"), "inf"), (float("-inf"), "-inf"), (float("nan"), "nan"),
        (10**400, "a number of about 400 digits"), ("9" * 400, "'" + "9" * 51 + "...999' (400 letters)"),
        ("9" * 10**6, "'" + "9" * 51 + "...999' (1000000 letters)"),
        ("1e-5/1e-300", "1e+295"), ("1" + "0" * 30, "'1000000000000000000000000000000'"),
    ],
    ids=range(14),
)  # fmt: skip
def test_a_number_out_of_bounds_is_repeated_and_shortened(given, wrong, whole):
    with pytest.raises(Mistake) as told:
        read_number(given, "steps", Bounds(0, 10), whole=whole)
    assert str(told.value) == f"{wrong} is not a valid value for steps: it must be 0 to 10"


@pytest.mark.parametrize("given", [2.5, "2.5", "5/2", 0.999, np.float32(1.5)])
def test_part_of_a_step_is_none(given):
    with pytest.raises(Mistake, match=r"is not a valid value for steps: it must be a whole number, 0 to 10$"):
        read_number(given, "steps", Bounds(0, 10), whole=True)


@given(st.floats(-1e6, 1e6))
def test_every_number_that_is_written_down_is_read_back(value):
    assert read_number(repr(value), "x", Bounds(-1e6, 1e6)) == value
    assert read_number(value, "x", Bounds(-1e6, 1e6)) == value


@given(st.text(alphabet="0123456789.eE+-/ _xnaif", max_size=12))
def test_whatever_is_written_is_a_number_within_bounds_or_one_sentence(text):
    try:
        assert 0 <= read_number(text, "x", Bounds(0, 100)) <= 100
    except Mistake as mistake:
        assert "is not a valid value for x: it must be" in str(mistake)


def test_every_number_of_every_recipe_has_a_least_and_a_largest_value():
    names = [name for name, row in catalogue.recipes().items() if not row.prefix] + ["captum:DeepLift"]
    numbers = [(name, one) for name in names for one in catalogue.recipe(name).options if one.numeric]
    assert len(numbers) > 300
    for name, one in numbers:
        low, high = one.bounds.low, one.bounds.high
        assert -1e6 <= low < high < 2**32, f"{one.name} of {name} has no bounds"
        if one.default is not None:
            assert one.read(one.default) == one.default
        for wrong in (low - 1, high + 1, str(high + 1), "1e99999999", "many", float("nan"), True, [low]):
            with pytest.raises(Mistake, match=f"is not a valid value for {one.called}: it must be"):
                one.read(wrong)


@pytest.mark.parametrize(
    ("value", "words"),
    [(8 / 255, "8/255"), (1.5 / 255, "1.5/255"), (0.1, "0.1"), (4, "4"), (1 / 7, "0.142857"), (1e6, "1000000")],
)
def test_numbers_are_shown_as_fractions_of_255_where_that_is_shorter(value, words):
    assert shown(value) == words


def test_a_range_is_said_with_the_ends_that_it_has():
    assert [range_words(b) for b in (Bounds(1, 2), Bounds(0.5), Bounds(high=3))] == [
        "1 to 2",
        "at least 0.5",
        "at most 3",
    ]
    assert Bounds() == ANY

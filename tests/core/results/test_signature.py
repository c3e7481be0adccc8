"""What a signature says about options and photographs, and what they refuse."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, TypedDict, Unpack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phosphene.core.errors import Mistake
from phosphene.core.options import Bounds, Flag, Words, options_of
from phosphene.core.pictures.files import Photo, Photos, PhotosInOrder
from phosphene.core.results.signature import MISSING, Input, Option, arguments_of
from phosphene.core.units.units import AnyUnit


@dataclass(frozen=True)
class Manner:
    """How.

    Attributes:
        steps: not read, as Words stand beside it.
    """

    steps: Annotated[int, Bounds(0), Words("how many moves")] = 256
    rate: Annotated[float, Bounds(0, 1)] = 0.05


class MannerOptions(TypedDict, total=False):
    steps: int | None
    rate: float | None


options_of(MannerOptions, Manner)


def example(
    network: object,
    dog: Photo,
    others: Photos,
    paired: PhotosInOrder,
    units: Sequence[str | AnyUnit],
    *,
    either: Photo | Photos | None = None,
    octaves: Annotated[int, Bounds(1, 16), Words("number of sizes")] = 4,
    eps: Annotated[float, Bounds(1 / 255, 1)] = 8 / 255,
    target: str | int | None = None,
    mode: Literal["fast", "slow"] = "fast",
    prior: Callable[[int], int] | None = None,
    move: Literal["adam", "sign"] | Callable[[int], int] = "adam",
    box: str | Sequence[float] | None = None,
    layer: str,
    top_k: Annotated[int, Flag("--top")] = 5,
    loud: bool = False,
    **manner: Unpack[MannerOptions],
) -> None:
    """Do it.

    Args:
        dog: a picture of
            a dog.
        units: which ones.
        rate: its step.
    """


BY_NAME = {one.name: one for one in arguments_of(example)}


def test_inputs_are_told_by_their_type_whatever_their_name():
    inputs = [one for one in BY_NAME.values() if isinstance(one, Input)]
    assert [(one.name, one.one, one.many, one.required, one.positional) for one in inputs] == [
        ("dog", True, False, True, True),
        ("others", False, True, True, True),
        ("paired", False, True, True, True),
        ("either", True, True, False, False),
    ]
    assert inputs[0].sentence == "a picture of a dog"
    assert [one.name for one in inputs if one.in_order] == ["paired"]
    assert [one.name for one in inputs if one.indexed] == ["others"]


def test_options_say_kind_default_bounds_choices_and_sentence():
    assert [(name, one.kind) for name, one in BY_NAME.items() if isinstance(one, Option)] == [
        ("units", str), ("octaves", int), ("eps", float), ("target", str), ("mode", str), ("prior", object),
        ("move", str), ("box", str), ("layer", str), ("top_k", int), ("loud", bool), ("steps", int), ("rate", float),
    ]  # fmt: skip
    octaves = BY_NAME["octaves"]
    assert (octaves.default, octaves.bounds, octaves.sentence) == (4, Bounds(1, 16), "number of sizes")
    assert BY_NAME["layer"].default is MISSING and BY_NAME["layer"].required
    assert BY_NAME["mode"].choices == ("fast", "slow")
    assert BY_NAME["units"].several and BY_NAME["units"].positional and not BY_NAME["box"].several
    assert [BY_NAME[name].flag for name in ("units", "top_k", "layer")] == ["--unit", "--top", "--layer"]


def test_settings_are_flattened_with_what_the_dataclass_behind_them_says():
    steps, rate = BY_NAME["steps"], BY_NAME["rate"]
    assert (steps.sentence, steps.bounds, steps.default, steps.optional) == ("how many moves", Bounds(0), None, True)
    assert (rate.sentence, rate.bounds) == ("its step", Bounds(0, 1))
    assert steps.setting and not BY_NAME["octaves"].setting
    assert steps.read(None) is None
    with pytest.raises(Mistake, match=r"^-1 is not a valid value for steps: it must be at least 0$"):
        steps.read(-1)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("octaves", 0, "0 is not a valid value for octaves: it must be 1 to 16"),
        ("octaves", 17, "17 is not a valid value for octaves: it must be 1 to 16"),
        ("octaves", "many", "'many' is not a valid value for octaves: it must be a whole number, 1 to 16"),
        ("octaves", None, "None is not a valid value for octaves: it must be a whole number, 1 to 16"),
        ("eps", 0.001, "0.001 is not a valid value for eps: it must be 1/255 to 1"),
        ("eps", float("nan"), "nan is not a valid value for eps: it must be 1/255 to 1"),
        ("mode", "fats", "'fats' is not a valid value for mode; did you mean 'fast'?"),
        ("mode", "quite", "'quite' is not a valid value for mode; there are fast, slow"),
        ("mode", None, "'None' is not a valid value for mode; there are fast, slow"),
        ("move", "sing", "'sing' is not a valid value for move; did you mean 'sign'?"),
        ("move", 3, "'3' is not a valid value for move; there are adam, sign"),
        ("prior", "tv", "'tv' is not a valid value for prior: it takes an object, in Python alone"),
    ],
)
def test_what_is_not_possible_is_one_sentence(name, value, said):
    with pytest.raises(Mistake) as mistake:
        BY_NAME[name].read(value)
    assert str(mistake.value) == said


def test_an_object_that_only_python_can_give_is_not_asked_whether_it_is_a_word():
    BY_NAME["move"].read(lambda x: x)
    BY_NAME["prior"].read(lambda x: x)


@given(st.integers(-100, 100))
def test_a_number_is_refused_exactly_where_it_is_out_of_bounds(value):
    if 1 <= value <= 16:
        assert BY_NAME["octaves"].read(value) == BY_NAME["octaves"].read(str(value)) == value
    else:
        with pytest.raises(Mistake):
            BY_NAME["octaves"].read(value)


@pytest.mark.parametrize(
    ("name", "value", "good"),
    [
        ("octaves", 3, True), ("octaves", 3.0, False), ("octaves", True, False), ("octaves", "3", False),
        ("eps", 1, True), ("eps", 10**400, True), ("eps", float("inf"), False), ("eps", None, False),
        ("target", None, True),
        ("target", 3, True), ("target", {"a": 1}, False), ("units", ["a", "b"], True), ("units", [3], False),
        ("box", [1, 2.5], True), ("box", "1,2", True), ("mode", "fast", True), ("mode", "eval", False),
        ("prior", None, True), ("prior", "x", False), ("steps", None, True), ("steps", "1", False),
    ],
)  # fmt: skip
def test_a_value_out_of_a_file_must_have_a_type_that_the_option_may_have(name, value, good):
    assert BY_NAME[name].allows(value) is good


def test_the_schema_of_an_option_is_plain():
    assert BY_NAME["octaves"].schema() == {
        "name": "octaves", "flag": "--octaves", "kind": "int", "several": False, "required": False, "default": 4,
        "low": 1, "high": 16, "choices": [], "sentence": "number of sizes",
    }  # fmt: skip
    assert BY_NAME["layer"].schema()["default"] is None

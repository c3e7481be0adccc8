"""What a spec's query and a SPEC dictionary say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phosphene.models.facts import facts_of, first_line, query_options


def test_a_query_is_python_where_it_can_be_and_words_elsewhere():
    assert query_options("classes=4&pretrained=False&mode=fast&sizes=(1,2)") == {
        "classes": 4, "pretrained": False, "mode": "fast", "sizes": (1, 2),
    }  # fmt: skip
    assert query_options("") == {}


@given(st.text(st.characters(exclude_characters="&"), max_size=20))
def test_whatever_stands_behind_the_sign_is_data_and_nothing_runs(text):
    assert list(query_options(f"x={text}")) == ["x"]


def test_a_query_calls_no_function():
    assert query_options("x=__import__('os').getcwd()") == {"x": "__import__('os').getcwd()"}


@pytest.mark.parametrize(
    ("size", "found"), [(224, 224), ([3, 24, 20], (24, 20)), ((24, 20), (24, 20)), (None, None), (0, None)]
)
def test_a_size_is_a_side_or_height_and_width_whatever_comes_before(size, found):
    assert facts_of({"input_size": size, "accuracy": 0.9}).get("size") == found


def test_what_is_for_people_is_left_out():
    assert facts_of({"mean": [0.5], "std": None, "about": "a network", "size": 8}) == {"mean": [0.5], "size": 8}


def test_an_error_is_told_by_its_first_line():
    assert first_line(ValueError("bad.\nmore")) == "bad" and first_line(KeyError()) == "KeyError"

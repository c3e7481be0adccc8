"""What a spec's query and a SPEC dictionary say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phosphene.core.errors import Mistake
from phosphene.models.facts import facts_of, query_options


def test_a_query_is_python_where_it_can_be_and_words_elsewhere():
    assert query_options("classes=4&pretrained=False&mode=fast&sizes=(1,2)") == {
        "classes": 4, "pretrained": False, "mode": "fast", "sizes": (1, 2),
    }  # fmt: skip
    assert query_options("") == {}


@given(st.text(st.characters(exclude_characters="&"), max_size=20))
def test_whatever_stands_behind_the_sign_is_data_and_nothing_runs(text):
    assert list(query_options(f"x={text}")) == ["x"]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("classes", r"'\?classes' has the part 'classes'; options are written \?NAME=VALUE&NAME=VALUE"),
        ("=4", "has the part '=4'"),
        ("a=1&b", "has the part 'b'"),
        ("a=1&a=2", r"'\?a=1&a=2' has two values for a; give one"),
    ],
)
def test_an_option_without_a_name_or_a_value_or_with_two_is_refused(query, said):
    with pytest.raises(Mistake, match=said):
        query_options(query)


def test_a_query_calls_no_function():
    assert query_options("x=__import__('os').getcwd()") == {"x": "__import__('os').getcwd()"}


@pytest.mark.parametrize(
    ("size", "found"), [(224, (224, 224)), ([3, 24, 20], (24, 20)), ((24, 20), (24, 20)), (None, None)]
)
def test_a_size_is_a_side_or_height_and_width_whatever_comes_before(size, found):
    assert facts_of({"input_size": size, "accuracy": 0.9}).get("size") == found


def test_a_size_with_channels_says_them():
    assert facts_of({"size": (4, 24, 20)})["channels"] == 4
    assert facts_of({"size": (4, 24, 20), "channels": 4})["channels"] == 4


def test_what_is_for_people_is_left_out():
    spec = {"mean": [0.5], "std": None, "about": "a network", "size": 8}
    assert facts_of(spec) == {"mean": (0.5,), "size": (8, 8)}
    people = ("name", "url", "classes", "published", "accuracy", "task", "model", "source", "output_size", "title")
    assert facts_of(dict.fromkeys(people, 3)) == {}


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("lables", "labels"), ("label", "labels"), ("Mean", "mean"), ("maen", "mean"), ("means", "mean"),
        ("stds", "std"), ("brg", "bgr"), ("inputsize", "input_size"), ("input-size", "input_size"), ("sizes", "size"),
        ("channel", "channels"), ("in_channels", "channels"), ("ouput", "output"), ("heads", "head"),
    ],
)  # fmt: skip
def test_a_misspelled_entry_is_told(key, meant):
    with pytest.raises(Mistake, match=f"the SPEC has '{key}', which means nothing here; did you mean '{meant}'?"):
        facts_of({key: 1})


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"std": 0}, "std has 0 in it"),
        ({"labels": 10}, "labels is 10"),
        ({"bgr": "no"}, "bgr is 'no'"),
        ({"input_size": 0}, "input_size has 0 in it"),
        ({"size": "big"}, "size is 'big'"),
        ({"size": (24, 20, 3)}, r"size is \(24, 20, 3\); give a side, \(height, width\) or"),
        ({"size": (4, 24, 20), "channels": 3}, r"size is \(4, 24, 20\)"),
    ],
)
def test_an_entry_that_makes_no_sense_is_refused_by_its_name(spec, said):
    with pytest.raises(Mistake, match=f"^{said}"):
        facts_of(spec)

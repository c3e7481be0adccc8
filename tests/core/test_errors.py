"""What a wrong name is answered with."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phosphene.core.errors import Mistake, did_you_mean, first_line, nearest

LAYERS = ["conv1", "conv2", "mixed3a", "mixed3b", "mixed4a", "mixed4b", "classifier"]


def test_a_mistake_is_a_value_error_that_says_its_sentence():
    with pytest.raises(ValueError, match=r"^no layer 'x'$"):
        raise Mistake("no layer 'x'")


def test_the_nearest_names_come_first_and_strangers_not_at_all():
    assert nearest("mixed4", LAYERS) == ["mixed4a", "mixed4b", "mixed3a"]
    assert nearest("zebra", LAYERS) == []


def test_case_does_not_matter_and_the_choice_keeps_its_own():
    assert nearest("relu", ["ReLU", "GELU", "Conv2d"])[0] == "ReLU"


def test_one_half_of_a_long_name_is_enough():
    assert nearest("cat", ["golden retriever", "tiger cat, Felis catus", "lynx"]) == ["tiger cat, Felis catus"]


def test_at_most_n_are_named():
    assert len(nearest("mixed", LAYERS, n=2)) == 2


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("conv3", "; did you mean 'conv1' or 'conv2'?"),
        ("clasifier", "; did you mean 'classifier'?"),
        ("mixed4", "; did you mean 'mixed4a', 'mixed4b' or 'mixed3a'?"),
        ("zebra", ""),
    ],
)
def test_the_suggestion_reads_as_a_sentence_goes_on(given, said):
    assert did_you_mean(given, LAYERS) == said


@given(st.text(min_size=1), st.lists(st.text(), max_size=5))
def test_what_was_given_is_never_offered_again(name, others):
    near = nearest(name, [*others, name])
    assert name not in near
    assert set(near) <= set(others)


def test_an_error_is_told_by_its_first_line():
    assert first_line(ValueError("bad.\nmore")) == "bad" and first_line(KeyError()) == "KeyError"

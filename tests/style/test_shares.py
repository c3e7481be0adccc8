import pytest

from phosphene.core.errors import Mistake
from phosphene.style.shares import numbers_in


def test_numbers_are_written_with_commas_and_are_all_the_same_where_none_are():
    assert numbers_in("3, 1,.5", "shares", 3, "styles") == [3.0, 1.0, 0.5]
    assert numbers_in(None, "shares", 2, "styles") == [1.0, 1.0]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("a.png", "'a.png' is not a valid value for shares: write numbers with commas, as 3,1"),
        ("1,-2", "'1,-2' is not a valid value for shares: write numbers with commas, as 3,1"),
        ("1", "shares has 1 numbers for 2 styles; give one for each"),
        ("0,0", "'0,0' is not a valid value for shares: one of them has to be above 0"),
        ("1e999,1", "'1e999,1' is not a valid value for shares: one of them has to be above 0"),
    ],
)
def test_what_are_no_shares_is_said(words, sentence):
    with pytest.raises(Mistake) as refused:
        numbers_in(words, "shares", 2, "styles")
    assert str(refused.value) == sentence

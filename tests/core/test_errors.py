"""What a wrong name is answered with."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phosphene import catalogue
from phosphene.core.errors import (
    Mistake,
    Note,
    Terminated,
    brief,
    did_you_mean,
    exit_code,
    failed,
    first_line,
    nearest,
    out_of_memory,
    printable,
)

SHORT, LESS = "there is not enough memory", "a smaller picture, or fewer of them at a time, needs less"
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


@pytest.mark.slow
@given(st.text(min_size=1, max_size=200), st.lists(st.text(), max_size=5))
def test_what_was_given_is_never_offered_again(name, others):
    near = nearest(name, [*others, name])
    assert name not in near
    assert set(near) <= set(others)


def test_an_error_is_told_by_its_first_line():
    assert first_line(ValueError("bad.\nmore")) == "bad" and first_line(KeyError()) == "KeyError"


HOSTILE = "a\x1b[2J\x07\n\u202eb\x85\ud800\x9b\u2028c\u200f"


@pytest.mark.parametrize("kind", [Mistake, Note])
def test_what_steers_a_terminal_is_written_and_not_done(kind):
    said = str(kind(f"no layer '{HOSTILE}'"))
    assert said == r"no layer 'a\x1b[2J\x07\n\u202eb \ud800\x9b c\u200f'"
    said.encode()


@given(st.text())
def test_words_are_made_printable_once_and_letters_stay(words):
    said = printable(words)
    assert said.isprintable() and printable(said) == said
    assert (said == words) == words.isprintable()


def test_letters_of_every_alphabet_stay_and_any_space_is_a_plain_one():
    assert printable("été\u00a0café 猫 кот") == "été café 猫 кот"


def test_a_sentence_about_a_megabyte_is_no_megabyte():
    said = str(Mistake("no layer '" + "x" * 10**6 + "'; did you mean 'conv1'?"))
    assert len(said) < 1600 and said.startswith("no layer 'xxx") and said.endswith("did you mean 'conv1'?")
    assert nearest("conv1" * 100_000, LAYERS) == []


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (2.5, "2.5"),
        ("abc", "'abc'"),
        ("9" * 400, "'" + "9" * 51 + "...999' (400 letters)"),
        (10**400 - 1, "a number of about 400 digits"),
        (-(10**5000), "a number of about 5000 digits"),
        ("\x1b[2J", r"'\x1b[2J'"),
    ],
    ids=range(6),
)
def test_what_was_given_is_repeated_and_shortened(value, said):
    assert brief(value) == said


def raised(error, cause=None):
    """The error as somebody catches it who did not raise it."""
    try:
        raise error from cause
    except BaseException as caught:
        return caught


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (Mistake("3 is not 4"), "3 is not 4"),
        (ValueError("no\nmore"), "net fails: ValueError: no"),
        (AssertionError(), "net fails: AssertionError"),
        (SystemExit(1), "net fails: its code ended the program (sys.exit(1))"),
        (KeyboardInterrupt(), "interrupted"),
        (MemoryError(), f"net fails: {SHORT}; {LESS}"),
        (
            RuntimeError("not enough memory: you tried to allocate 12 bytes."),
            f"net fails: {SHORT} for 12 bytes more; {LESS}",
        ),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB."), f"net fails: {SHORT} for 2 GiB more; {LESS}"),
    ],
)
def test_why_work_ended_is_one_sentence_that_names_the_network(error, said):
    assert failed("net", raised(error)) == said


def test_shortage_of_memory_is_told_through_what_others_made_of_it_and_once():
    cause = RuntimeError("can't allocate memory")
    through = raised(Mistake("net fails: RuntimeError: can't allocate memory"), cause)
    assert out_of_memory(through) is cause
    told = raised(Mistake(failed("net", through)), through)
    assert failed("", told) == failed("net", through) == f"net fails: {SHORT}; {LESS}"
    assert out_of_memory(raised(ValueError("memory"))) is None


def test_an_error_of_this_program_is_not_the_networks():
    with pytest.raises(KeyError) as bug:
        catalogue.sentence("nothing")
    words = "KeyError: 'nothing'; --debug shows where"
    assert failed("net", bug.value) == f"phosphene fails on net: {words}"
    assert failed("", bug.value) == f"phosphene fails: {words}"


def test_exit_codes_are_those_that_shells_know():
    ends = [None, ValueError(), SystemExit(0), KeyboardInterrupt(), Terminated()]
    assert list(map(exit_code, ends)) == [0, 2, 2, 130, 143]

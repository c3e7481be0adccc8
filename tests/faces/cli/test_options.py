"""Options of the command line: their help, their numbers, and to which method they belong."""

import json
import re

import pytest

import phosphene
from phosphene import catalogue
from phosphene.core.errors import Mistake
from phosphene.core.options import shown
from phosphene.core.results.signature import MISSING
from tests.faces.commands import is_one_sentence
from tests.small import convnet


@pytest.fixture
def run(small):
    return small


@pytest.mark.parametrize("name", catalogue.commands())
def test_every_command_has_help_with_its_options_and_defaults(name, run):
    code, out, err = run(name, "--help", net=None)
    assert code == 0
    assert "Usage:" in out
    assert err == ""
    for row in catalogue.commands()[name]:
        options = catalogue.recipe(row.name).options if row.name else []
        typed = [option.flag for option in options if not option.positional and option.kind is not object]
        assert [flag for flag in typed if flag not in out] == []
        unbroken = "".join(out.split())  # a long default goes over several lines
        defaults = [option.default for option in options if option.default not in (None, False, (), MISSING)]
        assert [default for default in defaults if "".join(shown(default).split()) not in unbroken] == []


def test_the_one_line_summaries_agree_with_the_commands_own_first_lines():
    """A summary is short for its docstring: they share what they are about."""
    for row in (row for row in catalogue.CATALOGUE if not row.prefix):
        first = catalogue.loaded(row.home).__doc__.splitlines()[0].casefold()
        words = {w for w in re.findall(r"[a-z]+", row.sentence.casefold()) if len(w) > 3}
        assert any(w[:5] in first for w in words), (row, first)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "value"), [("8/255", 8 / 255), ("8 / 255", 8 / 255), ("0.03", 0.03), ("3e-2", 0.03), (".5", 0.5)]
)
def test_numbers_may_be_fractions(text, value, run):
    code, out, err = run("attack", "cat.png", "--eps", text, "--json")
    assert code == 0, err
    assert json.loads(out)["arguments"]["eps"] == value


@pytest.mark.parametrize(
    ("option", "text"),
    [
        ("eps", "8/0"), ("eps", "eight"), ("eps", "8/255/2"), ("eps", "1e999"), ("eps", "1e99999999"), ("eps", "nan"),
        ("eps", ""), ("eps", "-1"), ("eps", "0x10"), ("steps", "9" * 400), ("steps", "2.5"), ("steps", "-1"),
        ("steps", "1_000"), ("seed", "-1"), ("seed", "1e30"), ("steps", "many"),
    ],
)  # fmt: skip
def test_a_number_that_will_not_do_is_the_same_sentence_on_the_command_line_and_in_python(option, text, run):
    said = is_one_sentence(*run("attack", "cat.png", f"--{option}", text))
    assert f"is not a valid value for {option}: it must be " in said
    with pytest.raises(Mistake) as told:
        phosphene.pgd(convnet(), "cat.png", **{option: text})
    assert str(told.value) == said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["predict", "cat.png", "--top", 100_000], "100000 is not a valid value for top: it must be 1 to 1000"),
        (["visualize", "conv1:0", "--tv", -1], "-1 is not a valid value for tv: it must be 0 to 1000000"),
        (["dream", "cat.png", "--octaves", 1.5], "1.5 is not a valid value for octaves: it must be a whole number, 1"),
        (["attribute", "cat.png", "--batch", 10**9], "1000000000 is not a valid value for batch: it must be 1 to 1024"),
        (["tune", "--repeats", "many"], "'many' is not a valid value for repeats: it must be a whole number, 2 to"),
        (["tune", "--size", 10**6], "1000000 is not a valid value for size: it must be 8 to 10000"),
        (["tour", "cat.png", "--seed", -1], "-1 is not a valid value for seed: it must be 0 to 4294967295"),
    ],
)
def test_a_number_out_of_bounds_is_refused_by_every_command(words, said, run):
    assert said in is_one_sentence(*run(*words))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["attribute", "cat.png", "--window", 3], "--window is not an option of saliency; it belongs to occlusion"),
        (
            ["attack", "cat.png", "--method", "fgsm", "--steps", 3],
            "--steps is not an option of fgsm; it belongs to pgd",
        ),
        (["attack", "cat.png", "--method", "fgsm", "--no-random-start"], "--random-start is not an option of fgsm"),
        (["attack", "cat.png", "--method", "pdg"], "no method 'pdg'; did you mean "),
        (["attribute", "cat.png", "--method", "magic"], "no method 'magic'"),
        (["invert", "cat.png", "--compare", "prior"], "nothing for --compare called 'prior'; did you mean 'priors'?"),
    ],
)
def test_an_option_that_the_method_does_not_take_is_an_error(words, said, run):
    assert said in is_one_sentence(*run(*words))

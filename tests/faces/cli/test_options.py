"""Options of the command line: their help, their numbers, and to which method they belong."""

import json
import re

import pytest

from phosphene import catalogue
from phosphene.core.results.signature import MISSING, shown
from tests.faces.commands import is_one_sentence


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


@pytest.mark.parametrize(
    ("text", "value"), [("8/255", 8 / 255), ("8 / 255", 8 / 255), ("0.03", 0.03), ("3e-2", 0.03), (".5", 0.5)]
)
def test_numbers_may_be_fractions(text, value, run):
    code, out, err = run("attack", "cat.png", "--eps", text, "--json")
    assert code == 0, err
    assert json.loads(out)["arguments"]["eps"] == value


@pytest.mark.parametrize("text", ["8/0", "eight", "8/255/2", "1e999", "nan", "inf", ""])
def test_what_is_no_number_is_told(text, run):
    code, out, err = run("attack", "cat.png", "--eps", text)
    assert code == 2
    assert out == ""
    assert "is not a valid value for eps: it must be a number, such as 0.03 or 8/255" in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["attribute", "cat.png", "--window", 3], "--window is not an option of saliency; it belongs to occlusion"),
        (
            ["attack", "cat.png", "--method", "fgsm", "--steps", 3],
            "--steps is not an option of fgsm; it belongs to pgd",
        ),
        (["attack", "cat.png", "--method", "fgsm", "--no-random-start"], "--random-start is not an option of fgsm"),
        (["attack", "cat.png", "--method", "pdg"], "no method 'pdg'; did you mean 'pgd'? (there are pgd, fgsm)"),
        (["attribute", "cat.png", "--method", "magic"], "no method 'magic'"),
    ],
)
def test_an_option_that_the_method_does_not_take_is_an_error(words, said, run):
    assert said in is_one_sentence(*run(*words))

"""What is a result goes to the standard output, and nothing else does; whatever its letters are."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from phosphene.faces.cli.output import error, note, results_apart, tell
from tests.small import SOURCE

TALKATIVE = (
    SOURCE
    + """

class Talkative(Small):
    def forward(self, x):
        print("forward!")
        return super().forward(x)


def talks():
    print("built!")
    return Talkative(), SPEC
"""
)


@pytest.fixture
def run(small):
    return small


def test_what_is_said_is_a_line_on_the_standard_error_as_it_is(capsys):
    error("[red] is no colour here: " + "x" * 300)
    note("nor [here]")
    note("nothing", quiet=True)
    out, err = capsys.readouterr()
    assert (out, err) == ("", f"error: [red] is no colour here: {'x' * 300}\nnor [here]\n")


def test_what_is_printed_beside_results_is_none(capsys):
    with results_apart():
        print("beside")
        tell("a result")
    print("afterwards")
    assert capsys.readouterr() == ("a result\nafterwards\n", "beside\n")


@pytest.mark.parametrize("words", [["predict", "cat.png"], ["layers"], ["visualize", "conv2:0", "--steps", 1]])
def test_what_a_model_prints_is_not_among_the_results(words, run):
    Path("talks.py").write_text(TALKATIVE)
    code, out, err = run(*words, "--json", net="talks.py:talks")
    assert code == 0, err
    json.loads(out)
    assert "built!" in err and "forward!" in err
    code, out, err = run(*words, *(["--force"] if words[0] != "layers" else []), net="talks.py:talks")
    assert "!" not in out and "forward!" in err


def test_a_photograph_whose_name_is_no_utf_8_has_results(run):
    name = os.fsdecode(b"caf\xe9.png")
    Path("cat.png").rename(name)
    for words in (["predict", name], ["attribute", name], ["attribute", name, "--json", "--force"]):
        code, out, err = run(*words)
        assert code == 0, err
        assert "caf" in out
    assert Path("predict-caf_.png").exists()


PRINTS = """
import os, sys
from phosphene.faces.cli.output import error, legible, note, tell
legible()
tell("caf\\u00e9.png")
tell(os.fsdecode(b"caf\\xe9.png"))
note("caf\\u00e9")
error(os.fsdecode(b"caf\\xe9"))
"""


@pytest.mark.parametrize(
    ("encoding", "first"), [("ascii", rb"caf\xe9.png"), ("latin-1", b"caf\xe9.png"), ("utf-8", "café.png".encode())]
)
def test_letters_that_a_terminal_does_not_have_are_spelled(encoding, first):
    environment = os.environ | {"PYTHONIOENCODING": encoding, "LC_ALL": "C"}
    done = subprocess.run([sys.executable, "-c", PRINTS], capture_output=True, env=environment, check=True)
    assert done.stdout.splitlines() == [first, rb"caf\udce9.png"]
    assert done.stderr.splitlines()[-1].startswith(b"error: caf")

"""The program itself: its help, its version, and what it does not know."""

import re
import subprocess
import sys

import pytest

from phosphene import catalogue


@pytest.fixture
def run(small):
    return small


def quick(*words):
    """In a fresh process: its output, and whether torch was imported."""
    code = (
        "import sys\nfrom phosphene.faces.cli.main import main\n"
        f"try:\n    main({list(words)!r})\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        "print('torch' in sys.modules, 'numpy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout


def test_help_and_version_do_not_import_torch():
    shown = quick("--help")
    assert shown.endswith("False False\n")
    for name in catalogue.commands():
        assert re.search(rf"{name} +{re.escape(catalogue.sentence(name))}", shown)
    shown = quick("--version")
    assert re.fullmatch(r"phosphene \d+\.\d+\.\d+\S*\nFalse False\n", shown)


def test_an_unknown_command_or_option_is_exit_code_2(run):
    assert run("visualise", net=None)[0] == 2
    code, _, err = run("predict", "cat.png", "--colour", "3")
    assert code == 2
    assert "--colour" in err

"""Editors and mypy know every option of a public recipe: right calls pass, each wrong one is an error at its line."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

CALLS = Path(__file__).with_name("typed_calls.py")
ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_mypy_accepts_right_calls_and_refuses_wrong_ones(tmp_path):
    pytest.importorskip("mypy")
    command = ["-m", "mypy", "--cache-dir", str(tmp_path), "--config-file", "pyproject.toml", str(CALLS)]
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, cwd=ROOT)
    refused = {int(line) for line in re.findall(r"typed_calls\.py:(\d+): error", done.stdout)}
    wrong = {i for i, line in enumerate(CALLS.read_text().splitlines(), 1) if line.endswith("# wrong")}
    assert len(wrong) == 15
    assert refused == wrong, done.stdout

"""Benchmarks are run by hand; that each still imports, and can be run, is seen here."""

import importlib

import pytest

from benchmarks.__main__ import NAMES


@pytest.mark.parametrize("name", NAMES)
def test_every_benchmark_imports_and_has_a_run(name):
    assert callable(importlib.import_module(f"benchmarks.{name}").run)

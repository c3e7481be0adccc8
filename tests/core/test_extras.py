"""Packages that may be missing: always the same words."""

import sys
from importlib.metadata import metadata

import pytest

from phosphene.core.errors import Mistake
from phosphene.core.extras import needed, needs


def test_a_package_that_is_there_is_its_module():
    assert needed("json", "this", "json", "maps").dumps([1]) == "[1]"


def test_a_package_that_is_missing_is_told_with_the_extra_that_brings_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(Mistake) as mistake:
        needed("av", "way.mp4", "PyAV", "film")
    assert str(mistake.value) == needs("way.mp4", "PyAV", "film") == "way.mp4 needs PyAV: pip install 'phosphene[film]'"


def test_every_extra_that_is_named_is_there():
    assert {"captum", "film", "maps", "segment", "timm"} <= set(metadata("phosphene").get_all("Provides-Extra"))

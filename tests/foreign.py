"""Packages that import torchvision, as timm and zennit do: it has to be imported in our way first."""

from types import ModuleType

import pytest

from phosphene.models.torchvision import import_torchvision


def foreign(name: str) -> ModuleType:
    """A module of such a package, or a skip; works in a test that runs alone."""
    import_torchvision()
    return pytest.importorskip(name)

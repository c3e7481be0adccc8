"""Packages that only some of the program needs, each in one of phosphene's extras."""

from importlib import import_module
from typing import Any

from phosphene.core.errors import Mistake


def needs(what: str, package: str, extra: str) -> str:
    """That something can't be done without a package, and how to install it."""
    return f"{what} needs {package}: pip install 'phosphene[{extra}]'"


def needed(module: str, what: str, package: str, extra: str) -> Any:
    """A module of a package that may be missing.

    Args:
        what: can't be done without it.
        package: what it is called.
        extra: brings it.
    Raises:
        Mistake: it is not installed.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise Mistake(needs(what, package, extra)) from error

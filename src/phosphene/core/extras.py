"""Packages that only some of the program needs, each in one of phosphene's extras."""

from importlib import import_module
from typing import Any

from phosphene.core.errors import Mistake

EXTRAS: dict[str, tuple[str, str]] = {
    "av": ("PyAV", "film"),
    "captum": ("Captum", "captum"),
    "cv2": ("OpenCV", "segment"),
    "openTSNE": ("openTSNE", "maps"),
    "sklearn": ("scikit-learn", "maps"),
    "timm": ("timm", "timm"),
}
"""Of each package's module: what the package is called, and the extra that brings it."""


def needs(what: str, module: str) -> str:
    """`what` can't be done without the package of this module: what to install."""
    package, extra = EXTRAS[module.partition(".")[0]]
    return f"{what} needs {package}: pip install 'phosphene[{extra}]'"


def needed(module: str, what: str) -> Any:
    """A module of an extra's package.

    Args:
        what: can't be done without it.
    Raises:
        Mistake: it is not installed.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise Mistake(needs(what, module)) from error

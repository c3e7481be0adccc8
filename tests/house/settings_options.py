"""Writes the settings down as keywords of recipes, for editors and mypy: `python -m tests.house.settings_options`.

Their names and types are read from the sources of `Settings` and of the priors' weights, and that is all there is in
the typed dicts; defaults, bounds and sentences stay where they are.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

WING = Path(__file__).parents[2] / "src" / "phosphene" / "core" / "optimization"
WRITTEN = WING / "settings_options.py"

NOUNS = {"parameterization": "Factory", "optimizer": "Optimizer"}
"""Settings in place of which an object may be given."""

OWN = ("steps", "rate", "jitter", "tv", "transparency", "opacity", "stretch", "until")
"""Settings that some recipes spell themselves, with defaults of their own, or that concern only how units are shown."""

HEAD = '''"""The settings as keywords of recipes, `**settings: Unpack[SettingsOptions]`, for editors and mypy.

Made from `Settings` by `python -m tests.house.settings_options`: don't edit. What is no plain number or word is given
in place of settings (`ascent.Nouns`), in Python alone.
"""

from typing import Annotated, TypedDict

from phosphene.core.optimization.ascent import Factory
from phosphene.core.optimization.engine import Constraint, Operator, Optimizer
from phosphene.core.optimization.settings import (
    Border,
    OptimizerName,
    ParameterizationName,
    Robustness,
    Schedule,
    Settings,
    Transparency,
)
from phosphene.core.optimization.terms import Term
from phosphene.core.optimization.transforms import Transform
from phosphene.core.optimization.wavelets import Wavelet
from phosphene.core.options import Words, options_of


class FurtherOptions(TypedDict, total=False):
    """All settings but those that some recipes spell themselves."""

    robustness: Annotated[Robustness, Words("all transforms at once: strong, lucid's, or none")]
    prior: Annotated[Term, Words("a term that is made small besides, on the picture as it is")]
    transform: Annotated[Transform, Words("what a picture has to survive, instead of the settings")]
    operator: Annotated[Operator, Words("what is done to pictures after every move, instead of the settings")]
    constraint: Annotated[Constraint, Words("where pictures may be")]
'''

MIDDLE = '''

class SettingsOptions(FurtherOptions, total=False):
    """All settings."""

'''

END = """

options_of(FurtherOptions, Settings, leave_out=tuple(SettingsOptions.__annotations__))
options_of(SettingsOptions, Settings)
"""


def fields(module: str, name: str) -> Iterator[tuple[str, str]]:
    """(name, type without what stands beside it) of the fields of a class, as they are written."""
    tree = ast.parse((WING / f"{module}.py").read_text())
    (found,) = (node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name)
    for node in found.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            assert isinstance(node.annotation, ast.Subscript) and isinstance(node.annotation.slice, ast.Tuple)
            yield node.target.id, ast.unparse(node.annotation.slice.elts[0])


def written() -> str:
    """The module as it should be."""
    every = [*fields("priors", "PriorWeights"), *fields("settings", "Settings")]
    lines = [(n, f"    {n}: {kind} | {NOUNS[n]}\n" if n in NOUNS else f"    {n}: {kind}\n") for n, kind in every]
    further, own = ("".join(line for n, line in lines if (n in OWN) == mine) for mine in (False, True))
    return HEAD + further + MIDDLE + own + END


if __name__ == "__main__":
    WRITTEN.write_text(written())

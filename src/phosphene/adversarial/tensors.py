"""Attacks as functions over tensors: `phosphene.attacks.pgd(victim, x, labels, radius=8 / 255)`.

Each is that of which the recipe of the same name is made: a module of `attacks/` has both under its own name.
"""

import importlib
import pkgutil

from phosphene.adversarial import attacks
from phosphene.adversarial.photographs import Attack
from phosphene.adversarial.victims import Victim

NAMES = sorted(module.name for module in pkgutil.iter_modules(attacks.__path__))

__all__ = ["Victim", *NAMES]


def __getattr__(name: str) -> Attack:
    """The attack of this name."""
    if name not in NAMES:
        raise AttributeError(f"there is no attack '{name}'; there are {', '.join(NAMES)}")
    function: Attack = getattr(importlib.import_module(f"{attacks.__name__}.{name}"), name).attack
    return function


def __dir__() -> list[str]:
    return __all__

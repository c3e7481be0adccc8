"""Attacks as functions over tensors: `phosphene.attacks.pgd(victim, x, labels, eps=8 / 255).outcome`.

Each is that of which the recipe of the same name is made: a module of the folder `attacks` has both under its own name.
"""

import importlib
import pkgutil
from typing import Any

import phosphene.adversarial.attacks as folder
from phosphene.adversarial.photographs import Attack, PhotographAttack
from phosphene.adversarial.universal import universal
from phosphene.adversarial.victims import Victim
from phosphene.core.errors import check_choice


class Attacks:
    """The attacks by name, loaded when they are first used, what they are made on, and one change for all pictures."""

    Victim = Victim
    universal = staticmethod(universal)

    def __getattr__(self, name: str) -> Attack:
        if name not in dir(self):
            raise AttributeError(f"there is no attack '{name}'; there are {', '.join(_names())}")
        return recipe(name).attack

    def named(self, method: str) -> Attack:
        """The attack that the command line calls so.

        Raises:
            Mistake: there is none.
        """
        name = method.replace("-", "_")
        check_choice("method", name, _names())
        return self.__getattr__(name)

    def __dir__(self) -> list[str]:
        return ["Victim", *_names(), "universal"]


def recipe(name: str) -> PhotographAttack[Any]:
    """The recipe of an attack that there is: it knows its norms, and whether it is minimal."""
    found: PhotographAttack[Any] = getattr(importlib.import_module(f"{folder.__name__}.{name}"), name)
    return found


def _names() -> list[str]:
    return sorted(module.name for module in pkgutil.iter_modules(folder.__path__))


attacks = Attacks()

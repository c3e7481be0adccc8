"""phosphene shows what a trained vision network sees, by differentiating with respect to its input.

import phosphene
network = phosphene.load()
phosphene.predict(network, "dog.jpg").numbers
phosphene.visualize(network, ["mixed4a:0-7"]).save("units.png")
phosphene.dream(network, "dog.jpg").save("dream.png")
"""

import importlib
from typing import TYPE_CHECKING, Any

from phosphene import catalogue

if TYPE_CHECKING:
    from phosphene.catalogue import *  # noqa: F403

__all__ = list(catalogue.NAMES)


if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        """Load a public name when it is first used: importing phosphene alone does not import torch."""
        if name == "__version__":
            return importlib.import_module("importlib.metadata").version("phosphene")
        if name not in catalogue.NAMES:
            raise AttributeError(f"phosphene has no '{name}'; it has {', '.join(catalogue.NAMES)}")
        return catalogue.public(name)


def __dir__() -> list[str]:
    return __all__

"""What a command makes of an index among the photographs that it is given, and of units behind it."""

import os
from collections.abc import Iterable, Mapping
from typing import Any

from phosphene.core.errors import Mistake
from phosphene.core.index.index import Index, is_index
from phosphene.core.index.photographs import Indexed
from phosphene.core.networks.network import Network
from phosphene.core.pictures.samples import is_sample
from phosphene.core.results.recipes import Recipe
from phosphene.core.results.signature import Input

USUAL = "embedded:photo"
"""The network that is taken where none is given."""

UNITS = "units"
"""The option whose words may stand behind photographs, without its name: LAYER:UNIT, where no file is called so."""


def words_of(given: Any) -> list[str]:
    """What was given to an input, as a list."""
    return [given] if isinstance(given, str) else list(given or ())


def usual_net(given: Iterable[Any]) -> str:
    """The network of a command that names none: that of the index it is about, or the embedded one.

    Args:
        given: what was given to inputs and arguments.
    Raises:
        Mistake: the index's network is in a file, whose code is run only where somebody names it.
    """
    for word in (word for one in given for word in words_of(one)):
        if is_index(word):
            return own_spec(Index.open(word))
    return USUAL


def own_spec(index: Index) -> str:
    """The spec of the network that an index is of.

    Raises:
        Mistake: it is in a file, whose code is run only where somebody names it.
    """
    if index.network_spec is None:
        raise Mistake(
            f"the index {index.folder} is of {index.network_name}, which is not inside this program: name it with --net"
        )
    return index.network_spec


def indexed(one: Input, given: Any, network: Network) -> Indexed | None:
    """The photographs of the index that was given, if one was.

    Raises:
        Mistake: beside an index there is something else, or it is not to be read.
    """
    words = words_of(given)
    found = [word for word in words if is_index(word)]
    if not found:
        return None
    if len(words) > 1:
        raise Mistake(f"{found[0]} is an index, and {len(words)} things were given as {one.name}; give the index alone")
    return Indexed(Index.open(found[0], network))


def with_units(recipe: Recipe[..., Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """What was given, with units that stand among the photographs in their own place.

    `exemplars photos/ mixed4a:3` is `exemplars photos/ --unit mixed4a:3`.
    """
    many = next((one for one in recipe.inputs if one.many and one.required), None)
    option = next((one for one in recipe.options if one.name == UNITS and one.several and not one.positional), None)
    if many is None or option is None:
        return dict(given)
    words = words_of(given.get(many.name))
    units = [word for word in words if _spells_unit(word)]
    if not units or len(units) == len(words):
        return dict(given)
    left = [word for word in words if word not in units]
    return {**given, many.name: left, option.name: [*units, *words_of(given.get(option.name))]}


def _spells_unit(word: str) -> bool:
    layer, colon, unit = word.partition(":")
    return bool(layer and colon and unit) and not is_sample(word) and not os.path.lexists(word)

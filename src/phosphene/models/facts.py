"""What a spec's query and a factory's dictionary say about a network."""

import ast
from collections import Counter
from collections.abc import Mapping
from difflib import SequenceMatcher
from typing import Any

from phosphene.core.errors import Mistake
from phosphene.core.networks.checked import checked_facts, checked_size


def query_options(query: str) -> dict[str, Any]:
    """The options behind a spec's question mark, `classes=4&name=fast`: Python's literals, and words as they are.

    Raises:
        Mistake: one has no name or no value, or there are two of a name.
    """

    def value(text: str) -> Any:
        try:
            return ast.literal_eval(text)
        except (ValueError, SyntaxError):
            return text

    found: dict[str, Any] = {}
    for part in filter(None, query.split("&")):
        name, sign, text = part.partition("=")
        if not (name and sign):
            raise Mistake(f"'?{query}' has the part '{part}'; options are written ?NAME=VALUE&NAME=VALUE")
        if name in found:
            raise Mistake(f"'?{query}' has two values for {name}; give one")
        found[name] = value(text)
    return found


FACTS = ("mean", "std", "bgr", "labels", "output", "channels", "shown", "head", "input", "inputs")
SIZES = ("input_size", "size")


def facts_of(spec: Mapping[str, Any]) -> dict[str, Any]:
    """What a Network wants to know, out of a SPEC; its other entries are for people.

    Raises:
        Mistake: an entry that makes no sense, or one that is for people and looks like another one misspelled.
    """
    for key in spec:
        if meant := _misspelled(str(key)):
            raise Mistake(f"the SPEC has '{key}', which means nothing here; did you mean '{meant}'?")
    facts = {key: spec[key] for key in FACTS if spec.get(key) is not None}
    name = next((key for key in SIZES if spec.get(key) is not None), None)
    return checked_facts(**facts | ({} if name is None else _size(name, spec[name], facts)))


def _size(name: str, value: Any, facts: Mapping[str, Any]) -> dict[str, Any]:
    """The size, and where (channels, height, width) is given the channels, too."""
    if not isinstance(value, (list, tuple)) or len(value) != 3:
        return {"size": checked_size(name, value)}
    size, channels = checked_size(name, value[1:]), checked_facts(channels=value[0])["channels"]
    known = facts.get("channels", channels)
    if known != channels or min(size) < channels:  # (height, width, channels)
        raise Mistake(f"{name} is {tuple(value)}; give a side, (height, width) or (channels, height, width)")
    return {"size": size, "channels": channels}


def _misspelled(key: str) -> str | None:
    """Which entry this one was meant to be, if it looks like it: one letter too many, missing or elsewhere."""
    known = (*FACTS, *SIZES)
    if key in known or key == "name":  # which has the letters of mean
        return None
    plain = key.casefold().replace("-", "_")

    def likeness(other: str) -> float:
        letters, wanted = Counter(plain), Counter(other)
        apart = ((letters - wanted) + (wanted - letters)).total()
        return SequenceMatcher(None, plain, other, autojunk=False).ratio() + (apart <= 1)

    best = max(known, key=likeness)
    return best if likeness(best) >= 0.8 else None

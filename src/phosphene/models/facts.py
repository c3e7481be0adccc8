"""What a spec's query and a factory's dictionary say about a network."""

import ast
from collections.abc import Mapping
from typing import Any


def query_options(query: str) -> dict[str, Any]:
    """The options behind a spec's question mark, `classes=4&name=fast`: Python's literals, and words as they are."""

    def value(text: str) -> Any:
        try:
            return ast.literal_eval(text)
        except (ValueError, SyntaxError):
            return text

    pairs = (part.partition("=") for part in query.split("&") if part)
    return {name: value(text) for name, _, text in pairs}


KEYS = "mean std bgr channels shown labels head output input inputs".split()
"""What a SPEC may say besides the input's size."""


def facts_of(spec: Mapping[str, Any]) -> dict[str, Any]:
    """What a Network wants to know, out of a SPEC; its other entries are for people."""
    facts = {key: spec[key] for key in KEYS if spec.get(key) is not None}
    size = spec.get("input_size", spec.get("size"))
    return facts | ({"size": tuple(size)[-2:] if isinstance(size, (list, tuple)) else size} if size else {})

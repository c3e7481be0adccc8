"""Pictures of earlier times: their records, as today's program would write them.

A picture carries the recipe that made it, by the names of its day. What was renamed since, changed on purpose or added
is listed here, so that `replay` makes a picture again as it was, or says why it can't.
"""

from collections.abc import Mapping
from typing import Any

RENAMED: dict[int, dict[str, dict[str, Any]]] = {
    1: {
        "recipes": {
            "input-x-gradient": "input_x_gradient", "grad-cam": "grad_cam", "grad-cam++": "grad_cam_plus_plus",
            "guided-grad-cam": "guided_grad_cam", "all": "compare", "patches": "exemplars",
        },
        "options": {},
    },
}  # fmt: skip
"""What a picture of each earlier format calls otherwise: recipes, and of recipes their options."""

CHANGED: dict[int, dict[tuple[str, str], tuple[Any, str]]] = {
    1: {
        ("dream", "octaves"): (
            1,
            "its octaves shared their random shifts with those of other seeds, which was mended since, so a dream of "
            "several octaves can't be made again",
        ),
    },
}
"""What came out otherwise on purpose: of pictures of a format, the recipe and its option, the only value of the option
with which a picture can be made again, and why not with others."""

ADDED: dict[str, dict[str, Any]] = {
    "exemplars": {"resolution": "network"},
    "invert": {"preset": "plain", "restarts": 1, "patience": 0},
    "compare": {
        "methods": "gradient,saliency,deconvnet,guided,input-x-gradient,integrated,smoothgrad,grad-cam,grad-cam++,"
        "guided-grad-cam,lrp,rise,rollout,occlusion",
    },
}
"""Options that a recipe did not have at first, with the value that it then worked by."""

GONE: dict[str, tuple[str, ...]] = dict.fromkeys(("invert", "metamers", "privacy", "stylize", "texture"), ("until",))
"""Options that a recipe had once and that meant nothing there."""


def upgraded(record: Mapping[str, Any]) -> dict[str, Any]:
    """A picture's record as today's program would write it.

    Raises:
        ValueError: it was made by a part of the program that works otherwise today; says how.
    """
    version = record.get("format", 1)
    today = _of_format_1(record) if version == 1 else dict(record)
    name, arguments = today.get("recipe"), today.get("arguments")
    if not (isinstance(version, int) and isinstance(name, str) and isinstance(arguments, Mapping)):
        return today
    table = RENAMED.get(version, {})
    name = table.get("recipes", {}).get(name, name)
    new = table.get("options", {}).get(name, {})
    arguments = ADDED.get(name, {}) | {new.get(key, key): value for key, value in arguments.items()}
    for option in GONE.get(name, ()):
        if arguments.pop(option, None):
            raise ValueError(f"{name} has no option '{option}' any more")
    for (changed, option), (value, why) in CHANGED.get(version, {}).items():
        if changed == name and arguments.get(option, value) != value:
            raise ValueError(why)
    return today | {"recipe": name, "arguments": arguments}


def _of_format_1(record: Mapping[str, Any]) -> dict[str, Any]:
    """It named a command, and its method among the arguments; `photo` was the input of which nothing was said."""
    today = {key: value for key, value in record.items() if key != "command"} | {"recipe": record.get("command")}
    if isinstance(record.get("arguments"), Mapping):
        today["arguments"] = dict(record["arguments"])
        today["recipe"] = today["arguments"].pop("method", None) or record.get("command")
    if isinstance(record.get("inputs"), list):
        today["inputs"] = [{"as": "photo"} | one if isinstance(one, dict) else one for one in record["inputs"]]
    return today

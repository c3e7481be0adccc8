"""The networks inside the package."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from safetensors import safe_open
from torch import nn

from phosphene.core.errors import Mistake, did_you_mean
from phosphene.models.digits import Digits
from phosphene.models.facts import facts_of
from phosphene.models.photo import Photo

WEIGHTS = Path(__file__).with_name("weights")
EMBEDDED: dict[str, Callable[[], nn.Module]] = {"photo": Photo, "photo-robust": Photo, "digits": Digits}


# ------------------------------------------------------------------------------------------------------ embedded


def embedded_file(name: str) -> Path:
    if name not in EMBEDDED:
        there = ", ".join(f"embedded:{n}" for n in EMBEDDED)
        raise Mistake(f"no embedded network '{name}'{did_you_mean(name, EMBEDDED)} (there is {there})")
    return WEIGHTS / f"{name}.safetensors"


def embedded_words(name: str) -> str:
    with safe_open(embedded_file(name), "pt") as file:
        return json.loads(file.metadata()["spec"]).get("about", "")


def embedded(name: str) -> tuple[nn.Module, dict[str, Any]]:
    file = embedded_file(name)
    with safe_open(file, "pt") as opened:
        facts = json.loads(opened.metadata()["spec"])
        state = {key: opened.get_tensor(key).float() for key in opened.keys()}  # noqa: SIM118 (not a mapping)
    model = EMBEDDED[name]()
    model.load_state_dict(state)
    return model, facts_of(facts)

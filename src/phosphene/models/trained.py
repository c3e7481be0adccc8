"""Networks that `phosphene train-robust` and `train-dream` have trained: `FILE.safetensors`, whose header says all.

The header holds one record, `spec`: what a Network wants to know, how the training went, and either the architecture,
one of our own, or the spec of the network that was trained, into which the weights are to be put. Which code is run is
never taken from the file.
"""

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import save
from torch import Tensor, nn

from phosphene.core.errors import Mistake, brief
from phosphene.core.paths import given_path
from phosphene.models.facts import facts_of
from phosphene.models.headers import header
from phosphene.models.photo import Photo
from phosphene.models.weights import put_weights

ARCHITECTURES = {"photo": Photo}
"""From the number of classes to a network."""

ENDING = ".safetensors"


def trained_bytes(state: Mapping[str, Tensor], record: Mapping[str, Any]) -> bytes:
    """The file of a trained network; the same bytes for the same weights and record."""
    apart = {name: value.detach().cpu().clone().contiguous() for name, value in state.items()}  # tied ones share memory
    return save(apart, {"spec": json.dumps(record)})


def trained_record(file: Path) -> dict[str, Any] | None:
    """The record in the header of a file; None where it is none of ours."""
    record = header(file, "spec")
    return record if record is not None and ("architecture" in record or "net" in record) else None


def trained_network(spec: str) -> tuple[nn.Module, dict[str, Any]] | None:
    """The network that a file of ours holds; None where it is another file.

    Raises:
        Mistake: its architecture is somebody's own, which has to be named beside it, or its weights do not fit.
    """
    if not spec.endswith(ENDING):
        return None
    file = given_path(spec, "network")
    record = trained_record(file)
    if record is None:
        return None
    name = record.get("architecture")
    if name is None:
        net = str(record["net"])
        usage = f"--net {shlex.quote(net)} --weights {shlex.quote(spec)}"
        raise Mistake(f"{file.name} holds weights for {net}; give {usage}")
    if not isinstance(name, str) or name not in ARCHITECTURES:
        there = ", ".join(ARCHITECTURES)
        raise Mistake(f"{file.name} is a network {brief(name)}, which is not known here; there is {there}")
    facts = facts_of(record)
    if not facts.get("labels"):
        raise Mistake(f"{file.name} does not say what its classes are called, so it is no whole network")
    model = ARCHITECTURES[name](len(facts["labels"]))
    put_weights(model, file)
    return model, facts

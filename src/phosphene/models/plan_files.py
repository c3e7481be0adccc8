"""Plans from files that `phosphene tune` wrote."""

import json
from collections.abc import Mapping
from pathlib import Path

import torch

from phosphene.core.errors import Mistake
from phosphene.core.networks.plan import PRECISIONS, Plans, parse_plans, plain
from phosphene.core.paths import content, given_path, reason


def chosen_plans(given: str | Path | Plans, precision: str, dtype: torch.dtype, sha256: str) -> Plans:
    """The plans that replace the rules."""
    if given == "auto":
        return {}
    if isinstance(given, Mapping):
        found = given
    elif given == "none":
        found = plain(precision if precision == "bfloat16" else str(dtype).removeprefix("torch."))
    elif precision != "auto":
        raise Mistake(f"a plan file says which precision is used; leave out --plan or --precision {precision}")
    else:
        found = read_plans(given, sha256)
    for plan in found.values():
        if PRECISIONS[plan.precision] not in (dtype, torch.bfloat16):
            raise Mistake(f"the plan is for {plan.precision}, the network is in {str(dtype).removeprefix('torch.')}")
    return found


def read_plans(file: str | Path, sha256: str) -> Plans:
    """The plans in a file that `phosphene tune` wrote, for the network of this hash.

    Raises:
        Mistake: no such file, no plans, or those of another network.
    """
    path = given_path(file, "plan")
    try:
        found = json.loads(content(path).decode())
    except OSError as error:
        raise Mistake(f"the plan {file} can't be read: {reason(error)}") from error
    except (ValueError, RecursionError) as error:
        raise Mistake(f"{file} is not a plan; `phosphene tune` writes one") from error
    network = found.get("network") if isinstance(found, dict) else None
    if not isinstance(network, dict) or "plans" not in found:
        raise Mistake(f"{file} is not a plan; `phosphene tune` writes one")
    if network.get("sha256") != sha256:
        raise Mistake(f"{file} was measured for {network.get('spec')} with other weights; run `phosphene tune` again")
    return parse_plans(found["plans"])

"""Codes: what layers say about one picture, to be met by others.

A code is a layer's activations on a picture, or what the network says in the end by name: `logits`, `probabilities`,
`log-probabilities` (Mahendran & Vedaldi 2015 invert these too: what is left of a picture when only the classes are).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from phosphene.core.optimization.objectives import values
from phosphene.core.optimization.terms import Reading, Score, Term, code_distance
from phosphene.core.units.default_layers import halfway, stages

SCORES: dict[str, Score] = {"probabilities": "p", "log-probabilities": "log-p"}
"""Codes that are no layer's: what the logits mean."""

ALL = "all"
"""In place of layers: those that blocks end with."""


@dataclass(frozen=True)
class Code:
    """What a layer says about a picture.

    Attributes:
        layer: its name, or one of `SCORES`.
        values: (1, channels, ...).
    """

    layer: str
    values: Float[Tensor, "1 channels ..."]


def chosen_layers(network: Network, given: str | Sequence[str] | None) -> list[str]:
    """The names of the layers that somebody asks for, each once; by default one above the middle.

    Raises:
        Mistake: there is no such layer; the nearest is told.
    """
    wanted = [given] if isinstance(given, str) else list(given or [halfway(network)])
    names = [name for one in wanted for name in (blocks(network) if one == ALL else [one])]
    return list(dict.fromkeys(name if is_score(network, name) else network.layer(name).name for name in names))


def blocks(network: Network) -> list[str]:
    """The layers that blocks end with, in order: modules, where there are some, and no functions between them."""
    names = stages(network)
    return [name for name in names if network.layers[name].tap.function is None] or names


def in_order(network: Network, names: Sequence[str]) -> list[str]:
    """These codes from the picture to the end, what `SCORES` are made of last."""
    order = [*network.layers, *SCORES]
    return sorted(names, key=order.index)


def is_score(network: Network, name: str) -> bool:
    """Whether this is a code of `SCORES`, and no layer is called so."""
    return name in SCORES and name not in network.layers


def _read_of(network: Network, name: str) -> str:
    """The layer that is read for this code."""
    return "logits" if is_score(network, name) else name


@torch.no_grad()
def read_codes(
    network: Network, fed: Float[Tensor, "1 c h w"], names: Sequence[str], *, check: bool = True, some: bool = False
) -> list[Code]:
    """What layers say about what a network was fed, whatever it is run for otherwise; in one pass.

    Args:
        names: as `chosen_layers` gives them.
        check: whether there has to be something to be met.
        some: those with nothing to be met are left out, which is told, unless there would be none.
    Raises:
        Mistake: one says nothing but zeros, one number or values that are not finite; or there are no probabilities.
    """
    wanted = list(dict.fromkeys(_read_of(network, name) for name in names))
    said = network.planned("reading").read(fed, wanted)
    codes = [
        Code(name, network.head.scores(said["logits"], SCORES[name]) if is_score(network, name) else said[name])
        for name in names
    ]
    if some and (good := [code for code in codes if _can_be_met(network, code)]):
        if len(good) < len(codes):
            without = ", ".join(code.layer for code in codes if code not in good)
            network.tell(f"left out, as there is nothing to invert in what it says: {without}")
        return good
    for code in codes if check else ():
        check_code(network, code)
    return codes


def _can_be_met(network: Network, code: Code) -> bool:
    try:
        check_code(network, code)
    except Mistake:
        return False
    return True


def check_code(network: Network, code: Code) -> None:
    """Raise a Mistake where there is nothing to be met."""
    one = code.values
    if not one.isfinite().all() or not one.any():
        what = "nothing but zeros" if one.isfinite().all() else "values that are not finite"
        raise Mistake(f"{code.layer} of {network.name} says {what} about this photograph; there is nothing to invert")
    if one.numel() == 1:
        raise Mistake(
            f"{code.layer} of {network.name} is a single number, which nearly every picture can reach; take a layer "
            "before it"
        )


def distance(network: Network, codes: Sequence[Code]) -> Term:
    """How far pictures are from codes of one layer; problem i is to meet codes[i]: |Phi(x) - c|^2 / |c|^2."""
    name = codes[0].layer
    plain = code_distance(name, torch.cat([code.values for code in codes]))
    if not is_score(network, name):
        return plain

    def of(r: Reading) -> Float[Tensor, " n"]:
        return plain.of(replace(r, layers={name: r.head.scores(r.layers["logits"], SCORES[name])}))

    return replace(plain, of=of, layers=frozenset(["logits"]))


def by_layer(codes: Sequence[Code]) -> dict[str, list[int]]:
    """Which codes are of each layer, in order."""
    found: dict[str, list[int]] = {}
    for i, code in enumerate(codes):
        found.setdefault(code.layer, []).append(i)
    return found


def errors(network: Network, codes: Sequence[Code], pictures: Float[Tensor, "n 3 h w"]) -> Float[Tensor, " n"]:
    """How far each picture is from its code, as the network is read for measurements; 0 is met, grey is near 1."""
    found = torch.zeros(len(codes), dtype=torch.float64)
    for rows in by_layer(codes).values():
        term = distance(network, [codes[i] for i in rows])
        for i, row in enumerate(rows):  # one at a time: memory does not grow with them
            found[row] = values(network.planned("reading"), term, pictures[row : row + 1], torch.tensor([i])).item()
    return found

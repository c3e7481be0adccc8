"""How a photograph meets a network, and what it says about it."""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from phosphene.core.networks.preprocessing import working_dtype
from phosphene.core.optimization.terms import Score
from phosphene.core.pictures.eight_bit import precise
from phosphene.core.pictures.files import Photo, open_photo
from phosphene.core.pictures.fitting import fit
from phosphene.core.units.directions import Direction
from phosphene.core.units.labels import class_index, label
from phosphene.core.units.spelling import parse_unit, spells_layers
from phosphene.core.units.units import AnyUnit, Sum, Unit

Fit = Literal["crop", "squash", "whole"]


def feed(network: Network, photo: Photo, how: Fit = "crop") -> Float[Tensor, "1 3 h w"]:
    """What the network is fed for this photograph, on its device: 8-bit pixels.

    Args:
        how: "crop" brings the shorter side to the network's size and cuts the middle out, "squash" brings both, "whole"
            feeds the whole picture: at its own size where the network takes any, else with a grey border.
    """
    picture = open_photo(photo)
    if how not in ("crop", "squash", "whole"):
        raise Mistake(f"fit '{how}' is not known; there are crop, squash and whole")
    if not (how == "whole" and not network.fixed):
        picture = fit(picture, network.size, how)
    return precise(picture, working_dtype(network)).to(network.device)


@torch.no_grad()
def logits(network: Network, pictures: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n classes"]:
    """What the network says about each picture, whatever it is run for otherwise.

    Raises:
        Mistake: it says something that is not finite.
    """
    said = network.planned("reading").read(pictures, ["logits"])["logits"]
    said = said.flatten(2).mean(2) if said.dim() > 2 else said
    if not said.isfinite().all():
        raise Mistake(f"{network.name} answers with values that are not finite; its weights may be damaged")
    return said


@torch.no_grad()
def code(network: Network, fed: Float[Tensor, "1 3 h w"], layer: str) -> Float[Tensor, "1 channels ..."]:
    """What a layer says about a photograph, channels on axis 1, read as pictures are painted: by the network's plan.

    Raises:
        Mistake: nothing but zeros, or values that are not finite.
    """
    said = network.read(fed, [layer])[layer]
    if not said.isfinite().all() or not said.any():
        what = "nothing but zeros" if said.isfinite().all() else "values that are not finite"
        raise Mistake(f"{layer} of {network.name} says {what} about this photograph; take another layer")
    return said


def top(network: Network, said: Float[Tensor, " classes"], many: int = 5) -> list[dict]:
    """The most probable classes: index, label, probability, logit."""
    said = said.cpu().double()  # not on the device: Apple's has no doubles
    p = said.softmax(0)
    return [
        {"class": int(i), "label": label(network, int(i)), "p": float(p[i]), "logit": float(said[i])}
        for i in p.argsort(descending=True)[:many]
    ]


def said_in_words(answers: list[dict]) -> str:
    """`tabby cat 81 %`."""
    return f"{answers[0]['label']} {100 * answers[0]['p']:.1f} %"


def target_unit(network: Network, fed: Float[Tensor, "1 3 h w"], target: str | int | None) -> AnyUnit:
    """The class or unit that was asked for; by default the class that the network says."""
    if target is None:
        return Unit("logits", int(logits(network, fed)[0].argmax()))
    if isinstance(target, str) and (":" in target or spells_layers(network, target)):
        (unit, *more) = parse_unit(network, target)
        if more:
            raise Mistake(f"'{target}' names several units; one is asked about at a time")
        return unit
    return Unit("logits", class_index(network, target))


def unit_words(network: Network, unit: AnyUnit, kind: Score = "logit") -> str:
    """How a caption calls a unit."""
    if isinstance(unit, Unit) and unit.index is not None:
        return f"{kind} of {label(network, unit.index)}" if unit.layer == "logits" else f"unit {unit}"
    if isinstance(unit, Sum):
        parts = [part for _, part in unit.parts]
        return "sum " + unit.written([_part_words(network, part, kind) for part in parts])
    return f"{'direction' if isinstance(unit, Direction) else 'layer'} {unit.short}"


def _part_words(network: Network, part: Unit | Direction, kind: Score) -> str:
    if part.layer != "logits" or not isinstance(part, Unit) or part.index is None:
        return part.short
    return f"{'logits' if kind == 'logit' else kind}:{label(network, part.index)}"

"""What a network says about a photograph."""

import torch
from jaxtyping import Float
from torch import Tensor

from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from phosphene.core.optimization.terms import Score
from phosphene.core.units.directions import Direction
from phosphene.core.units.labels import class_index, label
from phosphene.core.units.network_input import Fit as Fit
from phosphene.core.units.network_input import feed as feed
from phosphene.core.units.spelling import parse_unit, spells_layers
from phosphene.core.units.units import AnyUnit, Sum, Unit


@torch.no_grad()
def logits(network: Network, pictures: Float[Tensor, "n c h w"]) -> Float[Tensor, "n outputs"]:
    """What the network says about each picture, whatever it is run for otherwise; what it means is in its head.

    Raises:
        Mistake: it says something that is not finite.
    """
    said = network.head.flat(network.planned("reading").read(pictures, ["logits"])["logits"])
    if not said.isfinite().all():
        raise Mistake(f"{network.name} answers with values that are not finite; its weights may be damaged")
    return said


@torch.no_grad()
def code(network: Network, fed: Float[Tensor, "1 c h w"], layer: str) -> Float[Tensor, "1 channels ..."]:
    """What a layer says about a photograph, channels on axis 1, read as pictures are painted: by the network's plan.

    Raises:
        Mistake: nothing but zeros, or values that are not finite.
    """
    said = network.read(fed, [layer])[layer]
    if not said.isfinite().all() or not said.any():
        what = "nothing but zeros" if said.isfinite().all() else "values that are not finite"
        raise Mistake(f"{layer} of {network.name} says {what} about this photograph; take another layer")
    return said


def top(network: Network, said: Float[Tensor, " outputs"], many: int = 5) -> list[dict]:
    """The most probable classes: index, label, probability, logit; of plain numbers the largest, and no p."""
    outputs, head = said[None].cpu().double(), network.head  # not on the device: Apple's has no doubles
    logit = head.scores(outputs, "logit")[0]
    p = head.scores(outputs, "p")[0] if head.has_probabilities else None
    return [
        {"class": int(i), "label": label(network, int(i))}
        | ({} if p is None else {"p": float(p[i])})
        | {"logit": float(logit[i])}
        for i in logit.argsort(descending=True)[:many]
    ]


def said_in_words(answers: list[dict]) -> str:
    """`tabby cat 81.0 %`; of plain numbers `age 41.5`."""
    (first, *_) = answers
    return f"{first['label']} " + (f"{100 * first['p']:.1f} %" if "p" in first else f"{first['logit']:.4g}")


def target_unit(network: Network, fed: Float[Tensor, "1 c h w"], target: str | int | None) -> AnyUnit:
    """The class or unit that was asked for; by default the class that the network says."""
    if target is None:
        return Unit("logits", int(network.head.decided(logits(network, fed))[0]))
    if isinstance(target, str) and (":" in target or spells_layers(network, target)):
        (unit, *more) = parse_unit(network, target)
        if more:
            raise Mistake(f"'{target}' names several units; one is asked about at a time")
        return unit
    return Unit("logits", class_index(network, target))


def unit_words(network: Network, unit: AnyUnit, kind: Score = "logit") -> str:
    """How a caption calls a unit."""
    if isinstance(unit, Unit) and unit.index is not None:
        if unit.layer != "logits":
            return f"unit {unit}"
        kind_words = f"{kind} of " if network.head.has_probabilities else ""
        return f"{kind_words}{label(network, unit.index)}{unit.place}"
    if isinstance(unit, Sum):
        parts = [part for _, part in unit.parts]
        return "sum " + unit.written([_part_words(network, part, kind) for part in parts])
    if isinstance(unit, Direction):
        return f"similarity to {unit.name} in {unit.layer}" if unit.similarity else f"direction {unit.short}"
    return f"layer {unit.short}"


def _part_words(network: Network, part: Unit | Direction, kind: Score) -> str:
    if part.layer != "logits" or not isinstance(part, Unit) or part.index is None:
        return part.short
    return f"{'logits' if kind == 'logit' else kind}:{label(network, part.index)}"

"""What is said about exemplars: captions, headings, the words below a figure, and numbers for JSON."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from phosphene.attribution.exemplar_pages import RELEVANCE, Block
from phosphene.attribution.unmoved import CHANGES, Unmoved
from phosphene.core.networks.network import Network
from phosphene.core.units.exemplars import MOST, THRESHOLD, Band, Exemplar, Resolution, Sees
from phosphene.core.units.inputs import unit_words
from phosphene.core.units.labels import label
from phosphene.core.units.units import Unit

BANDS: dict[Band, str] = {
    "strongest": "the strongest of a unit first",
    "weakest": "those that excite a unit least, at the place where they push it down most if it goes below zero",
    "median": "those that excite a unit as much as the median does, the nearest first",
    "threshold": "those that excite a unit just above {threshold:g}, where it begins to answer, the nearest first",
}


@dataclass(frozen=True)
class Manner:
    """How exemplars were found and are shown.

    Attributes:
        network: whose units.
        figure: rows, nine or strip.
        band: which photographs.
        target: the class for which relevance counts instead of activation.
        sees: what photographs are cut to.
        resolution: whose pixels they have.
        rules: what is traced back.
        threshold: above which a unit answers.
    """

    network: Network
    figure: str
    band: Band
    target: int | None
    sees: Sees
    resolution: Resolution
    rules: Sequence[str]
    threshold: float = THRESHOLD


@dataclass(frozen=True)
class Shown:
    """One unit with its exemplars.

    Attributes:
        unit: it.
        cut: what it sees of each photograph.
        block: the picture of them.
        verified: what became of its value as everything else was changed, if that was asked.
    """

    unit: Unit
    cut: Sequence[Exemplar]
    block: Block
    verified: Sequence[Unmoved] = ()


def called(network: Network, unit: Unit) -> str:
    """What a unit is called."""
    return unit_words(network, unit).removeprefix("unit ")


def caption(how: Manner, one: Shown) -> str:
    """The unit, and from which value to which."""
    what = "" if how.target is None else f"relevance for {label(how.network, how.target)} "
    return f"{called(how.network, one.unit)}, {what}{one.cut[0].peak.short} to {one.cut[-1].peak.short}"


def sight(how: Manner, one: Shown) -> str:
    """How much a unit sees, and whether that is all, if that was tried."""
    top, left, bottom, right = one.cut[0].field or one.cut[0].box
    most = "mostly " if how.sees == "most" else ""
    nearly = " or nearly" if any(tried.changes for tried in one.verified) else ""  # less than all from near the border
    size = f"sees the whole picture{nearly}" if one.cut[0].whole else f"sees {most}{bottom - top} x {right - left} px"
    return size + (f"; {kept(one.verified)}" if one.verified else "")


def kept(verified: Sequence[Unmoved]) -> str:
    """Whether anything outside of what a unit sees moved it, in words."""
    tried = [one for one in verified if one.changes]
    if not tried:
        return "nothing is outside that could be changed"
    if all(one.holds for one in tried):
        many = "" if len(tried) == len(verified) else f", where anything is ({len(tried)} of {len(verified)})"
        return f"bit-equal under {len(CHANGES)} changes outside{many}"
    moved = [one for one in tried if not one.holds]
    largest = max(one.largest for one in moved)
    return f"what is outside moves it by up to {largest:.2g} in {len(moved)} of {len(verified)}"


def chapters(how: Manner, every: Sequence[Shown]) -> list[tuple[str, list[tuple[str, Block]]]]:
    """A chapter for each unit, or for the nine exemplars of several units one for each layer."""
    found: dict[str, list[tuple[str, Block]]] = {}
    for one in every:
        seen = sight(how, one)
        head = one.unit.layer if how.figure == "nine" else f"{called(how.network, one.unit)}, which {seen}"
        found.setdefault(head, []).append((f"{caption(how, one)}; {seen}", one.block))
    return list(found.items())


def words(how: Manner, every: Sequence[Shown]) -> list[str]:
    """What is to be said below the figure."""
    lines = [_cut(how)]
    if how.band != "strongest":
        lines.append(f"They are {BANDS[how.band].format(threshold=how.threshold)}.")
    if how.target is not None:
        lines.append(
            f"The numbers are relevance: how much of the logit of {label(how.network, how.target)} came through the "
            "unit, by layer-wise relevance propagation, added up over all places."
        )
    if any(one.verified for one in every):
        precision = every[0].verified[0].precision
        lines.append(
            f"Everything outside of what a unit sees was made {', '.join(CHANGES[:2])} and noise of "
            f"{len(CHANGES) - 2} seeds, and its value read again as before, in batches of the same size, {precision}."
        )
    return lines + (_traced(how, every) if how.rules else [])


def _cut(how: Manner) -> str:
    at = "at the place that excites it most; the numbers say how much"
    if how.target is not None:
        at = "at its most relevant place"
    if how.sees == "picture":
        return f"A frame is around what the unit sees, {at}."
    part = f"where {MOST:.0%} of its gradient lies" if how.sees == "most" else "what the unit sees"
    return f"Photographs are cut to {part}, {at}."


def _traced(how: Manner, every: Sequence[Shown]) -> list[str]:
    network, lines = how.network, []
    if not network.rectified:
        lines.append(
            f"{network.name} has no rectifiers (ReLU and its kin) that deconvnet and guided backprop could act on, so "
            "the gradient is all there is to trace back."
        )
    elif plain := list(dict.fromkeys(one.unit.layer for one in every if not network.rectified_before(one.unit.layer))):
        lines.append(f"No rectifier runs before {', '.join(plain)}: there deconvnet and guided are the gradient.")
    traced = "what the deconvnet retraces" if how.rules == ["deconvnet"] else "what is traced back"
    where = "Left" if how.figure == "nine" else "Below"
    lines.append(f"{where} {traced} from that one neuron: grey is zero, and each is on its own scale.")
    if RELEVANCE in how.rules:
        lines.append(f"The row {RELEVANCE} is what the class owes to the unit: red speaks for it, blue against it.")
    return lines


def numbers(how: Manner, one: Shown, names: Sequence[str]) -> dict[str, Any]:
    """Which photographs, how much, where; boxes are in pixels of the network's input, and may leave it.

    Args:
        names: of the photographs of this unit.
    """
    facts: dict[str, Any] = {"unit": one.unit.short, "band": how.band}
    if how.target is not None:
        facts |= {"by": RELEVANCE, "class": how.target, "label": label(how.network, how.target)}
    if one.verified:
        facts |= {"outside": kept(one.verified)}
    told = [{"outside": record.record()} for record in one.verified] or [{} for _ in one.cut]
    return facts | {
        "photographs": [
            {
                "name": name,
                "value": each.peak.value,
                "position": list(each.peak.position) if isinstance(each.peak.position, tuple) else each.peak.position,
                "box": dict(zip(("left", "top", "width", "height"), each.frame, strict=True)),
            }
            | outside
            for name, each, outside in zip(names, one.cut, told, strict=True)
        ],
    }

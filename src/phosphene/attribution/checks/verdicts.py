"""From numbers to one plain sentence: what a check says about how far a map can be believed.

Every limit is a constant here, with its reason. A sentence tells the numbers that it was made of, so that whoever would
draw the line elsewhere can.
"""

from collections.abc import Mapping, Sequence

ALIKE = 0.8
"""Two maps whose SSIM and rank correlation are both at least this look alike at a glance. It lies in a wide gap: with
the class's own weights shuffled, guided backprop keeps .9 and .98 of them on inception5h and mobilenet_v2, the gradient
.25 to .36 and .5 to .66."""

OTHER = 0.5
"""A map of which one of the two is below this shows something else."""

MARGIN = 0.02
"""Areas under curves that differ by less, as a share of what the network says of the whole photograph, are called
equal: by about as much (in the median, from .003 to .05) do random orders of one photograph's pixels spread."""

SURE = 3
"""Hits of four from which a map is said to point at its class: by chance alone there are as many in 5 of 100 cases."""

SAME = 0.01
"""A map that changes by less under a constant shift does not depend on it: rounding to float32 alone changes the
gradient of a deep network by up to some thousandths."""

ADDS_UP = 0.05
"""The gap that Sundararajan et al. 2017 (arXiv:1703.01365, section 5) allow the sum of contributions."""


def short(number: float) -> str:
    """`.86`, `1.00`, `-.12`."""
    written = f"{round(number, 2) + 0.0:.2f}"  # adding 0 takes the sign of a negative nothing
    return written.replace("0.", ".", 1) if abs(round(number, 2)) < 1 else written


def percent(share: float) -> str:
    """`3 %`, and of less than one `0.4 %`."""
    return f"{100 * share:.0f} %" if share >= 0.01 else f"{100 * share:.1g} %"


def on_randomization(
    counts: Sequence[int], ssim: Sequence[float], rank: Sequence[float], layers: int, what: str
) -> str:
    """What cascading randomization says.

    Args:
        counts: how many layers from the top were randomized.
        ssim, rank: of the map with that of the network itself, at each of them.
        layers: how many there are in all.
        what: what was asked about: "class" or "unit".
    """
    alike = [min(pair) >= ALIKE for pair in zip(ssim, rank, strict=True)]
    deepest = next((i for i, one in enumerate(alike) if not one), len(alike)) - 1
    if deepest >= 0:
        shows = f"shows the image, not the {what if counts[deepest] < layers else 'network'}"
        unchanged = f"nearly unchanged when {_top(counts[deepest], layers)} randomized"
        return f"{unchanged} (SSIM {short(ssim[deepest])}): {shows}"
    numbers = f"SSIM {short(ssim[0])}, rank {short(rank[0])}"
    if min(ssim[0], rank[0]) < OTHER:
        return f"changes when {_top(counts[0], layers)} randomized ({numbers}): shows what was learnt about the {what}"
    return f"changes only in part when {_top(counts[0], layers)} randomized ({numbers})"


def _top(count: int, layers: int) -> str:
    if count == layers:
        return f"all {layers} layers are" if layers > 1 else "the only layer is"
    return f"the top {count} layers are" if count > 1 else "the top layer is"


def on_deletion(own: float, others: Mapping[str, float], whole: float) -> str:
    """What the area under the deletion curve says; less is better.

    Args:
        own: the map's.
        others: those of other orders of the pixels, by name.
        whole: what the network says of the whole photograph.
    """
    return _on_curve("taking its pixels away costs", own, others, MARGIN * abs(whole), -1)


def on_insertion(own: float, others: Mapping[str, float], whole: float) -> str:
    """What the area under the insertion curve says, in the same way; more is better."""
    return _on_curve("giving its pixels back gains", own, others, MARGIN * abs(whole), 1)


def _on_curve(doing: str, own: float, others: Mapping[str, float], margin: float, sign: int) -> str:
    """`sign` is 1 where more is better, -1 where less is."""
    areas = ", ".join([f"area {short(own)}", *(f"{name} {short(area)}" for name, area in others.items())])
    unbeaten = [name for name, area in others.items() if sign * (own - area) <= margin]
    if not others:
        return f"{doing} ({areas})"
    more, than = ("no more", unbeaten) if unbeaten else ("more", list(others))
    names = " or ".join({"random": "random pixels"}.get(name, name) for name in than)
    return f"{doing} {more} than {names} would ({areas})"


def on_pointing(hits: int, of: int, share: float) -> str:
    """What the mosaic says."""
    points = "points at" if hits >= SURE else "does not point reliably at"
    return f"{points} its class among four photographs: {hits} of {of}, {percent(share)} of it there (chance: 25 %)"


def on_shift(change: float) -> str:
    """What a constant shift of pictures and network says."""
    if change < SAME:
        return "not changed by a constant shift of the input"
    return f"changes by {percent(change)} under a constant shift that the network ignores"


def on_completeness(gap: float) -> str:
    """How well contributions add up."""
    return f"adds up {'' if gap <= ADDS_UP else 'only '}to within {percent(gap)}"

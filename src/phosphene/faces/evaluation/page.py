"""The page of an evaluation: its numbers, the curve between the radii, who found what, and the worst pictures."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from phosphene.adversarial.evaluation.ledger import Worst
from phosphene.adversarial.evaluation.report import Report, Share
from phosphene.core.networks.preprocessing import shown as as_looked_at
from phosphene.core.options import shown
from phosphene.core.pictures.charts import Curve, Ticks, chart
from phosphene.core.pictures.fitting import enlarge
from phosphene.core.pictures.sheets import grid
from phosphene.core.pictures.typesetting import ACCENT, INK
from phosphene.core.pictures.writing import png_bytes
from phosphene.core.results.provenance import versions
from phosphene.core.units.labels import label
from phosphene.faces.tour.guide import Section, Shown
from phosphene.faces.tour.template import template

PAGE = "index.html"

EXAMPLES = 12
"""Of the worst pictures."""

SIDE = 128
"""To so many pixels small pictures are enlarged at least."""

UNITS = {"linf": "the largest change of a value", "l2": "the Euclidean length of the change",
         "l1": "the sum of all changes", "l0": "how many values change"}  # fmt: skip


def page(report: Report, *, data: str, again: str) -> str:
    """The page, self-contained; the same for the same evaluation.

    Args:
        data: what the data set is called.
        again: the command that makes it once more.
    """
    evaluation = report.evaluation
    network = evaluation.network
    return template("evaluation/page.html").render(
        network=network.name,
        lead=_lead(report, data),
        sections=[_accuracy(report), _checks(report), _attacks(report), _examples(report)],
        seed=evaluation.seed,
        sha256=network.sha256 or "",
        plan=str(network.plan_for("search")),
        versions=versions(),
        again=again,
    )


def headline(report: Report) -> str:
    """All outcomes in one line: `accuracy 70.0 % [63.3, 75.9] without any attack, 50.5 % [43.6, 57.4] at 2/255`."""
    every = [f"accuracy {report.clean} without any attack"]
    return ", ".join(every + [f"{report.robust(one)} at {shown(one.eps)}" for one in report.ledger.worst])


def _lead(report: Report, data: str) -> str:
    evaluation = report.evaluation
    names = ", ".join(one.name for one in evaluation.entries)
    return (
        f"{len(evaluation.data)} pictures of {data}: {headline(report)}, by {names}, the worst case of each picture. A "
        f"radius is {UNITS[evaluation.norm]} ({evaluation.norm}), of values from 0 to 1; brackets are 95 % intervals."
    )


def _accuracy(report: Report) -> Section:
    """Accuracy at each radius, and the curve between them."""
    section = Section(
        "Accuracy by radius",
        "How many of all pictures the network is right about, whatever is done to them within the radius. What nothing "
        "finds may still be there: a robust accuracy is at most so much, not at least.",
        "Intervals: Wilson (1927). The curve is made of the distance of the nearest picture found that fools.",
    )
    section.table = [
        ["radius", "accuracy", "with 95 %", "pictures"],
        ["0", *_share(report.clean)],
        *([shown(one.eps), *_share(report.robust(one))] for one in report.ledger.worst),
    ]
    if report.evaluation.curve is not None:
        section.pictures.append(Shown(_caption(report), "", png_bytes(_curve(report))))
    return section


def _share(share: Share) -> list[str]:
    value, _, rest = str(share).partition(" [")
    return [value, f"[{rest}", f"{share.hits} of {share.of}"]


def _caption(report: Report) -> str:
    curve, middle = report.evaluation.curve, report.summary()["median distance"]
    words = "" if middle is None else f"; half of what it is right about is fooled within {_radius(report, middle)}"
    return f"Accuracy over the radius, by one run of {curve.name if curve else ''} and all other attacks{words}"


def _radius(report: Report, eps: float) -> str:
    return f"{255 * eps:.3g}/255" if report.evaluation.norm == "linf" else f"{eps:.3g}"


def _curve(report: Report) -> Float[Tensor, "1 3 h w"]:
    furthest = report.furthest
    line = Curve("accuracy", report.curve, ACCENT)
    dots = [
        Curve("at the radii" if i == 0 else "", [(one.eps, report.robust(one).value)], INK, dots=True)
        for i, one in enumerate(report.ledger.worst)
    ]
    marks = [(0.0, "0"), *((one.eps, shown(one.eps)) for one in _apart(report.ledger.worst, furthest))]
    up = Ticks((0.0, 1.0), [(share, f"{100 * share:.0f} %") for share in (0.0, 0.25, 0.5, 0.75, 1.0)])
    return chart([*dots, line], Ticks((0.0, furthest), marks, f"radius, {report.evaluation.norm}"), up)


def _apart(worsts: Sequence[Worst], furthest: float) -> Sequence[Worst]:
    """The radii that can be written beside each other."""
    kept: list[Worst] = []
    for one in worsts:
        if not kept or one.eps - kept[-1].eps > furthest / 8:
            kept.append(one)
    return kept


def _checks(report: Report) -> Section:
    """Whether to believe it, and why."""
    section = Section(
        "Whether to believe it",
        f"{report.verdict[0].upper()}{report.verdict[1:]}.",
        "Checks after Carlini et al. 2019 (arXiv:1902.06705), Pintor et al. 2022 (arXiv:2106.09947) and AutoAttack's "
        "flags, on some of the pictures. Pictures are counted from 0.",
    )
    if report.checks:
        section.table = [["check", "outcome", "what was seen", "pictures", "run again with"]]
    for one in report.checks:
        few = ", ".join(map(str, one.images[:8])) + (f" and {len(one.images) - 8} more" if len(one.images) > 8 else "")
        section.table.append([one.name, one.outcome, one.words, few, one.next])
    return section


def _attacks(report: Report) -> Section:
    """Who found what, and how often the network was asked."""
    many, (forwards, backwards) = len(report.evaluation.data), report.passes
    section = Section(
        "What each attack found",
        "At each radius an attack is made on the pictures that are still robust. One that looks for the smallest "
        "change is made once, on every picture that the network is right about, and fools at whatever distance.",
        f"A picture went through the network {forwards:.1f} times, and back {backwards:.1f} times, in the mean of all.",
    )
    section.table = [["attack", "radius", "tried", "fooled", "forwards", "backwards"]]
    for one in report.ledger.tallies:
        radius = "any" if one.eps is None else shown(one.eps)
        passes = [f"{one.forwards / many:.1f}", f"{one.backwards / many:.1f}"]
        section.table.append([one.attack, radius, str(one.tried), str(one.fooled), *passes])
    return section


def _examples(report: Report) -> Section:
    """The pictures with which it took least."""
    section = Section(
        "The most fragile pictures",
        "The picture, the change on a scale of its own, and the picture that fools: those with which it takes least, "
        "at the smallest radius that does.",
        "All worst pictures are beside this page, exact, as .npy files of one radius each.",
        wide=True,
    )
    network = report.evaluation.network
    for row, worst in report.nearest_fooled(EXAMPLES):
        picture, fools = report.evaluation.data.pixels([row]), worst.pictures[row : row + 1]
        change = fools - picture
        seen = (0.5 + 0.5 * change / change.abs().max().clamp(min=1e-12)).clamp(0, 1)
        strip = torch.cat([as_looked_at(network, one) for one in (picture, seen, fools)])
        classes = (label(network, int(one[row])) for one in (report.evaluation.data.labels, worst.said))
        here, least = (_radius(report, float(one[row])) for one in (worst.distances, report.ledger.nearest))
        nearer = "" if least == here else f"; something that fools was found at {least}"
        caption = f"{' becomes '.join(classes)} at {here}{nearer}"
        section.pictures.append(Shown(caption, "", png_bytes(_large(grid(strip, 3)))))
    if not section.pictures:
        section.teaching = "No picture was found that fools within any of the radii."
    return section


def _large(strip: Float[Tensor, "1 3 h w"]) -> Float[Tensor, "1 3 eh ew"]:
    return enlarge(strip, max(1, SIDE // strip.shape[2]))

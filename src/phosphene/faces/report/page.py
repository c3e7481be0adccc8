"""The page of a layer: what each of its units answers to, to be sorted and filtered, in one file that needs no other.

Hundreds of units are on it. Their numbers are one JSON text in the page; their pictures are addresses that hold them,
one picture a unit for all of its exemplars, and a browser decodes those that come into view.
"""

from base64 import b64encode
from collections import Counter
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any, SupportsFloat

import numpy as np
from PIL import Image

from phosphene.core.index.classes import names_of
from phosphene.core.index.index import Index, Statistics
from phosphene.core.networks.network import Network
from phosphene.core.results.provenance import versions
from phosphene.dataset.unit_crops import Crops
from phosphene.faces.tour.template import template

PAGE = "index.html"

QUALITY = 78
"""Of the WebP pictures on the page, which are small."""

NEAR = 5
"""Units whose answers are most correlated, for each."""

NAMED = 3
"""Classes among the strongest that are named."""


def page(
    index: Index, network: Network, layer: str, crops: Crops, painted: Mapping[int, Image.Image], *, again: str
) -> str:
    """The page, self-contained; the same for the same index.

    Args:
        layer: one of the index's.
        crops: of the layer.
        painted: the synthetic pictures of units that there are.
        again: the command that makes it once more.
    """
    statistics, classes = index.statistics(layer), names_of(index, network)
    units = index.units(layer)
    near, strength = _nearest(index, layer)
    cards = [
        _card(unit, index, statistics, crops, classes, (near[unit], strength[unit]))
        | ({"p": webp(painted[unit])} if unit in painted else {})
        for unit in range(units)
    ]
    dead, twins = int(statistics.dead.sum()), int((statistics.duplicates & ~statistics.dead).sum())
    facts = index.facts
    return template("report/page.html").render(
        layer=layer, network=network.name, units=units, images=index.count, classes=len(index.classes), dead=dead,
        duplicates=twins, painted=len(painted), count=max(map(len, crops.found), default=0), gone=len(crops.gone),
        threshold=facts["threshold"], field=facts["layers"][layer].get("field", ""), again=again,
        sha256=facts["network"]["sha256"], versions=versions(),
        data={"layer": layer, "cards": cards, "side": crops.pixels.shape[1], "labelled": bool(index.classes)},
    )  # fmt: skip


def _card(
    unit: int, index: Index, statistics: Statistics, crops: Crops, classes: Mapping[int, str],
    near: tuple[Sequence[int], Sequence[float]],
) -> dict[str, Any]:  # fmt: skip
    """A unit's numbers, by short names, as there are hundreds of them."""
    own = crops.found[unit]
    labels = [int(index.labels[one.image]) for one in own]
    names = [classes.get(one, "") for one in labels]
    best = int(statistics.best_class[unit])
    selectivity = float(statistics.selectivity[unit])
    deviation = float(statistics.deviation[unit])
    top = float(np.mean([one.value for one in own])) if own else 0.0
    return {
        "u": unit, "m": _three(statistics.mean[unit]), "d": _three(deviation), "s": _three(statistics.share[unit]),
        "lo": _three(statistics.quantiles[unit, 0]), "hi": _three(statistics.quantiles[unit, -1]),
        "mid": _three(statistics.quantiles[unit, statistics.quantiles.shape[1] // 2]),
        "c": None if np.isnan(selectivity) else _three(selectivity), "b": classes.get(best, ""),
        "out": _three((top - float(statistics.mean[unit])) / deviation) if deviation > 0 else 0.0,
        "dead": bool(statistics.dead[unit]), "dup": bool(statistics.duplicates[unit] and not statistics.dead[unit]),
        "h": statistics.histogram[unit].tolist(), "n": [[int(i), _three(r)] for i, r in zip(*near, strict=True)],
        "v": [_three(one.value) for one in own], "f": [index.ids[one.image] for one in own], "l": names,
        "t": [[name, many] for name, many in Counter(filter(None, names)).most_common(NAMED)],
        "x": webp(Image.fromarray(np.ascontiguousarray(crops.pixels[unit, :, : len(own) * crops.pixels.shape[1]]))),
    }  # fmt: skip


def _nearest(index: Index, layer: str) -> tuple[list[list[int]], list[list[float]]]:
    """For each unit those whose answers are correlated most with its own, and how much; nothing with itself."""
    every = np.array(index.correlations(layer), dtype=np.float32)
    np.fill_diagonal(every, -2)
    many = min(NEAR, max(len(every) - 1, 0))
    order = np.argsort(-every, axis=1, kind="stable")[:, :many]
    return order.tolist(), np.take_along_axis(every, order, 1).tolist()


def _three(number: SupportsFloat) -> float:
    """Three figures, which is what is read."""
    return float(f"{float(number):.3g}")


def webp(picture: Image.Image) -> str:
    """A picture as base64 of WebP."""
    buffer = BytesIO()
    picture.convert("RGB").save(buffer, "WEBP", quality=QUALITY)
    return b64encode(buffer.getvalue()).decode()

"""Styles in parts that add up over a picture, as `by_blocks` takes them."""

from collections.abc import Callable, Sequence

from jaxtyping import Float, Int
from torch import Tensor

from phosphene.style.blocks import Additive, Place
from phosphene.style.cuts import Size
from phosphene.style.moments import Moments
from phosphene.style.statistics import OF_FEATURES
from phosphene.style.terms import LayerStyle


def of_style(style: LayerStyle) -> Additive:
    """What a layer is to be like, as its term says it."""

    def sums(y: Float[Tensor, "n c rows columns"], place: Place, rows: Int[Tensor, " n"]) -> list[Tensor]:
        features = style.features(y)
        found = [s for one in style.sums(features, place.positions) for s in one]
        return found if style.additive else [*found, features]

    def value(sums: Sequence[Tensor], rows: Int[Tensor, " n"]) -> Float[Tensor, " n"]:
        moments = [Moments(*sums[i : i + 3]) for i in range(0, len(sums) - 2, 3)]
        return style.of_sums(moments) + (0 if style.additive else style.of_features(sums[-1]))

    needs = ", ".join(name for name, weight in style.statistics.items() if weight and name in OF_FEATURES)
    return Additive(style.layer, sums, value, f"style of {style.layer}", needs)


def placed(layer: str, at: Callable[[Size], LayerStyle]) -> Additive:
    """What a layer is to be like, where how much each position counts is known when its rows and columns are.

    Args:
        at: from rows and columns to what it is to be like.
    """
    known: dict[Size, Additive] = {}

    def of(size: Size) -> Additive:
        if size not in known:
            known.clear()
            known[size] = of_style(at(size))
        return known[size]

    def sums(y: Float[Tensor, "n c rows columns"], place: Place, rows: Int[Tensor, " n"]) -> Sequence[Tensor]:
        return of(place.size).sums(y, place, rows)

    def value(sums: Sequence[Tensor], rows: Int[Tensor, " n"]) -> Float[Tensor, " n"]:
        (now,) = known.values()
        return now.value(sums, rows)

    return Additive(layer, sums, value, f"style of {layer}")

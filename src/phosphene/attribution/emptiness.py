"""A map in which there is nothing says so: zero everywhere, or the same everywhere where only differences count.

Drawn on its own scale it would look like a result, because any rounding error fills a scale. So it is drawn as
nothing, and the likely reason stands in caption, title and numbers.
"""

from dataclasses import replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from phosphene.attribution.baselines import baseline_pictures
from phosphene.attribution.maps import About, Maps, pixels
from phosphene.attribution.question import Pictures, Question, every, of_classes
from phosphene.core.errors import Mistake

ROUNDING = 8
"""Units in the last place within which two scores are the same: what the order of a batch's sums leaves."""


def rounding_apart(
    low: Float[Tensor, " *n"], high: Float[Tensor, " *n"], dtype: torch.dtype | None = None
) -> Bool[Tensor, " *n"]:
    """Whether numbers differ by rounding alone.

    Args:
        dtype: what they were computed in, where they are kept in more.
    """
    return high - low <= ROUNDING * torch.finfo(dtype or low.dtype).eps * torch.maximum(low.abs(), high.abs())


def empty(maps: Maps, about: About) -> Bool[Tensor, " n"]:
    """In which maps there is nothing: zeros alone; or one number, where they mean something only beside each other."""
    if about.relative:
        one = pixels(maps.values, about.kind).detach().flatten(1)
        return rounding_apart(one.amin(1), one.amax(1))
    return ~maps.values.detach().flatten(1).any(1)


def blanked(maps: Maps, about: About) -> Maps:
    """The same maps, zero where there is nothing in them, for drawing."""
    nothing = empty(maps, about)
    if not nothing.any():
        return maps
    shape = (-1, *[1] * (maps.values.dim() - 1))
    return replace(maps, values=maps.values.masked_fill(nothing.view(shape), 0))


def said_of_nothing(maps: Maps, about: About, asked: Question, pictures: Pictures) -> list[str]:
    """Of each picture a sentence, where there is nothing in its map, with the likely reason; else nothing."""
    where = "the same" if about.relative else "zero"
    return [
        f"{where} everywhere: {_reason(asked.of([i]), pictures[i : i + 1], about)}" if nothing else ""
        for i, nothing in enumerate(empty(maps, about).tolist())
    ]


def _reason(asked: Question, picture: Pictures, about: About) -> str:
    """Why there is nothing in the map of one picture."""
    if not about.asks:
        return f"{asked.network.name} answers alike at every place"
    words, row = asked.words(0), every(picture)
    others = [picture.flip(3), 1 - picture]
    others += [baseline_pictures(asked.network, picture, kind) for kind in ("noise", "zero", "black")]
    said = asked.values(torch.cat([picture, *others]), row.repeat(1 + len(others))).cpu().double()
    p = float(said[0].exp() if asked.score == "log-p" else said[0])
    if asked.score != "logit" and of_classes(asked.units) and min(abs(p), abs(1 - p)) < 1e-6:
        what = words.replace("log-p", "p", 1)
        return f"the {what} is {p:.3f} to the last digit; ask about the logit (score logit)"
    if float((said - said[0]).abs().max()) <= 1e-6 * float(said.abs().max()):
        return f"the {words} does not depend on the picture"
    try:
        gradient = asked.gradients(picture, row)[1]
    except Mistake as mistake:
        return str(mistake)
    if not gradient.any():
        closed = ", as where every rectifier on the way is closed" if asked.network.rectified else ""
        return f"the {words} has a gradient of zero here{closed}"
    return f"what {about.name} looks at does not move the {words}"

"""What another network sees in a picture: legibility to a network that had no part in making it."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from phosphene.core.networks.network import Network
from phosphene.core.pictures.eight_bit import nearest_levels
from phosphene.core.pictures.fitting import fit
from phosphene.core.units.inputs import logits, top
from phosphene.core.units.labels import counterpart, label


@torch.no_grad()
def shown_to(judge: Network, pictures: Float[Tensor, "n 3 h w"], batch: int = 16) -> Float[Tensor, "n classes"]:
    """Logits for the whole pictures, in 8 bits, at the judge's own size, antialiased."""
    whole = nearest_levels(pictures.detach().float().cpu().clamp(0, 1))
    fed = fit(whole, judge.size, "squash").to(judge.device, judge.dtype)
    return torch.cat([logits(judge, some) for some in fed.split(batch)])


def verdicts(
    judge: Network, network: Network, pictures: Float[Tensor, "n 3 h w"], classes: Sequence[int | None]
) -> list[dict[str, Any]]:
    """What a judge says about each picture, and whether that is right.

    Args:
        judge: a network that had no part in making them.
        network: the one that made them.
        pictures: (n, 3, h, w) in [0, 1].
        classes: what each should show, in the numbers of `network`; None where it is no class.
    Returns:
        For each, the judge's name, its five most probable classes, and `right`: whether the first of them is the
        class; None where there is no class, or the judge has none of its name.
    """
    found = []
    for said, wanted in zip(shown_to(judge, pictures), classes, strict=True):
        answers = top(judge, said)
        own = None if wanted is None else counterpart(judge, network, wanted)
        right = None if own is None else answers[0]["class"] == own
        found.append({"judge": judge.name, "top": answers, "right": right})
    return found


def words(found: Sequence[dict[str, Any]]) -> str:
    """`mobilenet_v2.py:build names 17 of 20 rightly`."""
    known = [one["right"] for one in found if one["right"] is not None]
    if not known:
        return f"{found[0]['judge']} has none of these classes"
    return f"{found[0]['judge']} names {sum(known)} of {len(known)} rightly"


def class_label(network: Network, index: int | None) -> str:
    """The class's first name, or nothing."""
    return "" if index is None else label(network, index)

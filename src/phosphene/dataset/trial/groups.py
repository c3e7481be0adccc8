"""Classes that belong together, so that a matrix of confusions can be read: by what a network reads them out from."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float
from scipy.cluster.hierarchy import fcluster, linkage

from phosphene.core.networks.network import Network

MOST = 12
"""Groups that a matrix has at most."""


def readout(network: Network) -> Float[np.ndarray, "classes inputs"] | None:
    """The weights that each class is read out with: of the last layer with a row for each; None where there is none."""
    rows = [one for one in network.model.parameters() if one.dim() > 1 and len(one) == network.classes]
    return rows[-1].detach().float().cpu().flatten(1).numpy() if rows else None


def grouped(classes: Sequence[int], weights: Float[np.ndarray, "classes inputs"] | None) -> list[list[int]]:
    """The classes in at most `MOST` groups; each by itself where they are few, or nothing is known about them.

    By Ward's method (1963, doi:10.1080/01621459.1963.10500845) on the directions of their weights. A group's first
    class is its most typical, the nearest to all others; groups stand in the order of their lowest class.
    """
    known = sorted(set(classes))
    if len(known) <= MOST or weights is None or max(known) >= len(weights):
        return [[one] for one in known]
    vectors = weights[known].astype(np.float64)
    vectors = vectors - vectors.mean(0)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
    marks = fcluster(linkage(vectors, "ward"), MOST, "maxclust")
    found: dict[int, list[int]] = {}
    for place, mark in enumerate(marks.tolist()):
        found.setdefault(mark, []).append(place)
    groups = []
    for places in found.values():
        middle = vectors[places].mean(0)
        typical = max(places, key=lambda one: float(vectors[one] @ middle))
        groups.append([known[typical], *(known[one] for one in places if one != typical)])
    return sorted(groups, key=min)


def named(groups: Sequence[Sequence[int]], names: Mapping[int, str]) -> list[str]:
    """What groups are called: by their first class, and how many others there are."""
    return [
        names.get(first, f"class {first}") + (f" and {len(others)} more" if others else "") for first, *others in groups
    ]

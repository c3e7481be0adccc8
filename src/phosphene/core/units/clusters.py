"""Which of many pictures are alike: clusters of their codes."""

from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from phosphene.core.extras import needed


def sklearn_cluster(what: str) -> Any:
    """scikit-learn's clusters, which `what` can't be done without.

    Raises:
        Mistake: it is not installed.
    """
    return needed("sklearn.cluster", what, "scikit-learn", "maps")


def clustered(
    codes: Float[Tensor, "n channels"], count: int, seed: int = 0, what: str = "clusters"
) -> list[Int[Tensor, " members"]]:
    """The members of at most `count` clusters by k-means, largest cluster first, each in the order of `codes`.

    Args:
        what: they are needed for, for messages.
    """
    different = len(np.unique(codes.numpy(), axis=0))
    means = sklearn_cluster(what).KMeans(min(count, different), n_init=10, random_state=seed)
    labels = torch.from_numpy(means.fit_predict(codes.double().numpy()).astype(np.int64))
    members = [(labels == one).nonzero().flatten() for one in labels.unique()]
    return sorted(members, key=lambda one: (-len(one), int(one[0])))

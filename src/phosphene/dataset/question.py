"""What is asked of a data set: network, layers, pictures, and how; all that a shard's bytes depend on.

A question can be sent to another process, which loads the network by its spec and answers for one shard.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import torch

from phosphene.core.errors import Mistake
from phosphene.core.index.layout import FORMAT
from phosphene.core.networks.head import HeadKind
from phosphene.core.networks.network import Network
from phosphene.core.results.provenance import network_record, versions
from phosphene.core.units.exemplars import check_places
from phosphene.core.units.network_input import Entrance, Fit
from phosphene.dataset.decoding import Door
from phosphene.dataset.listing import Listing
from phosphene.models.specs import load

SMALL = 96 * 96
"""Pixels of a picture of which one thread reads a batch as fast as it can be.

Two threads, batches of 32: embedded:photo at 64 px, 820 to 890 images/s together and 1000 to 1150 side by side;
GoogLeNet at 224 px, 46 to 48 together and 41 to 42 side by side, where they share one cache.
"""

BATCH, BATCH_OF_LARGE = 32, 8
"""Pictures that are read at once, on a processor.

The pass: embedded:photo at 64 px, 630, 790, 850, 860 and 740 images/s by 8, 16, 32, 64 and 128; GoogLeNet at 224 px,
65, 62, 50 and 45 by 4, 8, 16 and 32, as the values of larger batches leave the cache between layers.
"""


@dataclass(frozen=True)
class Loading:
    """How a network is loaded in another process: the arguments of `load`."""

    spec: str
    weights: str | None = None
    device: str = "auto"
    precision: str = "auto"
    plan: str = "auto"
    head: HeadKind | None = None

    def network(self) -> Network:
        """The network; of one process the last one is kept."""
        return _loaded(self)


@lru_cache(maxsize=1)
def _loaded(how: Loading) -> Network:
    return load(
        how.spec, weights=how.weights, device=how.device, precision=how.precision, plan=how.plan, head=how.head
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Question:
    """What is asked.

    Attributes:
        network: the record of it: spec, hash, size, classes.
        plan: how it is run, and on what.
        layers: their names.
        listing: the pictures.
        door: how they become its input.
        batch: so many in one forward pass.
        shard: so many in one file; each is computed alone, and written as a whole.
        count: so many images are kept for each band of a unit.
        threshold: above which a unit counts as answering.
        threads: of PyTorch for one batch, on the processor; sums are added in another order by another number.
        loading: how to load the network elsewhere; None where it can't be.
    """

    network: Mapping[str, Any]
    plan: Mapping[str, Any]
    layers: tuple[str, ...]
    listing: Listing
    door: Door
    batch: int
    shard: int
    count: int
    threshold: float
    threads: int
    loading: Loading | None = None

    @property
    def shards(self) -> int:
        """How many there are."""
        return -(-len(self.listing) // self.shard)

    def rows(self, number: int) -> range:
        """Which pictures of the listing are in a shard."""
        return range(number * self.shard, min((number + 1) * self.shard, len(self.listing)))

    def record(self) -> dict[str, Any]:
        """As `question.json` holds it."""
        return {
            "format": FORMAT, "network": dict(self.network), "plan": dict(self.plan), "layers": list(self.layers),
            "source": self.listing.record(), "fit": self.door.entrance.how, "draft": self.door.draft,
            "thumbnails": self.door.thumbnail, "batch": self.batch, "shard": self.shard, "count": self.count,
            "threshold": self.threshold, "threads": self.threads, "versions": versions(["pyarrow"]),
        }  # fmt: skip

    @cached_property
    def bytes(self) -> bytes:
        """The same as the bytes of the file."""
        return json.dumps(self.record(), indent=1).encode()

    @cached_property
    def digest(self) -> str:
        """A hash of it, which each shard carries."""
        return hashlib.sha256(self.bytes).hexdigest()

    def loaded(self) -> Network:
        """The network, loaded here.

        Raises:
            Mistake: it was given in Python, or is another one here.
        """
        if self.loading is None:
            raise Mistake(f"{self.network['spec']} was given in Python, so no other process can load it; save its file")
        network = self.loading.network()
        if network.sha256 != self.network["sha256"]:
            raise Mistake(f"{self.loading.spec} has other weights here than where the index was asked for")
        return network


def ask(
    network: Network,
    listing: Listing,
    layers: Sequence[str],
    *,
    fit: Fit = "crop",
    draft: bool = False,
    thumbnails: int = 64,
    batch: int | None = None,
    shard: int = 1024,
    count: int = 20,
    threshold: float = 0.0,
    loading: Loading | None = None,
) -> Question:
    """The question, checked.

    Raises:
        Mistake: there is no such layer, its units have no place in the picture, or one is named twice.
    """
    names = [network.layer(name).name for name in layers]
    for name in names:
        check_places(network, name)
    if len(set(names)) < len(names):
        raise Mistake(f"{next(n for n in names if names.count(n) > 1)} is given twice; name a layer once")
    reading = network.planned("reading")
    shown = network.shown or (0, 1, 2)[: min(3, network.channels)]
    plan = reading.plan.record() | {"device": network.device.type}
    plan["rewrites"] = list(plan["rewrites"])
    small = network.device.type == "cpu" and fit != "whole" and network.size[0] * network.size[1] <= SMALL
    return Question(
        network_record(network), plan, tuple(names), listing,
        Door(Entrance.of(network, fit), thumbnails, shown if len(shown) == 3 else (0,), draft),
        batch or (BATCH if small or network.device.type != "cpu" else BATCH_OF_LARGE), shard, count, threshold,
        1 if small and network.deterministic else torch.get_num_threads(), loading,  # random numbers are shared
    )  # fmt: skip

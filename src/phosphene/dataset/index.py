"""What units answer to in a data set, found in one pass and written down: an index.

Feature visualization shows what a unit could answer to; the images that excite it most show what it does answer to
(Girshick et al. 2014, arXiv:1311.2524, section 3.1; Zeiler & Fergus 2014, arXiv:1311.2901). One pass over all of them
keeps a few numbers of each unit and image, from which exemplars, distributions, selectivity and correlations follow.
"""

import os
from collections.abc import Iterable, Sequence
from typing import Any

from phosphene.core.index.index import Index
from phosphene.core.networks.network import Network
from phosphene.core.paths import given_path
from phosphene.core.pictures.files import Photo, file_pixels
from phosphene.core.units.default_layers import spread
from phosphene.core.units.network_input import Fit
from phosphene.dataset.building import Folder, in_process, run
from phosphene.dataset.decoding import decoder
from phosphene.dataset.listing import Encoded, Listing
from phosphene.dataset.merging import merge
from phosphene.dataset.question import ask
from phosphene.dataset.sources import listed

MANY = 4
"""Layers that are read where none is named."""


def default_layers(network: Network) -> list[str]:
    """Those that an index has where none is named: the ends of four blocks, spread over the depth."""
    return spread(network, MANY)


def index(
    network: Network,
    data: str | os.PathLike[str] | Iterable[Any],
    out: str | os.PathLike[str],
    *,
    layers: str | Sequence[str] | None = None,
    fit: Fit = "crop",
    limit: int | None = None,
    count: int = 20,
    threshold: float = 0.0,
    batch: int | None = None,
    shard: int = 1024,
    thumbnails: int = 64,
    draft: bool = False,
    workers: int = 0,
    force: bool = False,
) -> Index:
    """Make an index of a data set, or go on with an unfinished one, and open it.

    Args:
        network: the network to read.
        data: a folder of pictures, in folders of their classes or not; tar archives in the form of webdataset; a list
            of files; a .npz file with X and y; a `datasets.Dataset`; several paths; or (picture, id) or (picture, id,
            label), which are held in memory as they are given.
        out: the index's folder.
        layers: which; by default the ends of four blocks, spread over the depth.
        fit: how a photograph becomes the network's input: crop, squash or whole.
        limit: so many pictures, evenly spaced.
        count: so many images for each band of a unit.
        threshold: above which a unit counts as answering.
        batch: so many pictures in one forward pass; by default 32, on a processor 8 of more than 96 x 96 px.
        shard: so many in one file; each is written as a whole, and stays when the work is stopped.
        thumbnails: the longer side of an image's thumbnail in pixels.
        draft: decode large JPEGs at a half, a quarter or an eighth, several times as fast; values then differ a little.
        workers: processes that decode; 0 for a thread of this one. In a script, processes need
            `if __name__ == "__main__":`.
        force: begin anew, over an index that is there.
    Raises:
        Mistake: there is no picture or no such layer; an index is there already, or an unfinished one of another
            question; or it can't be written.
    """
    listing = listed(data, network).evenly(limit)
    layers = [layers] if isinstance(layers, str) else layers
    question = ask(
        network, listing, layers or default_layers(network), fit=fit, draft=draft, thumbnails=thumbnails, batch=batch,
        shard=shard, count=count, threshold=threshold,
    )  # fmt: skip
    folder = Folder.begun(given_path(out, "index"), question, force=force)
    with folder.kept_if_begun():
        with decoder(question.door, workers if listing.kind in ("files", "tar") else 0) as decoding:
            for _ in run(folder, in_process(question, network, decoding)):
                pass
        merge(question, folder.path, network)
    return Index.open(folder.path, given=_Given(listing) if listing.kind == "python" else None)


class _Given:
    """The pictures that were given in Python, by their number in the whole; one that is broken is so when asked for."""

    def __init__(self, listing: Listing) -> None:
        self._listing = listing

    def __getitem__(self, number: int, /) -> Photo:
        picture = self._listing.given[number]
        return file_pixels(picture.data, picture.name) if isinstance(picture, Encoded) else picture

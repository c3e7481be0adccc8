"""The pass: every picture of a shard through the network once, all layers in one forward."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch

from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from phosphene.core.networks.preprocessing import working_dtype
from phosphene.core.pictures.eight_bit import fraction, precise
from phosphene.dataset.answers import Said, said
from phosphene.dataset.decoding import Broken, Decoded, Decoder
from phosphene.dataset.question import Question
from phosphene.dataset.shards import Shard, packed


@dataclass
class _Batch:
    """Pictures of one size that are waiting for the network."""

    rows: list[int] = field(default_factory=list)
    pixels: list[np.ndarray] = field(default_factory=list)

    def takes(self, picture: Decoded, most: int) -> bool:
        return not self.rows or (len(self.rows) < most and self.pixels[0].shape == picture.pixels.shape)


def shard(
    question: Question,
    number: int,
    network: Network | None = None,
    decoder: Decoder | None = None,
    seen: Callable[[int], None] = lambda many: None,
) -> bytes:
    """One shard of an index: the bytes of its Parquet file, whoever computes it.

    Args:
        question: what is asked.
        number: of the shard.
        network: the question's, where it is loaded already.
        decoder: of the question's door; by default this process.
        seen: is told how many pictures have been read since it was told last.
    Raises:
        Mistake: the network can't be loaded here, fails, or says what is not finite.
    """
    network = (network or question.loaded()).planned("reading")
    decoder = decoder or Decoder(question.door)
    rows = question.rows(number)
    kept, broken, batch = Shard(), list[tuple[int, str]](), _Batch()

    def read() -> None:
        kept.add(_answers(network, question, batch))
        seen(len(batch.rows))

    with _threads(question.threads):
        for row, picture in zip(rows, decoder.decoded(question.listing.item(row) for row in rows), strict=True):
            if isinstance(picture, Broken):
                broken.append((row, picture.why))
                seen(1)
                continue
            if not batch.takes(picture, question.batch):
                read()
                batch = _Batch()
            batch.rows.append(row)
            batch.pixels.append(picture.pixels)
            kept.picture(row, picture)
        if batch.rows:
            read()
    return packed(question, number, kept, broken)


def _answers(network: Network, question: Question, batch: _Batch) -> dict[str, Said]:
    pixels = torch.from_numpy(np.stack(batch.pixels))
    pictures = precise(fraction(pixels, 255), working_dtype(network)).to(network.device)
    with torch.no_grad():
        try:
            answers = network.read(pictures, question.layers)
        except Mistake as mistake:
            if question.door.entrance.how != "whole":
                raise
            name = question.listing.ids[batch.rows[0]]
            raise Mistake(f"picture {name}: {mistake}; leave it out, or give --fit crop") from mistake
        found = {name: said(network.head.flat(y) if name == "logits" else y) for name, y in answers.items()}
    for name, one in found.items():
        if not (one.peak.isfinite().all() and one.low.isfinite().all()):
            bad = int((~(one.peak.isfinite() & one.low.isfinite())).any(1).nonzero()[0])
            raise Mistake(
                f"{name} of {network.name} says values that are not finite about "
                f"{question.listing.ids[batch.rows[bad]]}; its weights may be damaged"
            )
    return found


@contextmanager
def _threads(many: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(many)
    try:
        yield
    finally:
        torch.set_num_threads(before)

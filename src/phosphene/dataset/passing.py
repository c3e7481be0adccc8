"""The pass: every picture of a shard through the network once, all layers in one forward."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from queue import SimpleQueue

import numpy as np
import torch
from torch import nn

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


class Lanes:
    """A network and copies of it, which share its weights, and read batches side by side, in a thread each.

    Small pictures leave most of a processor idle where all its threads read one batch; what is said is the same.
    """

    def __init__(self, network: Network, many: int = 1) -> None:
        networks = [network.planned("reading")]
        while len(networks) < many and (twin := _twin(networks[0])) is not None:
            networks.append(twin)
        self._free = SimpleQueue[Network]()
        for one in networks:
            self._free.put(one)
        self._many, self._pool = len(networks), None
        if self._many > 1:
            self._pool = ThreadPoolExecutor(self._many, initializer=torch.set_num_threads, initargs=(1,))

    def answers(self, question: Question, batches: Iterable[_Batch]) -> Iterator[tuple[_Batch, dict[str, Said]]]:
        """Each batch and what its layers say, in order.

        Raises:
            Mistake: the network fails, or says what is not finite.
        """
        waiting = deque[tuple[_Batch, Future]]()
        try:
            for batch in batches:
                if self._pool is None:
                    yield batch, self._read(question, batch)
                    continue
                waiting.append((batch, self._pool.submit(self._read, question, batch)))
                if len(waiting) > self._many:  # one more than are read, so that none waits for another
                    first, found = waiting.popleft()
                    yield first, found.result()
            while waiting:
                first, found = waiting.popleft()
                yield first, found.result()
        finally:
            for _, found in waiting:
                found.cancel()

    def _read(self, question: Question, batch: _Batch) -> dict[str, Said]:
        network = self._free.get()
        try:
            return _answers(network, question, batch)
        finally:
            self._free.put(network)

    def close(self) -> None:
        """End the threads."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)


@torch.no_grad()
def _twin(network: Network) -> Network | None:
    """The same network over the same weights, with flags, buffers and hooks of its own.

    None where it can't be copied, or holds on to parts of the original, so that its layers say nothing.
    """
    own = {id(one): nn.Parameter(one.detach(), requires_grad=one.requires_grad) for one in network.model.parameters()}
    try:
        twin = network.of(deepcopy(network.model, own))
        picture = torch.full((1, network.channels, *network.size), 0.5, dtype=working_dtype(network))
        said, again = (one.read(picture, list(network.layers)) for one in (network, twin))
    except Exception:  # whatever a stranger's model raises when it is copied
        return None
    same = (torch.allclose(said[name], again[name], rtol=0, atol=0, equal_nan=True) for name in said)
    return twin if all(same) else None


def shard(
    question: Question,
    number: int,
    network: Network | Lanes | None = None,
    decoder: Decoder | None = None,
    seen: Callable[[int], None] = lambda many: None,
) -> bytes:
    """One shard of an index: the bytes of its Parquet file, whoever computes it.

    Args:
        question: what is asked.
        number: of the shard.
        network: the question's, where it is loaded already, alone or in lanes.
        decoder: of the question's door; by default this process.
        seen: is told how many pictures have been read since it was told last.
    Raises:
        Mistake: the network can't be loaded here, fails, or says what is not finite.
    """
    lanes = network if isinstance(network, Lanes) else Lanes(network or question.loaded())
    kept, broken = Shard(), list[tuple[int, str]]()
    with _threads(question.threads):
        batches = _batches(question, number, decoder or Decoder(question.door), kept, broken, seen)
        for batch, answers in lanes.answers(question, batches):
            kept.add(answers)
            seen(len(batch.rows))
    return packed(question, number, kept, broken)


def _batches(
    question: Question,
    number: int,
    decoder: Decoder,
    kept: Shard,
    broken: list[tuple[int, str]],
    seen: Callable[[int], None],
) -> Iterator[_Batch]:
    """The pictures of a shard, as many at a time as are read together; notes what is known of each already."""
    rows, batch = question.rows(number), _Batch()
    for row, picture in zip(rows, decoder.decoded(question.listing.item(row) for row in rows), strict=True):
        if isinstance(picture, Broken):
            broken.append((row, picture.why))
            seen(1)
            continue
        if not batch.takes(picture, question.batch):
            yield batch
            batch = _Batch()
        batch.rows.append(row)
        batch.pixels.append(picture.pixels)
        kept.picture(row, picture)
    if batch.rows:
        yield batch


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

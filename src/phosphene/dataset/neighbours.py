"""Which images are alike for a network: the nearest codes, exactly.

Distances to all codes are had block by block from a memory map, by one matrix product in float32 each. What that can't
tell apart for sure, as its rounding has a bound, is measured once more in float64, so that the order, and which image
of equals comes first (the one with the smaller number), do not depend on blocks, threads or processors.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float64, Int, Int64
from torch import Tensor

from phosphene.core.units.embedding import Metric

BLOCK = 1 << 20
"""Numbers of a block of codes: 4 MB as float32, about what stays in a processor's cache."""

HELD = 1 << 27
"""Numbers of codes that are held as float32 when they have been read once, 512 MB; more are read each time."""

PRODUCTS = 1 << 22
"""Of queries and codes that are held, at once: 32 MB as float64."""

QUERIES = 1024
"""Codes that are looked up at once."""

FAISS_ABOVE = 1_000_000
"""Codes above which faiss searches, where it is installed: exactly, too, but with its own rounding in float32."""

SLACK = 32
"""So many more than were asked for does faiss find, to be measured in float64."""

UNIT = 2.0**-24
"""The rounding of one float32 operation, as a part of its result."""


@dataclass(frozen=True)
class Nearest:
    """The nearest codes of some queries.

    Attributes:
        images: their numbers, nearest first; of equals the smaller number first.
        distances: 1 - cosine, or Euclidean.
    """

    images: Int64[np.ndarray, "m count"]
    distances: Float64[np.ndarray, "m count"]


@dataclass(frozen=True, eq=False)
class Codes:
    """Codes of images, to be searched.

    Attributes:
        codes: one a row, in any precision; a memory map stays one.
        metric: a code of zeros has the cosine 0 with every other.
        faiss_above: so many codes are searched by faiss, if it is installed.
    """

    codes: Float[np.ndarray, "n channels"]
    metric: Metric = "cosine"
    faiss_above: int = FAISS_ABOVE

    def nearest(
        self,
        queries: Float[np.ndarray, "m channels"],
        count: int,
        skip: Int[np.ndarray, " m"] | None = None,
        done: Callable[[int], None] | None = None,
    ) -> Nearest:
        """The `count` nearest codes of each query.

        Args:
            count: at most as many as there are, without those that are skipped.
            skip: an image for each query that is not its neighbour: itself.
            done: is called with the number of queries that are done.
        Raises:
            ValueError: there are not so many codes.
        """
        room = len(self.codes) - (skip is not None)
        if not 1 <= count <= room:
            raise ValueError(f"{count} neighbours were asked for, and there are {room}")
        images, distances = [], []
        for first in range(0, len(queries), QUERIES):
            some = np.asarray(queries[first : first + QUERIES], np.float64)
            own = None if skip is None else np.asarray(skip[first : first + QUERIES])
            for query, candidates in zip(some, self._candidates(some, count, own), strict=True):
                near = self._distances(query, candidates)
                order = np.lexsort((candidates, near))[:count]
                images.append(candidates[order])
                distances.append(near[order])
            if done is not None:
                done(first + len(some))
        return Nearest(np.stack(images), np.stack(distances))

    # ----------------------------------------------------------------------------------------------------- searching

    @property
    def _by_faiss(self) -> bool:
        return len(self.codes) > self.faiss_above and find_spec("faiss") is not None

    def _candidates(
        self, queries: Float64[np.ndarray, "m channels"], count: int, skip: Int[np.ndarray, " m"] | None
    ) -> list[Int64[np.ndarray, " candidates"]]:
        """For each query, images among which the nearest are; never the one that is skipped."""
        wanted = torch.from_numpy(self._scaled(queries)).float()
        if self._by_faiss:
            return self._by_faiss_found(wanted, count, skip)
        many, length = min(count + (skip is not None), len(self.codes)), self.codes.shape[1]
        own = wanted.double().norm(dim=1)
        # |fl(x.y) - x.y| <= gamma |x||y|, gamma = (length + 3) u: Higham 2002, eq. 3.5, with the rounding of both codes
        gamma = (length + 8) * UNIT
        best = torch.full((len(wanted), many), torch.inf, dtype=torch.float64)
        kept: list[tuple[Tensor, Tensor, Tensor]] = []  # query, image, the least that its distance may be
        for first, block, norms in self._blocks(len(wanted)):
            products = (wanted @ block.T).double()
            if self.metric == "cosine":
                near = 1 - products * torch.where(norms > 0, 1 / norms, 0)
                error = torch.full((1, len(block)), 4 * gamma, dtype=torch.float64)
            else:
                near = norms.square()[None] - 2 * products
                error = gamma * (norms.square()[None] + 2 * own[:, None] * norms[None])
            highest = near + error
            best = torch.cat([best, highest], 1).topk(many, dim=1, largest=False).values
            rows, columns = (near - error <= best[:, -1:]).nonzero(as_tuple=True)
            kept.append((rows, columns + first, (near - error)[rows, columns]))
        rows, images, least = (torch.cat(part) for part in zip(*kept, strict=True))
        close = least <= best[rows, -1]
        if skip is not None:
            close &= images != torch.from_numpy(np.asarray(skip, np.int64))[rows]
        rows, images = rows[close], images[close]
        order = rows.argsort(stable=True)
        ends = torch.bincount(rows, minlength=len(wanted)).cumsum(0)[:-1]
        return [part.numpy() for part in images[order].tensor_split(ends)]

    def _blocks(self, queries: int) -> Iterator[tuple[int, Float[Tensor, "b channels"], Float[Tensor, " b"]]]:
        """The codes as float32, with their first image and their lengths.

        Args:
            queries: so many are compared with each block.
        """
        held = self.codes.size <= HELD
        length = max(1, PRODUCTS // queries if held else BLOCK // max(1, self.codes.shape[1]))
        for first in range(0, len(self.codes), length):
            some = slice(first, first + length)
            yield first, self._held[some] if held else _float32(self.codes[some]), self._norms[some]

    @cached_property
    def _held(self) -> Float[Tensor, "n channels"]:
        return _float32(self.codes)

    @cached_property
    def _norms(self) -> Float[Tensor, " n"]:
        """The length of each code, float64."""
        length = max(1, BLOCK // max(1, self.codes.shape[1]))
        parts = [
            torch.from_numpy(np.array(self.codes[first : first + length])).double().norm(dim=1)
            for first in range(0, len(self.codes), length)
        ]
        return torch.cat(parts)

    def _by_faiss_found(
        self, wanted: Float[Tensor, "m channels"], count: int, skip: Int[np.ndarray, " m"] | None
    ) -> list[Int64[np.ndarray, " candidates"]]:
        """faiss's nearest of each block, of all blocks the nearest."""
        import faiss

        kind = faiss.METRIC_INNER_PRODUCT if self.metric == "cosine" else faiss.METRIC_L2
        found: list[tuple[Any, Any]] = []
        for first, block, norms in self._blocks(len(wanted)):
            if self.metric == "cosine":
                block = block * torch.where(norms > 0, 1 / norms, 0).float()[:, None]
            many = min(count + SLACK, len(block))
            near, images = faiss.knn(wanted.numpy(), np.ascontiguousarray(block.numpy()), many, metric=kind)
            found.append((-near if self.metric == "cosine" else near, images + first))
        near, images = (np.concatenate(part, 1) for part in zip(*found, strict=True))
        order = np.lexsort((images, near), axis=1)[:, : count + SLACK]
        chosen = np.take_along_axis(images, order, 1).astype(np.int64)
        own = np.full(len(wanted), -1) if skip is None else skip
        return [row[row != one] for row, one in zip(chosen, own, strict=True)]

    # ----------------------------------------------------------------------------------------------------- measuring

    def _scaled(self, codes: Float64[np.ndarray, "m channels"]) -> Float64[np.ndarray, "m channels"]:
        """Of a cosine, each made 1 long; a code of zeros stays one."""
        if self.metric == "euclidean":
            return codes
        norms = np.sqrt(np.square(codes).sum(1, keepdims=True))
        return codes / np.where(norms > 0, norms, 1)

    def _distances(
        self, query: Float64[np.ndarray, " channels"], images: Int64[np.ndarray, " some"]
    ) -> Float64[np.ndarray, " some"]:
        """In float64; sums go along rows, so that equal codes are equally far, wherever they are."""
        codes = np.asarray(self.codes[np.sort(images)], np.float64)[np.argsort(np.argsort(images))]
        if self.metric == "euclidean":
            return np.sqrt(np.square(codes - query).sum(1))
        norms = np.sqrt(np.square(codes).sum(1)) * np.sqrt(np.square(query).sum())
        return 1 - (codes * query).sum(1) / np.where(norms > 0, norms, 1)


def _float32(codes: Float[np.ndarray, "b channels"]) -> Float[Tensor, "b channels"]:
    return torch.from_numpy(np.array(codes)).float()

"""How a dream reads its picture: as a whole, or by tiles where it is large or memory is short.

What a gradient needs is what the layers below keep for the way back, and that grows with the pixels. So many bytes a
pixel are counted once, on two small pictures. A picture that takes no more than `WHOLE` is read as a whole, whatever
memory there is, so that the same photograph gives the same dream on every machine; a larger one by tiles that take no
more than `PART`. Where less memory is free than that, or where it runs out all the same, tiles get smaller.
"""

import traceback
import warnings

from jaxtyping import Float, Int
from torch import Tensor

from phosphene.core.errors import Note, out_of_memory
from phosphene.core.networks.network import Network
from phosphene.core.optimization.ascent import has_places
from phosphene.core.optimization.engine import Evaluation, Objective
from phosphene.core.optimization.footprint import bytes_a_pixel, free_memory
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.objectives import gradient
from phosphene.core.optimization.terms import Term
from phosphene.core.optimization.tiles import tiled
from phosphene.core.optimization.transforms import Transform
from phosphene.core.options import Bounds, read_number

WHOLE, PART = 1e9, 0.2e9
"""Bytes that the way back takes, of a whole picture and of a tile."""

MOST_EACH = 7_000
"""Bytes a pixel that no layer keeps; half as many are a DenseNet's. So nothing is counted for small pictures."""

FREE = 0.5
"""The part of free memory that is taken at most."""

MARGIN, SHARE = 64, 8
"""A tile's margins are what a position sees, but at most so many pixels and such a part of the tile (an eighth): where
more is seen than that, random shifts hide the seams."""

SMALLEST, UNIT = 128, 64

EVERY = Bounds(64, 10_000)


class Tiling:
    """How pictures are read; remembers where memory ran out.

    Attributes:
        used: the side of the tiles by the (height, width) of the pictures; None: as a whole.

    Args:
        asked: the side of tiles in pixels, "none", or "auto".
        whole: read every picture as a whole, also where memory runs out: what is read has no tiles.
    Raises:
        Mistake: anything else.
    """

    def __init__(self, asked: str | int = "auto", *, whole: bool = False) -> None:
        self.auto, self.whole = asked == "auto", whole
        self.side = None if asked in ("auto", "none") else int(read_number(asked, "tile", EVERY, whole=True))
        self.used: dict[tuple[int, int], int | None] = {}
        self._bytes: dict[str, float] = {}

    def side_for(self, network: Network, term: Term, many: int, size: tuple[int, int]) -> int | None:
        """The side of the tiles for so many pictures of (height, width); None: as a whole.

        Raises:
            Mistake: the layer can't be read.
        """
        if self.whole:
            return None
        side, pixels = self.side, many * size[0] * size[1]
        if self.auto and not network.fixed and has_places(network, term):
            free = FREE * free_memory(network.device)
            most = min(WHOLE, free)
            if pixels * MOST_EACH > most and pixels * (each := self._each(network, term)) > most:
                part = (min(PART, free) / (many * each)) ** 0.5
                side = min(side or 10_000, max(SMALLEST, int(part) // UNIT * UNIT))
        return None if side is None or side >= max(size) else side

    def objective(self, network: Network, term: Term, transform: Transform) -> Objective:
        """The gradient of a term, as `gradient` and `tiled` have it."""
        made: dict[int | None, Objective] = {}

        def read(side: int | None) -> Objective:
            if side not in made:
                made[side] = (
                    gradient(network, term, transform)
                    if side is None
                    else tiled(network, term, transform, tile=side, overlap=min(MARGIN, side // SHARE))
                )
            return made[side]

        def objective(pictures: Float[Tensor, "n c h w"], rows: Int[Tensor, " n"], key: Key) -> Evaluation:
            size = (pictures.shape[2], pictures.shape[3])
            while True:
                if size not in self.used:  # once, as free memory comes and goes: the same seed, the same picture
                    self.used[size] = self.side_for(network, term, len(pictures), size)
                side = self.used[size]
                try:
                    return read(side)(pictures, rows, key)
                except Exception as error:  # whatever says that memory is short
                    cut = not (self.whole or network.fixed) and has_places(network, term)
                    if not (out_of_memory(error) and cut and self._smaller(side or max(size))):
                        raise
                    del self.used[size]
                    traceback.clear_frames(error.__traceback__)  # they hold on to what filled it

        return objective

    def _smaller(self, side: int) -> bool:
        """Take smaller tiles from now on; whether there are any."""
        if side <= SMALLEST:
            return False
        self.side = max(SMALLEST, side // 2 // UNIT * UNIT)
        warnings.warn(Note(f"memory ran out, so the dream goes on by tiles of {self.side} px"), stacklevel=2)
        return True

    def _each(self, network: Network, term: Term) -> float:
        """Bytes a pixel that the way back takes."""
        if term.name not in self._bytes:
            self._bytes[term.name] = bytes_a_pixel(network, gradient(network, term))
        return self._bytes[term.name]

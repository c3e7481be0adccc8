"""Directions of a layer: any vector over its channels, not only those along one channel (Olah et al. 2018,
doi:10.23915/distill.00010).

A direction is spelled with its numbers, `mixed4a:NAME=[0.5,-1.0,...]`, so that a recipe carries all that it needs, or
with the file that holds them, `mixed4a:file=NAME.npy`. With ~ in place of = it is asked how similar a layer's code,
its mean over positions, is to that vector, as a cosine: `logits:like=photo.jpg` takes the code of a photograph.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from phosphene.core.errors import Mistake, first_line
from phosphene.core.paths import NO_FILE, Unreadable, broken, given_path, reason

SUFFIXES = (".npy", ".safetensors")
MOST_BYTES = 100_000_000  # twelve million numbers


def number(value: float) -> str:
    """A number as short as it can be written so that reading it gives the same one again."""
    return f"{value:g}" if float(f"{value:g}") == value else repr(value)


@dataclass(frozen=True)
class Direction:
    """A vector over the channels of a layer; what is asked is dot * max(.1, cos)^power at every position, or how
    similar the layer's mean over its positions is.

    Attributes:
        layer: its layer's name.
        vector: a number for each channel.
        name: letters, digits and . _ -, for captions and file names.
        power: of the cosine; 0 asks for the dot product alone.
        similarity: the cosine of the code and the vector is asked for.
    Raises:
        Mistake: numbers that are not finite, zero everywhere, or a negative power.
    """

    layer: str
    vector: tuple[float, ...]
    name: str = "direction"
    power: float = 1.0
    similarity: bool = False

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[\w.-]+", self.name) or self.name in ("file", "like"):
            reserved = "but not 'file' or 'like'"
            raise Mistake(f"'{self.name}' is not a name for a direction; take letters, digits and . _ - {reserved}")
        if not all(map(isfinite, self.vector)):
            raise Mistake(f"the direction '{self.name}' has numbers that are not finite")
        if not any(self.vector):
            raise Mistake(f"the direction '{self.name}' is zero everywhere, so it points nowhere")
        if not 0 <= self.power <= 100:
            raise Mistake(f"{self.power:g} is not a valid value for the power of the cosine: it must be 0 to 100")

    @classmethod
    def of(cls, layer: str, numbers: Iterable[Any], name: str = "direction", power: float = 1.0) -> "Direction":
        """From numbers in any container: a list, an array, a tensor."""
        return cls(layer, tuple(float(x) for x in numbers), name, float(power))

    def __str__(self) -> str:
        numbers = ",".join(map(number, self.vector))
        return f"{self.layer}:{self.name}{'~' if self.similarity else '='}[{numbers}]{self._power}"

    @property
    def _power(self) -> str:
        return "" if self.power == 1 else f"^{number(self.power)}"

    @property
    def short(self) -> str:
        """For captions: without its numbers."""
        return f"{self.layer}:{self.name}{self._power}"

    @property
    def stem(self) -> str:
        """As a file's name."""
        return re.sub(r"[^\w.@,-]", "_", self.layer) + f"-{self.name}{self._power}"

    @property
    def key(self) -> int:
        """Its identity for random numbers: the same vector has the same, whatever its name."""
        return crc32(np.array(self.vector, dtype="<f8").tobytes())


def read_direction(path: str | Path) -> Float[Tensor, " channels"]:
    """The vector in a .npy file (never unpickled) or in a .safetensors file with one tensor, in float64.

    Raises:
        Mistake: it can't be read, or holds something else than one vector of numbers.
    """
    path = given_path(path, "direction")
    if path.suffix not in SUFFIXES:
        raise Mistake(f"{path.name} is not a file of a direction; give a {' or '.join(SUFFIXES)} file")
    try:
        if why := broken(path, MOST_BYTES):
            raise Unreadable(why)
        tensor = _npy(path) if path.suffix == ".npy" else _safetensors(path)
    except OSError as error:
        if (why := reason(error)) == NO_FILE:
            why = f"there is no file {path}; a direction is one vector in a .npy or .safetensors file"
            raise Mistake(why) from error
        raise Mistake(f"{path.name} can't be read as a direction: {why}") from error
    except (ValueError, EOFError) as error:
        if isinstance(error, Mistake):
            raise
        raise Mistake(f"{path.name} can't be read as {path.suffix}: {first_line(error)}") from error
    if tensor.is_complex() or tensor.dtype == torch.bool:
        raise Mistake(f"{path.name} holds {str(tensor.dtype).removeprefix('torch.')}, not real numbers")
    if sum(size > 1 for size in tensor.shape) > 1:
        shape = " x ".join(map(str, tensor.shape))
        raise Mistake(f"{path.name} holds {shape} numbers; a direction is one vector, with a number for each channel")
    return tensor.flatten().double()


def _npy(path: Path) -> Tensor:
    array = np.load(path, mmap_mode="r", allow_pickle=False)  # mapped, so that a false size allocates nothing
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "biufc":
        raise Mistake(f"{path.name} holds no numbers; a direction is one vector, saved by numpy.save")
    return torch.from_numpy(np.array(array, dtype=None if array.dtype.kind in "bc" else np.float64))


def _safetensors(path: Path) -> Tensor:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors = load_file(path)
    except SafetensorError as error:
        raise ValueError(error) from error
    if len(tensors) != 1:
        raise Mistake(f"{path.name} holds {len(tensors)} tensors; a direction's file holds one")
    return next(iter(tensors.values()))

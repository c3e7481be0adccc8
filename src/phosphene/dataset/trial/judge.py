"""A machine in the person's place: another network that sees the hints and the two photographs, and never the unit.

Which of two photographs is more like what excites the unit, and less like what does not? Likeness is the cosine of
codes of a second network, mean over positions, at several depths: Zimmermann et al. 2024 ("Measuring Per-Unit
Interpretability at Scale Without Humans") found that such a machine agrees with people about units. Codes of
photographs are all alike, as rectified activations are; so the mean over the photographs is taken off first.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from phosphene.core.errors import Mistake
from phosphene.core.networks.fingerprint import network_sha256
from phosphene.core.networks.network import Network
from phosphene.core.pictures.eight_bit import nearest_levels
from phosphene.core.pictures.files import Photo
from phosphene.core.pictures.fitting import fit
from phosphene.core.units.default_layers import spread
from phosphene.core.units.network_input import Fit
from phosphene.core.units.photographs import fed

DEPTHS = 4
"""Layers that the judge compares at, from the first third of its depth on: edges alone say little."""

Codes = Mapping[str, Float[np.ndarray, "_ _"]]
"""At each of its layers, the code of each picture."""


def judged_layers(judge: Network) -> list[str]:
    """Where the judge compares pictures."""
    return spread(judge, DEPTHS + 2)[2:] or spread(judge, DEPTHS)


@torch.no_grad()
def codes(
    judge: Network, photos: Sequence[Photo], how: Fit = "crop", layers: Sequence[str] | None = None
) -> dict[str, Float[np.ndarray, "_ _"]]:
    """The codes of photographs."""
    return _joined(_read(judge, (part for _, part in fed(judge, photos, how)), layers))


@torch.no_grad()
def codes_of_pictures(
    judge: Network, pictures: Float[Tensor, "n 3 h w"], layers: Sequence[str] | None = None, batch: int = 16
) -> dict[str, Float[np.ndarray, "_ _"]]:
    """The codes of whole pictures, in 8 bits, at the judge's own size."""
    whole = fit(nearest_levels(pictures.detach().float().cpu().clamp(0, 1)), judge.size, "squash")
    return _joined(_read(judge, whole.to(judge.device, judge.dtype).split(batch), layers))


def _read(judge: Network, batches: Iterable[Tensor], layers: Sequence[str] | None) -> Iterable[dict[str, Tensor]]:
    names, reading = list(layers or judged_layers(judge)), judge.planned("reading")
    for batch in batches:
        said = reading.read(batch, names)
        yield {name: said[name].float().cpu().flatten(2).mean(2) for name in names}


def _joined(parts: Iterable[dict[str, Tensor]]) -> dict[str, Float[np.ndarray, "_ _"]]:
    every = list(parts)
    return {name: torch.cat([one[name] for one in every]).numpy() for name in every[0]}


@dataclass(frozen=True)
class Judge:
    """What the second network has seen of the photographs.

    Attributes:
        photographs: the codes of all that are asked about or shown, by whatever number they have.
        mean: what all of them have in common.
    """

    photographs: Codes
    mean: Mapping[str, Float[np.ndarray, " _"]]

    @staticmethod
    def of(photographs: Codes) -> "Judge":
        """A judge that has seen these."""
        return Judge(photographs, {name: values.mean(0) for name, values in photographs.items()})

    def hint(self, images: Sequence[int]) -> Codes:
        """Photographs as a hint."""
        return {name: values[list(images)] for name, values in self.photographs.items()}

    def margin(self, shown: tuple[int, int], positive: Codes | None, negative: Codes | None) -> float:
        """How much more the first of two photographs is like what excites the unit; in [-4, 4], 0 without a hint.

        mean over layers of [c(first, positive) - c(first, negative)] - [c(second, positive) - c(second, negative)],
        c the mean cosine to the hint's pictures; without one side of the hint, without its terms.
        """
        found = []
        for name, values in self.photographs.items():
            both = _unit_length(values[list(shown)] - self.mean[name])
            score = np.zeros(2)
            for sign, hint in ((1, positive), (-1, negative)):
                if hint is not None:
                    score += sign * (both @ _unit_length(hint[name] - self.mean[name]).T).mean(1)
            found.append(score[0] - score[1])
        return float(np.mean(found))

    def choose(self, shown: tuple[int, int], positive: Codes | None, negative: Codes | None) -> int:
        """The place of the photograph that the judge takes, 0 or 1; without a difference the first."""
        return int(self.margin(shown, positive, negative) < 0)


def _unit_length(vectors: Float[np.ndarray, "n channels"]) -> Float[np.ndarray, "n channels"]:
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    return np.divide(vectors, lengths, out=np.zeros(vectors.shape), where=lengths > 0)


def check_judge(judge: Network, network: Network) -> None:
    """Raise a Mistake where the judge is the network that is asked about itself: it would know the answer."""
    if network_sha256(judge) == network_sha256(network):
        raise Mistake(f"the judge {judge.name} is the network that is asked about; give another one as --judge")

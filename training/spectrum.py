"""How `Phase`'s magnitude spectrum was made: `python -m training.spectrum`.

The mean over 200 photographs, one for every fifth class of ImageNet (EliSchwartz/imagenet-sample-images, shorter side
320 px), and over their mirror images, of the magnitudes of the channels that `Phase` optimizes: the photograph as a
network is fed it (centre crop, 224 px), clipped to [.002, .998], C^-1 logit(x), orthonormal rfft2. No window is laid
over the edges, as `Phase` has none. One quadrant is kept, float16: without phases and summed over 200, nothing of a
photograph is in it.
"""

from pathlib import Path

import torch
from safetensors.torch import save_file

from phosphene.core.optimization.parameterizations import decorrelated
from phosphene.core.optimization.parameterizations.colours import uncoloured
from phosphene.core.optimization.parameterizations.phase import SPECTRUM
from phosphene.core.pictures.files import open_photo
from phosphene.core.pictures.fitting import fit

PHOTOS = Path(__file__).resolve().parents[2] / "shared" / "data" / "imagenet_200"
SIDE = 224


def magnitudes(photo: Path) -> torch.Tensor:
    """(3, 224, 113), float64."""
    picture = fit(open_photo(photo), (SIDE, SIDE)).double()
    return torch.fft.rfft2(uncoloured(picture, decorrelated(torch.float64)), norm="ortho").abs()[0]


def folded(spectrum: torch.Tensor) -> torch.Tensor:
    """(3, 224, 113) to (3, 113, 113): the mean of positive and negative vertical frequencies."""
    rows = torch.arange(SIDE // 2 + 1)
    return (spectrum[:, rows] + spectrum[:, -rows % SIDE]) / 2


def main() -> None:
    """Write the mean to where `Phase` looks for it."""
    photos = sorted(PHOTOS.glob("*.jpg"))
    mean = sum(magnitudes(photo) for photo in photos) / len(photos)
    save_file({"magnitude": folded(mean).half()}, SPECTRUM, {"photographs": str(len(photos)), "side": str(SIDE)})
    print(f"{SPECTRUM.name}: {SPECTRUM.stat().st_size} bytes from {len(photos)} photographs")


if __name__ == "__main__":
    main()

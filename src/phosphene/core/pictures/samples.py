"""Pictures that need no file: scikit-image's (`skimage:chelsea`) and paintings of our own (`painting:night`)."""

import os
from pathlib import Path
from typing import Any

from PIL import Image

from phosphene.core.errors import Mistake, did_you_mean

# The photographs and drawings that come inside scikit-image's wheel; its other pictures are downloads.
SAMPLES = (
    "astronaut brick camera cat cell chelsea clock coffee coins grass gravel horse hubble_deep_field "
    "immunohistochemistry logo microaneurysms moon page retina rocket text"
).split()

PAINTINGS = Path(__file__).with_name("paintings")
"""What `python -m training.painting` painted; free, as all of this program."""

SKIMAGE, PAINTING = "skimage:", "painting:"


def is_sample(photo: Any) -> bool:
    """Whether this is the name of such a picture, or is meant to be."""
    return isinstance(photo, (str, os.PathLike)) and str(photo).startswith((SKIMAGE, PAINTING))


def paintings() -> list[str]:
    """The names of our own."""
    return sorted(path.stem for path in PAINTINGS.glob("*.jpg"))


def is_known(name: str) -> bool:
    """Whether there is such a picture."""
    known = {SKIMAGE: SAMPLES, PAINTING: paintings()}
    return any(name.startswith(prefix) and name.removeprefix(prefix) in names for prefix, names in known.items())


def bare_name(name: str | os.PathLike[str]) -> str:
    """What a picture is called, of a file or of these: without folder, ending and prefix."""
    return Path(str(name).removeprefix(SKIMAGE).removeprefix(PAINTING)).stem


def sample(name: str) -> Image.Image:
    """A picture by its whole name.

    Raises:
        Mistake: there is no such one, or scikit-image is not installed.
    """
    if name.startswith(PAINTING):
        own = paintings()
        if (wanted := name.removeprefix(PAINTING)) not in own:
            near = did_you_mean(wanted, own) or f"; there is {', '.join(own)}"
            raise Mistake(f"there is no painting '{wanted}'{near}")
        return Image.open(PAINTINGS / f"{wanted}.jpg")
    if (wanted := name.removeprefix(SKIMAGE)) not in SAMPLES:
        near = did_you_mean(wanted, SAMPLES) or f"; there are {', '.join(SAMPLES)}"
        raise Mistake(f"scikit-image brings no picture '{wanted}'{near}")
    try:
        from skimage import data
    except ImportError as error:
        raise Mistake(f"{name} needs scikit-image: pip install scikit-image") from error
    return Image.fromarray(getattr(data, wanted)())

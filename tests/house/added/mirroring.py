"""A family of about 30 lines, as somebody would write it: tests copy it into the program as `phosphene.mirroring`."""

from typing import Annotated, Literal

import torch

from phosphene.core.networks.network import Network
from phosphene.core.options import Bounds, Words
from phosphene.core.pictures.files import Photo, open_photo
from phosphene.core.results.recipes import recipe
from phosphene.core.results.results import Result


@recipe("reading")
def mirror(
    network: Network,
    scene: Photo,
    *,
    axis: Annotated[Literal["x", "y"], Words("which way")] = "x",
    share: Annotated[float, Bounds(0, 1), Words("how much of the mirrored picture is mixed in")] = 1.0,
    grain: Annotated[float, Bounds(0), Words("deviation of noise that is added")] = 0.0,
    seed: Annotated[int, Words("of the noise")] = 0,
) -> Result:
    """Mirror SCENE, and say how much NETWORK notices.

    Args:
        network: the network to read.
        scene: a path, `skimage:NAME`, or pixels.
    """
    picture = open_photo(scene)
    mirrored = torch.lerp(picture, picture.flip(3 if axis == "x" else 2), share)
    noise = torch.randn(picture.shape, generator=torch.Generator().manual_seed(seed))
    image = (mirrored + grain * noise).clamp(0, 1)
    apart = (network.read(image, ["logits"])["logits"] - network.read(picture, ["logits"])["logits"]).norm()
    return Result(image, [f"mirror-{axis}"], [{"apart": float(apart)}], title=f"Mirrored for {network.name}")

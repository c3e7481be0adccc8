"""How a photograph becomes a network's input."""

from typing import Literal

from jaxtyping import Float
from torch import Tensor

from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from phosphene.core.networks.preprocessing import working_dtype
from phosphene.core.pictures.eight_bit import precise
from phosphene.core.pictures.files import Photo, open_channels, open_photo
from phosphene.core.pictures.fitting import fit

Fit = Literal["crop", "squash", "whole"]


def feed(network: Network, photo: Photo, how: Fit = "crop") -> Float[Tensor, "1 c h w"]:
    """What the network is fed for this photograph, on its device: 8-bit pixels.

    Args:
        how: "crop" brings the shorter side to the network's size and cuts the middle out, "squash" brings both, "whole"
            feeds the whole picture: at its own size where the network takes any, else with a grey border.
    """
    return precise(fitted(network, photo, how), working_dtype(network)).to(network.device)


def fitted(network: Network, photo: Photo, how: Fit = "crop") -> Float[Tensor, "1 c h w"]:
    """The same pixels as float32, whatever the network's precision and device are."""
    picture = open_photo(photo) if network.channels == 3 else open_channels(photo, network.channels)
    if how not in ("crop", "squash", "whole"):
        raise Mistake(f"fit '{how}' is not known; there are crop, squash and whole")
    return picture if how == "whole" and not network.fixed else fit(picture, network.size, how)

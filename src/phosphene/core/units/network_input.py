"""How a photograph becomes a network's input."""

from dataclasses import dataclass
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
    return Entrance.of(network, how).fitted(photo)


@dataclass(frozen=True)
class Entrance:
    """What has to be known about a network to make pictures its input, elsewhere than where it is.

    Attributes:
        size: (height, width) in px.
        fixed: it takes no other.
        channels: that its pictures have.
        how: as for `feed`.
    """

    size: tuple[int, int]
    fixed: bool
    channels: int
    how: Fit = "crop"

    @classmethod
    def of(cls, network: Network, how: Fit = "crop") -> "Entrance":
        """That of a network.

        Raises:
            Mistake: there is no such way.
        """
        if how not in ("crop", "squash", "whole"):
            raise Mistake(f"fit '{how}' is not known; there are crop, squash and whole")
        return cls(network.size, how == "whole" and network.fixed, network.channels, how)

    def fitted(self, photo: Photo) -> Float[Tensor, "1 c h w"]:
        """What the network is fed for this photograph, as float32."""
        return self.fit(self.opened(photo))

    def changes(self, size: tuple[int, ...]) -> bool:
        """Whether a picture of (height, width) is scaled or cut; one that fits keeps its very pixels."""
        return size != self.size and not (self.how == "whole" and not self.fixed)

    def opened(self, photo: Photo) -> Float[Tensor, "1 c h w"]:
        """The photograph with as many channels, at its own size."""
        return open_photo(photo) if self.channels == 3 else open_channels(photo, self.channels)

    def fit(self, picture: Float[Tensor, "1 c h w"]) -> Float[Tensor, "1 c fh fw"]:
        """The same for pixels that are read already."""
        return picture if self.how == "whole" and not self.fixed else fit(picture, self.size, self.how)

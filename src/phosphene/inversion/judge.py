"""How far a picture is from a photograph to a network that had no part in making it."""

import torch
from jaxtyping import Float
from torch import Tensor

from phosphene.core.networks.network import Network
from phosphene.core.pictures.fitting import fit
from phosphene.core.units.default_layers import halfway
from phosphene.models.specs import load

JUDGE, OTHER = "embedded:photo-robust", "embedded:photo"


def judge_of(network: Network) -> Network:
    """A network of the package that had no part: the robust one, unless that is the network itself."""
    return load(judge_name(network))


def judge_name(network: Network) -> str:
    """The spec of `judge_of`."""
    return OTHER if network.name == JUDGE else JUDGE


@torch.no_grad()
def apart(
    judge: Network, pictures: Float[Tensor, "n 3 h w"], photograph: Float[Tensor, "1 3 h w"]
) -> Float[Tensor, " n"]:
    """|Psi(x) - Psi(photograph)| / |Psi(photograph)|, Psi a layer above the middle of another network, at its size."""
    layer = halfway(judge)
    fed = fit(torch.cat([photograph, pictures]).float().cpu(), judge.size, "squash")
    codes = judge.planned("reading").read(fed, [layer])[layer].flatten(1).double()
    return (codes[1:] - codes[:1]).norm(dim=1) / codes[:1].norm(dim=1)

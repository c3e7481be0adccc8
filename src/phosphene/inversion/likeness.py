"""How like a photograph a picture is, beside the error of its code: to the pixel, by structure, to another network."""

import torch
from jaxtyping import Float
from torch import Tensor

from phosphene.core.networks.network import Network
from phosphene.core.pictures.fitting import fit
from phosphene.core.units.default_layers import halfway
from phosphene.models.specs import load

JUDGE, OTHER = "embedded:photo-robust", "embedded:photo"


def psnr(picture: Float[Tensor, "3 h w"], photograph: Float[Tensor, "3 h w"]) -> float:
    """-10 log10 of the mean square difference, dB; 99 where there is none."""
    apart = float((picture.double() - photograph.double()).square().mean())
    return -10 * float(torch.tensor(max(apart, 10**-9.9)).log10())


def ssim(picture: Float[Tensor, "3 h w"], photograph: Float[Tensor, "3 h w"]) -> float:
    """Structural similarity (Wang et al. 2004, doi:10.1109/TIP.2003.819861), the mean over colours: 1 where equal."""
    from skimage.metrics import structural_similarity

    both = [one.double().cpu().numpy() for one in (picture, photograph)]
    window = min(7, (min(picture.shape[1:]) - 1) // 2 * 2 + 1)
    return float(structural_similarity(*both, channel_axis=0, data_range=1.0, win_size=window))


def judge_of(network: Network) -> Network:
    """A network of the package that had no part: the robust one, unless that is the network itself."""
    return load(OTHER if network.name == JUDGE else JUDGE)


@torch.no_grad()
def apart(
    judge: Network, pictures: Float[Tensor, "n 3 h w"], photograph: Float[Tensor, "1 3 h w"]
) -> Float[Tensor, " n"]:
    """|Psi(x) - Psi(photograph)| / |Psi(photograph)|, Psi a layer above the middle of another network, at its size."""
    layer = halfway(judge)
    fed = fit(torch.cat([photograph, pictures]).float().cpu(), judge.size, "squash")
    codes = judge.planned("reading").read(fed, [layer])[layer].flatten(1).double()
    return (codes[1:] - codes[:1]).norm(dim=1) / codes[:1].norm(dim=1)

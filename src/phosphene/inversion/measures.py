"""How near a picture is to the photograph whose code it has: in pixels, in structure and in colours.

None of them is known to the search, which has the code alone: what they say is what the code holds, and what the prior
guessed rightly.
"""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from phosphene.core.optimization.operators import blurred

BLUR = 1 / 28
"""Of the shorter side, 8 px of 224: the deviation of the blur under which colours are compared. The eye sees colours no
finer than that either, and a deep layer keeps no more of them."""


def psnr(pictures: Float[Tensor, "n 3 h w"], photo: Float[Tensor, "1 3 h w"]) -> Float[Tensor, " n"]:
    """-10 log10 of the mean square difference, in dB; 100 where there is hardly any: JSON knows no infinity."""
    return -10 * (pictures - photo).cpu().double().square().flatten(1).mean(1).clamp(min=1e-10).log10()


def ssim(pictures: Float[Tensor, "n 3 h w"], photo: Float[Tensor, "1 3 h w"]) -> Float[Tensor, " n"]:
    """Structural similarity (Wang et al. 2004, doi:10.1109/TIP.2003.819861), the mean over colours and places.

    Under their window, a Gaussian of 1.5 px, or scikit-image's square one in pictures smaller than that one's 11 px.
    """
    from skimage.metrics import structural_similarity

    side = min(pictures.shape[2:])
    window = {"win_size": side - 1 + side % 2} if side < 11 else {"gaussian_weights": True, "sigma": 1.5}
    one, *_ = _arrays(photo)
    found = [
        structural_similarity(one, other, data_range=1.0, channel_axis=2, use_sample_covariance=False, **window)
        for other in _arrays(pictures)
    ]
    return torch.tensor(found, dtype=torch.float64)


def colour_error(pictures: Float[Tensor, "n 3 h w"], photo: Float[Tensor, "1 3 h w"]) -> Float[Tensor, " n"]:
    """How far the colours are off, whatever the brightness: the mean distance of (a, b) in CIELAB, of blurred pictures.

    2 can just be seen, a grey picture of a photograph is off by 10 to 20.
    """
    from skimage.color import rgb2lab

    deviation = BLUR * min(photo.shape[2:])
    one, *others = (rgb2lab(x)[..., 1:] for x in _arrays(blurred(torch.cat([photo, pictures]).float(), deviation)))
    return torch.tensor([np.linalg.norm(other - one, axis=2).mean() for other in others], dtype=torch.float64)


def _arrays(pictures: Float[Tensor, "n 3 h w"]) -> list[np.ndarray]:
    return list(pictures.detach().cpu().double().clamp(0, 1).permute(0, 2, 3, 1).numpy())

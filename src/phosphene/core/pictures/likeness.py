"""How near pictures are to others, pixel by pixel and in structure."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor


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
    one, *_ = arrays(photo)
    found = [
        structural_similarity(one, other, data_range=1.0, channel_axis=2, use_sample_covariance=False, **window)
        for other in arrays(pictures)
    ]
    return torch.tensor(found, dtype=torch.float64)


def arrays(pictures: Float[Tensor, "n 3 h w"]) -> list[np.ndarray]:
    """Pictures as scikit-image takes them: (h, w, 3) in float64."""
    return list(pictures.detach().cpu().double().clamp(0, 1).permute(0, 2, 3, 1).numpy())

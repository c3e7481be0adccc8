"""Where a photograph shows a class: a mask for a dream that keeps to it, or around it.

How much the class's logit depends on each pixel seeds GrabCut, as in Simonyan, Vedaldi & Zisserman 2014
(arXiv:1312.6034, section 3.2); what it cuts out is the mask. The whole photograph is fed at the network's size,
squashed where its shape is another, and the mask comes back at the photograph's own, with a soft edge.
"""

import torch
from jaxtyping import Float
from scipy import ndimage
from torch import Tensor

from phosphene.core.errors import Mistake
from phosphene.core.extras import needed
from phosphene.core.networks.network import Network
from phosphene.core.networks.preprocessing import shown
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.objectives import gradient
from phosphene.core.pictures.cutting import SMOOTH, cut, largest_part, seeded
from phosphene.core.pictures.eight_bit import to_uint8
from phosphene.core.pictures.fitting import resize
from phosphene.core.units.inputs import feed, target_unit
from phosphene.core.units.units import unit_term

SOFT = 0.01
"""Width of the edge, of the shorter side."""


def where(network: Network, photo: Float[Tensor, "1 3 h w"], target: str | int) -> Float[Tensor, "1 1 h w"]:
    """1 on the object of this class, 0 elsewhere, and soft in between.

    Args:
        target: a class by name or number.
    Raises:
        Mistake: there is no such class, OpenCV is not installed, or nothing stands out.
    """
    cv2 = needed("cv2", "a dream of only a part of the photograph", "OpenCV", "segment")
    fed = feed(network, photo, "squash")
    asked = target_unit(network, fed, target)
    (_, slope, _) = gradient(network.planned("reading"), unit_term([asked]))(fed, torch.arange(1), Key(step=0))
    saliency = slope[0].abs().amax(0).double().cpu().numpy()
    saliency = ndimage.gaussian_filter(saliency, SMOOTH * min(fed.shape[2:]))
    if not saliency.max() > saliency.min():
        raise Mistake(f"{asked.short} depends on every pixel alike, so no part can be told by it; give --mask instead")
    mask = largest_part(cut(cv2, to_uint8(shown(network, fed))[0], *seeded(saliency), "fixed"))
    height, width = photo.shape[2:]
    whole = resize(torch.from_numpy(mask)[None, None].float(), (height, width)).clamp(0, 1).numpy()
    soft = ndimage.gaussian_filter(whole[0, 0], SOFT * min(height, width))
    return torch.from_numpy(soft)[None, None].to(photo)

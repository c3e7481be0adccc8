"""How near a picture is to the photograph whose code it has: in colours, beside what is told pixel by pixel.

None of them is known to the search, which has the code alone: what they say is what the code holds, and what the prior
guessed rightly.
"""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from phosphene.core.optimization.operators import blurred
from phosphene.core.pictures.likeness import arrays

BLUR = 1 / 28
"""Of the shorter side, 8 px of 224: the deviation of the blur under which colours are compared. The eye sees colours no
finer than that either, and a deep layer keeps no more of them."""


def colour_error(pictures: Float[Tensor, "n 3 h w"], photo: Float[Tensor, "1 3 h w"]) -> Float[Tensor, " n"]:
    """How far the colours are off, whatever the brightness: the mean distance of (a, b) in CIELAB, of blurred pictures.

    2 can just be seen, a grey picture of a photograph is off by 10 to 20.
    """
    from skimage.color import rgb2lab

    deviation = BLUR * min(photo.shape[2:])
    one, *others = (rgb2lab(x)[..., 1:] for x in arrays(blurred(torch.cat([photo, pictures]).float(), deviation)))
    return torch.tensor([np.linalg.norm(other - one, axis=2).mean() for other in others], dtype=torch.float64)

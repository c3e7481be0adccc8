"""How near a picture's colours are to the photograph's: what one can check in one's head."""

import torch

from phosphene.inversion.measures import colour_error
from tests.small import levels


def test_the_photograph_has_its_own_colours():
    photo = levels(1, 3, 20, 24)
    assert colour_error(photo, photo).item() == 0


def test_brightness_is_no_colour_and_one_wrong_pixel_is_blurred_away():
    photo = torch.full((1, 3, 56, 56), 0.5)
    brighter, red, speck = photo + 0.1, photo.clone(), photo.clone()
    red[:, 0] += 0.1
    speck[0, :, 20, 20] = torch.tensor([1.0, 0.0, 0.0])
    brightness, colour, one = colour_error(torch.cat([brighter, red, speck]), photo).tolist()
    assert brightness < 0.1 and 5 < colour < 30 and one < 0.1 * colour

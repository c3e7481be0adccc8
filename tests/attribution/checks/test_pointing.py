"""Four photographs in one mosaic: a map that knows where its class is points there, one that does not doesn't."""

import pytest
import torch
from torch import nn

from phosphene.attribution import gradient, input_x_gradient
from phosphene.attribution.checks.pointing import FURTHER, Mosaic, cast, mosaic, pointing, quarters
from phosphene.attribution.maps import About
from phosphene.attribution.question import Question, question
from phosphene.core.networks.network import Network
from phosphene.core.pictures.fitting import fit
from phosphene.core.pictures.samples import SAMPLES
from phosphene.core.units.inputs import feed
from phosphene.core.units.units import Unit
from tests.small import levels, noise

ABOUT = About("m", "", "contribution", "heat")


class Colours(nn.Module):
    """Scores: how red, green, blue and grey a picture is."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [0.4, 0.4, 0.4]]))

    def forward(self, x):
        return x.mean((2, 3)) @ self.weight.T


def colours():
    return Network(Colours(), size=16)


def plain(*rgb):
    return torch.tensor(rgb, dtype=torch.float32).view(1, 3, 1, 1).expand(1, 3, 16, 16).clone()


FOUR = [plain(1.0, 0, 0), plain(0, 0, 1.0), plain(0.5, 0.5, 0.5), plain(0, 1.0, 0)]
CLASSES = [0, 2, 3, 1]


@pytest.mark.parametrize("size", [(16, 16), (7, 10), (9, 9)])
def test_quarters_share_the_picture(size):
    count = torch.zeros(size)
    for place in quarters(*size):
        count[place] += 1
    assert (count == 1).all()


def test_a_mosaic_is_its_photographs_at_half_their_size():
    made = mosaic([levels(1, 3, 16, 16, seed=i) for i in range(4)], [4, 5, 6, 7], (16, 16))
    for i, (rows, columns) in enumerate(quarters(16, 16)):
        photo = levels(1, 3, 16, 16, seed=i)
        small = nn.functional.interpolate(photo, (8, 8), mode="bilinear", antialias=True)
        torch.testing.assert_close(made.picture[:, :, rows, columns], (small * 255).round() / 255)
    assert made.classes == [4, 5, 6, 7]


def test_the_first_photographs_of_different_classes_are_taken():
    given = torch.cat([FOUR[0], 0.9 * FOUR[0], *FOUR[1:]])
    made = cast(colours(), given)
    assert list(made.classes) == CLASSES
    for photo, (rows, columns) in zip(FOUR, quarters(16, 16), strict=True):
        assert torch.equal(made.picture[0, :, rows, columns], (photo[0, :, :8, :8] * 255).round() / 255)


def test_fewer_are_filled_up_with_scikit_images_until_there_are_four_classes():
    network = colours()
    # brown (chelsea), very brown (coffee), bluish (rocket), and green, which none of them is
    network.model.weight.data[:] = torch.tensor([[1.0, 0, 0], [3.0, -1.5, -3.0], [-2.0, 0, 3.0], [-3.0, 6.0, -4.0]])
    made = cast(network, FOUR[3])
    assert list(made.classes) == [3, 0, 1, 2]
    photo = feed(network, "skimage:rocket")
    assert torch.equal(made.picture[..., 8:, 8:], fit(photo, (8, 8)))
    assert set(FURTHER) <= set(SAMPLES)


def test_where_the_network_sees_one_class_everywhere_there_is_no_mosaic():
    network = colours()
    network.model.weight.data[0] = 100
    assert cast(network, FOUR[1]) is None


def asked(network=None):
    return question(network or colours(), FOUR[0], target=0)


def test_a_map_that_knows_lies_on_its_own_quarter():
    made = mosaic(FOUR, CLASSES, (16, 16))

    def knows(asked: Question, pictures):
        maps = torch.zeros(4, 16, 16)
        for one, unit in zip(maps, asked.units, strict=True):
            one[quarters(16, 16)[CLASSES.index(unit.index)]] = 1.0
        return maps

    found = pointing(knows, ABOUT, asked(), made, {})
    assert all(found.hits) and list(found.shares) == [1, 1, 1, 1]


def test_a_map_that_knows_nothing_hits_one_of_four():
    made = mosaic(FOUR, CLASSES, (16, 16))
    picture = noise(16, 16).float()
    found = pointing(lambda asked, pictures: picture.expand(4, -1, -1), ABOUT, asked(), made, {})
    assert sum(found.hits) == 1
    assert sum(found.shares) == pytest.approx(1)


@pytest.mark.parametrize("value", [0.0, 3.0, -2.0])
def test_a_flat_map_points_nowhere(value):
    made = mosaic(FOUR, CLASSES, (16, 16))
    found = pointing(lambda asked, pictures: torch.full((4, 16, 16), value), ABOUT, asked(), made, {})
    assert not any(found.hits)


def test_what_is_negative_does_not_count_as_being_there():
    def method(asked, pictures):
        maps = torch.full((4, 16, 16), -1.0)
        maps[:, 0, 0] = 2.0
        return maps

    found = pointing(method, ABOUT, asked(), mosaic(FOUR, CLASSES, (16, 16)), {})
    assert list(found.hits) == [True, False, False, False] and list(found.shares) == [1, 0, 0, 0]


def test_each_class_is_asked_about_the_whole_mosaic():
    def method(asked, pictures):
        assert asked.units == [Unit("logits", index) for index in CLASSES]
        assert asked.score == "log-p" and (pictures == made.picture).all() and len(pictures) == 4
        return torch.zeros(4, 16, 16)

    made = mosaic(FOUR, CLASSES, (16, 16))
    pointing(method, ABOUT, question(colours(), FOUR[0], target=1, against=2, score="log-p"), made, {})


def test_what_colour_adds_to_a_colours_score_lies_where_the_colour_is():
    made = mosaic(FOUR[:2] + FOUR[3:] + [plain(0, 0, 0)], [0, 2, 1, 3], (16, 16))
    found = pointing(input_x_gradient.method, input_x_gradient.about, asked(), made, {})
    assert list(found.hits)[:3] == [True] * 3 and list(found.shares)[:3] == pytest.approx([1] * 3)
    everywhere = pointing(gradient.method, gradient.about, asked(), made, {})
    assert list(everywhere.shares) == pytest.approx([0.25] * 4) and not any(everywhere.hits)
    assert isinstance(found.mosaic, Mosaic)

"""A map in which there is nothing is drawn as nothing, and says why."""

import numpy as np
import pytest
import torch
from torch import nn

from phosphene.attribution import compare, eigen_cam, grad_cam, gradient, integrated, occlusion, rise, saliency
from phosphene.attribution.emptiness import rounding_apart
from phosphene.core.networks.network import Network
from tests.small import LABELS, convnet, levels, linear


def constant():
    """What it says does not depend on the picture."""
    return linear(torch.zeros(2, 3, 16, 16, dtype=torch.float64), [1.0, 2.0], labels=LABELS[:2])


def closed():
    """Every rectifier of its last layer is closed on flat grey, and no more than just."""
    network = convnet()
    with torch.no_grad():
        reached = network.read(GREY[None].double(), ["conv3"])["conv3"].amax((0, 2, 3))
        network.model.conv3.bias -= reached + 1e-6
    return network


def sure(dtype=torch.float32):
    """p is 1 to the last digit."""
    network = convnet(dtype)
    with torch.no_grad():
        network.model.fc.bias[1] = 60
    return network


PHOTO = levels(3, 16, 16)
GREY = torch.full((3, 16, 16), 128 / 255)


@pytest.mark.parametrize("recipe", [gradient, saliency, integrated, occlusion])
def test_a_score_that_does_not_depend_on_the_picture_is_said_to(recipe):
    found = recipe(constant(), PHOTO).result
    assert not found.values.any()
    words = "zero everywhere: the logit of zebra does not depend on the picture"
    assert found.numbers[0]["nothing"] == words
    assert words in found.title
    assert any(words in caption for caption, _ in found.panels[0])
    assert len(np.unique(found.image.flatten(2).numpy().round(6), axis=2)[0, 0]) == 1


def test_masks_that_change_nothing_leave_one_number_and_not_how_often_a_pixel_was_visible():
    found = rise(constant(), PHOTO, masks=20, show="heat").result
    assert found.numbers[0]["nothing"] == "the same everywhere: the p of zebra does not depend on the picture"
    assert np.ptp(found.values) < 1e-12
    assert float(found.values.mean()) == pytest.approx(float(torch.tensor([1.0, 2.0]).softmax(0)[1]))
    assert not found.image.std((2, 3)).any()


def test_closed_rectifiers_are_the_likely_reason():
    found = saliency(closed(), GREY, target=1)
    assert "a gradient of zero here, as where every rectifier on the way is closed" in found.numbers[0]["nothing"]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("recipe", [gradient, grad_cam])
@pytest.mark.parametrize("score", ["p", "log-p"])
def test_a_p_of_one_is_saturated_and_its_rounding_is_not_drawn(recipe, dtype, score):
    found = recipe(sure(dtype), PHOTO, target=1, score=score)
    assert found.numbers[0]["nothing"] == (
        "zero everywhere: the p of zebra is 1.000 to the last digit; ask about the logit (score logit)"
    )
    assert not found.values.any()
    assert "nothing" not in recipe(sure(dtype), PHOTO, target=1).numbers[0]


def test_a_map_that_has_something_says_nothing_of_that():
    for recipe in (gradient, occlusion, rise, eigen_cam):
        found = recipe(convnet(), levels(3, 16, 16), **({"masks": 20} if recipe is rise else {})).result
        assert "nothing" not in found.numbers[0]
        assert "everywhere" not in found.title


def test_of_several_pictures_those_with_nothing_are_counted_and_the_others_drawn():
    found = saliency(closed(), [GREY, PHOTO], target=1)
    assert ["nothing" in one for one in found.numbers] == [True, False]
    assert found.title.endswith("nothing in 1 of 2 maps")
    assert found.image[1].any()


def test_checks_of_a_map_with_nothing_in_it_are_not_made():
    found = saliency(constant(), PHOTO, check=True).result
    assert "checks" not in found.numbers[0]
    assert "zero everywhere" in found.title


def test_side_by_side_a_method_that_found_nothing_says_so():
    found = compare(constant(), PHOTO, masks=10).result
    assert {"gradient", "saliency", "rise", "occlusion"} <= set(found.numbers[0]["nothing in"])
    assert "gradient: nothing anywhere" in [caption for caption, _ in found.panels[0]]


def test_numbers_are_apart_by_rounding_alone_within_some_units_in_the_last_place():
    one = torch.tensor([1.0, 1.0, -1.0, 0.0])
    more = one + torch.tensor([5e-7, 5e-6, 5e-7, 0.0])
    assert rounding_apart(one, more).tolist() == [True, False, True, True]
    assert rounding_apart(one.double(), more.double(), torch.float32).tolist() == [True, False, True, True]
    assert rounding_apart(one.double(), more.double()).tolist() == [False, False, False, True]


def test_occlusion_of_a_network_that_looks_at_one_corner_is_zero_elsewhere():
    class Corner(nn.Module):
        def forward(self, x):
            return x[:, :2, :4, :4].mean((2, 3))

    found = occlusion(Network(Corner(), size=16), levels(3, 16, 16), target=1, window=4, stride=4).result
    assert found.values[0, :4, :4].any()
    assert not found.values[0, 8:, 8:].any()

"""A map in which there is nothing is drawn as nothing, and says why."""

import numpy as np
import pytest
import torch
from torch import nn

from phosphene.attribution import compare, eigen_cam, grad_cam, gradient, integrated, occlusion, rise, saliency
from phosphene.attribution.emptiness import blanked, empty, rounding_apart, said_of_nothing
from phosphene.attribution.maps import About, Maps
from phosphene.attribution.question import Question, question
from phosphene.core.networks.network import Network
from tests.small import LABELS, convnet, levels, linear, noise


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


# ------------------------------------------------------------------------------------------------ one map, one reason

ABSOLUTE = About("vanilla", "words", "sensitivity", "heat")
RELATIVE = About("beside", "words", "contribution", "heat", relative=True)
EPS = torch.finfo(torch.float64).eps


def reason(network, picture=None, about=ABSOLUTE, **asked):
    """Why there would be nothing in the map of a picture."""
    picture = noise(1, 3, 16, 16) if picture is None else picture
    nothing = Maps(torch.zeros(1, 16, 16, dtype=torch.float64))
    (said,) = said_of_nothing(nothing, about, question(network, picture, **({"target": 1} | asked)), picture)
    where, _, why = said.partition(" everywhere: ")
    assert where == ("the same" if about.relative else "zero")
    return why


def answering(run):
    """A network of two classes, float64, that says what `run` makes of pictures: (n,) for no and yes."""

    class Answering(nn.Module):
        def forward(self, x):
            return run(x)

    return Network(Answering(), size=16, labels=["no", "yes"], name="oracle")


def test_eight_units_in_the_last_place_of_the_larger_number_are_rounding():
    low, high = torch.tensor([1.0, 1.0, -1.0, -1.0, -1.0, -1.0]).double(), torch.tensor([8, 10, 8, 10, -8, 1e30]) * EPS
    assert rounding_apart(low, low + high).tolist() == [True, False, True, False, True, False]
    assert rounding_apart(low.flip(0) * 1e6, (low + high).flip(0) * 1e6).tolist() == [
        False,
        True,
        False,
        True,
        False,
        True,
    ]


def test_an_absolute_map_is_empty_when_every_number_is_zero_and_a_relative_one_when_each_pixel_has_the_same():
    values = torch.zeros(5, 3, 4, 4, dtype=torch.float64)
    values[1, 2, 3, 3] = -1e-300
    values[2] = 0.5
    values[3] = torch.tensor([1.0, -0.25, 3.0])[:, None, None]  # the same sum at every pixel
    values[4] = values[3] + torch.tensor([0.125, -0.125, 0.0])[:, None, None] * torch.eye(4)
    assert empty(Maps(values), ABSOLUTE).tolist() == [True, False, False, False, False]
    assert empty(Maps(values), RELATIVE).tolist() == [True, False, True, True, True]
    values[4, 0, 1, 1] += 1e-9
    assert empty(Maps(values), RELATIVE).tolist() == [True, False, True, True, False]


def test_a_map_with_nothing_is_blanked_and_the_others_stay_as_they_are():
    values = noise(3, 4, 5)
    values[1] = 0.25
    maps = Maps(values, [{"a": 1}] * 3)
    assert blanked(maps, ABSOLUTE) is maps
    without = blanked(maps, RELATIVE)
    assert not without.values[1].any() and without.facts == maps.facts
    assert torch.equal(without.values[[0, 2]], values[[0, 2]]) and values[1].all()


def test_only_maps_with_nothing_are_spoken_of_and_each_by_its_own_question():
    network, pictures = answering(lambda x: x.mean((2, 3))[:, :2] * torch.tensor([0.0, 1.0])), noise(3, 3, 16, 16)
    maps = Maps(torch.stack([torch.zeros(16, 16), torch.ones(16, 16), torch.zeros(16, 16)]))
    asked = [question(network, pictures[i : i + 1], target=target).units[0] for i, target in enumerate((0, 0, 1))]
    assert said_of_nothing(maps, ABSOLUTE, Question(network, asked), pictures) == [
        "zero everywhere: the logit of no does not depend on the picture",
        "",
        "zero everywhere: what vanilla looks at does not move the logit of yes",
    ]


def test_a_method_that_asks_nothing_finds_nothing_where_every_place_answers_alike():
    about = About("flat", "words", "contribution", "heat", asks=False, relative=True)
    assert reason(answering(lambda x: x.mean((2, 3))[:, :2]), about=about) == "oracle answers alike at every place"


@pytest.mark.parametrize("score", ["p", "log-p"])
def test_a_p_is_saturated_within_a_millionth_of_none_or_all(score):
    def sure(logit):
        return answering(lambda x: x.new_tensor([0.0, logit]) + 0 * x.mean((2, 3))[:, :2])

    for logit, p in ((-14.0, "0.000"), (14.0, "1.000")):  # 8e-7 from it
        words = f"the p of yes is {p} to the last digit; ask about the logit (score logit)"
        assert reason(sure(logit), score=score) == words
        assert reason(sure(logit), score="logit") == "the logit of yes does not depend on the picture"
    for logit in (-13.5, 13.5):  # 1.4e-6
        assert reason(sure(logit), score=score) == f"the {score} of yes does not depend on the picture"


def test_what_moves_by_less_than_a_millionth_does_not_depend_on_the_picture():
    def moving(by):
        return answering(lambda x: 100 + 100 * by * (x > 0.5).to(x).mean((2, 3))[:, :2] + 0 * x.mean((2, 3))[:, :2])

    picture = torch.full((1, 3, 16, 16), 0.25, dtype=torch.float64)
    assert reason(moving(5e-7), picture) == "the logit of yes does not depend on the picture"
    assert reason(moving(5e-6), picture) == "the logit of yes has a gradient of zero here"


def test_a_gradient_of_zero_is_told_and_a_gradient_that_there_is_not():
    bowl = answering(lambda x: (x - 0.5).square().mean((2, 3))[:, :2])
    picture = torch.full((1, 3, 16, 16), 0.5, dtype=torch.float64)
    assert reason(bowl, picture) == "the logit of yes has a gradient of zero here"
    rectified = answering(lambda x: (x - 0.6).relu().mean((2, 3))[:, :2])
    why = "the logit of yes has a gradient of zero here, as where every rectifier on the way is closed"
    assert reason(rectified, picture) == why
    assert reason(bowl, picture + 0.1) == "what vanilla looks at does not move the logit of yes"
    cut = reason(answering(lambda x: x.detach().mean((2, 3))[:, :2]))
    assert cut.startswith("oracle gives no gradient: something in it cuts the way back to the picture")

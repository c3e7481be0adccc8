"""Methods and checks of networks whose outputs are no logits of a softmax, or that answer by chance or by company.

What a class's score is there is written out by hand, and every method is compared with plain PyTorch, or with itself on
the same numbers.
"""

from copy import deepcopy

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from phosphene.attribution import (
    RECIPES,
    ablation_cam,
    compare,
    grad_cam,
    gradient,
    gradient_shap,
    input_x_gradient,
    integrated,
    lrp,
    occlusion,
    rise,
    score_cam,
    smoothgrad,
)
from phosphene.attribution.checks.curves import in_p
from phosphene.attribution.checks.pointing import cast
from phosphene.attribution.methods.occlusion import places
from phosphene.attribution.methods.rise import random_masks
from phosphene.attribution.question import question
from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from tests.attribution.asked import answer, photos
from tests.small import levels

QUICK = {
    "smoothgrad": {"samples": 3}, "gradient-shap": {"samples": 3}, "integrated": {"steps": 4},
    "rise": {"masks": 9}, "occlusion": {"stride": 7},
}  # fmt: skip
CONVOLUTIONAL = [recipe for recipe in RECIPES if recipe.about.name != "rollout"]


def finished(recipe, network, photo, **options):
    return recipe(network, photo, **options).result


def trunk(outputs, *ends):
    torch.manual_seed(3)
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 8, 3, stride=2, padding=1), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, outputs), *ends,
    ).double().eval()  # fmt: skip


HEADS = {
    "one logit": (lambda: trunk(1), {}, lambda out: torch.cat([-out, out], 1), lambda s: s.sigmoid()),
    "sigmoids": (lambda: trunk(4), {"head": "sigmoid"}, lambda out: out, lambda s: s.sigmoid()),
    "probabilities": (lambda: trunk(4, nn.Softmax(1)), {}, lambda out: out.log(), lambda s: s.exp()),
    "one probability": (
        lambda: trunk(1, nn.Sigmoid()), {}, lambda out: torch.cat([1 - out, out], 1).logit(), lambda s: s.sigmoid(),
    ),
    "independent probabilities": (lambda: trunk(4, nn.Sigmoid()), {}, lambda out: out.logit(), lambda s: s.sigmoid()),
    "numbers": (lambda: trunk(4), {"head": "numbers"}, lambda out: out, None),
}  # fmt: skip
"""What makes the model, what is said of it, the logits of its classes, and their p."""


def of(name):
    make, facts, logits, p = HEADS[name]
    return Network(make(), size=16, **facts), logits, p


pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize("target", [0, 1])
@pytest.mark.parametrize("name", HEADS)
def test_the_gradient_is_that_of_the_classs_own_score(name, target):
    network, logits, p = of(name)
    pictures = photos(2)
    for score, value in (("logit", lambda s: s), ("p", p), ("log-p", p and (lambda s: p(s).log()))):
        if value is None:
            continue
        x = pictures.clone().requires_grad_()
        said = value(logits(network.model(x)))[:, target]
        (expected,) = torch.autograd.grad(said.sum(), x)
        found = answer(gradient, network, pictures, target=target, score=score)
        torch.testing.assert_close(found.values, expected, rtol=1e-9, atol=1e-12)
        assert [facts["value"] for facts in found.facts] == pytest.approx(said.tolist(), rel=1e-9)


@pytest.mark.parametrize("name", HEADS)
def test_the_class_that_is_asked_about_is_the_one_that_the_network_decides_for(name):
    network, logits, _ = of(name)
    pictures = photos(3)
    asked = question(network, pictures)
    expected = logits(network.model(pictures)).argmax(1).tolist()
    assert [unit.index for unit in asked.units] == expected


@pytest.mark.parametrize("name", HEADS)
def test_rise_and_occlusion_are_their_sums_over_masks_and_squares(name):
    network, logits, p = of(name)
    (picture,) = photos(1)
    value = p or (lambda s: s)
    found = answer(rise, network, picture[None], target=1, score="p" if p else "logit", masks=6, cells=4).values[0]
    total = torch.zeros(16, 16, dtype=torch.float64)
    with torch.no_grad():
        for mask in random_masks(range(6), (16, 16), 4, 0.5, 0).double():
            total += value(logits(network.model((picture * mask)[None])))[0, 1] * mask
        torch.testing.assert_close(found, total / 3, rtol=1e-9, atol=1e-12)
        before = logits(network.model(picture[None]))[0, 1]
        starts = places(16, 5, 5)
        expected, count = torch.zeros(2, 16, 16, dtype=torch.float64)
        decided = []
        for row in starts:
            for column in starts:
                covered = picture.clone()
                covered[:, row : row + 5, column : column + 5] = 0.5
                said = logits(network.model(covered[None]))[0]
                expected[row : row + 5, column : column + 5] += before - said[1]
                count[row : row + 5, column : column + 5] += 1
                decided.append(int(said.argmax()))
    maps = answer(occlusion, network, picture[None], target=1, window=5, stride=5)
    torch.testing.assert_close(maps.values[0], expected / count.clamp(min=1), rtol=1e-8, atol=1e-12)
    assert maps.further_values["class"][0].flatten().tolist() == decided


@pytest.mark.parametrize("name", HEADS)
@pytest.mark.parametrize("recipe", CONVOLUTIONAL, ids=lambda recipe: recipe.about.name)
def test_every_method_answers_by_default(name, recipe):
    network = of(name)[0]
    found = recipe(network, levels(3, 16, 16), **QUICK.get(recipe.about.name, {})).result
    assert np.isfinite(found.values).all()
    if recipe.about.asks:
        score = "" if name == "numbers" else "p of " if recipe is rise else "logit of "
        assert found.numbers[0]["words"] == score + (
            "yes" if name.startswith("one") else "number 0" if name == "numbers" else "class 0"
        )


@pytest.mark.slow
@pytest.mark.parametrize("name", HEADS)
def test_the_checks_are_made_of_probabilities_where_there_are_some(name, monkeypatch):
    network, _, p = of(name)
    asked = question(network, photos(1))
    assert in_p(asked).score == ("p" if p else "logit")
    found = gradient(network, levels(3, 16, 16), check=True).result
    told = found.numbers[0]["checks"]
    assert {"deletion", "insertion", "randomization", "shift"} <= set(told)
    assert list(told["skipped"]) == ["pointing"]  # to these networks all photographs are alike
    own = told["deletion"]["curve"]
    low, high = (0, 1) if p else (-np.inf, np.inf)
    assert low <= min(own) <= max(own) <= high
    different = [(photo, index) for index, photo in enumerate(photos(4).split(1))]
    monkeypatch.setattr("phosphene.attribution.checks.pointing._candidates", lambda *_: different)
    assert (cast(network, photos(1)) is not None) == (p is not None and network.classes >= 4)


def test_one_logit_is_asked_about_by_its_answers():
    network = of("one logit")[0]
    found = gradient(network, levels(3, 16, 16), target="yes", against="no")
    assert found.numbers[0]["words"] == "logit of yes rather than no"
    alone = gradient(network, levels(3, 16, 16), target="yes")
    np.testing.assert_allclose(found.values, 2 * alone.values, rtol=1e-5, atol=1e-9)
    said = occlusion(network, levels(3, 16, 16)).result.panels[0][-1][0]
    assert said.startswith("most probable: orange ")
    assert said.endswith(("yes", "no"))


@pytest.mark.slow
def test_of_plain_numbers_the_largest_is_shown_and_all_methods_stand_side_by_side():
    network = of("numbers")[0]
    found = compare(network, levels(3, 16, 16), masks=9)
    assert set(found.result.numbers[0]["left out"]) == {"rollout"}
    said = occlusion(network, levels(3, 16, 16)).result.panels[0][-1][0]
    assert said.startswith("largest: orange number ")


class WithoutGradient(nn.Module):
    """What it computes can't be differentiated."""

    def __init__(self):
        super().__init__()
        self.body = trunk(4)

    @torch.no_grad()
    def forward(self, x):
        return self.body(x)


@pytest.mark.parametrize("recipe", CONVOLUTIONAL, ids=lambda recipe: recipe.about.name)
def test_without_a_gradient_those_methods_answer_that_need_none_and_the_others_say_so(recipe):
    network, options = Network(WithoutGradient(), size=16), dict(QUICK.get(recipe.about.name, {}))
    if recipe.about.name in ("score-cam", "ablation-cam", "eigen-cam", "rise", "occlusion"):
        plain = Network(trunk(4), size=16)
        options |= {"target": 1} if recipe.about.asks else {}
        found = [recipe(one, levels(3, 16, 16), **options).result for one in (network, plain)]
        np.testing.assert_allclose(found[0].values, found[1].values, rtol=1e-6, atol=1e-9)
    else:
        with pytest.raises(Mistake, match="WithoutGradient gives no gradient"):
            finished(recipe, network, levels(3, 16, 16), **options)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("recipe", CONVOLUTIONAL, ids=lambda recipe: recipe.about.name)
def test_networks_in_half_precision_are_asked_by_every_method(recipe, dtype):
    network, options = Network(trunk(4).to(dtype), size=16), QUICK.get(recipe.about.name, {})
    assert np.isfinite(recipe(network, levels(3, 16, 16), **options).result.values).all()
    assert next(network.model.parameters()).dtype == dtype


def test_relevance_of_half_precision_is_computed_in_float32():
    half = trunk(4).half()
    found = lrp(Network(half, size=16), levels(3, 16, 16), target=1)
    single = lrp(Network(deepcopy(half).float(), size=16), levels(3, 16, 16), target=1)
    np.testing.assert_allclose(found.values, single.values, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("recipe", CONVOLUTIONAL, ids=lambda recipe: recipe.about.name)
def test_maps_of_pictures_of_many_channels_have_all_of_them_and_three_are_shown(recipe):
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(5, 6, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 3)
    )
    network = Network(model, size=16, channels=5, shown=(3, 2, 1))
    found = recipe(network, levels(5, 16, 16), **QUICK.get(recipe.about.name, {})).result
    assert found.values.shape in ((1, 5, 16, 16), (1, 16, 16))
    assert found.image.shape == (1, 3, 16, 16)
    torch.testing.assert_close(found.input, levels(5, 16, 16)[None, [3, 2, 1]])


def test_checks_of_pictures_of_many_channels_leave_out_the_mosaic_where_there_are_not_four_of_them():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(5, 6, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 4))
    network = Network(model, size=16, channels=5)
    told = gradient(network, levels(5, 16, 16), check=True).result.numbers[0]["checks"]
    assert {"deletion", "insertion", "randomization", "shift"} <= set(told)
    assert list(told["skipped"]) == ["pointing"]


# ------------------------------------------------------------------------------------------ chance and company


class Chance(nn.Module):
    """Dropout that is always on."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.relu, self.fc = nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.Linear(6, 4)

    def forward(self, x):
        return self.fc(F.dropout(self.relu(self.conv(x)), 0.3, training=True).mean((2, 3)))


class Company(nn.Module):
    """Normalized by the batch, in eval mode too."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.relu, self.fc = nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.Linear(6, 4)
        self.norm = nn.BatchNorm2d(6, track_running_stats=False)

    def forward(self, x):
        return self.fc(self.relu(self.norm(self.conv(x))).amax((2, 3)))


METHODS = (
    gradient, input_x_gradient, integrated, gradient_shap, smoothgrad, grad_cam, score_cam, ablation_cam, rise,
    occlusion,
)  # fmt: skip


@pytest.mark.parametrize("kind", [Chance, Company])
@pytest.mark.parametrize("recipe", METHODS, ids=lambda recipe: recipe.about.name)
def test_pictures_that_are_read_together_are_those_that_are_read_alone(recipe, kind):
    network, pictures = Network(kind().double(), size=16), photos(2)
    options = QUICK.get(recipe.about.name, {})
    together = answer(recipe, network, pictures, target=1, batch=16, **options).values
    for i in range(2):
        alone = answer(recipe, network, pictures[i : i + 1], target=1, batch=1, **options).values
        torch.testing.assert_close(together[i : i + 1], alone, rtol=1e-9, atol=1e-12)
    assert together.any()


def test_the_numbers_of_a_network_that_sees_pictures_together_are_those_of_each_alone():
    network, (picture,) = Network(Company().double(), size=16), photos(1)
    model = network.model.eval()
    x = picture[None].clone().requires_grad_()
    (expected,) = torch.autograd.grad(model(x)[0, 1], x)
    found = answer(gradient, network, picture[None].repeat(2, 1, 1, 1), target=1).values
    torch.testing.assert_close(found, expected.expand(2, -1, -1, -1), rtol=1e-9, atol=1e-12)
    maps = answer(occlusion, network, picture[None], target=1, window=5, stride=5)
    covered = picture.clone()
    covered[:, 0:5, 0:5] = 0.5
    with torch.no_grad():
        drop = model(picture[None])[0, 1] - model(covered[None])[0, 1]
    assert float(maps.values[0, 0, 0]) == pytest.approx(float(drop), rel=1e-9)
    assert "influence one another" in maps.facts[0]["computed"]


def test_channels_are_taken_out_of_each_picture_alone_where_pictures_influence_one_another():
    network, (picture,) = Network(Company().double(), size=16), photos(1)
    model = network.model.eval()
    with torch.no_grad():
        there = model.relu(model.norm(model.conv(picture[None])))
        score = model.fc(there.amax((2, 3)))[0, 1]
        total = torch.zeros(16, 16, dtype=torch.float64)
        for k in range(6):
            left = there.clone()
            left[:, k] = 0
            total += (score - model.fc(left.amax((2, 3)))[0, 1]) / abs(score) * there[0, k]
    found = answer(ablation_cam, network, picture[None], target=1, layer="relu").values[0]
    torch.testing.assert_close(found, total.clamp(min=0), rtol=1e-8, atol=1e-12)

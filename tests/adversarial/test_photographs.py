"""Attacks on linear models reach the optimum that is known, and are judged by the picture that is saved."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import phosphene
from phosphene.adversarial import fgsm, pgd
from phosphene.adversarial.cases import rounded
from phosphene.adversarial.tensors import recipe
from phosphene.core.errors import Mistake
from phosphene.core.optimization.keys import Key
from phosphene.core.pictures.files import open_photo
from phosphene.core.units.inputs import feed
from tests.small import LABELS, convnet, levels, linear, noise

WEIGHT = noise(2, 3, 8, 8) - 0.5
APART = WEIGHT[0] - WEIGHT[1]
PHOTO = levels(3, 8, 8, low=60, high=190)  # far from 0 and 1, so that nothing is clipped


def two_classes(radius):
    """A linear network that says class 0, and whose nearest other answer is `radius` (in levels) away, in l-inf."""
    offset = radius / 255 * APART.abs().sum() - (APART * PHOTO.double()).sum()
    return linear(WEIGHT, [offset.item(), 0.0])


def margin(network, picture):
    logits = network.model(picture.double())[0]
    return (logits[0] - logits[1]).item()


@pytest.mark.parametrize("attack", [fgsm, pgd])
@pytest.mark.parametrize("eps", [1, 3, 8])
def test_on_a_linear_model_the_margin_falls_by_eps_times_the_l1_norm(attack, eps):
    network = two_classes(20)
    run = attack(network, PHOTO, eps=eps / 255)
    fallen = margin(network, PHOTO[None]) - margin(network, run.image)
    assert fallen == pytest.approx(eps / 255 * APART.abs().sum().item(), rel=1e-5)
    assert run.numbers[0]["linf"] == eps / 255


@pytest.mark.parametrize("attack", [fgsm, pgd])
@pytest.mark.parametrize(("eps", "fooled"), [(4, False), (5, True)])
def test_the_answer_changes_exactly_at_the_smallest_radius(attack, eps, fooled):
    network = two_classes(4.5)  # |w . x + b| / |w|_1, in levels
    assert attack(network, PHOTO, eps=eps / 255).numbers[0]["fooled"] is fooled


@pytest.mark.parametrize("attack", [fgsm, pgd])
def test_what_rounding_to_8_bits_takes_away_fools_nobody(attack):
    network = two_classes(1.2)
    run = attack(network, PHOTO, eps=1.4 / 255)
    assert run.numbers[0]["fooled"] is False
    assert run.numbers[0]["after"][0]["class"] == 0
    assert margin(network, run.last.pictures) < 0  # before rounding


@pytest.mark.parametrize("attack", [fgsm, pgd])
@pytest.mark.parametrize("eps", [2 / 255, 2.5 / 255, 8 / 255, 0.1])
def test_the_saved_picture_is_within_eps_and_has_the_reported_answer(attack, eps, tmp_path):
    network, photo = convnet(), levels(3, 16, 16)
    run = attack(network, photo, eps=eps)
    saved = open_photo(run.save(tmp_path / "fooled.png"))
    assert ((saved[0] - photo).abs().max() * 255).round() <= math.floor(eps * 255 + 1e-6)
    assert torch.equal(saved, run.image)
    said = phosphene.predict(network, saved).numbers[0]["top"]
    assert [a["class"] for a in said] == [a["class"] for a in run.numbers[0]["after"]]
    assert said[0]["p"] == pytest.approx(run.numbers[0]["after"][0]["p"], rel=1e-5)


@pytest.mark.parametrize("name", ["mi_fgsm", "sigma_zero"])
def test_a_picture_is_called_as_the_command_line_says_the_method(name):
    run = recipe(name)(two_classes(5), PHOTO, steps=1)
    assert list(run.names) == [name.replace("_", "-")]
    assert run.result.title.startswith(run.names[0])


@pytest.mark.parametrize("attack", [fgsm, pgd])
def test_a_target_is_approached(attack):
    network = linear(noise(4, 3, 8, 8) - 0.5, [3.0, 0, 0, 0], labels=LABELS)
    before = phosphene.predict(network, PHOTO).numbers[0]["top"]
    goal = before[-1]["class"]
    run = attack(network, PHOTO, target=goal, eps=8 / 255)
    assert run.numbers[0]["target"] == goal
    assert run.numbers[0]["confidence"] > before[-1]["p"]
    assert list(run.names) == list(run.result.names)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mine", "written"),
    [
        ({}, {"steps": 40, "step_size": None, "random_start": True, "eps": 8 / 255, "seed": 0}),
        ({"steps": 3}, {"steps": 3}),
        ({"steps": 3, "step_size": 0.01}, {"steps": 3, "step_size": 0.01}),
        ({"steps": 3, "random_start": False}, {"steps": 3, "random_start": False}),
        ({"steps": 3, "seed": 5}, {"steps": 3, "seed": 5}),
        ({"steps": 3, "eps": 0.1, "target": 2}, {"steps": 3, "eps": 0.1, "target": 2}),
    ],
)
def test_every_option_of_the_recipe_reaches_the_attack(mine, written):
    """The attack by hand, on the picture that is fed, from the key of the seed, to the end."""
    network, photo = convnet(), levels(3, 16, 16)
    x = feed(network, photo, "crop")
    how = {"eps": 8 / 255, "seed": 0, "target": None} | written
    radius, key, target = how.pop("eps"), Key(how.pop("seed")), how.pop("target")
    label = network.model((x - 0.5) / 0.2).argmax(1) if target is None else torch.tensor([target])
    path = pgd.attack(network, x, label, eps=radius, targeted=target is not None, until_fooled=False, key=key, **how)
    *_, expected = path
    *_, last = pgd(network, photo, **mine)
    assert last.index == how["steps"] and torch.equal(last.pictures, expected.pictures)
    assert pgd(network, photo, **mine).total == how["steps"]


def test_the_change_is_shown_ten_times_about_grey():
    run = fgsm(convnet(), levels(3, 16, 16, low=60, high=190), eps=8 / 255)
    (_, before), (words, change), (_, after) = run.result.panels[0]
    assert words.startswith("the change, 10 times: l-inf 8/255") and run.total == 1
    torch.testing.assert_close(change, 0.5 + 10 * (after - before), rtol=0, atol=1e-5)
    assert run.numbers[0]["l2"] == pytest.approx((after - before).norm().item(), rel=1e-5)


def test_pgd_keeps_the_best_so_far():
    values = [step.values.item() for step in pgd(convnet(), levels(3, 16, 16), steps=12, step_size=0.05)]
    assert values == sorted(values, reverse=True)


def test_a_random_start_depends_on_the_seed_and_stays_in_the_ball():
    def start(**options):
        return next(iter(pgd(convnet(), levels(3, 16, 16), eps=0.1, **options))).pictures

    assert torch.equal(start(seed=1), start(seed=1))
    assert not torch.equal(start(seed=1), start(seed=2))
    assert (start(seed=1) - levels(3, 16, 16)).abs().max() <= 0.1 + 1e-6
    torch.testing.assert_close(start(random_start=False)[0].float(), levels(3, 16, 16))


@given(st.floats(1 / 255, 0.3), st.integers(0, 1000))
def test_rounding_is_to_8_bits_and_never_out_of_the_ball(radius, seed):
    center = levels(1, 3, 4, 4, seed=seed)
    near = center + radius * (2 * noise(1, 3, 4, 4, seed=seed + 1, dtype=torch.float32) - 1)
    found = rounded(near, center, radius)
    assert ((found * 255).round() / 255 - found).abs().max() < 1e-7
    assert (found - center).abs().max() <= radius + 1e-6
    assert found.min() >= 0
    assert found.max() <= 1
    inside = (near * 255).round() == (found * 255).round()
    assert inside[((near - center).abs() < radius - 1 / 255) & (near > 0) & (near < 1)].all()


@pytest.mark.parametrize("attack", [fgsm, pgd])
@pytest.mark.parametrize("eps", [0.0, -0.1, 1.5, 0.5 / 255])
def test_a_radius_in_which_there_is_no_other_picture_is_a_mistake(attack, eps):
    with pytest.raises(Mistake, match="eps"):
        list(attack(convnet(), levels(3, 16, 16), eps=eps))


def test_what_it_says_already_is_no_target():
    network = two_classes(4)
    with pytest.raises(Mistake, match="already says"):
        pgd(network, PHOTO, target=0)


@pytest.mark.parametrize("options", [{"steps": -1}, {"step_size": 0.0}, {"step_size": -0.1}])
def test_impossible_numbers_are_mistakes(options):
    with pytest.raises(Mistake, match=next(iter(options)).replace("_", ".")):
        list(pgd(convnet(), levels(3, 16, 16), **options))


@pytest.mark.parametrize("attack", [fgsm, pgd])
def test_an_attack_without_a_gradient_says_so_in_title_and_numbers(attack):
    network = linear(torch.zeros(2, 3, 8, 8, dtype=torch.float64), [1.0, 0.0])
    found = attack(network, PHOTO).result
    words = "there is no gradient to follow" + (", no pixel was moved" if attack is fgsm else "")
    assert found.numbers[0]["nothing"] == words
    assert words in found.title
    assert "nothing" not in attack(two_classes(20), PHOTO, eps=3 / 255).result.numbers[0]


# ------------------------------------------------------------------------------------------------------- other heads


def one_output(bias=0.0, weight=WEIGHT[:1], **facts):
    return linear(weight, [bias], **facts)


@pytest.mark.slow
@pytest.mark.parametrize("attack", [fgsm, pgd])
def test_one_logit_is_a_question_that_can_be_fooled(attack):
    weight = WEIGHT[:1]
    away = -3 / 255 * weight.abs().sum() - (weight * PHOTO.double()).sum()  # 3 levels below zero: no
    network = one_output(away.item())
    run = attack(network, PHOTO, eps=4 / 255)
    assert run.numbers[0]["fooled"] and [one["after"][0]["label"] for one in run.numbers] == ["yes"]
    assert run.numbers[0]["before"][0]["label"] == "no"
    assert not attack(network, PHOTO, eps=2 / 255).numbers[0]["fooled"]
    assert attack(network, PHOTO, eps=4 / 255, target="yes").numbers[0]["fooled"]
    with pytest.raises(Mistake, match="already says no"):
        attack(network, PHOTO, target="no")


@pytest.mark.parametrize("attack", [fgsm, pgd])
@pytest.mark.parametrize(("target", "way"), [("up", 1), ("down", -1), ("1 up", 1), (None, 1)])
def test_a_number_goes_up_or_down_by_eps_times_the_l1_norm(attack, target, way):
    network = linear(WEIGHT, [0.0, 1.0], head="numbers")
    index = 1 if target == "1 up" else 0
    run = attack(network, PHOTO, eps=3 / 255, target=target)
    before, after = (network.model(x.double())[0, index].item() for x in (PHOTO[None], run.image))
    assert after - before == pytest.approx(way * 3 / 255 * WEIGHT[index].abs().sum().item(), rel=1e-5)
    assert run.numbers[0]["value"] == pytest.approx(after) and run.numbers[0]["fooled"]
    assert f"number {index} from {before:.4g} to {after:.4g}" in run.result.title


def test_a_number_has_no_class_that_could_be_its_target():
    with pytest.raises(Mistake, match="ends in plain numbers: a target is up or down, or NUMBER up, not 'cat'"):
        pgd(linear(WEIGHT, [0.0, 1.0], head="numbers"), PHOTO, target="cat")


@pytest.mark.slow
def test_of_independent_classes_one_is_no_longer_there_or_is_there_too():
    bias = -(WEIGHT * PHOTO.double()).flatten(1).sum(1) + torch.tensor([2.0, -2.0]) / 255 * WEIGHT.flatten(1).abs().sum(
        1
    )
    network = linear(WEIGHT, bias.tolist(), head="sigmoid")  # class 0 is there by two levels, class 1 is not
    assert pgd(network, PHOTO, eps=3 / 255).numbers[0]["fooled"]
    assert pgd(network, PHOTO, eps=3 / 255, target=1).numbers[0]["fooled"]
    assert not pgd(network, PHOTO, eps=1 / 255).numbers[0]["fooled"]
    with pytest.raises(Mistake, match="already says class 0"):
        pgd(network, PHOTO, target=0)
    nothing = linear(WEIGHT, (bias - 20).tolist(), head="sigmoid")
    with pytest.raises(Mistake, match="finds nothing in it that it could be fooled about"):
        pgd(nothing, PHOTO)


def test_pictures_of_many_channels_are_attacked_and_shown_by_three():
    weight = noise(2, 5, 8, 8) - 0.5
    photo = levels(5, 8, 8, low=60, high=190)
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(320, 2)).double()
    with torch.no_grad():
        model[1].weight.copy_(weight.flatten(1))
    network = phosphene.Network(model, size=8, channels=5, shown=(4, 2, 0))
    run = fgsm(network, photo, eps=2 / 255)
    assert run.image.shape == (1, 3, 8, 8) and run.result.values.shape == (1, 5, 8, 8)
    torch.testing.assert_close(run.result.input[0], photo[[4, 2, 0]])
    with pytest.raises(Mistake, match="takes pictures of 5 channels, and a photograph has 3"):
        fgsm(network, "skimage:chelsea")

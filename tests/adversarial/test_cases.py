"""What comes of an attack on a photograph: 8 bits, the verdict, and the figure."""

import pytest
import torch

import phosphene
from phosphene.adversarial.cases import rounded
from phosphene.core.errors import Mistake
from phosphene.core.pictures.eight_bit import nearest_levels
from phosphene.core.pictures.files import open_photo
from tests.small import LABELS, convnet, levels, linear, noise

WEIGHT = noise(2, 3, 8, 8) - 0.5
PHOTO = levels(3, 8, 8, low=60, high=190)


def two_classes(radius):
    """A linear network that says class 0, and whose nearest other answer is `radius` (in levels) away, in l-inf."""
    apart = WEIGHT[0] - WEIGHT[1]
    offset = radius / 255 * apart.abs().sum() - (apart * PHOTO.double()).sum()
    return linear(WEIGHT, [offset.item(), 0.0])


def test_the_figure_says_the_five_most_probable_classes_and_all_norms():
    run = phosphene.fgsm(two_classes(4), PHOTO, eps=5 / 255)
    (before, _), (change, _), (after, _) = run.result.panels[0]
    numbers = run.numbers[0]
    assert before.splitlines()[0].startswith("before: class 0 ") and after.splitlines()[0].startswith("after: class 1 ")
    assert len(before.splitlines()) == len(after.splitlines()) == 2
    apart = (run.image - PHOTO[None]).double()
    assert change.splitlines() == [
        "the change, 10 times: l-inf 5/255", f"l2 {apart.norm().item():.3g}", f"l1 {apart.abs().sum().item():.4g}",
        f"l0 {(apart != 0).sum()} values of 192",
    ]  # fmt: skip
    assert (numbers["linf"], numbers["l0"]) == (5 / 255, (apart != 0).sum().item())
    assert (numbers["forwards"], numbers["backwards"]) == (2, 1)


@pytest.mark.slow
def test_what_rounding_takes_away_is_said_and_a_search_among_8_bits_does_not_lose_it():
    photo = {"network": two_classes(1.2), "photo": PHOTO, "eps": 1.4 / 255}
    lost = phosphene.pgd(**photo).result
    assert lost.numbers[0]["fooled"] is False and "it fools until it is rounded to 8 bits" in lost.title
    assert "rounded" not in phosphene.pgd(two_classes(20), PHOTO).result.title
    kept = phosphene.pgd(two_classes(1.2), PHOTO, eps=2 / 255, robust_to_rounding=True)
    assert kept.numbers[0]["fooled"]


@pytest.mark.slow
@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
def test_searched_among_8_bits_what_is_saved_is_what_was_searched(norm, tmp_path):
    radius = {"linf": 8 / 255, "l2": 0.6, "l1": 8.0}[norm]
    options = {"norm": norm, "eps": radius, "robust_to_rounding": True, "random_start": False}
    run = phosphene.pgd(convnet(), levels(3, 16, 16), **options)
    saved = open_photo(run.save(tmp_path / "fooled.png"))
    assert torch.equal(saved, run.image) and run.numbers[0][norm] <= radius + 1e-7


@pytest.mark.parametrize("norm", ["l2", "l1", "l0"])
def test_rounding_never_leaves_the_ball_of_another_norm(norm):
    center = levels(6, 3, 4, 4)
    apart = 0.02 * (noise(6, 3, 4, 4, dtype=torch.float32) - 0.5)
    from phosphene.adversarial.norms import size

    radius = size(apart, norm).min().item()
    found = rounded(center + apart, center, radius, norm)
    assert ((found * 255).round() / 255 - found).abs().max() < 1e-7
    inside = size(apart, norm) <= radius
    assert (size(found - center, norm)[inside] <= radius + 1e-6).all() and inside.any()


def test_the_nearest_levels_are_those_of_8_bits():
    x = noise(2, 3, 4, 4)
    assert (nearest_levels(x) - x).abs().max() <= 0.5 / 255 + 1e-12
    torch.testing.assert_close(nearest_levels(x) * 255, (nearest_levels(x) * 255).round())


def test_from_noise_to_a_class_with_so_much_confidence():
    network = linear(noise(4, 3, 8, 8) - 0.5, [0.0] * 4, labels=LABELS)
    options = {"target": "crane, wading bird", "start": "noise", "steps": 5}
    for eps, fooled in ((1.0, True), (1 / 255, False)):
        run = phosphene.pgd(network, PHOTO, confidence=0.996, eps=eps, **options)
        assert list(run.names) == ["pgd-noise-crane"]
        assert run.numbers[0]["fooled"] is fooled and (run.numbers[0]["confidence"] >= 0.996) is fooled
    assert not torch.equal(run.result.input[0], PHOTO) and run.result.input.shape == (1, 3, 8, 8)
    again, other = (phosphene.fgsm(network, PHOTO, seed=seed, start="noise").result.input for seed in (0, 1))
    assert torch.equal(again, run.result.input) and not torch.equal(other, again)


def test_confidence_is_that_in_a_class():
    with pytest.raises(Mistake, match="confidence is that in a class: give a target"):
        phosphene.pgd(convnet(), levels(3, 16, 16), confidence=0.9)
    with pytest.raises(Mistake, match="ends in plain numbers, and there is no confidence in them"):
        phosphene.pgd(linear(WEIGHT, [0.0, 1.0], head="numbers"), PHOTO, target="up", confidence=0.9)

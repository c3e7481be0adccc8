"""Integrated gradients and SmoothGrad, beside Captum, loops, and models where the answer is known."""

import numpy as np
import pytest
import torch
from torch import nn

from phosphene.attribution import gradient_shap, input_x_gradient, integrated, smoothgrad
from phosphene.attribution.methods.paths import path
from phosphene.core.errors import Mistake
from phosphene.core.optimization.keys import Key
from tests.attribution.asked import answer, on_pixels, photos
from tests.small import LABELS, convnet, levels, linear, noise


def theirs(name, network, pictures, target, **options):
    attr = pytest.importorskip("captum.attr")
    return getattr(attr, name)(on_pixels(network)).attribute(
        pictures.clone().requires_grad_(), target=target, **options
    )


@pytest.mark.parametrize(("rule", "method"), [("midpoint", "riemann_middle"), ("gauss-legendre", "gausslegendre")])
@pytest.mark.parametrize("batch", [1, 16, 1000])
@pytest.mark.filterwarnings("ignore")
def test_integrated_gradients_equal_captums(rule, method, batch):
    network, pictures = convnet(), photos(3)
    found = answer(integrated, network, pictures, target=2, rule=rule, steps=20, batch=batch).values
    expected = theirs("IntegratedGradients", network, pictures, 2, n_steps=20, method=method)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-9)  # Captum's steps are float32


@pytest.mark.filterwarnings("ignore")
def test_the_baseline_is_where_the_path_begins():
    network, pictures = convnet(), photos(2)
    found = answer(integrated, network, pictures, target=2, baseline="zero", steps=8).values
    grey = torch.full_like(pictures, 0.5)  # the mean that this network subtracts
    expected = theirs("IntegratedGradients", network, pictures, 2, n_steps=8, method="riemann_middle", baselines=grey)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-9)  # Captum's steps are float32


@pytest.mark.filterwarnings("ignore")
def test_input_x_gradient_equals_captums():
    network, pictures = convnet(), photos(2)
    found = answer(input_x_gradient, network, pictures, target=1).values
    torch.testing.assert_close(found, theirs("InputXGradient", network, pictures, 1), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("recipe", [integrated, input_x_gradient])
def test_on_a_linear_model_contributions_are_weights_times_pixels_and_add_up(recipe):
    weight, pictures = noise(4, 3, 8, 8) - 0.5, photos(1, 8)
    maps = answer(recipe, linear(weight, [0.1, 0.2, 0.3, 0.4]), pictures, target=1)
    torch.testing.assert_close(maps.values, weight[1] * pictures, rtol=1e-9, atol=1e-12)
    assert maps.facts[0]["missing"] < 1e-9
    assert maps.facts[0]["change"] == pytest.approx(float((weight[1] * pictures).sum()))
    assert maps.facts[0]["value"] == pytest.approx(float((weight[1] * pictures).sum()) + 0.2)


def test_completeness_is_missed_less_the_finer_the_path():
    network, pictures = convnet(relu=nn.Softplus), photos(1)
    missing = [answer(integrated, network, pictures, target=0, steps=n).facts[0]["missing"] for n in (1, 4, 32)]
    assert missing[0] > missing[1] > missing[2] > 0
    fine = answer(integrated, network, pictures, target=0, steps=16, rule="gauss-legendre").facts[0]
    assert fine["missing"] < 1e-9
    assert fine["sum"] == pytest.approx(fine["change"], rel=1e-9)


@pytest.mark.parametrize("rule", ["midpoint", "gauss-legendre"])
def test_the_path_integrates_a_parabola(rule):
    at, weights = path(50, rule)
    assert float(weights.sum()) == pytest.approx(1)
    assert float((weights * 3 * at**2).sum()) == pytest.approx(1, abs=1e-3 if rule == "midpoint" else 1e-12)


@pytest.mark.parametrize("average", ["mean", "squared", "variance"])
@pytest.mark.parametrize("batch", [1, 5, 16])
def test_smoothgrad_equals_a_loop_over_noisy_pictures(average, batch):
    network, pictures = convnet(), photos(2)
    pictures[1] = pictures[1] * 0.5 + 0.2
    found = answer(smoothgrad, network, pictures, target=3, samples=6, noise=0.2, average=average, seed=7, batch=batch)
    model = on_pixels(network)
    for picture, own in zip(pictures, found.values, strict=True):
        slopes = []
        for i in range(6):
            drawn = Key(7, [0], step=i).normal(torch.zeros(1, dtype=torch.long), 3, 16, 16)[0]
            noisy = (picture + 0.2 * (picture.max() - picture.min()) * drawn).requires_grad_()
            slopes.append(torch.autograd.grad(model(noisy[None])[0, 3], noisy)[0])
        slopes = torch.stack(slopes)
        expected = {
            "mean": slopes.mean(0), "squared": slopes.square().mean(0), "variance": slopes.var(0, unbiased=False),
        }[average]  # fmt: skip
        torch.testing.assert_close(own, expected, rtol=1e-9, atol=1e-12)


def test_under_noise_a_linear_model_has_the_same_gradient_everywhere():
    weight, pictures = noise(2, 3, 8, 8) - 0.5, photos(1, 8)
    network = linear(weight, [0.0, 0.0], labels=LABELS[:2])
    torch.testing.assert_close(answer(smoothgrad, network, pictures, target=1).values[0], weight[1])
    assert answer(smoothgrad, network, pictures, target=1, average="variance").values.abs().max() < 1e-15


@pytest.mark.parametrize("batch", [1, 5, 16])
@pytest.mark.parametrize("noise", [0.0, 0.2])
def test_gradient_shap_equals_a_loop_over_ways(noise, batch):
    network, pictures = convnet(), photos(2)
    maps = answer(gradient_shap, network, pictures, target=3, samples=6, noise=noise, seed=7, batch=batch)
    model, one = on_pixels(network), torch.zeros(1, dtype=torch.long)
    for picture, own, facts in zip(pictures, maps.values, maps.facts, strict=True):
        total, before = torch.zeros_like(picture), 0.0
        for i in range(6):
            start = Key(7 + i, [0], step=0).uniform(one, 3, 16, 16)[0]
            drawn = Key(7, [0], step=i).child(1).normal(one, 3, 16, 16)[0]
            end = picture + noise * (picture.max() - picture.min()) * drawn
            a = float(Key(7, [0], step=i).child(2).uniform(one, 1))
            at = (start + a * (end - start)).requires_grad_()
            total += torch.autograd.grad(model(at[None])[0, 3], at)[0] * (end - start)
            before += float(model(start[None])[0, 3])
        torch.testing.assert_close(own, total / 6, rtol=1e-9, atol=1e-12)
        assert facts["change"] == pytest.approx(float(model(picture[None])[0, 3]) - before / 6)
        assert facts["sum"] == pytest.approx(float(total.sum()) / 6)


@pytest.mark.filterwarnings("ignore")
def test_gradient_shap_equals_captums_at_the_same_places_of_the_way(monkeypatch):
    network, pictures, one = convnet(), photos(1), torch.zeros(1, dtype=torch.long)
    places = [float(Key(0, [0], step=i).child(2).uniform(one, 1)) for i in range(5)]
    monkeypatch.setattr(np.random, "uniform", lambda low, high, many: np.array(places[:many]))
    expected = theirs("GradientShap", network, pictures, 2, n_samples=5, baselines=torch.zeros_like(pictures))
    found = answer(gradient_shap, network, pictures, target=2, samples=5, baseline="black").values
    torch.testing.assert_close(found, expected.to(found), rtol=1e-6, atol=1e-9)  # Captum's places are float32


def test_on_a_linear_model_gradient_shap_adds_up_whatever_was_drawn():
    weight, pictures = noise(4, 3, 8, 8) - 0.5, photos(1, 8)
    maps = answer(gradient_shap, linear(weight, [0.1, 0.2, 0.3, 0.4]), pictures, target=1, samples=3)
    assert maps.facts[0]["missing"] < 1e-9


def test_it_grows_and_what_was_found_can_be_looked_at_on_the_way():
    run = integrated(convnet(), levels(3, 16, 16), target=1, steps=10, batch=4)
    seen = [(step.index, run.so_far().values.copy()) for step in run]
    assert [index for index, _ in seen] == [4, 8, 10]
    assert run.total == 10
    assert abs(seen[0][1] - seen[-1][1]).max() > 0
    assert (run.values == seen[-1][1]).all()


@pytest.mark.parametrize(
    ("recipe", "options", "said"),
    [
        (integrated, {"steps": 0}, "0 is not a valid value for steps"),
        (
            integrated,
            {"rule": "simpson"},
            "'simpson' is not a valid value for rule; there are midpoint, gauss-l",
        ),
        (integrated, {"baseline": "blakc"}, "'blakc' is not a valid value for baseline; did you mean 'black'"),
        (smoothgrad, {"samples": 0}, "0 is not a valid value for samples"),
        (smoothgrad, {"noise": -1}, "-1 is not a valid value for noise"),
    ],
)
def test_what_can_not_be_is_one_sentence(recipe, options, said):
    with pytest.raises(Mistake, match=said):
        recipe(convnet(), levels(3, 16, 16), target=1, **options)

"""Presets and what replaces them; priors, operators and parameterizations of an ascent."""

from dataclasses import fields
from itertools import pairwise
from typing import get_args

import pytest
import torch
from torch import nn

from phosphene.core.errors import Mistake
from phosphene.core.optimization.settings import ParameterizationName, Settings
from phosphene.core.units.presets import PRESETS, Preset, settings
from phosphene.features import visualize
from tests.small import convnet, noise


def test_every_setting_is_an_option_of_visualize_and_every_preset_is_offered():
    options = {option.name: option for option in visualize.options}
    for field in fields(Settings):
        assert field.name in options, field.name
        assert options[field.name].default is None, f"{field.name} has a default that hides the preset's"
    assert set(get_args(Preset)) == set(PRESETS)


STRONG = {
    "pad": 0.1, "jitter": 0.15, "smallest": 0.6, "largest": 1.6, "rotate": 20.0, "border": "reflect",
    "channel_reach": 0.25,
}  # fmt: skip
YOSINSKI = {"parameterization": "pixels", "deviation": 10 / 255, "stretch": True}
WRITTEN = {
    "default": STRONG,
    "best": {"steps": 512, **STRONG},
    # lucid `transform.py` at 128 px: pad 12, shifts of 8 and 4, scales of .9 to 1.1, 10 degrees; `render.py`: 512 steps
    "lucid": {"steps": 512, "pad": 0.09375, "jitter": 0.09375, "smallest": 0.9, "largest": 1.1, "rotate": 10.0},
    # xplique `maco.py`: NAdam at 1; the parts, views and noise are this program's, see `presets.py`
    "maco": {
        "parameterization": "phase", "optimizer": "nadam", "rate": 1.0, "crop_from": 0.5, "crop_to": 1.0, "views": 8,
        "noise": 0.04, "transparency": "gradient",
    },
    "accentuation": {
        "steps": 32, "rate": 0.03, "crop_from": 0.4, "crop_to": 1.0, "views": 2, "noise": 0.02,
        "transparency": "gradient",
    },
    # equation 1, from the mean picture; rate and lambda were chosen by looking
    "simonyan": {
        "parameterization": "pixels", "deviation": 0.0, "optimizer": "steepest", "rate": 0.03, "l2": 5e4, "steps": 40,
        "stretch": True,
    },
    # table 1: theta_decay, theta_b_width, theta_b_every, theta_n_pct, theta_c_pct; a learning rate of 100 for values of
    # 0 to 255 is one of 100 / 255^2 for values of 0 to 1
    "yosinski-a": {
        **YOSINSKI, "blur_width": 0.5, "blur_every": 4, "small_norm": 50.0, "steps": 500, "optimizer": "normalized",
        "rate": 0.01,
    },
    "yosinski-b": {
        **YOSINSKI, "shrink": 0.3, "small_norm": 20.0, "steps": 750, "optimizer": "steepest", "rate": 100 / 255**2,
    },
    "yosinski-c": {
        **YOSINSKI, "shrink": 0.0001, "blur_width": 1.0, "blur_every": 4, "steps": 1000, "optimizer": "steepest",
        "rate": 100 / 255**2,
    },
    "yosinski-d": {
        **YOSINSKI, "blur_width": 0.5, "blur_every": 4, "small_contribution": 90.0, "steps": 1000,
        "optimizer": "normalized", "rate": 0.0003,
    },
    "plain": {"parameterization": "pixels", "optimizer": "steepest", "rate": 0.01, "until": 100.0, "steps": 1000},
}  # fmt: skip
"""Every preset written a second time: what differs from the settings' own defaults."""


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_is_what_its_paper_says(preset):
    own = {field.name: getattr(PRESETS[preset], field.name) for field in fields(Settings)}
    differs = {name: value for name, value in own.items() if value != getattr(Settings(), name)}
    assert differs == WRITTEN[preset]


def test_a_given_value_replaces_the_presets_and_the_others_stay():
    chosen = settings("yosinski-c", {"robustness": "lucid", "rate": 0.5, "tv": None, "network": "ignored"})
    assert (chosen.rate, chosen.rotate, chosen.blur_every) == (0.5, 10.0, PRESETS["yosinski-c"].blur_every)
    assert chosen.tv == PRESETS["yosinski-c"].tv


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_makes_its_units_say_more(preset):
    options = {"steps": 6}
    network = convnet(relu=nn.Softplus)  # no unit is silent
    before, after = (
        visualize(network, ["conv2:1"], preset=preset, size=24, **(options | more)) for more in ({"steps": 0}, {})
    )
    assert after.numbers[0]["value"] > before.numbers[0]["value"]


@pytest.mark.parametrize("parameterization", get_args(ParameterizationName))
def test_every_parameterization_ascends(parameterization):
    options = {"size": 32, "robustness": "none", "parameterization": parameterization, "rate": 0.01}
    before, after = (visualize(convnet(), ["logits:1"], steps=steps, **options) for steps in (0, 8))
    assert after.numbers[0]["value"] > before.numbers[0]["value"]


def test_a_photograph_can_be_where_an_ascent_starts():
    photo = noise(1, 3, 24, 24).float()
    for parameterization in ("pixels", "fourier", "laplacian", "phase", "shared"):
        start = visualize(convnet(), ["conv2:1"], steps=0, size=24, start=photo, parameterization=parameterization)
        torch.testing.assert_close(start.image, photo.clamp(0.002, 0.998), rtol=0, atol=2e-3)
    with pytest.raises(Mistake, match="cppn can't start from a photograph"):
        visualize(convnet(), ["conv2:1"], size=24, start=photo, parameterization="cppn")


def test_a_cppn_is_the_same_picture_at_any_size():
    options = {"parameterization": "cppn", "rate": 0.01, "robustness": "none", "steps": 8, "size": 25}
    small, large = (visualize(convnet(), ["logits:1"], render=side, **options) for side in (None, 75))
    assert large.image.shape == (1, 3, 75, 75)
    torch.testing.assert_close(large.image[:, :, 1::3, 1::3], small.image, rtol=0, atol=1e-5)  # the same places
    assert small.numbers == large.numbers
    with pytest.raises(Mistake, match="only a cppn can be rendered at another size, not fourier"):
        visualize(convnet(), ["logits:1"], render=32)


def test_channels_are_shaken_less_than_classes_where_a_preset_says_so():
    reaches = {"smallest": 0.5, "largest": 3.0, "rotate": 40.0, "pad": 0.25, "jitter": 0.5}
    network, options = convnet(), {"size": 24, "steps": 3, "robustness": "none"}
    channel, class_image = (
        list(visualize(network, ["conv2:1", "logits:1"], channel_reach=reach, **reaches, **options))[-1].pictures
        for reach in (0.5, 1.0)
    )
    less = {"smallest": 0.75, "largest": 2.0, "rotate": 20.0, "pad": 0.125, "jitter": 0.25}
    alone = list(visualize(network, ["conv2:1"], **less, **options))[-1].pictures
    torch.testing.assert_close(channel[:1], alone, rtol=0, atol=1e-9)
    torch.testing.assert_close(channel[1], class_image[1], rtol=0, atol=1e-9)
    assert not torch.equal(channel[0], class_image[0])


def test_simonyans_ascent_is_the_logit_minus_an_l2_norm_about_the_mean_colour():
    network, steps, rate, weight = convnet(), 4, 0.01, 3.0
    run = visualize(network, ["logits:1"], preset="simonyan", size=16, steps=steps, rate=rate, l2=weight, stretch=False)
    x = torch.full((1, 3, 16, 16), 0.5, dtype=torch.float64)
    for _ in range(steps):
        x.requires_grad_()
        worth = network.model((x - 0.5) / 0.2)[0, 1] - weight * (x - 0.5).square().mean()
        x = (x + rate * torch.autograd.grad(worth, x)[0]).clamp(0, 1).detach()
    torch.testing.assert_close(run.image, x.float(), rtol=0, atol=1e-6)


def test_yosinskis_operators_come_after_every_move():
    network, pictures = convnet(), []
    run = visualize(network, ["conv2:1"], preset="yosinski-b", size=16, steps=2)
    for step in run:
        pictures.append(step.pictures)
    chosen = PRESETS["yosinski-b"]
    for before, after in pairwise(pictures):
        x = before.clone().requires_grad_()
        worth = network.read(x, ["conv2"])["conv2"][0, 1].mean()
        slope = torch.autograd.grad(worth, x)[0]
        x = x.detach() + chosen.rate * slope / (slope.abs().mean() if chosen.optimizer == "normalized" else 1)
        x = 0.5 + (1 - chosen.shrink) * (x - 0.5)
        sizes = (x - 0.5).norm(dim=1, keepdim=True)
        rank = -(-sizes.numel() * int(chosen.small_norm) // 100)
        x = torch.where(sizes < sizes.flatten().sort().values[rank - 1], 0.5, x).clamp(0, 1)
        torch.testing.assert_close(after, x, rtol=0, atol=1e-9)


def test_the_lectures_loop_stops_when_the_unit_has_passed_the_value():
    options = {"preset": "plain", "size": 16, "optimizer": "steepest", "rate": 20.0, "steps": 30}
    run = visualize(convnet(), ["logits:1", "conv2:1"], until=0.33, **options)
    values = torch.stack([step.values for step in run])
    assert all(numbers["value"] >= 0.33 for numbers in run.numbers)
    assert len(values) < 30
    for own in values.T:
        passed = (own <= -0.33).nonzero()[0].item()
        assert (own[passed:] == own[passed]).all()  # it does not move any more


def test_what_a_unit_ignores_is_transparent():
    learned = visualize(
        convnet(), ["conv2:1@4,4"], size=32, steps=40, transparency="learned", opacity=5.0, robustness="none"
    )
    assert learned.image.shape == (1, 4, 32, 32)
    alpha = learned.image[0, 3]
    assert alpha[6:11, 6:11].mean() > 1.5 * alpha.mean()  # conv2:1@4,4 sees 5 x 5 px there
    passed = visualize(convnet(), ["conv2:1@4,4"], size=32, steps=3, transparency="gradient", robustness="none")
    alpha = passed.image[0, 3]
    assert alpha[:4].max() == 0
    assert alpha[6:11, 6:11].min() > 0


def test_several_starts_differ_and_are_pushed_apart():
    options = {"size": 24, "steps": 12, "starts": 3, "robustness": "none"}
    run = visualize(convnet(), ["conv3:1", "conv3:2"], **options)
    assert list(run.names) == [f"conv3-{c}-{i}" for c in (1, 2) for i in (1, 2, 3)]
    assert len({tuple(picture.flatten().tolist()) for picture in run.image}) == 6

    def likeness(run):
        y = convnet(torch.float32).read(run.image, ["conv3"])["conv3"].flatten(2)
        flat = nn.functional.normalize((y @ y.transpose(1, 2)).flatten(1), dim=1)
        return ((flat[:3] @ flat[:3].T).sum() - 3) / 6

    assert likeness(visualize(convnet(), ["conv3:1", "conv3:2"], diverse=5.0, **options)) < likeness(run)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"smallest": 2.0, "largest": 1.0}, "smallest 2 is above largest 1"),
        ({"views": 0}, "0 is not a valid value for views: it must be 1 to 10000"),
        ({"parameterization": "phase", "shrink": 0.5}, "need pixels that can be set, which phase has not"),
        ({"diverse": 1.0}, "give --starts"),
    ],
)
def test_settings_that_cannot_be_are_mistakes(options, said):
    with pytest.raises(Mistake, match=said):
        visualize(convnet(), ["conv2:1"], size=16, **options)


def test_a_preset_that_is_not_there_is_answered_with_the_nearest():
    with pytest.raises(Mistake, match="no preset 'lucd'; did you mean 'lucid'"):
        settings("lucd", {})


def test_pixels_stay_pictures():
    run = visualize(
        convnet(), ["conv2:1"], size=16, steps=3, parameterization="pixels", optimizer="normalized", rate=0.5
    )
    assert 0 <= run.image.min() <= run.image.max() <= 1

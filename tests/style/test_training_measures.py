"""What a style network is worth: losses beside those of an optimization, and likeness beside interpolation's."""

import pytest
import torch

from phosphene.core.pictures.likeness import psnr
from phosphene.style.style_net import Shape, larger
from phosphene.style.training import Look, smaller
from phosphene.style.training_measures import card, measured, measured_larger
from tests.small import convnet, levels
from tests.style.test_style_net import net
from tests.style.test_training import COURSE, begun


def test_an_optimization_of_the_same_loss_is_measured_beside_the_network():
    training, photos = begun(), levels(2, 3, 16, 16)
    ways = measured(training.model, training.look, COURSE, photos, steps=8)
    assert list(ways) == ["photograph", "network", "optimization, 8 steps"]
    photograph, network, optimized = ways.values()
    assert photograph["content"] == pytest.approx(0, abs=1e-9) and optimized["loss"] < photograph["loss"]
    with torch.no_grad():
        content, style = training.look.losses(training.model(photos), training.look.features(photos))
    assert network["style"] == pytest.approx(style.mean().item(), rel=1e-4)
    assert network["content"] == pytest.approx(content.mean().item(), rel=1e-4)


def test_a_network_that_adds_nothing_is_as_near_as_interpolation():
    made, photos = net(Shape(8, 1, 0, 1)).float(), levels(2, 3, 16, 16)
    for one in (made.colours.weight, made.colours.bias):
        one.data.zero_()
    seen = Look.of(convnet(torch.float32), "conv2", ["conv1"], [])
    ways = measured_larger(made, seen, COURSE, photos)
    assert ways["network"] == pytest.approx(ways["bicubic"])
    small = (smaller(photos, 2) * 255).round() / 255
    nearness = [psnr(larger(small[i : i + 1], 2), photos[i : i + 1]).item() for i in range(2)]
    assert ways["bicubic"]["psnr"] == pytest.approx(sum(nearness) / 2, rel=1e-5)


def record(measured):
    made = {
        "network": "vgg", "content layer": "relu4", "style layers": ["relu1", "relu2"], "content weight": 0.25,
        "pictures": 1500, "size": 128, "epochs": 3, "batch": 2, "seed": 0,
    }  # fmt: skip
    return {"about": "The style of waves", "training": made, "measured on": 4, "measured": measured}


def test_a_card_has_a_row_for_each_way():
    ways = {"photograph": {"loss": 1.0, "content": 0.0, "style": 0.9}, "network": {"loss": 0.5, "content": 0.4,
            "style": 0.1}}  # fmt: skip
    words = card(record(ways), "waves.safetensors")
    assert words.startswith("# The style of waves\n") and "phosphene stylize PHOTO --with waves.safetensors" in words
    assert "1,500 pictures of 128 px" in words and "| photograph | 1.0000 | 0.0000 | 0.9000 |" in words
    assert "| network | 0.5000 | 0.4000 | 0.1000 |" in words
    larger_ways = {way: {"psnr": 25.0, "ssim": 0.8, "content": 0.3} for way in ("bicubic", "network")}
    words = card(record(larger_ways), "x4.safetensors")
    assert "| bicubic | 25.00 dB | 0.800 | 0.300 |" in words and "the other way round" in words

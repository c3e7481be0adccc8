"""What a decoder is worth, in numbers that can be had otherwise."""

import pytest
import torch

from phosphene.core.optimization.objectives import values
from phosphene.core.optimization.terms import code_distance
from phosphene.core.pictures.likeness import ssim
from phosphene.inversion.decoder_measures import card, measured, measured_record
from phosphene.models.decoder import decoded
from tests.inversion.test_decoder_training import begun, run, striped
from tests.small import levels


@pytest.fixture(scope="module")
def training():
    return run(begun())


def test_of_the_decoder_alone_they_are_those_of_its_pictures(training):
    network, photos = training.network, striped(3, 70).pictures / 255
    found = measured(network, "conv2", training.average, photos, steps=2)
    code = network.read(photos, ["conv2"])["conv2"].detach()
    pictures = (decoded(training.average, network, "conv2", code, (16, 16)) * 255).round() / 255
    error = values(network, code_distance("conv2", code), pictures, torch.arange(3)).mean()
    assert found["decoder alone"].error == pytest.approx(error.item(), rel=1e-5)
    every = [ssim(one, photo).item() for one, photo in zip(pictures.split(1), photos.split(1), strict=True)]
    assert found["decoder alone"].ssim == pytest.approx(sum(every) / 3)


def test_with_few_steps_an_inversion_that_begins_at_the_decoders_picture_is_nearer(training):
    found = measured(training.network, "conv2", training.average, striped(3, 70).pictures / 255, steps=5)
    assert found["decoder as start"].error < found["noise"].error
    assert found["decoder as start"].error < found["decoder alone"].error
    assert found["decoder as prior"].psnr > found["noise"].psnr


def test_the_card_has_a_line_for_each_way(training):
    record = measured_record(training.network, "conv2", training.average, levels(2, 3, 16, 16), steps=1)
    made = {"pictures": 24, "epochs": 2, "seed": 0, "size": 16}
    text = card({"layer": "conv2", "network": "own.py", "training": made} | record)
    assert text.startswith("# A decoder of `conv2` of `own.py`\n")
    assert sum(line.startswith("| ") for line in text.splitlines()) == 1 + len(record["measured"]) == 5

"""The recipe of a decoder: its pictures, and its course."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from phosphene.inversion.decoder_recipe import apart, decoder_course, read_pictures
from tests.inversion.test_decoder_training import striped
from tests.small import convnet


@pytest.fixture
def folder(tmp_path):
    for index in range(6):
        path = tmp_path / ("cats" if index < 2 else "dogs") / f"{index}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(np.random.default_rng(index).integers(0, 256, (12, 12, 3), dtype=np.uint8)).save(path)
    return tmp_path


def test_pictures_are_read_from_all_folders_but_those_that_are_left_out(folder):
    examples, refused = read_pictures(folder, 8)
    assert examples.pictures.shape == (6, 3, 8, 8) and not refused
    without, _ = read_pictures(folder, 8, ["cats"])
    assert torch.equal(without.pictures, examples.pictures[2:])


def test_what_makes_no_sense_is_refused_in_a_sentence(folder):
    with pytest.raises(Mistake, match=r"there is no folder 'cat' with pictures in .*; did you mean 'cats'"):
        read_pictures(folder, 8, ["cat"])
    with pytest.raises(Mistake, match="has 2 pictures that can be used, and 4 or more are needed"):
        read_pictures(folder, 8, ["dogs"])
    with pytest.raises(Mistake, match="is not a folder; give one with pictures in it"):
        read_pictures(folder / "cats" / "0.png", 8)


def test_every_picture_is_trained_on_or_held_out():
    learned, held = apart(striped(40))
    both = {one.numpy().tobytes() for one in (*learned.pictures, *held.pictures)}
    assert len(held.labels) == 10 and len(learned.labels) == 30 and len(both) == 40


def test_some_fifty_thousand_pictures_are_shown_and_no_picture_too_often():
    network = convnet(torch.float32)
    course = decoder_course(network, "conv2", 10_000, 16)
    assert course.sides == (16,) * 5 and course.crops == (8, 16) and course.larger == 1.5
    assert len(decoder_course(network, "conv2", 5, 16).sides) == 200
    assert len(decoder_course(network, "conv2", 10**6, 16).sides) == 2
    assert len(decoder_course(network, "conv2", 5, 16, epochs=3).sides) == 3


def test_codes_without_places_and_networks_of_one_size_see_no_larger_pictures():
    assert decoder_course(convnet(torch.float32), "logits", 100, 16).larger == 1
    fixed = Network(nn.Sequential(nn.Conv2d(3, 2, 3), nn.Flatten(), nn.Linear(72, 2)), size=8)
    assert decoder_course(fixed, "0", 100, 8).larger == 1

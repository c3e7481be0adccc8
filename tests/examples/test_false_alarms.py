"""The example of false alarms: it trains, searches and draws, and its detector tells faces from what it has learnt."""

import importlib.util
from pathlib import Path

import pytest
import torch

import phosphene
from phosphene.core.pictures.files import open_photo

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "false_alarms.py"


@pytest.fixture(scope="module")
def example():
    spec = importlib.util.spec_from_file_location("false_alarms", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_ridge_regression_is_a_minimum(example):
    generator = torch.Generator().manual_seed(0)
    positive, negative = (torch.randn(n, 6, generator=generator) + shift for n, shift in ((8, 1.0), (20, -1.0)))
    found, bias = example.detector(positive, negative)

    def loss(weights, bias):
        apart = [((one @ weights + bias - y) ** 2).mean() for one, y in ((positive, 1), (negative, -1))]
        return sum(apart) + weights.square().sum() / len(positive)

    least = loss(found, bias)
    for i in range(6):
        assert loss(found + 0.01 * torch.eye(6)[i], bias) > least < loss(found - 0.01 * torch.eye(6)[i], bias)
    assert loss(found, bias + 0.01) > least < loss(found, bias - 0.01)


@pytest.mark.slow
def test_it_finds_alarms_that_are_no_faces_and_draws_them(example, tmp_path):
    found = example.main(
        ["skimage:brick", "skimage:grass", "skimage:clock", "skimage:moon"], tmp_path / "x.png", steps=2
    )
    assert [one.photo for one in found] == [one.photo for one in sorted(found, key=lambda alarm: -alarm.score)]
    assert {one.photo for one in found} == {"clock", "moon"}
    assert all(one.window.shape[2:] == (64, 64) for one in found)
    assert open_photo(tmp_path / "x.png").shape[3] > 500


@pytest.mark.slow
def test_a_face_scores_more_than_any_other_window(example):
    network = phosphene.load(example.HOG)
    faces = example.codes(network, example.faces()).flatten(1)
    others = example.other_codes(network, [open_photo("skimage:brick"), open_photo("skimage:coffee")])
    weights, bias = example.detector(faces[::2], others[::2])
    assert (faces[1::2] @ weights + bias).median() > (others[1::2] @ weights + bias).max()

"""The training of a decoder: what it makes small, that it learns, goes on from anywhere, and borrows."""

import copy
from contextlib import ExitStack
from dataclasses import replace

import numpy as np
import pytest
import torch

from phosphene.core.errors import Mistake
from phosphene.core.optimization.training.pictures import Examples
from phosphene.inversion.decoder_training import Course, DecoderTraining
from phosphene.models.decoder import decoded
from tests.dreaming.stripes import stripes
from tests.small import convnet

COURSE = Course((16, 16), crops=(14, 16), peak=0.01, batch=8, decay=0.5)


def striped(many, first=0):
    pictures = np.stack([stripes(seed % 2 == 0, seed, 16) for seed in range(first, first + many)])
    return Examples(torch.from_numpy(pictures).permute(0, 3, 1, 2).contiguous(), torch.zeros(many).long())


def begun(layer="conv2", course=COURSE, seed=0, network=None):
    network = network or convnet(torch.float32)
    return DecoderTraining(network, layer, striped(24), striped(8, 50), course, seed)


def run(training, batches=None):
    for count, _ in enumerate(training, start=1):
        if count == batches:
            break
    return training


@pytest.mark.parametrize("layer", ["conv1", "conv2"])
def test_in_three_epochs_the_errors_of_held_out_pictures_fall(layer):
    training = run(begun(layer, replace(COURSE, sides=(16,) * 3)))
    one, *_, last = training.epochs
    assert last.pixels < one.pixels and last.code < one.code and last.loss < one.loss
    assert training.best_epoch == last


def test_what_is_made_small_is_its_formula():
    training = begun(network=convnet())
    network, x = training.network, striped(3, 90).pictures.double() / 255
    code = network.read(x, ["conv2"])["conv2"].detach()
    with ExitStack() as until, torch.no_grad():
        pixels, apart = training._errors(training.model, x, training._code(x), until)
    with torch.no_grad():
        found = decoded(training.model, network, "conv2", code, (16, 16))
        again = network.read(found, ["conv2"])["conv2"]
    for row in range(3):
        own = sum(float(v) ** 2 for v in (found[row] - x[row]).flatten()) / found[row].numel()
        other = sum(float(v) ** 2 for v in (again[row] - code[row]).flatten()) / float((code[row] ** 2).sum())
        assert pixels[row].item() == pytest.approx(own) and apart[row].item() == pytest.approx(other)


def test_every_fourth_batch_has_larger_pictures():
    training, seen = begun(course=replace(COURSE, larger=1.5)), []
    training.model.register_forward_hook(lambda _, __, y: seen.append(y.shape[-1]))
    run(training, 6)
    assert seen == [16, 16, 16, 24, 16]


def values(training):
    return [*training.model.state_dict().values(), *training.best[1].values()]


@pytest.fixture(scope="module")
def whole():
    return run(begun())


@pytest.mark.parametrize("batches", [2, 4, 6])
def test_stopped_anywhere_it_ends_in_the_same_bytes(whole, batches, tmp_path):
    """3 batches an epoch, and a measurement behind them."""
    (tmp_path / "checkpoint").write_bytes(run(begun(), batches).saved())
    again = begun()
    again.resume(tmp_path / "checkpoint")
    run(again)
    assert all(torch.equal(a, b) for a, b in zip(values(again), values(whole), strict=True))
    assert [one.pixels for one in again.epochs] == [one.pixels for one in whole.epochs]


def test_the_training_of_another_layer_is_not_gone_on_from(tmp_path):
    (tmp_path / "checkpoint").write_bytes(run(begun(), 1).saved())
    with pytest.raises(Mistake, match="another training: layer is conv2 there, and conv3 now"):
        begun("conv3").resume(tmp_path / "checkpoint")


def test_the_network_and_the_numbers_of_others_are_borrowed():
    network = convnet(torch.float32)
    before = copy.deepcopy(network.model.state_dict())
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    run(begun(network=network), 2)
    assert torch.equal(torch.rand(3), expected)
    assert all(torch.equal(value, before[name]) for name, value in network.model.state_dict().items())
    assert all(p.requires_grad and p.grad is None for p in network.model.parameters())


def test_another_seed_ends_in_other_weights(whole):
    assert run(begun(seed=1)).best_epoch != whole.best_epoch

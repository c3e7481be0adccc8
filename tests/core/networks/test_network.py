"""A network is a value: how it is fed, and its copies."""

from dataclasses import FrozenInstanceError

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from phosphene.core.errors import Mistake
from phosphene.core.networks import folding
from phosphene.core.networks.network import Network
from phosphene.core.networks.plan import PURPOSES, Plan
from phosphene.core.networks.verification import rewritable
from tests.core.networks.models import Plain, fixed, of, pictures
from tests.core.witness import state


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_a_model_in_another_precision_is_fed_its_own(dtype):
    network = Network(Plain().to(dtype).eval(), size=16, mean=(0.4, 0.5, 0.6), std=(0.2, 0.2, 0.2))
    x = pictures(16, 16)
    before = state(network.model)
    found = network.read(x, ["conv1", "relu2", "mean", "logits"])
    assert {y.dtype for y in found.values()} == {torch.float32}, "sums and differences need more than half precision"
    assert {tensor.dtype for tensor in network.model.conv1.parameters()} == {dtype}
    (gradient,) = torch.autograd.grad(found["logits"].sum(), x)
    assert gradient.dtype == x.dtype and gradient.abs().max() > 0
    assert state(network.model) == before
    precise = Network(network.model.double(), size=16, mean=(0.4, 0.5, 0.6), std=(0.2, 0.2, 0.2))
    torch.testing.assert_close(found["conv1"].double(), precise.read(x, ["conv1"])["conv1"], rtol=0.05, atol=0.05)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_pictures_are_resized_to_a_fixed_size_in_every_precision(dtype):
    network = Network(fixed().to(dtype), size=16)
    assert network.read(pictures(24, 20), ["logits"])["logits"].shape == (1, 3)


def test_a_network_of_a_fixed_size_resizes_what_it_is_fed():
    network = of(fixed())
    assert network.fixed and not of(Plain()).fixed
    x = pictures(48, 32)
    small = F.interpolate(x, (16, 16), mode="bilinear", antialias=True)
    torch.testing.assert_close(network.read(x, ["logits"])["logits"], network.model(small))
    torch.testing.assert_close(of(Plain()).preprocess(x), x)


def test_a_wrong_name_is_answered_with_the_nearest():
    network = of(Plain())
    with pytest.raises(Mistake, match=r"^no layer 'conv3'; did you mean 'conv1' or 'conv2'\?.*\(8 in all: "):
        network.read(pictures(16, 16), ["conv3"])


def normalized(seed):
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    model[1].running_mean.uniform_(), model[1].running_var.uniform_(0.5, 2)
    return model.double().eval()


@pytest.mark.parametrize("purpose", ["reading", "search"])
def test_another_model_of_the_same_architecture_is_read_with_its_own_weights_folded_ones_too(purpose):
    x = pictures(16, 16).double()
    network = Network(normalized(0), size=16, mean=(0.5, 0.4, 0.3), std=(0.2,) * 3, labels=["a"] * 4).planned(purpose)
    before = network.read(x, ["logits"])["logits"]  # its own weights are folded and kept by now
    other = network.of(normalized(1))
    fed = (x - torch.tensor([0.5, 0.4, 0.3]).view(3, 1, 1)) / 0.2
    torch.testing.assert_close(other.read(x, ["logits"])["logits"], normalized(1)(fed).detach(), rtol=1e-6, atol=1e-7)
    assert torch.equal(network.read(x, ["logits"])["logits"], before)
    assert other.purpose == purpose and other.labels == network.labels


def test_another_mean_is_subtracted_for_the_other_network_alone():
    network = Network(normalized(0), size=16, mean=(0.5,) * 3)
    x = pictures(16, 16).double()
    before = network.read(x, ["logits"])["logits"]
    other = network.subtracting((0.75,) * 3)
    torch.testing.assert_close(other.read(x + 0.25, ["logits"])["logits"], before)
    assert network.mean == (0.5,) * 3 and torch.equal(network.read(x, ["logits"])["logits"], before)


# ---------------------------------------------------------------------------------------------------------- a value


def counted(network):
    """How often the model has run since."""
    runs = []
    network.model.register_forward_pre_hook(lambda *_: runs.append(None))
    return runs


def test_a_network_cannot_be_changed():
    network = of(Plain())
    for name in ("precision", "purpose", "sha256", "mean"):
        with pytest.raises((FrozenInstanceError, AttributeError)):
            setattr(network, name, "other")


COPIES = {
    "planned": lambda network: network.planned("search"),
    "following": lambda network: network.following(dict.fromkeys(PURPOSES, Plan("float64", True, ()))),
    "subtracting": lambda network: network.subtracting((0.25,) * 3),
}


@pytest.mark.parametrize("copy", COPIES.values(), ids=COPIES)
def test_a_copy_shares_what_was_recorded_whichever_asks_first(copy):
    network = of(Plain())
    runs = counted(network)
    other = copy(network)
    assert other is not network and other.model is network.model
    assert runs == []  # nothing is found out before somebody asks
    assert other.layers is network.layers
    passes = len(runs)
    assert passes == 3  # at two sizes
    assert (other.fixed, rewritable(other.anatomy), other.rectified) == (
        network.fixed,
        rewritable(network.anatomy),
        network.rectified,
    )
    assert rewritable(network.anatomy) == ("strided_convolution", "batch_norm")
    assert len(runs) == passes


def test_the_purpose_that_a_network_has_is_no_copy():
    network = of(Plain())
    assert network.planned("reading") is network
    assert network.planned("search").planned("reading").plan == network.plan


def test_weights_are_folded_once_for_all_copies(monkeypatch):
    folds = []
    monkeypatch.setattr(folding, "folded", lambda *pair, own=folding.folded: folds.append(pair) or own(*pair))
    network = of(Plain())
    x = pictures(16, 16).detach()
    for _ in range(2):
        network.planned("search").read(x, ["logits"])
        network.planned("picture").read(x, ["logits"])
    assert len(folds) == 1


def test_a_copy_with_another_model_finds_nothing_out_anew():
    network, model = of(Plain()), Plain().double().eval()
    network.read(pictures(16, 16), ["logits"])
    layers = network.layers
    other = network.of(model)
    runs = counted(other)
    assert other.layers is layers and rewritable(other.anatomy) == rewritable(network.anatomy)
    assert runs == []
    other.read(pictures(16, 16), ["logits"])
    assert len(runs) == 1


def test_the_last_recording_is_shared_until_something_else_is_recorded():
    network = of(Plain())
    recording = network.recording((16, 16), ["logits"])
    assert network.planned("search").planned("reading").recording((16, 16), ["logits"]) is recording
    assert network.recording((16, 16), ["conv2"]) is not recording


def test_what_is_shown_of_a_network_is_short():
    assert repr(of(Plain(), name="plain")) == "Network(plain, 16 x 16 px, 8 layers)"

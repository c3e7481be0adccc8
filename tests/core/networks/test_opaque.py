"""TorchScript: its answers and gradients, none of its layers."""

import pytest
import torch
from torch import nn

from phosphene.core.errors import Mistake
from phosphene.core.networks.borrowing import unwrapped
from phosphene.core.networks.network import Network
from phosphene.core.networks.opaque import Opaque, visible_modules
from tests.core.networks.models import conv, pictures
from tests.core.witness import state


def model():
    torch.manual_seed(0)
    return nn.Sequential(conv(), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)).double()


@pytest.mark.parametrize("how", ["scripted", "traced"])
def test_torchscript_says_and_passes_back_what_its_module_does(how):
    own = model().eval()
    x = pictures(16, 16, n=2)
    scripted = torch.jit.script(own) if how == "scripted" else torch.jit.trace(own, x)
    network = Network(scripted, size=16)
    assert list(network.layers) == ["logits"]
    y = network.read(x, ["logits"])["logits"]
    torch.testing.assert_close(y, own(x))
    (gradient,) = torch.autograd.grad(y[:, 1].sum(), x)
    (wanted,) = torch.autograd.grad(own(x)[:, 1].sum(), x)
    torch.testing.assert_close(gradient, wanted)


def test_a_scripted_part_is_not_looked_into_and_what_is_around_it_is():
    torch.manual_seed(0)
    part = torch.jit.script(nn.Sequential(conv(), nn.ReLU()).double().eval())
    whole = nn.Sequential(part, conv(4, 5).double(), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    before = state(whole[1])
    network = Network(whole, size=16)
    assert [name for name in network.layers if name.startswith("0")] == []
    assert "1" in network.layers and network.classes == 5
    torch.testing.assert_close(network.read(pictures(16, 16), ["1"])["1"].detach(), whole[1](part(pictures(16, 16))))
    assert state(whole[1]) == before


def test_visible_modules_are_those_that_are_no_torchscript():
    scripted = torch.jit.script(nn.Linear(2, 2))
    assert [name for name, _ in visible_modules(nn.Sequential(scripted, nn.ReLU()))] == ["", "1"]
    assert [name for name, _ in visible_modules(Opaque(scripted))] == [""]


def test_a_class_is_not_a_module():
    with pytest.raises(Mistake, match=r"a network is a torch\.nn.Module, not a class"):
        unwrapped(nn.ReLU)

"""A layer changed while a network runs: the rest of the network, called by hand on what it was changed to."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from phosphene.attribution.intervention import read_changed
from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from tests.attribution.asked import photos
from tests.small import Tokens, convnet


class Functions(nn.Module):
    """Rectified twice by functions, once in place, one module called twice; BatchNorm may be folded."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.a, self.norm, self.b = nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Conv2d(4, 4, 3, padding=1)
        self.act, self.fc = nn.ReLU(), nn.Linear(4, 3)

    def forward(self, x):
        x = F.relu(self.norm(self.a(x)))
        x = F.relu_(self.b(x))
        x = self.act(self.act(x) - 0.1)
        return self.fc(x.mean((2, 3)))

    def from_conv(self, a):
        return self.from_relu(F.relu(self.norm(a)))

    def from_relu(self, x):
        return self.from_second_relu(F.relu(self.b(x)))

    def from_second_relu(self, x):
        return self.from_second_act(self.act(self.act(x) - 0.1))

    def from_second_act(self, x):
        return self.fc(x.mean((2, 3)))


def halved_without_the_first(a):
    return torch.cat([torch.zeros_like(a[:, :1]), 0.5 * a[:, 1:]], 1)


@pytest.mark.parametrize("purpose", ["reading", "search"])
@pytest.mark.parametrize(
    ("layer", "rest"),
    [("a", "from_conv"), ("relu", "from_relu"), ("relu#2", "from_second_relu"), ("act#2", "from_second_act")],
)
def test_the_network_goes_on_with_what_a_layer_is_changed_to(layer, rest, purpose):
    model = Functions().double().eval()
    model.norm.running_mean.fill_(0.2)
    network, pictures = Network(model, size=12).planned(purpose), photos(2, 12)
    read = read_changed(network, pictures, ["logits"], layer, halved_without_the_first)
    clean = network.read(pictures, [layer])[layer]
    with torch.no_grad():
        expected = getattr(model, rest)(halved_without_the_first(clean))
    torch.testing.assert_close(read["logits"], expected, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(read[layer], halved_without_the_first(clean), rtol=1e-9, atol=1e-12)
    assert not torch.allclose(read["logits"], network.read(pictures, ["logits"])["logits"])


def test_channels_of_tokens_are_on_axis_one_too():
    network, pictures = Network(Tokens().double(), size=16), photos(2)
    read = read_changed(network, pictures, ["logits"], "mix", torch.zeros_like)
    assert read["mix"].shape == (2, 6, 16)
    expected = network.model.head(torch.zeros(2, 6, dtype=torch.float64))
    torch.testing.assert_close(read["logits"], expected)


def test_the_model_comes_back_as_it_was_also_after_an_error():
    network = convnet()

    def broken(activations):
        raise RuntimeError("broken")

    with pytest.raises(Mistake, match="broken"):
        read_changed(network, photos(1), ["logits"], "relu2", broken)
    assert not any(m._forward_hooks or m._forward_pre_hooks or "forward" in m.__dict__ for m in network.model.modules())

"""Small models, and what the untouched model says at every layer."""

from contextlib import contextmanager

import torch
from torch import nn
from torch.nn import functional as F

from phosphene.core.networks.network import Network
from tests.core.witness import Witness, apart, state
from tests.small import noise


def pictures(*size, n=1, seed=0):
    return noise(n, 3, *size, seed=seed).requires_grad_()


def fed(network, x):
    """What the model should be fed, written a second time."""
    channels = [(x[:, c] - network.mean[c % len(network.mean)]) / network.std[c % len(network.std)] for c in range(3)]
    if network.grey:
        return ((x[:, 0] + x[:, 1] + x[:, 2]) / 3 - network.mean[0])[:, None] / network.std[0]
    return torch.stack(channels[::-1] if network.bgr else channels, 1)


def weighted(y):
    """A random sum over a layer, of about the same size for every layer, so that none drowns in the others."""
    weights = torch.randn(y.shape, dtype=y.dtype, generator=torch.Generator().manual_seed(3))
    return (y * weights).sum() / (y.detach().norm() + 1e-30)


@contextmanager
def frozen(model):
    """Parameters without gradients, as a reading has them, but by another hand."""
    required = [parameter for parameter in model.parameters() if parameter.requires_grad]
    model.requires_grad_(False)
    yield
    for parameter in required:
        parameter.requires_grad_(True)


def assert_faithful(network, size, every):
    """Every layer's value and the gradient of a sum over all; every `every`-th layer once more in a reading alone.

    The sum weighs each layer at random, so a wrong gradient of any one of them shows. The model is in train mode, to
    see that it is put into eval mode and given back.
    """
    network.model.train()
    before = state(network.model)
    x = pictures(*size)
    names = list(network.layers)
    together = network.read(x, names)
    assert list(together) == names
    assert len(names) == len({network.layers[name].tap for name in names})
    (gradient,) = torch.autograd.grad(sum(map(weighted, together.values())), x)
    assert state(network.model) == before

    network.model.eval()
    with frozen(network.model):
        seen = Witness(network.model).run(fed(network, x))
    expected = {
        name: seen[layer.tap.owner, layer.tap.function, layer.tap.index].movedim(layer.channel_axis, 1)
        for name, layer in network.layers.items()
    }
    for name in names:
        assert apart(together[name], expected[name]) < 1e-9, name
        assert together[name].requires_grad == expected[name].requires_grad, name
    (wanted,) = torch.autograd.grad(sum(map(weighted, expected.values())), x, retain_graph=True)
    assert wanted.abs().max() > 0 and apart(gradient, wanted) < 1e-9

    before = state(network.model)
    for name in names[::every]:
        (alone,) = network.read(x, [name]).values()
        assert apart(alone, expected[name]) < 1e-9, name
        if expected[name].requires_grad:
            (gradient,) = torch.autograd.grad(weighted(alone), x)
            (wanted,) = torch.autograd.grad(weighted(expected[name]), x, retain_graph=True)
            assert apart(gradient, wanted) < 1e-9, name
    assert state(network.model) == before


class Plain(nn.Module):
    """Convolutions, an in-place ReLU behind each, batch normalization."""

    def __init__(self):
        super().__init__()
        self.conv1, self.bn, self.relu = nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(inplace=True)
        self.conv2, self.relu2 = nn.Conv2d(4, 5, 3, stride=2), nn.ReLU(inplace=True)
        self.head = nn.Linear(5, 6)

    def forward(self, x):
        x = self.relu(self.bn(self.conv1(x)))
        x = self.relu2(self.conv2(x))
        return self.head(x.mean((2, 3)))


def of(model, size=16, **options):
    return Network(model.double().eval(), size=size, **options)


class Around(nn.Module):
    """A model made of a function."""

    def __init__(self, run, **modules):
        super().__init__()
        self.run = run
        for name, module in modules.items():
            setattr(self, name, module)

    def forward(self, x):
        return self.run(self, x)


def conv(cin=3, cout=4):
    return nn.Conv2d(cin, cout, 3, padding=1)


def mean(x):
    return x.mean((2, 3))


def added(m, x):
    y = m.a(x)
    z = m.b(y)
    z += y
    z += 1
    return mean(z.relu())


def residual(m, x):
    y = m.a(x)
    y += m.b(F.relu(y))
    return mean(F.relu(y))


def fixed():
    return nn.Sequential(conv(), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 16 * 16, 3))

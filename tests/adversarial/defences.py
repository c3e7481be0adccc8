"""Broken defences: each hides its weakness from plain gradients in its own way, and has no robustness of its own.

A defence is a module around a classifier, pictures (n, 3, h, w) in [0, 1] to logits (n, classes). What is broken is a
module with a name of its own, `door` before the classifier and `exit` behind it, so that it can be passed straight.
"""

import functools
import io
from collections import OrderedDict
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F


class Quantization(nn.Module):
    """Pixels rounded to a few levels; the gradient is 0 wherever there is one (Guo et al. 2018, arXiv:1711.00117)."""

    def __init__(self, levels=6):
        super().__init__()
        self.levels = levels

    def forward(self, x):
        return (x * (self.levels - 1)).round() / (self.levels - 1)


class Jpeg(nn.Module):
    """JPEG through Pillow, which no gradient goes through (Dziugaite et al. 2016, arXiv:1608.00853).

    Args:
        cut: the way back ends there, as with any detached tensor; else there is one, and the gradient on it is 0.
    """

    def __init__(self, quality=75, cut=False):
        super().__init__()
        self.quality, self.cut = quality, cut

    def forward(self, x):
        compressed = torch.stack([self._one(picture) for picture in x.detach()]).to(x)
        return compressed if self.cut else compressed + 0 * x

    def _one(self, picture):
        levels = (picture * 255).round().byte().permute(1, 2, 0).numpy()
        file = io.BytesIO()
        Image.fromarray(levels).save(file, "JPEG", quality=self.quality)
        return torch.from_numpy(np.array(Image.open(file))).permute(2, 0, 1) / 255


class RandomResizePad(nn.Module):
    """Made smaller by a random amount and put anywhere on black, anew each time (Xie et al. 2018, arXiv:1711.01991).

    The paper enlarges by a tenth; small pictures for networks of one size are made smaller instead.
    """

    def __init__(self, smallest=0.8):
        super().__init__()
        self.smallest = smallest

    def forward(self, x):
        side = x.shape[-1]
        small = int(torch.randint(round(self.smallest * side), side + 1, ()))
        left, top = (int(torch.randint(0, side - small + 1, ())) for _ in range(2))
        y = F.interpolate(x, (small, small), mode="bilinear", antialias=True)
        return F.pad(y, (left, side - small - left, top, side - small - top))


class Temperature(nn.Module):
    """Logits times a large number: the softmax is 1 and 0 to the last bit, and the cross-entropy has no gradient.

    It is what is left of defensive distillation (Papernot et al. 2016, arXiv:1511.04508) when its temperature is taken
    away again after the training.
    """

    def __init__(self, times=300.0):
        super().__init__()
        self.times = times

    def forward(self, z):
        return self.times * z


class Softmax(nn.Module):
    """Probabilities where logits are expected; a second softmax hides most of their gradient."""

    def forward(self, z):
        return z.softmax(1)


class ReverseSigmoid(nn.Module):
    """The answer is changed so that its slope is wrong way round where the network is sure (Lee et al. 2018,
    arXiv:1806.00054): p' = a (p - b (s(c s^-1(p)) - 1/2)), normalized by a; s is the sigmoid.

    The order of the classes stays. What is returned is log p'.
    """

    def __init__(self, height=0.7, width=0.2):
        super().__init__()
        self.height, self.width = height, width

    def forward(self, z):
        p = z.log_softmax(1).exp().clamp(1e-6, 1 - 1e-6)
        changed = p - self.height * (torch.sigmoid(self.width * torch.logit(p)) - 0.5)
        return (changed / changed.sum(1, keepdim=True)).log()


class KWinners(nn.Module):
    """The largest share of a layer's activations stays, all others are 0 (Xiao et al. 2019, arXiv:1905.10510).

    Who is among the winners changes with every small step, so that the function jumps nearly everywhere.
    """

    def __init__(self, share=0.1):
        super().__init__()
        self.share = share

    def forward(self, x):
        flat = x.flatten(1)
        winners = max(1, round(self.share * flat.shape[1]))
        least = flat.topk(winners, dim=1).values[:, -1:]
        return (flat * (flat >= least)).view_as(x)


def guarded(classifier, door=None, exit=None):
    """A classifier with something before it and something behind it."""
    return nn.Sequential(
        OrderedDict(door=door or nn.Identity(), classifier=classifier, exit=exit or nn.Identity())
    ).eval()


class Sample(NamedTuple):
    """Pictures (n, 3, h, w) in [0, 1] and their classes (n)."""

    x: torch.Tensor
    y: torch.Tensor


def stains(many, classes=4, side=8, seed=0):
    """Pictures of as many colour stains as there are classes, in noise: all that a small network needs to learn."""
    generator = torch.Generator().manual_seed(seed)
    kinds = torch.rand(classes, 3, side // 2, side // 2, generator=torch.Generator().manual_seed(99)) - 0.5
    y = torch.randint(classes, (many,), generator=generator)
    clean = F.interpolate(kinds, (side, side), mode="bilinear")[y]
    noise = 0.15 * torch.randn(many, 3, side, side, generator=generator)
    return Sample((0.5 + 0.3 * clean + noise).clamp(0, 1), y)


def learnt(model, steps, rate):
    """The model once it has learnt the stains, by Adam; torch.optim takes seconds to load."""
    x, y = stains(512, seed=1)
    weights = list(model.parameters())
    state = [(torch.zeros_like(weight), torch.zeros_like(weight)) for weight in weights]
    for step in range(steps):
        at = torch.arange(64) + 64 * (step % 8)
        with torch.enable_grad():
            gradients = torch.autograd.grad(F.cross_entropy(model(x[at]), y[at]), weights)
        with torch.no_grad():
            for weight, (mean, square), g in zip(weights, state, gradients, strict=True):
                mean.lerp_(g, 0.1), square.lerp_(g * g, 0.001)
                length = (square / (1 - 0.999 ** (step + 1))).sqrt() + 1e-8
                weight -= rate * mean / (1 - 0.9 ** (step + 1)) / length
    return model.eval().requires_grad_(False)


@functools.cache
def base():
    """A small convolutional network, right about nearly all stains, and about none within 16/255."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return learnt(
            nn.Sequential(
                nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.ReLU(),
                nn.Flatten(), nn.Linear(512, 4),
            ),
            steps=60, rate=0.003,
        )  # fmt: skip


@functools.cache
def winners():
    """A wide layer of which one unit in fifty wins; it is trained like that, as otherwise it would not be right."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        wide = OrderedDict(
            flat=nn.Flatten(), wide=nn.Linear(192, 512), winners=KWinners(0.02), classes=nn.Linear(512, 4)
        )
        return learnt(nn.Sequential(wide), steps=100, rate=0.002)


EPS = 16 / 255
"""Within which the base is right about nothing."""

DEFENCES = {
    "quantization": lambda: guarded(base(), door=Quantization(8)),
    "JPEG": lambda: guarded(base(), door=Jpeg()),
    "JPEG that cuts": lambda: guarded(base(), door=Jpeg(cut=True)),
    "random resizing": lambda: guarded(base(), door=RandomResizePad(0.9)),
    "temperature": lambda: guarded(base(), exit=Temperature()),
    "sure probabilities": lambda: guarded(base(), exit=nn.Sequential(Temperature(50.0), Softmax())),
    "reverse sigmoid": lambda: guarded(base(), exit=ReverseSigmoid()),
    "k winners": winners,
}
"""Each as a module; the eighth, a far too weak attack, is no module."""

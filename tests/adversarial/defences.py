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
    """Made smaller by a random amount and put anywhere on black, anew at every call (Xie et al. 2018, arXiv:1711.01991).

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


def trained(activation=nn.ReLU, classes=4, width=16, steps=60, noise=0.0):
    """A small convolutional network that has learnt the stains."""
    with torch.random.fork_rng(), torch.enable_grad():
        torch.manual_seed(0)
        model = nn.Sequential(
            nn.Conv2d(3, width, 3, padding=1), activation(), nn.Conv2d(width, 2 * width, 3, stride=2, padding=1),
            activation(), nn.Flatten(), nn.Linear(2 * width * 16, classes),
        )  # fmt: skip
        x, y = stains(512, classes, seed=1)
        optimizer = torch.optim.Adam(model.parameters(), 0.003)
        for step in range(steps):
            at = torch.arange(64) + 64 * (step % 8)
            loss = F.cross_entropy(model(x[at]), y[at])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return model.eval().requires_grad_(False)

"""Networks small enough to be computed by hand, and what is done with them again and again."""

from collections import OrderedDict

import torch
from torch import nn

from phosphene.core.networks.network import Network
from phosphene.core.optimization.transforms import shake

LABELS = ["tabby cat, mouser", "zebra", "crane, wading bird", "crane, lifting machine"]

STRONG = shake(pad=2, jitter=3, scale=(0.6, 1.2), rotate=20)
"""Every random change at once, for pictures of about 20 px."""


def noise(*shape, seed=0, dtype=torch.float64):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def normal(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def levels(*shape, seed=0, low=0, high=255):
    """A random picture of 8-bit values, as float32."""
    whole = torch.randint(low, high + 1, shape, generator=torch.Generator().manual_seed(seed))
    return whole.float() / 255


def linear(weight, bias, **facts):
    """scores = weight . pixels + bias, in float64: everything about it has a closed form."""
    classes, _, height, width = weight.shape
    model = nn.Sequential(nn.Flatten(), nn.Linear(3 * height * width, classes)).double()
    with torch.no_grad():
        model[1].weight.copy_(weight.flatten(1))
        model[1].bias.copy_(torch.as_tensor(bias))
    return Network(model, size=(height, width), **facts)


def convnet(dtype=torch.float64, labels=LABELS, size=16, relu=nn.ReLU, **facts):
    """conv1, conv2, conv3 with rectifiers, a mean and a linear layer; takes pictures of any size."""
    torch.manual_seed(0)
    steps = OrderedDict(
        conv1=nn.Conv2d(3, 6, 3, padding=1), relu1=relu(),
        conv2=nn.Conv2d(6, 8, 3, stride=2, padding=1), relu2=relu(),
        conv3=nn.Conv2d(8, 5, 3, padding=1), relu3=relu(),
        mean=nn.AdaptiveAvgPool2d(1), flat=nn.Flatten(), fc=nn.Linear(5, 4),
    )  # fmt: skip
    return Network(nn.Sequential(steps).to(dtype), size=size, labels=labels, mean=(0.5,) * 3, std=(0.2,) * 3, **facts)


class Tokens(nn.Module):
    """TokenGrid of 4 px as tokens, (n, tokens, channels), as vision transformers have them."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.patches, self.mix, self.head = nn.Conv2d(3, 6, 4, 4), nn.Linear(6, 6), nn.Linear(6, 4)

    def forward(self, x):
        return self.head(nn.functional.gelu(self.mix(self.patches(x).flatten(2).transpose(1, 2))).mean(1))


SOURCE = """
from collections import OrderedDict

import torch
from torch import nn


class Small(nn.Sequential):
    def __init__(self, classes=4):
        torch.manual_seed(0)
        super().__init__(OrderedDict(
            conv1=nn.Conv2d(3, 6, 3, padding=1), relu1=nn.ReLU(),
            conv2=nn.Conv2d(6, 8, 3, stride=2, padding=1), relu2=nn.ReLU(),
            conv3=nn.Conv2d(8, 5, 3, padding=1), relu3=nn.ReLU(),
            mean=nn.AdaptiveAvgPool2d(1), flat=nn.Flatten(), fc=nn.Linear(5, classes),
        ))
        self.decoders = {"relu2": nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(8, 3, 3, padding=1))}


SPEC = {
    "input_size": 16, "mean": [0.5, 0.5, 0.5], "std": [0.2, 0.2, 0.2],
    "labels": ["tabby cat, mouser", "zebra", "crane, wading bird", "crane, lifting machine"],
}


def build(classes=4):
    return Small(classes)


def described():
    return Small(), {"mean": [0.1, 0.2, 0.3], "std": [1, 1, 1], "input_size": [3, 24, 20], "bgr": True}


def broken():
    model = Small()
    nn.init.constant_(model.conv2.weight, float("nan"))
    return model, SPEC


def number():
    return 3


def clumsy():
    raise OSError("the cupboard is bare")


def scripted():
    return torch.jit.script(Small())
"""
"""A user's own network, as a file."""


@torch.no_grad()
def stirred(model):
    """The model with no parameter or running statistic left at a value that hides it (0 or 1)."""
    generator = torch.Generator().manual_seed(1)
    for parameter in model.parameters():
        if parameter.dim() < 2:
            parameter += 0.1 * torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype)
        elif not parameter.any():
            parameter += torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype) / len(parameter[0])
    for name, buffer in model.named_buffers():
        if name.endswith(("running_mean", "running_var")):
            buffer += 0.3 * torch.rand(buffer.shape, generator=generator, dtype=buffer.dtype)
    return model.eval()

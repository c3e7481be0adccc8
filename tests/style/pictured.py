"""A small network with decoders of its own, and pictures for it."""

import torch
from torch import nn

from tests.small import convnet, levels


def decodable(dtype=torch.float64, **facts):
    """`convnet`, with decoders of its first two rectifiers (6 channels at each pixel, 8 at every other one)."""
    network = convnet(dtype, **facts)
    torch.manual_seed(1)
    network.model.decoders = {
        "relu1": nn.Sequential(nn.Conv2d(6, 3, 3, padding=1), nn.Sigmoid()).to(dtype),
        "relu2": nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(8, 3, 3, padding=1), nn.Sigmoid()).to(dtype),
    }
    return network


def picture(height=20, width=24, seed=0):
    """Smooth, so that its channels vary together, in 8-bit levels."""
    rough = levels(1, 3, height // 4, width // 4, seed=seed)
    smooth = nn.functional.interpolate(rough, (height, width), mode="bicubic").clamp(0, 1)
    return (smooth * 255).round() / 255

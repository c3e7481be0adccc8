"""What several slow twins are made of, number by number."""

import cmath
import math

import numpy as np
import torch


class Shown(torch.autograd.Function):
    """A parameterization as a function of its parameters' values whose backward is its `pull`: for gradcheck."""

    @staticmethod
    def forward(ctx, image, *values):
        ctx.image, ctx.values = image, values
        return set_to(image, values)().detach().clone()

    @staticmethod
    def backward(ctx, slope):
        set_to(ctx.image, ctx.values)()
        return None, *ctx.image.pull(slope)


@torch.no_grad()
def set_to(image, values):
    """The image, its parameters set in place."""
    for parameter, value in zip(image.parameters, values, strict=True):
        parameter.copy_(value)
    return image


def slow_decorrelated():
    """Lucid's colour matrix: the root of the covariance over its largest column norm, number by number."""
    root = [[0.26, 0.09, 0.02], [0.27, 0.00, -0.05], [0.27, -0.09, 0.03]]
    largest = max(math.sqrt(sum(root[i][j] ** 2 for i in range(3))) for j in range(3))
    return [[value / largest for value in row] for row in root]


def slow_coloured(channels):
    """sigmoid(C channels) of one picture, (3, h, w)."""
    return 1 / (1 + np.exp(-np.einsum("dc,chw->dhw", np.array(slow_decorrelated()), channels)))


def slow_inverse(spectrum, height, width):
    """The orthonormal inverse transform of half a spectrum, by explicit sums; the other half is mirrored."""
    whole, picture = np.zeros((height, width), dtype=complex), np.zeros((height, width))
    whole[:, : width // 2 + 1] = spectrum
    for u in range(height):
        for v in range(width // 2 + 1, width):
            whole[u, v] = whole[(-u) % height, width - v].conjugate()
    for i in range(height):
        for j in range(width):
            total = sum(
                whole[u, v] * cmath.exp(2j * math.pi * (u * i / height + v * j / width))
                for u in range(height)
                for v in range(width)
            )
            picture[i, j] = total.real / math.sqrt(height * width)
    return picture


def slow_falling(height, width, decay):
    """1 / max(frequency, 1 / side)^decay at the places of rfft2."""
    scale = np.zeros((height, width // 2 + 1))
    for u in range(height):
        for v in range(width // 2 + 1):
            fu = (u if u <= (height - 1) // 2 else u - height) / height
            scale[u, v] = max(math.hypot(fu, v / width), 1 / max(height, width)) ** -decay
    return scale


def slow_up(level, height, width):
    """Bilinear between the middles of cells, the outermost cells continued to the border; of one map."""
    rows, columns = level.shape
    picture = np.zeros((height, width))
    for i in range(height):
        for j in range(width):
            y = min(max((i + 0.5) * rows / height - 0.5, 0), rows - 1)
            x = min(max((j + 0.5) * columns / width - 0.5, 0), columns - 1)
            top, left = int(y), int(x)
            below, right = min(top + 1, rows - 1), min(left + 1, columns - 1)
            upper = (1 - x + left) * level[top, left] + (x - left) * level[top, right]
            lower = (1 - x + left) * level[below, left] + (x - left) * level[below, right]
            picture[i, j] = (1 - y + top) * upper + (y - top) * lower
    return picture


def spectrum_of(coefficients):
    """(..., 2) numbers as complex ones."""
    return torch.view_as_complex(coefficients.detach().contiguous()).numpy()

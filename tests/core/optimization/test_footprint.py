import psutil
import pytest
import torch

from phosphene.core.optimization.footprint import bytes_a_pixel, free_memory
from phosphene.core.optimization.objectives import gradient
from phosphene.core.optimization.terms import energy
from tests.small import convnet


def kept_by_hand():
    """Bytes a pixel that the way back of conv3 needs in float64: what convolutions and rectifiers were given."""
    first, second = 3 + 6 + 6, 8 + 8  # the picture and conv1's layer at each pixel; conv2's at every fourth
    return 8 * (first + second / 4)


def test_the_bytes_of_a_pixel_are_about_what_the_layers_keep():
    network = convnet()
    assert bytes_a_pixel(network, gradient(network, energy("conv3"))) == pytest.approx(kept_by_hand(), rel=0.5)


def test_free_memory_is_a_part_of_the_machines():
    assert 0 < free_memory(torch.device("cpu")) < psutil.virtual_memory().total

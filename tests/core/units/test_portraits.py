"""Pictures with the contrast that papers print them with."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from phosphene.core.units.portraits import default_side, stretched
from phosphene.features import visualize
from tests.small import convnet, noise


@pytest.mark.parametrize(("own", "side"), [(16, 128), (140, 140), (224, 160), ((299, 150), 150), ((90, 224), 128)])
def test_a_picture_is_of_the_networks_size_between_128_and_160_px(own, side):
    assert default_side(convnet(size=own)) == side


def test_contrast_is_stretched_about_the_centre_until_a_hundredth_is_at_an_end():
    x = torch.full((1, 3, 10, 10), 0.4, dtype=torch.float64)
    x.view(-1)[:200] += torch.arange(1, 201) / 2000  # the 297th of 300 sizes is .0985
    found = stretched(x, (0.4,)).view(-1)
    expected = (0.4 + torch.cat([torch.arange(1, 201), torch.zeros(100)]) / 2000 * 0.5 / 0.0985).clamp(0, 1)
    torch.testing.assert_close(found, expected.double())


@given(st.floats(1e-3, 1), st.integers(0, 5))
def test_contrast_itself_does_not_matter(scale, seed):
    away = noise(2, 3, 6, 6, seed=seed) - 0.5
    torch.testing.assert_close(stretched(0.5 + scale * away, (0.5,)), stretched(0.5 + away, (0.5,)))


def test_a_picture_of_one_colour_stays_as_it_is():
    x = torch.full((1, 3, 4, 4), 0.3)
    assert torch.equal(stretched(x, (0.3,)), x)


def test_the_reported_value_is_that_of_the_stretched_picture():
    network = convnet(torch.float32)
    run = visualize(network, ["conv2:3"], preset="yosinski-c", size=16, steps=2)
    read = network.read(run.image, ["conv2"])["conv2"][0, 3].mean().item()
    assert run.numbers[0]["value"] == pytest.approx(read, rel=1e-4)
    plain = visualize(network, ["conv2:3"], preset="yosinski-c", stretch=False, size=16, steps=2)
    assert (run.image - 0.5).abs().mean() > 2 * (plain.image - 0.5).abs().mean()

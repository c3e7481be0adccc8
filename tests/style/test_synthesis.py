import pytest
import torch

from phosphene.core.optimization.ascent import Nouns
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.settings import Settings
from phosphene.style.blocks import Place
from phosphene.style.synthesis import LEAST, Synthesis
from tests.small import convnet, noise


def synthesis(textures=1, size=(40, 40), steps=8, **more):
    seen = [0.3 + 0.2 * noise(1, 3, 30, 50, seed=i) for i in range(textures)]
    how = Settings(parameterization="pixels", optimizer="lbfgs", steps=steps)
    facts = {"masks": None, "smooth": False, "seamless": False, "scale": 1.0, "settings": how, "nouns": Nouns()} | more
    return Synthesis(convnet(), seen, [1.0] * textures, layers=["conv1"], statistics={"gram": 1.0}, last=size, **facts)


def test_sizes_are_halved_while_both_sides_are_long_enough_and_each_takes_half_the_steps_of_the_one_before():
    large = synthesis(size=(400, 800), steps=200)
    assert large.sizes == [(100, 200), (200, 400), (400, 800)] and large.steps == [200, 100, 50]
    assert synthesis(size=(191, 800)).sizes == [(191, 800)]
    assert synthesis(size=(400, 400), steps=40).steps == [40, LEAST, LEAST]
    assert synthesis(size=(400, 400), steps=2).steps == [2, 2, 2]


def test_textures_are_seen_as_small_as_the_size_is_beside_the_last():
    making = synthesis(size=(400, 400), scale=2.0)
    assert [making.seen(size)[0].shape[2:] for size in making.sizes] == [(15, 25), (30, 50), (60, 100)]


def test_it_begins_as_noise_with_the_mean_and_the_covariance_of_the_textures_colours():
    making = synthesis(textures=2, size=(150, 150))
    begun = making.start(Key(0, [0])).flatten(2)[0]
    wanted = [one.flatten(2)[0] for one in making.textures]
    torch.testing.assert_close(begun.mean(1), sum(one.mean(1) for one in wanted) / 2, atol=0.003, rtol=0)
    grams = sum(one @ one.T / one.shape[1] for one in wanted) / 2
    mean = sum(one.mean(1) for one in wanted) / 2
    torch.testing.assert_close(torch.cov(begun), grams - mean[:, None] * mean, atol=2e-4, rtol=0)
    assert making.start(Key(1, [0])).flatten()[0] != begun.flatten()[0]


@pytest.mark.parametrize("seamless", [False, True])
def test_masks_and_edges_say_how_much_each_position_counts(seamless):
    left = torch.zeros(40, 40)
    left[:, :20] = 1
    making = synthesis(textures=2, masks=torch.stack([left, 1 - left]), seamless=seamless)
    far = making.wrapping.far[0] if seamless else 0
    (part,) = making.parts((40, 40))
    seen = making.network.read(making.wrapping(noise(1, 3, 40, 40)) if seamless else noise(1, 3, 40, 40), ["conv1"])
    y = seen["conv1"]
    rows, columns = y.shape[2:]
    sums = part.sums(y, Place(slice(0, rows), slice(0, columns), (rows, columns)), torch.arange(1))
    weights, totals = sums[0::3], sums[1::3]
    assert [float(weight) for weight in weights] == [800, 800]
    inner = y[..., far : far + 40, far : far + 40]
    for total, own in zip(totals, (inner[..., 20:], inner[..., :20]), strict=True):
        torch.testing.assert_close(total, own.sum((2, 3)))

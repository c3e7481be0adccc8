"""Dreams of a real network: beside the loop of google/deepdream's notebook, and octave after octave."""

import numpy as np
import pytest
import torch

import phosphene
from phosphene.core.optimization.keys import Key
from phosphene.dreaming import dream

MEAN, STEP, JITTER, ITERATIONS = 117.0, 1.5, 32, 10
LAYER = "mixed4c"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def inception(data):
    return phosphene.load(f"{data}/models/inception5h.py:build", precision="float64", device="cpu")


def sky(data, size):
    picture = phosphene.predict(phosphene.load(), f"{data}/images/sky.jpg", fit="whole").input
    return torch.nn.functional.interpolate(picture, size, mode="area").mul(255).round().div(255)


def backward(model, src, target):
    """The gradient where `target` sets it to the activations, as `objective_L2` does: dst.diff[:] = dst.data."""
    kept = []
    hook = model.get_submodule(LAYER).register_forward_hook(lambda module, given, output: kept.append(output))
    leaf = torch.from_numpy(src)[None].requires_grad_()
    model(leaf)
    hook.remove()
    (y,) = kept
    return torch.autograd.grad(y, leaf, target(y.detach()))[0][0].numpy()


def notebook(model, picture, shifts, target=lambda y: y):
    """The notebook's `make_step`, again and again, at one size; numbers on the scale 0..255, less the mean."""
    src = (picture[0].double().numpy() * 255).round() - MEAN  # 8-bit values, exactly
    for ox, oy in shifts:
        src = np.roll(np.roll(src, ox, -1), oy, -2)
        g = backward(model, src, target)
        src = src + STEP / np.abs(g).mean() * g
        src = np.roll(np.roll(src, -ox, -1), -oy, -2)
        src = np.clip(src, -MEAN, 255 - MEAN)
    return (src + MEAN) / 255


def shifts(seed, many):
    """What the random key says, in pixels: across and down."""
    for step in range(many):
        drawn = Key(seed, [0], 0, step=step).integers(torch.zeros(1).long(), 2, 2 * JITTER + 1)[0] - JITTER
        down, across = drawn.tolist()
        yield across, down


def test_one_octave_is_that_of_the_notebook(data, inception):
    photo = sky(data, (112, 192))
    expected = notebook(inception.model, photo, shifts(5, ITERATIONS))
    found = dream(inception, photo[0], layer=LAYER, octaves=1, seed=5)
    *_, last = found
    np.testing.assert_allclose(last.pictures[0].numpy(), expected, rtol=0, atol=1e-6)
    assert np.abs(expected - photo[0].numpy()).mean() > 0.01


def test_one_octave_towards_a_guide_is_that_of_the_notebook(data, inception):
    """`objective_guide`: at each place the feature of the guide with the largest dot product."""
    photo = sky(data, (96, 160))
    flowers = phosphene.predict(phosphene.load(), f"{data}/images/flowers.jpg", fit="squash").input
    guide = torch.nn.functional.interpolate(flowers, (120, 104), mode="area").mul(255).round().div(255)
    y = inception.read(guide.double(), [LAYER])[LAYER][0].flatten(1)

    def objective_guide(x):
        products = x[0].flatten(1).T @ y
        return y[:, products.argmax(1)].reshape(x.shape)

    expected = notebook(inception.model, photo, shifts(2, 4), objective_guide)
    *_, last = dream(inception, photo[0], layer=LAYER, guide=guide[0], octaves=1, steps=4, seed=2)
    np.testing.assert_allclose(last.pictures[0].numpy(), expected, rtol=0, atol=1e-6)


def test_what_the_layer_sees_rises_from_octave_to_octave(data):
    """Each octave ends above the one before, and above where it began: at what the photograph has, or above."""
    network = phosphene.load(f"{data}/models/inception5h.py:build")
    photo = sky(data, (288, 512))[0]
    numbers = dream(network, photo, layer=LAYER).numbers[0]
    step, value = numbers["trace"]["step"], numbers["trace"]["value"]
    starts = [0] + [i + 1 for i in range(len(step) - 1) if step[i] == step[i + 1]]
    assert len(starts) == len(numbers["sizes"]) == 4
    ends = [value[after - 1] for after in [*starts[1:], len(step)]]
    assert ends == sorted(ends)
    for size, first, after in zip(numbers["sizes"], starts, [*starts[1:], len(step)], strict=True):
        plain = dream(network, sky(data, tuple(size))[0], layer=LAYER, octaves=1, steps=0).numbers[0]["value"]
        assert value[after - 1] > 2 * value[first] and value[first] >= 0.99 * plain

"""DeepDream: sizes, the first step by hand, and a picture that keeps its own size."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import phosphene
from phosphene.core.errors import Mistake
from phosphene.core.optimization.constraints import box
from phosphene.core.optimization.engine import argmin
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.objectives import gradient
from phosphene.core.optimization.optimizers import sign
from phosphene.core.optimization.parameterizations import Pixels
from phosphene.core.optimization.priors import total_variation
from phosphene.core.optimization.terms import energy
from phosphene.core.optimization.transforms import compose, noisy, roll
from phosphene.core.units.default_layers import halfway
from phosphene.dreaming import dream
from phosphene.dreaming.dream import octave_sizes
from tests.small import convnet, levels


def test_octaves_shrink_by_the_zoom_and_end_at_the_pictures_size():
    assert octave_sizes((575, 1024), 4, 1.4) == [(210, 373), (293, 522), (411, 731), (575, 1024)]


def test_a_small_picture_has_one_octave():
    assert octave_sizes((20, 20), 4, 1.4) == [(20, 20)]


def test_an_octave_of_32_px_is_the_smallest():
    assert octave_sizes((64, 96), 3, 2.0) == [(32, 48), (64, 96)]
    assert octave_sizes((63, 96), 3, 2.05) == [(63, 96)]


def test_by_default_a_dream_is_google_deepdreams():
    """10 moves at each of 4 sizes, each 1.4 times the one before."""
    network, photo = convnet(), levels(3, 130, 100)
    usual = dream(network, photo)
    assert usual.total == 40 and usual.numbers[0]["layer"] == halfway(network)
    assert usual.numbers[0]["sizes"] == [(47, 36), (66, 51), (93, 71), (130, 100)]


@given(st.integers(8, 2000), st.integers(8, 2000), st.integers(1, 10**9), st.floats(1.001, 1e9))
def test_octaves_grow_to_the_own_size_and_none_is_tiny(height, width, octaves, zoom):
    sizes = octave_sizes((height, width), min(octaves, 300) if zoom < 1.1 else octaves, zoom)
    assert sizes[-1] == (height, width)
    assert sizes == sorted(sizes)
    assert all(min(size) >= 32 for size in sizes[:-1])


def step_by_hand(network, x, layer, rate, jitter, seed, stage=0):
    """Roll, ascend half the mean square of the activations, roll back, in steps of a mean change of `rate`."""
    down, right = (
        Key(seed, [0], stage, step=0).integers(torch.zeros(1, dtype=torch.long), 2, 2 * jitter + 1)[0] - jitter
    ).tolist()
    rolled = x.roll((down, right), (2, 3)).requires_grad_()
    kept = []
    hook = network.model.get_submodule(layer).register_forward_hook(lambda m, i, o: kept.append(o))
    network.model((rolled - 0.5) / 0.2)
    hook.remove()
    (slope,) = torch.autograd.grad(kept[0].square().mean() / 2, rolled)
    slope = slope.roll((-down, -right), (2, 3))
    return (x + rate * slope / slope.abs().mean()).clamp(0, 1)


@pytest.mark.parametrize("jitter", [0, 7])
def test_the_first_step_equals_one_by_hand(jitter):
    photo = levels(3, 40, 50)
    run = dream(convnet(), photo, layer="conv3", octaves=1, steps=1, rate=0.01, jitter=jitter, seed=3)
    expected = step_by_hand(convnet(), photo.double()[None], "conv3", 0.01, jitter, 3)
    torch.testing.assert_close(run.image.double(), expected, rtol=0, atol=1e-6)


def test_a_step_moves_pixels_by_the_rate_on_average():
    photo = levels(3, 40, 50, low=60, high=200)
    moved = (dream(convnet(), photo, layer="conv3", octaves=1, steps=1, rate=0.01).image - photo).abs()
    assert moved.mean().item() == pytest.approx(0.01, rel=0.05)


def test_the_picture_keeps_its_size_and_range_and_the_layer_sees_more():
    network = phosphene.load()
    photo = levels(3, 70, 90)
    run = dream(network, photo, layer="mixed4a", octaves=2, steps=3)
    image = run.image
    assert image.shape == (1, 3, 70, 90)
    assert image.min() >= 0
    assert image.max() <= 1

    def energy(picture):
        return network.read(picture, ["mixed4a"])["mixed4a"].square().mean().item()

    assert energy(image) > 1.1 * energy(photo[None])
    assert run.numbers[0]["sizes"] == [(50, 64), (70, 90)]
    assert run.last.index == run.total == 6


def test_nothing_dreamt_is_the_photograph_itself():
    photo = levels(3, 50, 60)
    torch.testing.assert_close(dream(convnet(), photo, octaves=2, steps=0).image[0], photo, rtol=0, atol=1e-6)


def test_one_unit_can_be_dreamt_of_and_several_can_not():
    photo = levels(3, 40, 40)
    run = dream(convnet(), photo, layer="conv3:2", octaves=1, steps=2)
    first, *_, last = [-step.values.item() for step in run]
    assert last > first
    with pytest.raises(Mistake, match="names 3 units"):
        dream(convnet(), photo, layer="conv3:0-2")


@pytest.mark.parametrize("options", [{"octaves": 0}, {"zoom": 1.0}, {"zoom": 0.5}, {"jitter": -1}, {"steps": -1}])
def test_impossible_numbers_are_mistakes(options):
    with pytest.raises(Mistake, match=next(iter(options)).rstrip("s")):
        list(dream(convnet(), levels(3, 40, 40), **options))


def test_an_unknown_layer_is_answered_with_the_nearest():
    with pytest.raises(Mistake, match="no layer 'conv9'; did you mean 'conv1'"):
        dream(convnet(), levels(3, 40, 40), layer="conv9")


@pytest.mark.slow
def test_inception_dreams_into_the_sky(data):
    network = phosphene.load(f"{data}/models/inception5h.py:build")
    run = dream(network, f"{data}/images/sky.jpg", layer="mixed4c", octaves=2, steps=2)
    assert run.image.shape == (1, 3, 575, 1024)
    by_octave = [-step.values.item() for step in run._steps] or [-run.last.values.item()]
    sky = phosphene.predict(network, f"{data}/images/sky.jpg", fit="whole").input
    before = network.read(sky, ["mixed4c"])["mixed4c"].square().mean().item() / 2
    assert by_octave[-1] > 1.3 * before


def resized(x, size):
    return torch.nn.functional.interpolate(x, size, mode="bicubic", antialias=True, align_corners=False)


@pytest.mark.parametrize("octaves", [2, 3])
def test_an_octave_starts_at_the_enlarged_detail_and_has_random_numbers_of_its_own(octaves):
    network, photo, seed, jitter = convnet(), levels(3, 140, 150).round(), 3, 7  # its sizes overshoot [0, 1]
    how = {"layer": "conv3", "octaves": octaves, "zoom": 2.0, "rate": 0.05, "jitter": jitter, "seed": seed}
    run, whole = list(dream(network, photo, steps=1, **how)), photo.double()[None]
    sizes = [(35, 38), (70, 75), (140, 150)][-octaves:]
    detail = torch.zeros(1, 3, 8, 8, dtype=torch.float64)
    for stage, size in enumerate(sizes):
        base = whole if size == sizes[-1] else resized(whole, size).clamp(0, 1)
        start = (base + resized(detail, size)).clamp(0, 1)
        dreamt = step_by_hand(network, start, "conv3", 0.05, jitter, seed, stage)
        for step, expected in zip(run[2 * stage : 2 * stage + 2], (start, dreamt), strict=True):
            torch.testing.assert_close(step.pictures, expected, rtol=0, atol=1e-9)
        detail = dreamt - base
    assert [step.index for step in run] == [0, 1, 1, 2, 2, 3][: 2 * octaves]


def test_what_a_dream_says_is_half_the_mean_square_of_the_layer_it_amplifies():
    network, photo = convnet(), levels(3, 40, 50)
    run = dream(network, photo, layer="conv3", octaves=1, steps=2, jitter=0)
    numbers = run.numbers[0]
    y = network.read(run.last.pictures, ["conv3"])["conv3"]
    assert numbers["value"] == pytest.approx(y.square().mean().item() / 2)
    assert numbers["steps"] == 2


def test_a_layer_that_is_shut_is_not_led_open():
    """The redirected gradient is for noise; a photograph in which the layer sees nothing stays what it is."""
    network, photo = convnet(), levels(3, 40, 50)
    torch.nn.init.constant_(network.model.conv3.bias, -100.0)
    torch.testing.assert_close(dream(network, photo, layer="relu3:2", octaves=1, steps=2).image[0], photo)


def darker_above(pictures, rows, key):
    """A transform that does not commute with shifts."""
    height = pictures.shape[2]
    return pictures * torch.linspace(0.5, 1, height, dtype=pictures.dtype)[:, None], torch.arange(len(pictures))


def test_in_python_a_dream_takes_objects_in_place_of_its_settings():
    network, photo = convnet(), levels(3, 40, 50)
    mine = {
        "prior": 0.1 * total_variation(),
        "optimizer": sign(0.01),
        "transform": compose(noisy(0.1), darker_above),
        "constraint": box(0.2, 0.8),
    }
    run = dream(network, photo, layer="conv3", octaves=1, steps=2, jitter=3, seed=1, **mine)

    def objective(pictures, rows, key):
        term = -energy("conv3") + 0.1 * total_variation()
        return gradient(network, term, compose(roll(3), compose(noisy(0.1), darker_above)))(
            pictures, rows, key.child(0)
        )

    *_, expected = argmin(
        Pixels(photo.double()[None]), objective, optimizer=sign(0.01), constraint=box(0.2, 0.8), steps=2, key=Key(1)
    )
    torch.testing.assert_close(run.image, expected.pictures.float(), rtol=0, atol=1e-6)


def test_a_dream_of_the_total_variation_is_smoother():
    photo = levels(3, 40, 50)

    def roughness(picture):
        return picture.diff(dim=3).abs().mean() + picture.diff(dim=2).abs().mean()

    rough, smooth = (dream(convnet(), photo, layer="conv3", octaves=1, steps=3, tv=tv).image for tv in (0.0, 100.0))
    assert roughness(smooth) < roughness(rough)

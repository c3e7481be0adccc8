"""DeepDream: the first step by hand, what it may be told, and a picture that keeps its own size."""

import pytest
import torch

import phosphene
from phosphene.core.errors import Mistake
from phosphene.core.optimization.constraints import box
from phosphene.core.optimization.engine import argmin
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.objectives import gradient
from phosphene.core.optimization.optimizers import sign
from phosphene.core.optimization.parameterizations import Fourier, Pixels
from phosphene.core.optimization.priors import total_variation
from phosphene.core.optimization.terms import energy
from phosphene.core.optimization.transforms import compose, noisy, roll
from phosphene.core.units.default_layers import halfway
from phosphene.dreaming import dream
from phosphene.dreaming.tiling import SHARE
from tests.small import convnet, levels


@pytest.mark.slow
def test_by_default_a_dream_is_google_deepdreams():
    """10 moves at each of 4 sizes, each 1.4 times the one before."""
    network, photo = convnet(), levels(3, 130, 100)
    usual = dream(network, photo)
    assert usual.total == 40 and usual.numbers[0]["layer"] == halfway(network)
    assert usual.numbers[0]["sizes"] == [(47, 36), (66, 51), (93, 71), (130, 100)]


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


@pytest.mark.slow
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


# ----------------------------------------------------------------------------------------------- what it may be told


def test_a_strip_is_a_dream_of_each_layer_as_it_is_alone():
    network, photo = convnet(), levels(3, 70, 80)
    how = {"octaves": 2, "steps": 2, "rate": 0.02, "jitter": 5, "seed": 4}
    strip = dream(network, photo, strip="conv1, conv3", **how)
    assert strip.result.names == ["conv1", "conv3"] and len(strip.result.panels) == 2
    assert strip.result.drawing is not None
    for i, layer in enumerate(("conv1", "conv3")):
        alone = dream(network, photo, layer=layer, **how)
        torch.testing.assert_close(strip.image[i], alone.image[0], rtol=0, atol=1e-6)
        assert strip.numbers[i]["value"] == pytest.approx(alone.numbers[0]["value"])
        assert alone.result.drawing is None


def test_with_all_channels_it_is_the_layers_dream_and_with_some_another_one():
    network, photo = convnet(), levels(3, 40, 50)
    channels = network.layer("conv3").shape[0]
    how = {"layer": "conv3", "octaves": 1, "steps": 3, "rate": 0.02}
    plain = dream(network, photo, **how).image
    torch.testing.assert_close(dream(network, photo, channels=f"0,1-{channels - 1}", **how).image, plain)
    torch.testing.assert_close(dream(network, photo, strongest=channels, **how).image, plain)
    some = dream(network, photo, channels="1", **how).image
    assert (some - plain).abs().mean() > 0.005
    y = network.read(photo.double()[None], ["conv3"])["conv3"].square().mean((0, 2, 3))
    first = dream(network, photo, channels=str(int(y.argmax())), **how).image
    torch.testing.assert_close(dream(network, photo, strongest=1, **how).image, first)


def test_the_first_step_towards_a_guide_equals_one_by_hand():
    network, photo, guide = convnet(), levels(3, 40, 50), levels(3, 30, 36, seed=5)
    run = dream(network, photo, layer="conv3", guide=guide, octaves=1, steps=1, rate=0.01, jitter=0)
    x = photo.double()[None].requires_grad_()
    y = network.read(x, ["conv3"])["conv3"]
    features = network.read(guide.double()[None], ["conv3"])["conv3"][0].flatten(1)
    best = features[:, (y[0].flatten(1).T @ features).argmax(1)].view_as(y[0])
    (slope,) = torch.autograd.grad((y[0] * best.detach()).sum(), x)
    expected = (x + 0.01 * slope / slope.abs().mean()).clamp(0, 1)
    torch.testing.assert_close(run.image.double(), expected.detach(), rtol=0, atol=1e-6)


def test_where_the_mask_is_black_nothing_changes_and_where_it_is_grey_half():
    network, photo = convnet(), levels(3, 40, 60, low=60, high=200)
    mask = torch.zeros(3, 40, 60)
    mask[:, :, 20:40], mask[:, :, 40:] = 128 / 255, 1
    how = {"layer": "conv3", "octaves": 1, "steps": 1, "rate": 0.02, "jitter": 3}
    moved = dream(network, photo, mask=mask, **how).image[0] - photo
    whole = dream(network, photo, **how).image[0] - photo
    assert torch.equal(moved[:, :, :20], torch.zeros(3, 40, 20))
    torch.testing.assert_close(moved[:, :, 20:40], 128 / 255 * whole[:, :, 20:40], rtol=0, atol=1e-6)
    torch.testing.assert_close(moved[:, :, 40:], whole[:, :, 40:])


def test_it_stops_where_pixels_have_changed_so_far():
    network, photo = convnet(), levels(3, 40, 50, low=60, high=200)
    run = dream(network, photo, layer="conv3", octaves=1, steps=9, rate=0.01, change=0.025)
    assert run.result.numbers[0]["steps"] == 3
    trace = run.result.numbers[0]["trace"]
    assert trace["step"] == [0, 1, 2, 3] and len(trace["says"]) == 1
    assert trace["change"][2] < 0.025 <= trace["change"][3]
    assert trace["change"][3] == pytest.approx((run.image[0] - photo).abs().mean().item(), abs=1e-4)
    assert trace["value"][-1] == pytest.approx(run.result.numbers[0]["value"])


def test_it_stops_too_where_the_value_that_was_asked_for_is_reached():
    network, photo = convnet(), levels(3, 40, 50, low=60, high=200)
    how = {"layer": "conv3", "octaves": 1, "steps": 9, "rate": 0.01}
    values = dream(network, photo, **how).numbers[0]["trace"]["value"]
    run = dream(network, photo, change=0.9, until=(values[1] + values[2]) / 2, **how)
    assert run.result.numbers[0]["steps"] == 2


def test_its_colours_may_be_the_photographs():
    network, photo = convnet(), levels(3, 40, 50)
    how = {"layer": "conv3", "octaves": 1, "steps": 2, "rate": 0.03}
    found = dream(network, photo, keep_colours="histogram", **how).image[0]
    torch.testing.assert_close(found.flatten(1).sort(1).values, photo.flatten(1).sort(1).values)


def test_by_tiles_whose_margins_hold_what_a_position_sees_it_is_the_same_dream():
    network, photo = convnet(), levels(3, 120, 150)
    field = network.receptive_field("conv3").rows
    assert max(-field.offset, field.offset + field.size - field.stride) <= 64 / SHARE
    how = {"layer": "conv3", "octaves": 2, "steps": 2, "rate": 0.02, "jitter": 9, "seed": 2}
    whole = dream(network, photo, **how)
    tiled = dream(network, photo, tile=64, **how)
    torch.testing.assert_close(tiled.image, whole.image, rtol=0, atol=1e-6)
    assert tiled.numbers[0]["value"] == pytest.approx(whole.numbers[0]["value"])
    assert (whole.numbers[0]["tiles"], tiled.numbers[0]["tiles"]) == ([None, None], [64, 64])


def test_it_begins_at_faint_noise_if_it_is_told_so():
    run = dream(convnet(), levels(3, 40, 50), start="noise", layer="conv3", octaves=1, steps=0)
    assert run.image.min() >= 100 / 255 and run.image.max() <= 101 / 255 and run.image.std() > 0.1 / 255


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"layer": "conv1", "strip": "conv1,conv3"}, "a strip has layers of its own; give --layer conv1 or --strip"),
        ({"layer": "conv3:1", "channels": "1"}, "--channels is about a whole layer, and conv3:1 is none"),
        ({"layer": "conv3", "channels": "1", "strongest": 2}, "--channels and --strongest exclude each other"),
        ({"layer": "conv3", "channels": "77"}, "77"),
        ({"layer": "conv3", "channels": "1,file=secret.npy"}, "is not a valid value for channels: write numbers"),
        ({"layer": "conv3", "mask": levels(3, 50, 40)}, "the mask is 40 x 50 pixels and the photograph 50 x 40"),
        (
            {"mask": levels(3, 40, 50), "parameterization": "fourier"},
            "a mask holds pixels back, and a fourier has none",
        ),
        ({"layer": "conv3:1@2,2", "tile": 64}, "conv3:1@2,2 is at one place, which every tile would have of its own"),
        ({"layer": "conv3", "tile": "huge"}, "'huge' is not a valid value for tile: it must be a whole number, 64 to"),
        ({"mask": levels(3, 40, 50), "only": "zebra"}, "--mask and --only zebra exclude each other"),
        ({"only": "yak"}, "no class 'yak'"),
        (
            {"mask": levels(3, 40, 50), "parameterization": Fourier},
            "a parameterization of one's own has none that can be set",
        ),
        ({"layer": "conv3", "guide": torch.zeros(3, 40, 50) + 128 / 255, "channels": "1"}, "exclude each other"),
    ],
)
def test_what_excludes_itself_is_one_sentence(options, said):
    with pytest.raises(Mistake, match=said):
        dream(convnet(), levels(3, 40, 50), **options)

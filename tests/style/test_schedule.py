import math

import pytest
import torch

from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.objectives import gradient
from phosphene.core.optimization.optimizers import AdamMemory
from phosphene.core.optimization.steps import Waypoints
from phosphene.core.optimization.transforms import as_is
from phosphene.style.borders import replicated
from phosphene.style.presets import setup
from phosphene.style.schedule import Making, Mixture, resized, sizes
from tests.small import convnet, noise

LAYERS = ["relu1", "relu2"]


def making(mixtures=None, given=None, size=(24, 32), styles=1, **more):
    looks = [noise(1, 3, 24, 24, seed=1 + i) for i in range(styles)]
    return Making(
        convnet(), noise(1, 3, 24, 32), looks, [1.0] * styles, LAYERS, "relu3", setup("default", given or {}),
        mixtures or [Mixture([0.5, 0.5], 0.1)], [size], **more,
    )  # fmt: skip


def test_sizes_grow_by_the_root_of_2_up_to_the_last():
    found = sizes((384, 512), 128)
    assert [max(size) for size in found] == [128, 181, 256, 362, 512]
    assert all(abs(h / w - 0.75) < 0.01 for h, w in found) and found[-1] == (384, 512)
    assert sizes((90, 100), 128) == sizes((90, 100), None) == [(90, 100)]


def test_steps_become_fewer_from_size_to_size_above_512_px():
    made = making(given={"steps": 100})
    every = [(256, 362), (384, 512), (724, 543), (1024, 768)]
    assert Making(**vars(made) | {"sizes": every}).steps == [100, 100, 60, 36]


@pytest.mark.parametrize("statistics", [{}, {"sliced": 1.0}])
def test_block_by_block_or_not_it_is_the_term_of_each_picture_by_its_own_mixture(statistics):
    made = making([Mixture([0.5, 0.5], 0.1), Mixture([1.0, 0.0], 2.0)], statistics)
    aim, x, rows = made.aim((24, 32)), noise(2, 3, 24, 32, seed=5), torch.arange(2)
    found = aim.reading(made.network, aim.term, as_is)(x, rows, Key(step=0))
    expected = gradient(made.network, aim.term, as_is, replicated)(x, rows, Key(step=0))
    torch.testing.assert_close(found.values, expected.values)
    torch.testing.assert_close(found.gradients, expected.gradients)
    alone = making([Mixture([1.0, 0.0], 2.0)], statistics).aim((24, 32))
    torch.testing.assert_close(
        alone.reading(made.network, alone.term, as_is)(x[1:], rows[:1], Key(step=0)).values, found.values[1:]
    )


def test_a_style_has_as_many_pixels_as_the_picture_times_the_square_of_its_scale():
    style = noise(1, 3, 50, 100)
    for scale in (1.0, 2.0):
        height, width = making(scale=scale).style_size(style, (60, 80))
        assert height * width == pytest.approx(scale**2 * 4800, rel=0.03) and width == pytest.approx(2 * height, abs=1)


@pytest.mark.parametrize("begin", ["photo", "noise"])
def test_each_size_begins_where_the_one_before_has_ended_with_the_photographs_detail_if_it_began_there(begin):
    made = Making(**vars(making(given={"steps": 2, "begin": begin})) | {"sizes": [(12, 16), (24, 32)]})
    first, second = made.ascents(made.photo if begin == "photo" else None, AdamMemory())
    *_, last = first(Key(0, [0]), None)
    begun = next(iter(second(Key(0, [0], 1), last)))
    grown = torch.nn.functional.interpolate(last.pictures, (24, 32), mode="bicubic", antialias=True)
    blurred = torch.nn.functional.interpolate(resized(made.photo, (12, 16)), (24, 32), mode="bicubic", antialias=True)
    detail = made.photo - blurred if begin == "photo" else 0
    torch.testing.assert_close(begun.pictures, (grown + detail).clamp(0, 1))
    assert begun.index == 0 and math.isfinite(begun.values.item())


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam", "normalized"])
def test_every_optimizer_makes_it_smaller(optimizer):
    made = making(given={"steps": 5, "optimizer": optimizer, "rate": 0.01})
    (ascend,) = made.ascents(made.photo, AdamMemory())
    values = [step.values.item() for step in ascend(Key(0, [0]), None)]
    assert values[-1] < 0.9 * values[0]


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_what_is_killed_between_two_sizes_goes_on_to_the_same_picture(optimizer):
    made = Making(
        **vars(making(given={"steps": 3, "optimizer": optimizer, "rate": 0.01}))
        | {"sizes": [(12, 16), (17, 23), (24, 32)]}
    )
    reached = []
    *_, whole = made.path(Key(0, [0]), made.photo, Waypoints(lambda tensors: reached.append(dict(tensors))))
    assert [int(one["sizes"]) for one in reached] == [1, 2]
    for one in reached:
        first, *_, last = made.path(Key(0, [0]), made.photo, Waypoints(kept=one))
        assert first.index == int(one["steps"]) and last.index == whole.index == sum(made.steps)
        assert torch.equal(last.pictures, whole.pictures)

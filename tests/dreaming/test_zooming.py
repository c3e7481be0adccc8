"""Zoom films: enlarging by its formula, frames that stay as bright, and a loop that closes."""

import math

import pytest
import torch

from phosphene.core.errors import Mistake
from phosphene.core.results.reels import Reel
from phosphene.dreaming import dream
from phosphene.dreaming.zooming import Zoom, ahead, like, zoomed
from tests.small import convnet, levels, noise

SMALL = {"layer": "conv3", "octaves": 1, "steps": 4, "rate": 2 / 255, "jitter": 3}


def photo(height=33, width=48):
    """Something with large and small in it, in 8-bit values."""
    some = levels(1, 3, 5, 7, low=60, high=200)
    larger = torch.nn.functional.interpolate(some, (height, width), mode="bicubic").clamp(0, 1)
    return (255 * larger[0]).round() / 255


def film(frames=6, **options):
    return dream(convnet(torch.float32), photo(), zoom_film=frames, **(SMALL | options))


def pictures(made):
    return [step.pictures for step in made]


# Enlarging


def cubic(t):
    """Keys 1981, a = -0.75, as PyTorch has it."""
    t, a = abs(t), -0.75
    if t <= 1:
        return (a + 2) * t**3 - (a + 3) * t**2 + 1
    return a * t**3 - 5 * a * t**2 + 8 * a * t - 4 * a if t < 2 else 0.0


def slow_zoomed(x, by, turn):
    """For each pixel (p - middle) turned back and divided by `by`; bicubic, mirrored about the border."""
    _, _, height, width = x.shape
    cos, sin = math.cos(math.radians(turn)), math.sin(math.radians(turn))
    new = torch.zeros_like(x)

    def mirrored(k, n):
        k %= 2 * n
        return k if k < n else 2 * n - 1 - k

    for row in range(height):
        for column in range(width):
            right, down = column + 0.5 - width / 2, row + 0.5 - height / 2
            u = (cos * right + sin * down) / by + width / 2 - 0.5
            v = (-sin * right + cos * down) / by + height / 2 - 0.5
            for i in range(math.floor(v) - 1, math.floor(v) + 3):
                for j in range(math.floor(u) - 1, math.floor(u) + 3):
                    weight = cubic(v - i) * cubic(u - j)
                    new[..., row, column] += weight * x[..., mirrored(i, height), mirrored(j, width)]
    return new.clamp(0, 1)


@pytest.mark.parametrize(("by", "turn"), [(1.05, 0), (1.3, 0), (1.1, 10), (2, -100)])
def test_enlarging_equals_its_formula(by, turn):
    x = noise(1, 3, 6, 9)
    torch.testing.assert_close(zoomed(x, by, turn), slow_zoomed(x, by, turn))


def test_enlarging_by_a_whole_number_keeps_a_plane_and_its_middle():
    x = torch.linspace(0.2, 0.8, 17, dtype=torch.float64).expand(1, 3, 17, 17)
    larger = zoomed(x, 2, 0)
    torch.testing.assert_close(larger[0, 0, 8], 0.5 + (x[0, 0, 8] - 0.5) / 2)


def test_a_quarter_turn_is_clockwise_and_exact():
    x = noise(1, 3, 10, 10)
    torch.testing.assert_close(zoomed(x, 1, 90), x.rot90(-1, (2, 3)))


def test_there_are_no_black_corners():
    assert zoomed(torch.ones(1, 3, 20, 60, dtype=torch.float64), 1.01, 30).min() > 0.999


# A loop


def smooth(height=60, width=90):
    rows, columns = torch.linspace(0, 3, height), torch.linspace(0, 5, width)
    return (0.5 + 0.4 * torch.sin(rows[:, None] + columns)).double().expand(1, 3, height, width)


@pytest.mark.parametrize(("by", "turn"), [(1.5, 0), (4, 30), (1.02, -2)])
def test_what_is_ahead_fills_the_picture_when_it_is_enlarged_and_turned(by, turn):
    first = smooth()
    seen = ahead(torch.zeros_like(first), first, by, turn)
    soft = min(0.4, 1.5 * (by - 1) ** 1.5) / 2  # of each side, the edge in which both are seen
    down, right = 3 + math.ceil(60 * soft), 3 + math.ceil(90 * soft)
    inner = (..., slice(down, -down), slice(right, -right))
    torch.testing.assert_close(zoomed(seen, by, turn)[inner], first[inner], atol=0.03, rtol=0)


def test_what_is_ahead_leaves_everything_around_it_as_it_is():
    picture = noise(1, 3, 60, 90)
    seen = ahead(picture, smooth(), 3, 0)
    changed = (seen - picture).abs().amax((0, 1)) > 0
    rows, columns = changed.any(1).nonzero().flatten(), changed.any(0).nonzero().flatten()
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (20, 39, 30, 59)
    torch.testing.assert_close(ahead(picture, smooth(), 3, 0, part=0), picture)


def steps_between(frames, by, turn=0.0):
    """How far each frame is from the one before, enlarged; the last number is from the last frame to the first."""
    behind = [*frames[1:], frames[0]]
    return [(zoomed(a, by, turn) - b).abs().mean().item() for a, b in zip(frames, behind, strict=True)]


@pytest.mark.slow
@pytest.mark.parametrize("turn", [0, 3])
def test_a_loop_closes_with_a_step_like_any_other(turn):
    *others, last = steps_between(pictures(film(10, loop=True, zoom_by=1.15, turn=turn)), 1.15, turn)
    assert last <= max(others)
    *_, open_end = steps_between(pictures(film(10, zoom_by=1.15, turn=turn)), 1.15, turn)
    assert last < open_end / 2


# The film


def test_the_first_frame_is_the_dream_of_the_photograph():
    alone = dream(convnet(torch.float32), photo(), **SMALL)
    torch.testing.assert_close(next(iter(film())).pictures, alone.image, rtol=0, atol=0)


def test_a_frame_in_which_nothing_is_dreamt_is_the_one_before_enlarged():
    first, second, *_ = pictures(film(3, zoom_steps=0, zoom_by=1.2, turn=5))
    kept = (first.clamp(0, 1) * 255).round() / 255
    expected = like(zoomed(kept, 1.2, 5), kept, 0.5)
    torch.testing.assert_close(second, expected)


def test_every_frame_has_random_shifts_of_its_own():
    made = film(3)
    assert isinstance(made, Reel)
    still = levels(1, 3, 33, 48)
    one, other, again = (made.begin(index, lambda k: still).image for index in (1, 2, 1))
    assert not torch.equal(one, other) and torch.equal(one, again)


def test_backward_is_the_same_film_from_its_end():
    backward, forward = film(3, zoom_by=0.8, turn=-4), film(3, zoom_by=1.25, turn=4)
    assert backward.backward and not forward.backward
    for one, other in zip(pictures(backward), pictures(forward), strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.slow
def test_over_many_frames_brightness_and_contrast_stay(monkeypatch):
    def drift():
        first, *_, last = pictures(film(16, zoom_by=1.2))
        return (last.mean() - first.mean()).abs().item(), abs(math.log(last.std() / first.std()))

    brightness, contrast = drift()
    assert brightness < 0.02 and contrast < 0.15
    monkeypatch.setattr("phosphene.dreaming.zooming.PULLED", 0.0)
    brightness_alone, contrast_alone = drift()
    assert brightness_alone > 5 * brightness and contrast_alone > contrast


def test_brought_all_the_way_it_has_the_other_ones_mean_and_deviation():
    picture, other = 0.3 + 0.2 * noise(1, 3, 8, 9), 0.5 + 0.1 * noise(1, 3, 8, 9, seed=1)
    there = like(picture, other, 1.0)
    torch.testing.assert_close(there.mean(), other.mean())
    torch.testing.assert_close(there.std(), other.std())
    torch.testing.assert_close(like(picture, other, 0.0), picture)
    assert like(torch.full((1, 3, 8, 9), 0.5), other.float(), 1.0).isfinite().all()


def test_by_default_a_film_is_the_notebooks_zoom_with_few_moves_a_frame():
    """google/deepdream enlarges each frame by 5 % and doesn't turn it."""
    assert Zoom(9) == Zoom(frames=9, by=1.05, turn=0, loop=False, backward=False, rate=15, steps=2)
    made = film(9)
    assert [made.begin(index, lambda k: levels(1, 3, 33, 48)).total for index in (0, 1)] == [4, 2]


def test_it_lasts_as_long_as_its_rate_says():
    assert film(5).times == pytest.approx([0, 1 / 15, 2 / 15, 3 / 15, 4 / 15, 5 / 15])
    assert film(5, frame_rate=25).times[-1] == pytest.approx(0.2)


@pytest.mark.parametrize(
    "options",
    [
        {"guide": levels(3, 20, 20, seed=1)}, {"channels": "1,3"}, {"strongest": 2}, {"start": "noise"}, {"tv": 0.1},
        {"mask": levels(3, 33, 48, seed=2)}, {"keep_colours": "chroma"}, {"keep_colours": "histogram"},
        {"octaves": 2, "zoom": 1.02}, {"change": 0.01}, {"parameterization": "fourier"}, {"layer": "conv3:2"},
    ],
    ids=lambda options: "-".join(options),
)  # fmt: skip
def test_what_a_dream_may_be_told_holds_in_every_frame(options):
    first, second = pictures(film(2, **options))
    assert first.shape == second.shape == (1, 3, 33, 48)
    assert not torch.equal(second, pictures(film(2))[1])


def test_where_a_mask_is_black_a_frame_is_the_one_before_enlarged():
    mask = torch.zeros(3, 33, 48)
    mask[..., 24:] = 1
    first, second = pictures(film(2, mask=mask, zoom_by=1.2))
    kept = (first * 255).round() / 255
    enlarged = like(zoomed(kept, 1.2, 0), kept, 0.5)
    torch.testing.assert_close(second[..., :20], enlarged[..., :20])
    assert (second - enlarged)[..., 28:].abs().mean() > 0.005


def test_with_the_photographs_histogram_every_frame_has_it():
    *_, last = pictures(film(4, keep_colours="histogram"))
    torch.testing.assert_close(last[0].flatten(1).sort(1).values, photo().flatten(1).sort(1).values)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"zoom_by": 1}, "enlarged by 1 stands still; give --zoom-by 1.05, or 0.95"),
        ({"loop": True}, "a loop needs at least 15 frames where each is enlarged by 1.05, not 6"),
        ({"loop": True, "zoom_by": 0.8}, "a loop needs at least 4 frames where each is enlarged by 1.25, not 3"),
        (
            {"layer": None, "strip": "conv2,conv3"},
            "a strip of 2 layers is several; give --layer",
        ),
        ({"zoom_film": None, "turn": 2}, "--turn belongs to a zoom film; give --zoom-film FRAMES, too"),
        ({"zoom_film": None, "frame_rate": 25}, "--frame-rate belongs to a zoom film"),
        ({"zoom_film": 1}, "1 is not a valid value for zoom_film: it must be 2 to"),
        ({"zoom_by": 5}, "5 is not a valid value for zoom_by: it must be 0.25 to 4"),
    ],
)
def test_what_makes_no_film_is_one_sentence(options, said):
    frames = options.pop("zoom_film", 3 if options.get("zoom_by") == 0.8 else 6)
    with pytest.raises(Mistake, match=said):
        film(frames, **options)


def test_a_loop_brings_the_first_frame_into_sight_as_early_as_there_are_frames():
    assert Zoom(200, 1.05, loop=True).closing == 43  # 1.05^43 = 8.1
    assert Zoom(20, 1.05, loop=True).closing == 19
    assert Zoom(200, 1.05).closing == 0

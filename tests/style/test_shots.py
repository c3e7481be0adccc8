"""A style over a film: shots, the frames that are pooled, and how much less it flickers."""

import pytest
import torch

from phosphene.core.pictures.eight_bit import fraction, levels
from phosphene.core.pictures.flow import flow, motions, warp_error, warped
from phosphene.core.pictures.footage import Footage
from phosphene.core.results.reels import Reel
from phosphene.style.arbitrary import adain, wct
from phosphene.style.shots import POOLED, shots, spread
from tests.films import film, moving
from tests.style.pictured import decodable, picture

pytest.importorskip("av")
pytest.importorskip("cv2")

STYLE = picture(28, 20, seed=1)


def kept(picture):
    return fraction(levels(picture.float()), 255)


def made(reel):
    """The frames as they are kept, each from those before it."""
    frames = []
    for index in range(len(reel)):
        frames.append(kept(reel.begin(index, frames.__getitem__).image))
    return frames


def nothing(index):
    """No frame is there before this one."""
    raise AssertionError(f"frame {index} was asked for")


def test_a_film_is_cut_into_its_shots(tmp_path):
    path = film(tmp_path / "a.mkv", moving(4) + moving(3, seed=5) + moving(1, seed=9))
    assert shots(Footage(path)) == [range(4), range(4, 7), range(7, 8)]
    assert shots(Footage(film(tmp_path / "b.mkv", moving(1)))) == [range(1)]


def test_frames_are_taken_evenly_out_of_a_shot():
    assert spread(range(10, 13), 8) == [10, 11, 12]
    assert spread(range(16), 4) == [2, 6, 10, 14]
    assert spread(range(5, 6), 8) == [5]


@pytest.mark.slow
def test_all_frames_of_a_shot_have_one_transform_and_another_shot_has_its_own(tmp_path):
    first, second = moving(4), moving(3, seed=5)
    path = film(tmp_path / "a.mkv", first + second)
    reel = wct(decodable(), path, [STYLE], carry=0)
    assert isinstance(reel, Reel) and len(reel) == 7 and reel.sound == path
    found, style = made(reel), reel._make.__self__
    for index, frame in enumerate(first + second):
        fixed = style.how.pooled([one.double() for one in (first if index < 4 else second)])
        *_, expected = style.how.pictures(frame.double(), fixed)
        assert (found[index] - expected.float()).abs().max() <= 1 / 255
    assert len(first) < POOLED


def test_frame_by_frame_it_is_what_photographs_are(tmp_path):
    frames = moving(3)
    reel = adain(decodable(), film(tmp_path / "a.mkv", frames), [STYLE], statistics="frame", carry=0)
    for index, frame in enumerate(frames):
        alone = adain(decodable(), frame, [STYLE]).image
        assert (made(reel)[index] - alone).abs().max() <= 1 / 255


@pytest.mark.slow
def test_a_frame_depends_on_the_film_alone_and_its_number_on_the_one_before(tmp_path):
    path = film(tmp_path / "a.mkv", moving(3) + moving(2, seed=5))
    frames = made(wct(decodable(), path, [STYLE]))
    for index in (0, 3):  # the first of their shots
        assert torch.equal(kept(wct(decodable(), path, [STYLE]).begin(index, nothing).image), frames[index])
    again = wct(decodable(), path, [STYLE]).begin(4, frames.__getitem__)
    assert torch.equal(kept(again.image), frames[4])
    moved = motions([Footage(path).frame(k) for k in (3, 4)])
    assert again.numbers[0]["warp error"] == pytest.approx(warp_error(frames[3:], moved), rel=1e-5)
    assert again.numbers[0]["shot"] == [3, 4]


def walled(many=4, height=48, width=96):
    """Something dark comes in from the left, before a picture that stands still."""
    frames = []
    for k in range(many):
        frame = picture(height, width, seed=3)
        frame[..., : 8 * k] *= 0.1
        frames.append((frame * 255).round() / 255)
    return frames


@pytest.mark.parametrize("recipe", [adain, wct])
def test_what_stays_where_it_is_keeps_its_colours_whatever_comes_in_beside_it(tmp_path, recipe):
    path = film(tmp_path / "a.mkv", walled())
    shot, each = (
        [frame[..., 64:] for frame in made(recipe(decodable(), path, [STYLE], strength=1, statistics=how, carry=0))]
        for how in ("shot", "frame")
    )
    assert all(torch.equal(frame, shot[0]) for frame in shot)
    assert (each[-1] - each[0]).abs().mean() > 1 / 255


def test_a_frame_is_a_mean_of_what_it_is_alone_and_of_the_one_before_where_that_goes_along(tmp_path):
    frames = moving(2, step=3)
    path = film(tmp_path / "a.mkv", frames)
    alone, carried = (made(wct(decodable(), path, [STYLE], carry=carry)) for carry in (0, 0.5))
    assert torch.equal(alone[0], carried[0])
    back = flow(*frames)
    expected = (alone[1] + warped(carried[0], back).clamp(0, 1)) / 2
    inside = (..., slice(6, -6), slice(6, -12))
    assert (carried[1] - expected)[inside].abs().median() < 1.5 / 255
    assert torch.equal(carried[1][..., -1:], alone[1][..., -1:])  # it came in


def test_a_film_flickers_less_than_half_as_much_as_frame_by_frame(tmp_path):
    frames = moving(5, step=3)
    path = film(tmp_path / "a.mkv", frames)
    film_of, each = (
        warp_error(made(wct(decodable(), path, [STYLE], strength=1, **how)), motions(frames))
        for how in ({}, {"statistics": "frame", "carry": 0})
    )
    assert film_of < each / 2


def test_frames_have_the_size_that_is_asked_for(tmp_path):
    reel = wct(decodable(), film(tmp_path / "a.mkv", moving(2)), [STYLE], size=32)
    assert [frame.shape for frame in made(reel)] == [(1, 3, 24, 32)] * 2

"""Reels: frames that are made of those before them as they are kept, and the film that comes of them."""

from pathlib import Path

import pytest
import torch
from PIL import Image, ImageSequence

from phosphene.core.errors import Mistake
from phosphene.core.optimization.steps import Step
from phosphene.core.pictures.eight_bit import levels as whole_levels
from phosphene.core.results.reels import FRAME, Reel
from phosphene.core.results.results import Result, Run
from tests.small import noise


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def make(index, earlier):
    """Frame 0 is noise, each other one a little darker than the one before; in two steps."""
    end = noise(1, 3, 12, 20) if index == 0 else 0.8 * earlier(index - 1).double()

    def steps():
        for step in range(3):
            yield Step(step, end * step / 2, torch.zeros(1))

    return Run(steps(), total=2, names=["x"], finish=lambda step: Result(step.pictures, ["x"], [{"frame": index}]))


def reel(frames=4, **options):
    made = Reel(make, [index / 10 for index in range(frames + 1)], name="film", **options)
    made.recipe = {"recipe": "x", "arguments": {}}
    return made


def brightness(path):
    with Image.open(path) as film:
        return [torch.tensor(list(frame.convert("L").tobytes())).float().mean().item() for frame in
                ImageSequence.Iterator(film)]  # fmt: skip


def test_its_steps_are_frames_and_its_result_is_the_last_one():
    film = reel()
    frames = [step.pictures for step in film]
    assert len(film) == len(frames) == 4 and film.total == 3
    assert film.result.numbers == [{"frame": 3}] and film.result.recipe[FRAME] == 3
    torch.testing.assert_close(film.image, frames[3])
    assert "unfinished" not in film.result.recipe


def test_a_frame_is_made_of_the_one_before_rounded_to_8_bits():
    first, second, *_ = [step.pictures for step in reel()]
    kept = whole_levels(first) / 255
    torch.testing.assert_close(second, 0.8 * kept)
    assert (second - 0.8 * first).abs().max() > 1e-4


def test_what_makes_a_frame_says_which_one_it_is():
    run = reel().begin(2, lambda k: torch.full((1, 3, 12, 20), k / 10))
    torch.testing.assert_close(run.image, torch.full((1, 3, 12, 20), 0.08, dtype=torch.float64))
    assert run.result.recipe == {"recipe": "x", "arguments": {}, FRAME: 2}


def test_one_frame_is_had_by_making_those_up_to_it():
    film, every = reel(), [step.pictures for step in reel()]
    film.until(1)
    torch.testing.assert_close(film.image, every[1])
    assert film.result.recipe[FRAME] == 1
    for index in (4, -1):
        with pytest.raises(Mistake, match=f"there is no frame {index}; this film has frames 0 to 3"):
            reel().until(index)


def test_a_film_shows_them_in_order_and_backward_the_last_one_first():
    forward = brightness(reel().save("forward.gif"))
    assert sorted(forward, reverse=True) == forward and len(forward) == 4
    assert brightness(reel(backward=True).film("backward.gif")) == pytest.approx(forward[::-1])


def test_its_last_frame_can_be_saved_alone():
    assert reel().save("last.png") == Path("last.png")
    assert Image.open("last.png").size == (20, 12)


def test_backward_the_frames_times_are_those_of_the_places_where_they_are_shown():
    uneven = Reel(make, [2.0, 2.1, 2.3, 2.6], name="film", backward=True)
    with Image.open(uneven.save("film.gif")) as film:
        assert [frame.info["duration"] for frame in ImageSequence.Iterator(film)] == [100, 200, 300]


@pytest.mark.parametrize("backward", [False, True])
def test_an_interruption_leaves_the_film_so_far(backward):
    def broken(index, earlier):
        if index == 2:
            raise KeyboardInterrupt
        return make(index, earlier)

    film = Reel(broken, [0.0, 0.1, 0.2, 0.3], name="film", backward=backward)
    with pytest.raises(KeyboardInterrupt):
        film.save("film.gif")
    seen = brightness("film.gif")
    assert len(seen) == 2 and (seen[0] < seen[1]) == backward
    with pytest.raises(Mistake, match="nothing was computed yet"):
        reel().so_far()


def test_a_place_that_does_not_work_is_told_before_anything_is_computed():
    def never(index, earlier):
        raise AssertionError("a frame was made")

    with pytest.raises(Mistake, match=r"ends in .gif or .mp4"):
        Reel(never, [0.0, 1.0], name="film").save("film.avi")


@pytest.mark.parametrize(
    ("times", "said"), [([0.0], "at least one frame"), ([], "at least one frame"), ([0.0, 1.0, 1.0], "have to rise")]
)
def test_no_frames_and_times_that_stand_still_are_mistakes(times, said):
    with pytest.raises(Mistake, match=said):
        Reel(make, times, name="film")

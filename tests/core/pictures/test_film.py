"""Films read back: the start first, the result last, bounded whatever the number of steps."""

import errno
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageSequence

import phosphene
from phosphene.core import saving
from phosphene.core.errors import Mistake
from phosphene.core.optimization.steps import Step
from phosphene.core.pictures import encoding
from phosphene.core.pictures.encoding import SMALLEST
from phosphene.core.pictures.film import HOLD, Film
from phosphene.core.results.results import Result, Run
from tests.small import convnet, levels


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def flat(level, h=20, w=32):
    return torch.full((1, 3, h, w), level / 255)


def shown(path):
    """The frames of a GIF or an MP4, (n, h, w, 3)."""
    if Path(path).suffix == ".gif":
        with Image.open(path) as film:
            return np.stack([np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(film)]).astype(int)
    av = pytest.importorskip("av")
    with av.open(str(path)) as film:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]).astype(int)


@pytest.mark.parametrize(("path", "tolerance"), [("a.gif", 0), ("a.mp4", 4)])
def test_frames_come_back_in_order_from_start_to_end(path, tolerance):
    film = Film(path)
    for index, level in enumerate((10, 90, 170, 250)):
        film.add(index, flat(level))
    film.write()
    frames = shown(path)
    assert frames.shape[1:] == (20 * 8, 32 * 8, 3)  # 32 px are made SMALLEST
    seen = frames.mean((1, 2, 3))
    assert np.abs(seen[:4] - [10, 90, 170, 250]).max() <= tolerance
    assert np.abs(seen[4:] - 250).max(initial=0) <= tolerance  # MP4 repeats the last one
    assert frames.std((1, 2)).max() <= tolerance


def test_a_gif_goes_round_for_ever_and_rests_on_its_last_frame():
    film = Film("a.gif")
    for index in range(3):
        film.add(index, flat(100 * index))
    with Image.open(film.write()) as gif:
        assert gif.info["loop"] == 0
        gif.seek(2)
        assert gif.info["duration"] == HOLD


@pytest.mark.parametrize("path", ["a.gif", "a.mp4"])
def test_the_first_frame_is_the_start_and_the_last_the_picture(path):
    network = convnet(torch.float32)
    run = phosphene.visualize(network, ["conv2:1"], steps=6, size=32, rate=1.0)
    start = next(iter(phosphene.visualize(network, ["conv2:1"], steps=6, size=32, rate=1.0))).pictures
    assert run.film(path) == Path(path)
    frames = shown(path)[:, 4::8, 4::8] / 255  # the middle of each square
    tolerance = 0.03 if path == "a.gif" else 0.06  # 256 colours; halved colour resolution
    for frame, picture in ((frames[0], start), (frames[-1], run.image)):
        assert np.abs(frame - picture[0].permute(1, 2, 0).numpy()).mean() < tolerance
    assert np.abs(frames[0] - run.image[0].permute(1, 2, 0).numpy()).mean() > 2 * tolerance


def test_every_frame_of_a_short_run_is_kept():
    film = Film("a.gif", most_frames=8)
    for index in range(8):
        film.add(index, flat(index, 8, 8))
    assert [index for index, _ in film._frames] == list(range(8))


def test_the_frames_of_a_long_run_are_bounded_dense_at_first_and_keep_both_ends():
    film, picture = Film("a.gif", most_frames=20), flat(0, 8, 8)
    for index in range(0, 10_001, 8):
        film.add(index, picture)
        assert len(film) <= 20
    kept = np.array([index for index, _ in film._frames])
    assert (len(kept), kept[0], kept[-1]) == (20, 0, 10_000)
    gaps = np.diff(np.log(16 + kept))[1:-1]  # the last but one waits for its neighbours
    assert gaps.max() < 4 * gaps.min()
    assert kept[10] < 1000


def test_pictures_that_grow_end_at_the_last_ones_size():
    film = Film("a.gif")
    film.add(0, flat(50, 10, 16))
    film.add(1, flat(200, 40, 64))
    frames = shown(film.write())
    assert frames.shape == (2, 160, 256, 3)
    assert frames[0].min() == frames[0].max() == 50


def test_several_pictures_are_one_sheet():
    film = Film("a.gif")
    film.add(0, levels(4, 3, 15, 15))
    assert film._frames[0][1].shape == (32, 32, 3)
    np.testing.assert_array_equal(
        film._frames[0][1][17:, :15], levels(4, 3, 15, 15)[2].permute(1, 2, 0).mul(255).byte()
    )


def test_an_mp4_of_odd_sides_gets_even_ones():
    film = Film("a.mp4")
    film.add(0, levels(1, 3, SMALLEST + 1, SMALLEST + 3))  # so large that nothing is enlarged
    assert shown(film.write()).shape[1:3] == (SMALLEST + 2, SMALLEST + 4)


def test_large_pictures_are_made_smaller():
    film = Film("a.gif")
    film.add(0, flat(9, 600, 960))
    assert film._frames[0][1].shape == (300, 480, 3)


def interrupted_after(many):
    def steps():
        for index in range(many):
            yield Step(index, flat(50 * index), torch.zeros(1))
        raise KeyboardInterrupt

    return Run(steps(), total=9, names=["x"], finish=lambda step: Result(step.pictures, ["x"], [{}]))


def test_an_interruption_leaves_the_film_so_far():
    with pytest.raises(KeyboardInterrupt):
        interrupted_after(3).film("a.gif")
    assert shown("a.gif").mean((1, 2, 3)).tolist() == [0, 50, 100]
    with pytest.raises(KeyboardInterrupt):
        interrupted_after(0).film("b.gif")
    assert not Path("b.gif").exists()


def test_a_run_that_is_over_makes_a_film_of_its_end():
    run = phosphene.visualize(convnet(torch.float32), ["conv2:1"], steps=1, size=16)
    assert run.image.shape[2] == 16
    assert len(shown(run.film("a.gif"))) == 1


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("film.avi", "film.avi is not a film's name; give one that ends in .gif or .mp4"),
        ("away/film.gif", "there is no folder away for film.gif"),
        ("there.gif", "there.gif is there already; give --force"),
        ("folder.gif", "folder.gif is a folder"),
    ],
)
def test_a_place_that_does_not_work_is_told_before_anything_is_computed(path, said):
    Path("there.gif").touch()
    Path("folder.gif").mkdir()
    with pytest.raises(Mistake, match=said):
        Film(path, overwrite=False)


def test_an_mp4_without_pyav_names_the_extra(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    with pytest.raises(Mistake, match=r"mp4, unlike a GIF, needs PyAV: pip install 'phosphene\[film\]'"):
        Film("a.mp4")


def test_nothing_is_no_film_and_leaves_nothing_behind():
    with pytest.raises(Mistake, match="at least one step"):
        Film("a.gif").write()
    assert not list(Path().iterdir())


def filmed(path):
    film = Film(path)
    for index in range(5):
        film.add(index, levels(1, 3, 20, 32, seed=index))
    return film.write().read_bytes()


@pytest.mark.parametrize("name", ["film.gif", "film.mp4"])
def test_the_same_frames_have_the_same_bytes(name):
    assert filmed(name) == filmed("again-" + name)


def no_place(path, data):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))


def no_encoder(*_, **__):
    raise RuntimeError("there is no encoder for this")


@pytest.mark.parametrize(
    ("where", "what", "said"),
    [
        (saving.Path, ("write_bytes", no_place), "film.gif cannot be written: no space left on device"),
        (encoding, ("getdata", no_encoder), "film.gif cannot be written: there is no encoder for this"),
    ],
)
def test_a_film_that_can_not_be_written_leaves_the_old_one(monkeypatch, where, what, said):
    old = filmed("film.gif")
    with monkeypatch.context() as patch, pytest.raises(Mistake, match=said):
        patch.setattr(where, *what)
        filmed("film.gif")
    assert Path("film.gif").read_bytes() == old
    assert [path.name for path in Path().iterdir()] == ["film.gif"]

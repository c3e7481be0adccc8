"""Films read back: the very pixels, in any order, with their times, upright; and one sentence for what is none."""

import struct
import sys
from fractions import Fraction

import pytest
import torch

from phosphene.core.errors import Mistake, Note
from phosphene.core.pictures import footage
from phosphene.core.pictures.footage import Footage
from tests.films import film, moving
from tests.small import levels


def test_frames_are_the_pixels_that_were_stored_in_whatever_order_they_are_asked_for(tmp_path):
    frames = moving(7)
    read = Footage(film(tmp_path / "a.mkv", frames))
    assert (len(read), read.size) == (7, (48, 64))
    for index in (0, 1, 2, 5, 6, 5, 1, 0, 3, 3, 2, 6):
        assert torch.equal(read.frame(index), frames[index])


def test_two_frames_are_in_memory(tmp_path):
    read = Footage(film(tmp_path / "a.mkv", moving(6)))
    for index in range(6):
        read.frame(index)
    assert sorted(read._kept) == [4, 5]


def test_a_compressed_film_read_from_the_middle_on_has_the_same_pixels(tmp_path):
    pytest.importorskip("av")
    path = film(tmp_path / "a.mp4", moving(20), codec="libx264")
    one, other = Footage(path), Footage(path)
    through = [one.frame(index) for index in range(20)]
    for index in (13, 14, 19):
        assert torch.equal(other.frame(index), through[index])


def test_each_frame_keeps_its_time_and_the_film_its_end(tmp_path):
    times = [0.0, 0.04, 0.2, 0.21, 0.5]
    read = Footage(film(tmp_path / "a.mkv", moving(5), times=times))
    assert read.times[:-1] == pytest.approx(times)
    assert read.times[-1] == pytest.approx(0.54)  # as long as a frame at the nominal rate


@pytest.mark.parametrize(
    ("starts", "lasts", "times"),
    [
        ([0.1, 0.4, 0.2], 0.2, [0.1, 0.2, 0.4, 0.6]),
        ([0.0, None, 0.2], 0.5, [0.0, 0.5, 1.0, 1.5]),
        ([0.3, 0.3], 0.0, [0.0, 0.04, 0.08]),
        ([0.0, 0.1, 0.3, 0.4], 0.0, [0.0, 0.1, 0.3, 0.4, 0.5]),
        ([2.0], 0.0, [2.0, 2.04]),
        ([], 0.0, []),
    ],
)
def test_times_rise_whatever_a_film_says(starts, lasts, times):
    assert footage._rising(starts, lasts) == pytest.approx(times)


def matrix(path, numbers):
    """Write another display matrix into an MP4's track header (ISO 14496-12, 8.3.2)."""
    data = path.read_bytes()
    plain = struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30)
    at = data.index(plain, data.index(b"tkhd"))
    path.write_bytes(data[:at] + struct.pack(">9i", *numbers) + data[at + 36 :])


def test_a_film_that_was_taken_upright_stands_upright(tmp_path):
    corner = torch.zeros(1, 3, 48, 64)
    corner[..., :24, :32] = 1  # the first quarter, which clockwise becomes the one at the right
    path = film(tmp_path / "a.mp4", [corner] * 2, codec="libx264")
    matrix(path, (0, 65536, 0, -65536, 0, 0, 48 * 65536, 0, 1 << 30))
    read = Footage(path)
    assert read.size == (64, 48)
    quarters = torch.nn.functional.avg_pool2d(read.frame(1)[:, :1], (32, 24))[0, 0]
    torch.testing.assert_close(quarters, torch.tensor([[0.0, 1.0], [0.0, 0.0]]), rtol=0, atol=0.05)


def test_pixels_are_made_square(tmp_path):
    av = pytest.importorskip("av")
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as made:
        stream = made.add_stream("libx264", rate=25)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(3, 2)
        made.mux(stream.encode(av.VideoFrame(64, 48, "rgb24")))
        made.mux(stream.encode())
    assert Footage(path).size == (48, 96)


def cut(path, part):
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * part)])
    return path


def test_a_film_that_is_cut_off_has_the_frames_that_can_be_read(tmp_path):
    frames = [levels(3, 48, 64, seed=seed)[None] for seed in range(30)]
    path = cut(film(tmp_path / "a.mkv", frames), 0.6)
    with pytest.warns(Note, match=r"a.mkv is read for 1\d frames: it is cut off, and should last 1.2 seconds"):
        read = Footage(path)
    last = len(read) - 1
    assert torch.equal(read.frame(last), frames[last])
    assert read.times[-1] == pytest.approx(0.04 * len(read))


def test_a_film_that_is_damaged_ends_there(tmp_path):
    av = pytest.importorskip("av")
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w", options={"movflags": "faststart"}) as made:  # what is in it comes first
        stream = made.add_stream("libx264", rate=25)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        for seed in range(30):
            pixels = (levels(48, 64, 3, seed=seed) * 255).byte().numpy()
            made.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        made.mux(stream.encode())
    with pytest.warns(Note, match=r"a.mp4 is read for 1. frames: what comes then is cut off or damaged; copy it again"):
        read = Footage(cut(path, 0.5))
    assert read.frame(len(read) - 1).std() > 0.1


@pytest.mark.parametrize("part", [0.3, 0.7])
def test_a_film_without_its_index_can_not_be_read(tmp_path, part):
    path = cut(film(tmp_path / "a.mp4", moving(3), codec="libx264"), part)
    with pytest.raises(Mistake, match=r"a.mp4 is not a film that can be read: it begins as one, but is cut off or dam"):
        Footage(path)


def test_a_list_of_other_files_is_no_film(tmp_path):
    """FFmpeg's own would be opened, and the films in it, whoever wrote it."""
    film(tmp_path / "mine.mkv", moving(2))
    (tmp_path / "a.mp4").write_text("ffconcat version 1.0\nfile mine.mkv\n")
    with pytest.raises(Mistake, match=r"a.mp4 is not a film that can be read: it begins with text; MP4, MOV"):
        Footage(tmp_path / "a.mp4")


def test_sound_alone_is_no_film(tmp_path):
    av = pytest.importorskip("av")
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as made:
        stream = made.add_stream("pcm_s16le", rate=8000)
        silence = av.AudioFrame(format="s16", layout="mono", samples=800)
        silence.sample_rate = 8000
        made.mux(stream.encode(silence))
    with pytest.raises(Mistake, match=r"a.mkv has sound and no picture; give a film that one can see"):
        Footage(path)


def test_a_film_of_which_nothing_can_be_decoded_is_a_mistake(tmp_path):
    path = film(tmp_path / "a.mp4", moving(3), codec="libx264")
    data = path.read_bytes()
    begin, end = data.index(b"mdat") + 4, data.index(b"moov") - 4
    path.write_bytes(data[:begin] + bytes(end - begin) + data[end:])
    with pytest.raises(Mistake, match=r"a.mp4 has no frame that can be decoded; give another film"):
        Footage(path)


def test_what_is_no_file_is_told(tmp_path):
    (tmp_path / "folder.mp4").mkdir()
    (tmp_path / "empty.mp4").touch()
    for name, words in (
        ("folder.mp4", "cannot be read as a film: it is a folder"),
        ("empty.mp4", r"is empty \(0 bytes\); MP4"),
        ("fodler.mp4", "there is no file .*; did you mean 'folder.mp4'"),
    ):
        with pytest.raises(Mistake, match=words):
            Footage(tmp_path / name)


@pytest.mark.parametrize(("limit", "words"), [("MOST_PIXELS", "64 x 48 pixels"), ("LEAST_SIDE", "at least 100 x 100")])
def test_a_film_has_the_limits_of_pictures(tmp_path, monkeypatch, limit, words):
    path = film(tmp_path / "a.mkv", moving(2))
    monkeypatch.setattr(f"phosphene.core.pictures.files.{limit}", 100)
    with pytest.raises(Mistake, match=words):
        Footage(path)


def test_without_pyav_the_extra_is_named(tmp_path, monkeypatch):
    path = film(tmp_path / "a.mkv", moving(2))
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(Mistake, match=r"reading a.mkv needs PyAV: pip install 'phosphene\[flow\]'"):
        Footage(path)

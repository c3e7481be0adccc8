"""Frames as a film's bytes: each at its time, any number of them, with the sound of another film."""

import warnings
import weakref
from fractions import Fraction
from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageSequence

from phosphene.core.errors import Note
from phosphene.core.pictures import encoding
from phosphene.core.pictures.encoding import film_bytes

TIMES = [5.0, 5.04, 5.1, 5.2, 5.5, 5.6]
"""Of a film of a variable rate, which is a part of a longer one."""


def frames(many=5, height=300, width=401):
    """Each a little brighter."""
    return lambda: (np.full((height, width, 3), (40 * index + 20) % 256, dtype=np.uint8) for index in range(many))


def noisy(many, height=60, width=300):
    rng = np.random.default_rng(0)
    return lambda: (rng.integers(0, 256, (height, width, 3), dtype=np.uint8) for _ in range(many))


def tone(path, codec="aac", seconds=1.0, rate=48_000):
    """A file with sound alone, one level a second."""
    av = pytest.importorskip("av")
    with av.open(str(path), "w") as file:
        stream = file.add_stream(codec, rate=rate, layout="mono")
        for start in range(0, int(seconds * rate), 1024):
            wave = np.sin(np.arange(start, start + 1024) / 20).astype(np.float32)[None] / 2
            samples = wave if codec == "aac" else (2**15 * wave).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(samples, "fltp" if codec == "aac" else "s16", "mono")
            frame.sample_rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    return path


def test_an_mp4_plays_everywhere_and_shows_each_frame_at_its_time():
    av = pytest.importorskip("av")
    data = film_bytes(".mp4", frames(), TIMES)
    assert data.index(b"moov") < data.index(b"mdat")  # faststart
    with av.open(BytesIO(data)) as film:
        (stream,) = film.streams
        assert (stream.codec_context.name, stream.pix_fmt, stream.width, stream.height) == ("h264", "yuv420p", 402, 300)
        seen = list(film.decode(stream))
        assert [frame.time for frame in seen] == pytest.approx([time - 5 for time in TIMES[:-1]], abs=1e-4)
        levels = [frame.to_ndarray(format="rgb24").mean() for frame in seen]
    assert levels == pytest.approx([20, 60, 100, 140, 180], abs=3)


def test_a_gif_counts_in_hundredths_of_a_second_and_is_never_late():
    times = [index / 30 for index in range(31)]
    with Image.open(BytesIO(film_bytes(".gif", frames(30, 20, 20), times))) as film:
        durations = [frame.info["duration"] for frame in ImageSequence.Iterator(film)]
        assert (len(durations), sum(durations), set(durations), film.info["loop"]) == (30, 1000, {30, 40}, 0)


def test_a_gif_leaves_out_frames_that_browsers_would_show_too_long():
    times = [index / 120 for index in range(13)]
    with Image.open(BytesIO(film_bytes(".gif", frames(12, 20, 20), times))) as film:
        durations = [frame.info["duration"] for frame in ImageSequence.Iterator(film)]
    assert sum(durations) == 100 and min(durations) == 20 and len(durations) < 6


def test_a_gif_that_would_be_too_large_is_made_smaller_as_a_whole(monkeypatch):
    monkeypatch.setattr(encoding, "MOST_BYTES", 45_000)
    with Image.open(BytesIO(film_bytes(".gif", noisy(3), TIMES[:4]))) as film:
        assert film.n_frames == 3
        assert encoding.SMALLEST <= max(film.size) < 300


def test_small_frames_are_enlarged_with_their_pixels_as_squares():
    frame = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)
    larger = encoding.enlarged(frame)
    assert larger.shape == (204, 255, 3)
    np.testing.assert_array_equal(larger[25::51, 25::51], frame)


@pytest.mark.parametrize("ending", [".gif", ".mp4"])
def test_of_a_long_film_few_frames_are_in_memory(ending):
    pytest.importorskip("av")
    alive, most = [], []

    def every():
        for index in range(40):
            frame = np.full((300, 300, 3), index, dtype=np.uint8)
            alive.append(weakref.ref(frame))
            most.append(sum(one() is not None for one in alive))
            yield frame

    assert film_bytes(ending, every, [index / 10 for index in range(41)])
    assert len(most) == 40 and max(most) <= 3


def test_the_sound_is_copied_packet_by_packet_and_ends_with_the_film(tmp_path):
    av = pytest.importorskip("av")
    path = tone(tmp_path / "tone.m4a", seconds=3)
    data = film_bytes(".mp4", frames(), [time - 4.0 for time in TIMES], path)  # from 1.0 to 1.6 s
    with av.open(str(path)) as before, av.open(BytesIO(data)) as after:
        packets = [bytes(packet) for packet in before.demux(audio=0) if packet.size]
        copied = [packet for packet in after.demux(audio=0) if packet.size]
        bytes_of = [bytes(packet) for packet in copied]
        first = packets.index(bytes_of[0])
        assert bytes_of == packets[first : first + len(bytes_of)]
        assert float(copied[0].pts * copied[0].time_base) == pytest.approx(first * 1024 / 48000 - 1.0, abs=0.03)
        assert 0.6 <= len(copied) * 1024 / 48000 < 0.7


def test_sound_that_an_mp4_can_not_hold_is_left_out_and_that_is_said(tmp_path):
    av = pytest.importorskip("av")
    path = tone(tmp_path / "tone.wav", "adpcm_ms")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        data = film_bytes(".mp4", frames(), TIMES, path)
    assert [str(one.message) for one in said] == ["the sound of tone.wav is left out: an MP4 can't hold adpcm_ms"]
    with av.open(BytesIO(data)) as film:
        assert not film.streams.audio and len(list(film.decode(video=0))) == 5


def test_a_film_without_sound_adds_none(tmp_path):
    av = pytest.importorskip("av")
    (tmp_path / "silent.mp4").write_bytes(film_bytes(".mp4", frames(), TIMES))
    with av.open(BytesIO(film_bytes(".mp4", frames(), TIMES, tmp_path / "silent.mp4"))) as film:
        assert not film.streams.audio


def test_sound_that_does_not_fit_into_an_mp4_when_it_is_written_is_left_out_too(tmp_path):
    av = pytest.importorskip("av")
    path = tmp_path / "nowhere.mkv"
    with av.open(str(path), "w") as film:
        stream = film.add_stream("pcm_s16le", rate=8000)  # two channels, and nobody says of which side
        quiet = av.AudioFrame.from_ndarray(np.zeros((1, 16000), np.int16), format="s16", layout="stereo")
        quiet.sample_rate, quiet.pts = 8000, 0
        film.mux(stream.encode(quiet))
    with pytest.warns(Note, match="the sound of nowhere.mkv is left out: an MP4 can't hold pcm_s16le"):
        data = film_bytes(".mp4", frames(), TIMES, path)
    with av.open(BytesIO(data)) as film:
        assert not film.streams.audio


def test_of_sound_that_is_cut_off_there_is_what_can_be_read(tmp_path):
    av = pytest.importorskip("av")
    path = tone(tmp_path / "tone.mka", "aac", seconds=3)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])
    with av.open(BytesIO(film_bytes(".mp4", frames(), [float(k) for k in range(len(TIMES))], path))) as film:
        assert 0.3 < len([one for one in film.demux(audio=0) if one.size]) * 1024 / 48000 < 2
        assert film.streams.video[0].frames == 5

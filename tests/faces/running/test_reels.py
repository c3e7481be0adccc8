"""Films frame by frame: whatever stops one, finished frames stay, and the same command goes on to the same bytes."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import numpy as np
import pytest
import torch
from PIL import Image, ImageSequence

import phosphene
from phosphene.core.errors import Mistake, Terminated
from phosphene.core.optimization.steps import Step
from phosphene.core.pictures.writing import png_bytes
from phosphene.core.results.provenance import FORMAT
from phosphene.core.results.reels import Reel
from phosphene.core.results.results import Result, Run, seal
from phosphene.faces.cli import show
from phosphene.faces.replay.replay import replay
from phosphene.faces.running.reels import Filming
from tests.films import film as written
from tests.films import moving
from tests.small import SOURCE, levels

FRAMES = 6
COMMAND = [
    "dream", "cat.png", "--net", "own.py", "--layer", "conv3", "--zoom-film", FRAMES, "--octaves", 1, "--steps", 2,
    "--zoom-by", 1.2, "--turn", 5, "--loop", "--film", "zoom.gif",
]  # fmt: skip


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("own.py").write_text(SOURCE)
    Path("cat.png").write_bytes(png_bytes(levels(1, 3, 36, 40)))


class Cinema:
    """Makes frames without a network: each is the one before, shifted, in three steps. It may raise in one of them."""

    def __init__(self, **arguments):
        self.record = {
            "format": FORMAT, "recipe": "dream", "arguments": {"zoom_film": FRAMES} | arguments, "seed": 0,
            "network": {"spec": "net.py", "sha256": "a"}, "plan": {"picture": "x"}, "inputs": [],
        }  # fmt: skip
        self.at, self.error, self.begun = None, None, []

    def make(self, index, earlier):
        self.begun.append(index)
        picture = levels(1, 3, 12, 16) if index == 0 else 0.9 * earlier(index - 1).roll(1, 3) + 0.05

        def steps():
            for step in range(3):
                if (index, step) == self.at:
                    raise self.error
                yield Step(step, picture, torch.zeros(1))

        return Run(steps(), total=2, names=["x"], finish=lambda step: Result(picture, ["x"], [{"frame": index}]))

    def filming(self, film="zoom.gif", **options):
        reel = Reel(self.make, [index / 10 for index in range(FRAMES + 1)], name="x")
        reel.recipe = self.record
        return Filming(reel, Path(film), **options)

    def filmed(self, film="zoom.gif", **options):
        return show.filmed(self.filming(film, **options), "dream", quiet=False, as_json=False)


def files(folder="."):
    """Everything in a folder, hidden files too."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}


OWN = {"own.py", "cat.png", "film.mkv"}


def made():
    return {name: data for name, data in files().items() if name not in OWN}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The files of a film that nobody disturbed."""
    folder = tmp_path_factory.mktemp("undisturbed")
    assert Cinema().filmed(folder / "zoom.gif") == 0
    return files(folder)


def test_frames_their_film_and_its_record_are_there(undisturbed):
    frames = [f"zoom.frames/{index:05}.png" for index in range(FRAMES)]
    assert set(undisturbed) == {*frames, "zoom.gif", "zoom.json"}
    record = json.loads(undisturbed["zoom.json"])
    assert record["numbers"] == {"frames": FRAMES, "seconds": 0.6} and "unfinished" not in record
    assert record["outputs"] == ["zoom.gif", "zoom.json", "zoom.frames"]


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (KeyboardInterrupt(), 130, "interrupted: "),
        (Terminated(), 143, "interrupted: "),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), 2, "error: net.py fails: there is not enough mem"),
        (ZeroDivisionError("by 0"), 2, "error: net.py fails: ZeroDivisionError: by 0; "),
    ],
)
@pytest.mark.parametrize("at", [(1, 0), (3, 2)])
def test_a_film_that_is_stopped_keeps_its_frames_and_goes_on_to_the_same_bytes(
    undisturbed, capsys, error, code, words, at
):
    cinema = Cinema()
    cinema.at, cinema.error = at, error
    assert cinema.filmed() == code
    err = capsys.readouterr().err
    assert words in err and err.count("\n") == 1
    there = f"{at[0]} of 6 frames are in zoom.frames and in zoom.gif; the same command goes on from there"
    assert there in err
    assert json.loads(Path("zoom.json").read_text())["unfinished"] is True
    with Image.open("zoom.gif") as film:
        assert film.n_frames == at[0]
    second = Cinema()
    assert second.filmed() == 0
    assert f"{at[0]} of 6 frames are in zoom.frames already" in capsys.readouterr().err
    assert second.begun == list(range(at[0], FRAMES))
    assert made() == undisturbed


def test_what_is_stopped_in_its_first_frame_leaves_no_film():
    cinema = Cinema()
    cinema.at, cinema.error = (0, 1), ZeroDivisionError("by 0")
    with pytest.raises(Mistake, match=r"net.py fails: ZeroDivisionError: by 0"):
        cinema.filmed()
    assert not made()


def test_a_full_disk_keeps_the_finished_frames(undisturbed, capsys, monkeypatch):
    one = len(undisturbed["zoom.frames/00000.png"])
    written, write_bytes = [], Path.write_bytes

    def limited(path, data):
        if sum(written) + len(data) > 4 * one:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        written.append(len(data))
        return write_bytes(path, data)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", limited)
        assert Cinema().filmed() == 2
    err = capsys.readouterr().err
    assert "no space left on device" in err and err.count("\n") == 1
    there = len(list(Path("zoom.frames").iterdir()))
    assert 2 <= there < FRAMES and f"{there} of 6 frames are in zoom.frames; the same command goes on" in err
    assert not Path("zoom.gif").exists()
    assert Cinema().filmed() == 0
    assert made() == undisturbed


def test_a_film_that_can_not_be_encoded_loses_no_frame(undisturbed, capsys, monkeypatch):
    def broken(*_):
        raise RuntimeError("no encoder")

    with monkeypatch.context() as patch:
        patch.setattr("phosphene.core.pictures.encoding._gif", broken)
        assert Cinema().filmed() == 2
    err = capsys.readouterr().err
    assert "zoom.gif cannot be written: no encoder; 6 of 6 frames are in zoom.frames; the same command goes on" in err
    second = Cinema()
    assert second.filmed() == 0
    assert second.begun == [] and made() == undisturbed


def laid(undisturbed, but=()):
    for name, data in undisturbed.items():
        if name not in but:
            Path(name).parent.mkdir(exist_ok=True)
            Path(name).write_bytes(data)


def repainted(data):
    """Other pixels under the same recipe."""
    with Image.open(Path("zoom.frames/00002.png")) as image:
        pixels = np.array(image)
        pixels[0, 0, 0] ^= 1
        return png_bytes(Image.fromarray(pixels), image.text)


@pytest.mark.parametrize("damage", [lambda data: data[:99], lambda data: b"", repainted])
def test_a_damaged_frame_is_made_again_with_all_behind_it(undisturbed, capsys, damage):
    laid(undisturbed)
    Path("zoom.frames/00002.png").write_bytes(damage(undisturbed["zoom.frames/00002.png"]))
    cinema = Cinema()
    assert cinema.filmed() == 0
    said = "zoom.frames/00002.png can't be used; it is made again, with all frames behind it"
    assert said in capsys.readouterr().err
    assert cinema.begun == [2, 3, 4, 5] and made() == undisturbed


def test_what_a_killed_process_was_writing_goes(undisturbed):
    laid(undisturbed, ["zoom.frames/00005.png", "zoom.gif", "zoom.json"])
    Path("zoom.frames/.00005-ab12.part").write_bytes(b"half")
    assert Cinema().filmed() == 0
    assert made() == undisturbed


@pytest.mark.parametrize("name", ["zoom.gif", "zoom.json", "zoom.frames/00000.png", "zoom.frames/00004.png"])
def test_what_is_there_of_others_is_not_overwritten(name):
    Path("zoom.frames").mkdir()
    data = png_bytes(levels(1, 3, 8, 8)) if name.endswith(".png") else b"mine"
    Path(name).write_bytes(data)
    with pytest.raises(Mistake, match=f"{name} is there already and was made in another way; give --force, or another"):
        Cinema().filming()
    assert Path(name).read_bytes() == data


def test_frames_of_another_film_are_refused_and_with_force_replaced(undisturbed):
    laid(undisturbed)
    other = Cinema(zoom_by=1.1)
    with pytest.raises(Mistake, match=r"zoom.frames/00000.png is there already and was made in another way"):
        other.filming()
    assert made() == undisturbed and other.begun == []
    Path("zoom.frames/00077.png").write_bytes(b"of a longer one")
    assert other.filmed(force=True) == 0
    assert set(made()) == set(undisturbed) and made() != undisturbed


def test_a_frame_that_is_at_another_ones_place_is_no_frame_of_this_film(undisturbed):
    laid(undisturbed)
    shutil.copy("zoom.frames/00001.png", "zoom.frames/00003.png")
    with pytest.raises(Mistake, match=r"00003.png is there already and was made in another way"):
        Cinema().filming()


def test_progress_is_counted_in_frames_and_their_steps():
    cinema = Cinema()
    cinema.at, cinema.error = (2, 0), KeyboardInterrupt()
    first = iter(cinema.filming())
    assert [next(first) for _ in range(5)] == [0, 0.5, 0.99, 1, 1]
    with pytest.raises(KeyboardInterrupt):
        list(first)
    assert next(iter(Cinema().filming())) == 2


# The command


@pytest.mark.slow
def test_the_command_makes_a_film_and_tells_its_name(run):
    code, out, err = run(*COMMAND)
    assert (code, out.strip(), err) == (0, "zoom.gif", "")
    with Image.open("zoom.gif") as film:
        assert film.n_frames == FRAMES
        assert {frame.info["duration"] for frame in ImageSequence.Iterator(film)} == {60, 70}  # 15 a second
    code, out, err = run(*COMMAND, "--json")
    assert code == 0 and "6 of 6 frames are in zoom.frames already" in err
    assert json.loads(out)["numbers"]["frames"] == FRAMES


def test_an_mp4_is_called_as_a_picture_would_be(run):
    av = pytest.importorskip("av")
    code, out, _ = run(*COMMAND[:-2], "--out", "films/")
    assert (code, out.strip()) == (0, "films/dream-cat-conv3-zoom.mp4")
    assert {path.name for path in Path("films").iterdir()} == {
        f"dream-cat-conv3-zoom{end}" for end in (".mp4", ".frames", ".json")
    }
    with av.open(out.strip()) as film:
        stream = film.streams.video[0]
        assert (stream.codec_context.name, stream.pix_fmt) == ("h264", "yuv420p")
        assert len(list(film.decode(stream))) == FRAMES


def test_without_pyav_it_is_a_gif_and_that_is_said(run, monkeypatch):
    monkeypatch.setattr("phosphene.faces.running.destination.find_spec", lambda name: None)
    code, out, err = run(*COMMAND[:-2])
    assert (code, out.strip()) == (0, "dream-cat-conv3-zoom.gif")
    assert "dream-cat-conv3-zoom.gif is a GIF: an MP4 needs PyAV: pip install 'phosphene[film]'" in err


@pytest.mark.slow
def test_every_frame_can_be_made_again(run):
    assert run(*COMMAND)[0] == 0
    for index in (0, 3):
        code, out, err = run("replay", f"zoom.frames/{index:05}.png", "--net", "own.py", "--input", "cat.png")
        assert (code, err) == (0, "") and "identical: all 40 x 36 pixels" in out


@pytest.mark.slow
@pytest.mark.parametrize("frame", [99, -1, "3", None])
def test_a_frame_that_the_film_does_not_have_is_refused(run, frame):
    assert run(*COMMAND)[0] == 0
    with Image.open("zoom.frames/00003.png") as image:
        recipe = json.loads(image.text["phosphene"])
        recipe["frame"] = frame
        Path("forged.png").write_bytes(forged(image, recipe))
    with pytest.raises(Mistake, match=r"there is no frame|is incomplete: it was not written by this program"):
        replay("forged.png", phosphene.load("own.py"), ["cat.png"])


def forged(image, recipe):
    return png_bytes(image.copy(), {"phosphene": json.dumps(recipe | {"seal": seal(recipe, image)})})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--out", "x/"], "a film's frames are kept beside it; give --film zoom.gif or --out, not both"),
        (["--no-provenance"], "--judge and --no-provenance are for single pictures"),
        (["--zoom-by", "1"], "enlarged by 1 stands still"),
        (["--zoom-film", "2"], "a loop needs at least 4 frames where each is enlarged by 1.2, not 2"),
    ],
)
def test_what_a_film_can_not_do_is_one_sentence_and_leaves_nothing(run, words, said):
    code, _, err = run(*COMMAND, *words)
    assert code == 2 and said in err and err.count("\n") == 1
    assert not made()


def test_a_pictures_name_is_no_films(run):
    code, _, err = run(*COMMAND[:-2], "--out", "x.png")
    assert code == 2 and "x.png is a picture's name, and this makes a film; give --film NAME.mp4, or a folder" in err
    assert not made()


def test_a_film_that_is_there_is_not_overwritten_by_a_picture_on_its_way(run):
    assert run(*COMMAND)[0] == 0
    before = made()
    still = [word for word in COMMAND if word not in ("--loop",)]
    del still[6:8], still[-6:-2]
    code, _, err = run(*still, "--out", "still.png")
    assert code == 2 and "zoom.gif is there already; give --force to overwrite it, or another --film" in err
    assert made() == before


# Killed

OVER = [
    "dream", "film.mkv", "--net", "own.py", "--layer", "conv3", "--octaves", 1, "--steps", 2, "--jitter", 4,
    "--film", "zoom.gif",
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("words", [COMMAND, OVER], ids=["zoom", "over a film"])
def test_a_film_that_is_killed_five_times_has_the_bytes_of_an_undisturbed_one(run, words):
    if words is OVER:
        pytest.importorskip("cv2")
        written("film.mkv", moving(FRAMES, height=36, width=40))
    assert run(*words)[0] == 0
    whole = made()
    for name in whole:
        Path(name).unlink()
    program = [sys.executable, "-m", "phosphene", *map(str, words)]
    alike = os.environ | {"OMP_NUM_THREADS": str(torch.get_num_threads())}  # which stands in the record
    random, killed = Random(0), 0
    while killed < 5:
        process = subprocess.Popen(program, env=alike, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wanted = min(FRAMES - 1, killed)  # frames that are there when it is killed
        while process.poll() is None and len(list(Path().glob("zoom.frames/*.png"))) < wanted:
            time.sleep(0.01)
        time.sleep(random.random() / 20)
        process.send_signal(signal.SIGKILL)
        process.wait()
        killed += 1
        assert len(list(Path().glob("zoom.frames/*.png"))) >= wanted
    assert subprocess.run(program, env=alike, check=True, capture_output=True).returncode == 0
    assert {name: data for name, data in made().items() if not name.endswith(".lock")} == whole

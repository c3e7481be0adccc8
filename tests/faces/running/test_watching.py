"""Pictures that are watched as they grow: whole files, marked unfinished, over nothing of others; and a preview."""

import errno
import io
import json
import re
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from rich.console import Console

from phosphene.core.errors import Mistake
from phosphene.core.optimization.steps import Step
from phosphene.core.pictures.eight_bit import to_pil
from phosphene.core.pictures.files import open_photo, read_text, stored
from phosphene.core.pictures.sheets import grid
from phosphene.core.results.results import Result, Run, seal
from phosphene.faces.replay.record import read_record
from phosphene.faces.running import destination, watching
from phosphene.faces.running.progress import bars
from phosphene.faces.running.watching import EVERY, SHARE, Blocks, Pace, Watched, can_preview, screen
from tests.faces.commands import files, is_one_sentence, last
from tests.faces.running.test_runner import Stopper, interrupt
from tests.small import noise


class Clock:
    """The time, as far as `Pace` knows."""

    def __init__(self, monkeypatch):
        self.now = 100.0
        monkeypatch.setattr(watching.time, "monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


@pytest.fixture
def always(monkeypatch):
    """Every step is looked at."""
    monkeypatch.setattr(Pace, "due", True)


# ------------------------------------------------------------------------------------------------------------ the pace


def test_it_is_time_about_twice_a_second(clock):
    pace = Pace()
    assert not pace.due
    clock.now += EVERY
    assert pace.due
    with pace.taken():
        clock.now += 0.001
    assert not pace.due
    clock.now += EVERY
    assert pace.due


@given(looks=st.lists(st.floats(0.001, 5), min_size=1, max_size=5), step=st.floats(0.5, 9))
def test_looking_takes_no_more_than_its_share_of_the_time(looks, step):
    with pytest.MonkeyPatch.context() as patch:
        clock, pace = Clock(patch), Pace()
        spent, begun = 0.0, clock.now
        for look in looks:
            while not pace.due:
                clock.now += step
            with pace.taken():
                clock.now += look
            spent += look
        while not pace.due:
            clock.now += step
        assert spent <= SHARE * (clock.now - begun)


@pytest.mark.parametrize("wrong", [Mistake("no"), OSError(errno.ENOSPC, "full"), MemoryError(), ValueError("x")])
def test_what_goes_wrong_while_looking_does_not_end_the_work_and_an_interruption_does(wrong, clock):
    pace = Pace()
    with pace.taken():
        raise wrong
    assert not pace.due
    with pytest.raises(KeyboardInterrupt), pace.taken():
        raise KeyboardInterrupt


# ------------------------------------------------------------------------------------------------------------ the file


def growing(names=("one",), steps=9):
    """A run whose pictures become brighter."""

    def path():
        for index in range(steps):
            yield Step(index, torch.full((len(names), 3, 8, 10), index / 10), torch.zeros(len(names)))

    run = Run(
        path(), total=steps - 1, names=names, finish=lambda step: Result(step.pictures, list(names), [{}] * len(names))
    )
    run.recipe = {"recipe": "try", "arguments": {}}
    return run


@pytest.fixture
def empty(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_each_look_is_a_whole_picture_of_that_step_whose_recipe_says_that_it_is_unfinished(empty, always):
    watched, run = Watched(Path("new/x.png")), growing()
    for step in run:
        watched.look(run)
        assert stored("new/x.png").getpixel((0, 0)) == (round(25.5 * step.index),) * 3
        recipe = json.loads(read_text("new/x.png")["phosphene"])
        assert recipe["unfinished"] and recipe["part"] == ["picture", 0]
        assert recipe["seal"] == seal(recipe, stored("new/x.png"))
        with pytest.raises(Mistake, match=r"x\.png was stopped on its way, and its recipe makes the finished one"):
            read_record("new/x.png")
        assert files("new") == ["x.png"]


def test_of_several_pictures_it_is_the_sheet(empty, always):
    watched, run = Watched(Path("x.png")), growing(["one", "two", "three"])
    next(iter(run))
    watched.look(run)
    recipe = json.loads(read_text("x.png")["phosphene"])
    assert (recipe["part"], recipe["names"]) == (["sheet"], ["one", "two", "three"])
    assert stored("x.png").tobytes() == to_pil(grid(run.last.pictures)).tobytes()


def test_without_provenance_it_says_nothing(empty, always):
    watched, run = Watched(Path("x.png"), anonymous=True), growing()
    next(iter(run))
    watched.look(run)
    assert read_text("x.png") == {} and run.recipe


def test_nothing_is_written_before_it_is_time(empty, clock):
    watched, run = Watched(Path("x.png")), growing()
    next(iter(run))
    watched.look(run)
    assert not Path("x.png").exists()
    clock.now += EVERY
    watched.look(run)
    assert Path("x.png").exists()


@pytest.mark.parametrize("force", [False, True])
def test_what_somebody_else_wrote_is_replaced_with_force_alone(empty, always, force):
    Path("x.png").write_text("precious")
    watched, run = Watched(Path("x.png"), force=force), growing()
    next(iter(run))
    watched.look(run)
    assert (Path("x.png").read_bytes() == b"precious") is not force and watched.ours is force
    watched.withdraw()
    assert Path("x.png").read_bytes() == b"precious" and files() == ["x.png"]


def test_a_file_that_somebody_puts_in_its_place_meanwhile_is_theirs(empty, always):
    watched, run = Watched(Path("x.png")), growing()
    for step in run:
        watched.look(run)
        if step.index == 3:
            Path("x.png").unlink()
        if step.index == 5:
            Path("x.png").unlink()
            Path("x.png").write_text("precious")
        assert watched.ours is (step.index not in (3, 5, 6, 7, 8))
    watched.withdraw()
    assert Path("x.png").read_bytes() == b"precious"


def test_what_was_written_over_nothing_is_withdrawn_to_nothing(empty, always):
    watched, run = Watched(Path("x.png")), growing()
    watched.withdraw()
    next(iter(run))
    watched.look(run)
    assert files() == ["x.png"]
    watched.withdraw()
    assert files() == [] and not watched.ours


# -------------------------------------------------------------------------------------------------- the whole command


LINES = {
    "one": ["dream", "cat.png", "--octaves", 1, "--steps", 3, "--out", "new/x.png"],
    "several": ["visualize", "conv2:0-2", "--steps", 3, "--size", 16, "--out", "new"],
    "a strip": ["dream", "cat.png", "--strip", "conv1,conv2", "--octaves", 1, "--steps", 2, "--out", "new"],
    "masks": ["attribute", "cat.png", "--method", "rise", "--masks", 9, "--batch", 2, "--out", "new/x.png"],
}


@pytest.mark.parametrize(
    "name", ["one", "several", *(pytest.param(name, marks=pytest.mark.slow) for name in list(LINES)[2:])]
)
def test_what_is_watched_ends_as_the_picture_that_it_would_be_anyway(name, small, always, monkeypatch):
    seen, save = [], watching.save
    monkeypatch.setattr(watching, "save", lambda files: (seen.extend(files), save(files)))
    assert small(*LINES[name])[0] == 0 and seen == []
    Path("new").rename("plain")
    code, _, err = small(*LINES[name], "--watch")
    plain, new = ({path.name: path.read_bytes() for path in Path(folder).iterdir()} for folder in ("plain", "new"))
    grown = set(seen).pop()
    assert code == 0 and err == f"it grows in {grown}\n" and len(seen) > 1 and set(seen) == {grown}
    assert grown.name == ("x.png" if "x.png" in plain else f"{LINES[name][0]}.sheet.png")
    assert {name: data for name, data in new.items() if name in plain and ".json" not in name} == {
        name: data for name, data in plain.items() if ".json" not in name
    }
    assert set(new) - set(plain) == {grown.name} - set(plain)
    records = [json.loads(data) for name, data in new.items() if name.endswith(".json")]
    assert all(grown.name in record["outputs"] for record in records)
    assert "unfinished" not in json.loads(read_text(grown)["phosphene"])
    inputs = ["--input", "cat.png"] if "cat.png" in LINES[name] else []
    assert small("replay", grown, *inputs, "--out", "again.png")[0] == 0


def test_what_was_there_is_replaced_with_force_alone_the_sheet_too(small, always):
    for name in ("x.png", "visualize.sheet.png"):
        Path(name).write_bytes(b"precious")
    lines = [["conv2:1", "--out", "x.png"], ["conv2:0-1", "--out", "./"]]
    for line in lines:
        command = ["visualize", *line, "--steps", 1, "--size", 16, "--watch"]
        assert is_one_sentence(*small(*command)).endswith("to overwrite it, or another --out")
        assert small(*command, "--force")[0] == 0
    for name in ("x.png", "visualize.sheet.png"):
        assert "unfinished" not in json.loads(read_text(name)["phosphene"])


def test_ctrl_c_leaves_the_best_so_far_in_the_file_that_was_watched(small, always, monkeypatch):
    Stopper(monkeypatch, 6, interrupt)
    code, out, err = small("invert", "cat.png", "--steps", 50, "--out", "x.png", "--watch")
    assert code == 130 and err.splitlines()[-1] == "interrupted: this is the best so far"
    assert last(out) == Path("x.png") and json.loads(read_text("x.png")["phosphene"])["unfinished"]
    assert files() == ["x.figure.png", "x.input.png", "x.json", "x.png"]


@pytest.mark.parametrize("old", [None, b"old"])
def test_where_the_result_goes_elsewhere_what_was_watched_is_as_it_was(small, always, monkeypatch, tmp_path, old):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    if old:
        Path("x.png").write_bytes(old)
    write = Path.write_bytes

    def full(path, data):
        if ".figure" in path.name:  # the second file: the picture alone had room
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        return write(path, data)

    save = destination.save

    def short(files):
        with pytest.MonkeyPatch.context() as patch:
            if next(iter(files)).parent == Path():
                patch.setattr(Path, "write_bytes", full)
            save(files)

    monkeypatch.setattr(destination, "save", short)
    code, out, err = small(
        "invert", "cat.png", "--steps", 3, "--out", "x.png", "--watch", *(["--force"] if old else [])
    )
    assert code == 2 and "could not be written to (no space left on device); it is in" in err
    assert open_photo(last(out)).shape[1] == 3
    assert (Path("x.png").read_bytes() if Path("x.png").exists() else None) == old


def test_a_disk_that_is_full_for_a_while_does_not_end_the_work(small, always, monkeypatch):
    def full(files):
        raise Mistake("no space")

    monkeypatch.setattr(watching, "save", full)
    assert small("invert", "cat.png", "--steps", 3, "--out", "x.png", "--watch")[0] == 0
    assert open_photo("x.png").shape[1] == 3


@pytest.mark.slow
def test_only_what_takes_steps_is_watched(small):
    said = is_one_sentence(*small("attribute", "cat.png", "--method", "gradient", "--watch"))
    assert said.startswith("gradient makes its picture at once; --watch belongs to integrated, gradient-shap, ")
    assert "predict has no option '--watch'" in is_one_sentence(*small("predict", "cat.png", "--watch"))


# ------------------------------------------------------------------------------------------------------- the terminal


class Terminal(io.StringIO):
    """A file that says it is one."""

    encoding = "utf-8"

    def isatty(self):
        return True


def console(file=None, colours="truecolor", width=40, height=12, **how):
    return Console(
        file=file or Terminal(), force_terminal=True, color_system=colours, width=width, height=height,
        legacy_windows=False, _environ={"TERM": "xterm-256color"}, **how,
    )  # fmt: skip


def drawn(image, **how):
    """The lines that a picture becomes, and what each letter says."""
    on = console(**how)
    on.print(Blocks(image), end="")
    lines = on.file.getvalue().splitlines()
    return [re.findall(r"\x1b\[38;([\d;]+);48;([\d;]+)m▀", line) for line in lines]


def test_each_letter_is_two_pixels_and_a_picture_that_fits_is_as_it_is():
    image = to_pil(noise(1, 3, 8, 6))
    letters, pixels = drawn(image), np.asarray(image)
    assert [len(line) for line in letters] == [6] * 4
    for line, column in product(range(4), range(6)):
        upper, lower = (f"2;{';'.join(map(str, pixels[2 * line + i, column]))}" for i in (0, 1))
        assert letters[line][column] == (upper, lower)


@given(st.integers(1, 900), st.integers(1, 900), st.integers(1, 200), st.integers(1, 90))
def test_a_picture_fits_into_the_terminal_keeps_its_shape_and_fills_one_side(width, height, columns, lines):
    small = Blocks(Image.new("RGB", (width, height))).fitted(columns, lines)
    assert small.width <= columns and small.height <= 2 * lines and small.height % 2 == 0
    scale = min(1, columns / width, 2 * lines / height)
    assert abs(small.width - scale * width) <= 1 and abs(small.height - scale * height) <= 2


def test_a_flat_picture_stays_flat_and_what_is_transparent_is_white():
    assert set(drawn(Image.new("RGB", (300, 200), (9, 8, 7)))[0]) == {("2;9;8;7", "2;9;8;7")}
    assert set(drawn(Image.new("RGBA", (300, 200), (9, 8, 7, 0)))[0]) == {("2;255;255;255", "2;255;255;255")}


@given(st.tuples(*[st.integers(0, 255)] * 3))
def test_with_256_colours_it_is_the_nearest_one_of_the_cube(colour):
    (((upper, lower), *_), *_) = drawn(Image.new("RGB", (2, 2), colour), colours="256")
    levels = (0, 95, 135, 175, 215, 255)
    cube = {16 + 36 * r + 6 * g + b: (levels[r], levels[g], levels[b]) for r, g, b in product(range(6), repeat=3)}
    assert upper == lower and upper.startswith("5;")
    away = {n: sum(abs(a - b) for a, b in zip(colour, found, strict=True)) for n, found in cube.items()}
    assert away[int(upper[2:])] == min(away.values())


@pytest.mark.parametrize(
    "on",
    [
        console(colours="standard"), console(colours=None), console(no_color=True), console(file=io.StringIO()),
        Console(file=Terminal(), force_terminal=True, _environ={"TERM": "dumb"}, color_system="truecolor"),
        Console(file=io.StringIO()),
    ],
    ids=["16 colours", "none", "NO_COLOR", "a pipe that wants colours", "dumb", "a pipe"],
)  # fmt: skip
def test_where_no_picture_can_be_seen_there_is_none(on, always):
    assert not can_preview(on)
    run = growing()
    with screen(bars(on), preview=True) as draw:
        next(iter(run))
        draw(run)
    assert "▀" not in on.file.getvalue()


def test_an_old_terminal_without_the_letter_gets_no_preview():
    assert can_preview(console())
    latin = Terminal()
    latin.encoding = "latin-1"
    assert not can_preview(console(file=latin))


def seen(text, width=40, height=12):
    """What stands on a terminal after this was written to it: as much of its language as is used here."""
    rows, at = [""], 0
    for part in re.findall(r"\x1b\[[?\d;]*[A-Za-z]|[\r\n]|[^\x1b\r\n]+", text):
        if part == "\n":
            at += 1
            rows += [""] * (at + 1 - len(rows))
        elif part == "\x1b[1A":
            at -= 1
        elif part == "\x1b[2K":
            rows[at] = ""
        elif not part.startswith("\x1b") and part != "\r":
            rows[at] += part
        assert at >= 0 and len(rows) <= height
    return "\n".join(rows).rstrip()


@pytest.mark.parametrize("ends", [None, KeyboardInterrupt])
def test_a_preview_is_redrawn_in_its_place_and_gone_at_the_end(always, ends):
    on, run = console(), growing(steps=4)
    with pytest.raises(ends) if ends else open(__file__), screen(bars(on), preview=True) as draw:
        for step in run:
            draw(run)
            lines = seen(on.file.getvalue()).splitlines()
            assert [line for line in lines if "▀" in line] == ["▀" * 10] * 4 and len(lines) == 4
            level = round(25.5 * step.index)
            assert f"\x1b[38;2;{level};{level};{level};48;2;{level};{level};{level}m▀" in on.file.getvalue()
        if ends:
            raise ends
    assert seen(on.file.getvalue()) == ""


def test_several_pictures_are_previewed_as_their_sheet_under_the_bar_of_all(always):
    on, run = console(width=80), growing(["one", "two"])
    progress = bars(on)
    with screen(progress, preview=True) as draw:
        progress.add_task("try", total=8)
        next(iter(run))
        draw(run)
        lines = seen(on.file.getvalue(), 80).splitlines()
    assert lines[:4] == ["▀" * 22] * 4 and lines[4].startswith("try") and "0/8" in lines[4]


def test_quiet_shows_nothing(always):
    on, run = console(), growing()
    with screen(bars(on, quiet=True), preview=True) as draw:
        next(iter(run))
        draw(run)
    assert on.file.getvalue() == ""

"""Where results go: names, folders, nothing overwritten, and elsewhere when the place is full."""

import errno
import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from phosphene.core.errors import Mistake
from phosphene.core.pictures.files import open_photo
from phosphene.core.results.results import Result
from phosphene.faces.running import destination as writing
from phosphene.faces.running.claims import Claims
from phosphene.faces.running.destination import Destination, photo_stem

ENDS = [".png", ".figure.png", ".json", ".input.png", ".npy"]


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def result(names=("one",)):
    n = len(names)
    return Result(
        image=torch.full((n, 3, 9, 11), 0.2),
        names=list(names),
        numbers=[{"value": i} for i in range(n)],
        title="a title",
        input=torch.full((1, 3, 8, 8), 0.4),
        values=np.arange(n * 6.0).reshape(n, 2, 3),
        recipe={"command": "try", "arguments": {"a": 1}},
    )


def test_one_picture_is_five_files_beside_each_other():
    written = Destination("try", "pictures/cat.png", False).write(result())
    assert written.path == Path("pictures/cat.png")
    assert sorted(p.name for p in Path("pictures").iterdir()) == sorted(f"cat{end}" for end in ENDS)
    assert open_photo("pictures/cat.png").shape == (1, 3, 9, 11)
    assert open_photo("pictures/cat.input.png").unique().tolist() == pytest.approx([0.4])
    assert np.load("pictures/cat.npy").shape == (2, 3)  # no batch axis
    record = json.loads(Path("pictures/cat.json").read_text())
    assert record["outputs"] == [f"cat{end}" for end in ENDS]
    assert record["numbers"] == {"value": 0}
    assert record == written.record


def test_a_page_names_what_is_no_utf_8_in_letters_that_are():
    page = f"<p>{os.fsdecode(bytes([0x63, 0xE9]))}</p>"
    Destination("try", "cat.png", False).write(replace(result(), page=page))
    assert Path("cat.html").read_text() == r"<p>c\udce9</p>"


def test_a_page_is_written_beside_its_picture_and_once_for_several():
    for names, out, page in ((["one"], "a.png", Path("a.html")), (["x-1", "x-2"], "b", Path("b/x-1.html"))):
        made = result(names)
        made.page = "<p>ü</p>"
        written = Destination("try", out, False).write(made)
        assert page.read_text(encoding="utf-8") == "<p>ü</p>"
        record = written.record if len(names) == 1 else written.record[0]
        assert record["outputs"][-1] == page.name
        with pytest.raises(Mistake, match=r"is there already"):
            Destination("try", out, False).check_files(names)
    assert len(list(Path().rglob("*.html"))) == 2


def test_several_pictures_are_a_folder_with_the_same_files_for_each():
    names = ["mixed4a-3", "logits-7"]
    written = Destination("try", "units", False).write(result(names))
    assert written.path == Path("units")
    assert sorted(p.name for p in Path("units").iterdir()) == sorted(f"{n}{end}" for n in names for end in ENDS)
    assert np.load("units/logits-7.npy").tolist() == [[6, 7, 8], [9, 10, 11]]
    assert [r["numbers"] for r in written.record] == [{"value": 0}, {"value": 1}]


def test_the_picture_and_its_figure_carry_the_recipe():
    Destination("try", "cat.png", False).write(result())
    for name in ("cat.png", "cat.figure.png"):
        with Image.open(name) as image:
            assert json.loads(image.text["phosphene"])["command"] == "try"


@pytest.mark.parametrize(
    ("photo", "names", "expected"),
    [
        ("some/where/my cat.jpg", ["mixed4a"], "try-my_cat-mixed4a.png"),
        ("skimage:chelsea", ["try"], "try-chelsea.png"),
        (None, ["mixed4a.relu#2-3"], "try-mixed4a.relu#2-3.png"),
        (None, ["mixed4a-1@2,3"], "try-mixed4a-1@2,3.png"),
        ("Ümlaut.png", ["a/b"], "try-Ümlaut-a_b.png"),
        (None, ["mixed4a-1", "mixed4a-2"], "try-mixed4a"),
        (None, ["mixed4a-1", "logits-2"], "try-units"),
    ],
)
def test_without_out_the_name_is_command_input_and_unit(photo, names, expected):
    assert Destination("try", None, False, photo).write(result(names)).path == Path(expected)
    assert Path(expected).exists()


def test_a_folder_for_one_picture_names_it_inside():
    assert Destination("try", "there", False, "cat.jpg").write(result()).path == Path("there/try-cat-one.png")


def test_the_picture_has_the_very_name_that_was_given():
    written = Destination("try", "Cat.PNG", False).write(result())
    assert written.path == Path("Cat.PNG")
    assert {p.name for p in Path().glob("Cat*")} == {f"Cat{'.PNG' if end == '.png' else end}" for end in ENDS}
    with pytest.raises(Mistake, match=r"^Cat\.PNG is there already"):
        Destination("try", "Cat.PNG", False).check_files(["one"])


@pytest.mark.parametrize("out", ["v1.2", "my.pictures", "out.v2/", "a.b.c"])
def test_a_folder_that_is_still_to_come_may_have_a_dot_in_its_name(out):
    to = Destination("try", out, False)
    to.check_folder()
    assert to.write(result(["a-1", "a-2"])).path == Path(out)


@pytest.mark.parametrize("out", ["cat.jpg", "cat.pgn", "cat.JPEG", "cat.svg"])
def test_a_name_that_ends_like_another_file_is_no_folder(out):
    with pytest.raises(Mistake, match=r"give a name that ends in \.png, or a folder"):
        Destination("try", out, False).check_folder()


def test_a_folder_may_have_a_dot_in_its_name_if_it_is_there():
    Path("v1.2").mkdir()
    to = Destination("try", "v1.2", False)
    to.check_folder()
    assert to.write(result(["a-1", "a-2"])).path == Path("v1.2")


@pytest.mark.parametrize("end", ENDS)
def test_nothing_that_exists_is_overwritten_without_force(end):
    Path(f"cat{end}").write_text("precious")
    with pytest.raises(Mistake, match=rf"^cat{end} is there already; give --force"):
        Destination("try", "cat.png", False).check_files(["one"])
    Destination("try", "cat.png", True).check_files(["one"])


def test_pictures_of_several_layers_go_into_a_folder_called_after_what_the_command_is_about():
    names = ["mixed4a-1", "logits-2"]
    folders = [Destination("try", None, False, about=about).write(result(names)).path for about in ("one", "an/other")]
    assert folders == [Path("try-one"), Path("try-an_other")]


def test_several_pictures_do_not_fit_one_file():
    with pytest.raises(Mistake, match=r"cat.png is one picture, but 2 are made; give a folder"):
        Destination("try", "cat.png", False).check_files(["a-1", "a-2"])


@pytest.mark.parametrize("out", ["file/cat.png", "file/units", "file", "/proc/none/cat.png", "/proc/none"])
def test_a_place_that_can_not_be_written_to_is_told_at_once(out):
    Path("file").write_text("a file, no folder")
    with pytest.raises(Mistake, match=r"can't be written to .*give --out"):
        Destination("try", out, False).check_folder()


def test_a_lossy_ending_is_refused():
    with pytest.raises(Mistake, match=r"cat.jpg can't keep every pixel; give a name that ends in .png"):
        Destination("try", "cat.jpg", False).check_folder()


def full(folder):
    """`save`, for which this folder's disk is full."""
    save = writing.save

    def fails(files):
        if next(iter(files)).resolve().is_relative_to(folder):
            raise Mistake("it cannot be written") from OSError(errno.ENOSPC, "No space left on device")
        save(files)

    return fails


def test_when_the_disk_is_full_it_goes_elsewhere_and_says_where(monkeypatch, tmp_path):
    here = tmp_path / "here"
    monkeypatch.setattr(writing, "save", full(here))
    written = Destination("try", str(here / "cat.png"), False).write(result())
    assert not written.path.is_relative_to(here)
    assert sorted(p.name for p in written.path.parent.iterdir()) == sorted(f"cat{end}" for end in ENDS)
    assert written.note == (f"{here} could not be written to (no space left on device); it is in {written.path.parent}")
    written.add(result(), Path("way.gif"))
    assert json.loads(written.path.with_suffix(".json").read_text())["outputs"][-1] == "way.gif"


def test_when_every_disk_is_full_it_is_a_mistake_and_nothing_is_left(monkeypatch, tmp_path):
    monkeypatch.setattr(writing.tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(writing.Path, "home", lambda: tmp_path)
    monkeypatch.setattr(writing, "save", full(Path("/")))
    with pytest.raises(Mistake, match=r"could not be written .*no space left on device.* nowhere else either"):
        Destination("try", "cat.png", False).write(result())
    assert list(tmp_path.iterdir()) == []


def test_what_came_there_meanwhile_is_not_overwritten_without_force():
    to = Destination("try", "cat.png", False)
    to.check_files(["one"])
    Path("cat.json").write_text("precious")
    written = to.write(result())
    assert Path("cat.json").read_text() == "precious" and not Path("cat.png").exists()
    assert "could not be written to (cat.json is there by now); it is in" in written.note
    assert sorted(p.name for p in written.path.parent.iterdir()) == sorted(f"cat{end}" for end in ENDS)
    assert Destination("try", "cat.png", True).write(result()).note == ""


def test_a_name_is_held_from_the_beginning_until_the_command_ends():
    with Claims() as claims:
        Destination("try", "deep/er/cat.png", False, claims=claims).begin(["one"])
        with Claims() as others, pytest.raises(Mistake, match=r"cat\.png is being made by another process"):
            Destination("try", "deep/er/cat.png", False, claims=others).begin()
        Destination("try", "deep/er/cat.png", True).begin(["one"])
    assert list(Path().iterdir()) == []


def test_photographs_that_are_called_alike_are_all_checked_before_the_first_one():
    Path("try-cat-2-one.json").write_text("precious")
    with pytest.raises(Mistake, match=r"^try-cat-2-one\.json is there already"):
        Destination("try", None, False, photos=["cat", "cat-2"]).begin(["one"])
    with pytest.raises(Mistake, match=r"one\.png is one picture, but 2 are made; give a folder"):
        Destination("try", "one.png", False, photos=["cat", "dog"]).check_folder()


def test_a_folder_with_the_name_of_a_file_is_refused_even_with_force():
    Path("cat.npy").mkdir()
    with pytest.raises(Mistake, match=r"cat\.npy is a folder; give another --out"):
        Destination("try", "cat.png", True).check_files(["one"])


@pytest.mark.parametrize(
    ("photo", "stem"), [(None, ""), ("a/b.c.jpg", "b.c"), ("skimage:coffee", "coffee"), ("/x/photo", "photo")]
)
def test_the_stem_of_a_photograph(photo, stem):
    assert photo_stem(photo) == stem


def test_a_film_is_one_of_the_files_and_its_name_is_checked_first():
    Path("way.gif").write_text("precious")
    with pytest.raises(Mistake, match=r"way\.gif is there already; give --force"):
        Destination("try", None, False, film="way.gif")
    to = Destination("try", None, True, film="way.gif")
    to.film.add(0, torch.full((1, 3, 9, 11), 0.2))
    written = to.write(result())
    to.write_film(result(), written)
    assert written.record["outputs"][-1] == "way.gif"
    with Image.open("way.gif") as film:
        assert film.n_frames >= 1


# ------------------------------------------------------------------------------------------------------ strange names


@pytest.mark.parametrize("letters", [216, 240, 251, 255, 300])
def test_a_given_name_that_is_too_long_is_refused_before_the_work(letters):
    to = Destination("try", "a" * letters + ".png", False)
    with pytest.raises(Mistake, match=rf"the name a{{24}}\.\.\. has {letters} bytes; it may have 215"):
        to.check_folder()
    Destination("try", "a" * 215 + ".png", False).check_folder()


@pytest.mark.parametrize("letters", [240, 251, 255, 300])
def test_a_name_made_of_a_long_one_is_cut(letters):
    written = Destination("try", None, False, photo="a" * letters + ".jpg").write(result())
    assert written.path.is_file() and written.note == ""
    assert len(list(Path().iterdir())) == len(ENDS)


@pytest.mark.slow
def test_many_long_names_stay_apart():
    names = ["a" * 300 + end for end in ("b", "c")]
    to = Destination("try", None, False, method="m" * 300)
    to.check_files(names)
    written = to.write(result(names))
    assert written.note == "" and len(list(written.path.glob("*.json"))) == 2


def test_a_slash_behind_a_name_is_a_folder():
    assert Destination("try", "cat.png/", False).write(result()).path == Path("cat.png/try-one.png")
    with pytest.raises(Mistake, match=r"ends like a folder, but cat.png/try-one.png is a file"):
        Destination("try", "cat.png/try-one.png/", False)


@pytest.mark.parametrize(
    ("out", "said"),
    [
        ("", "the name of the picture is empty"),
        ("https://example.org/cat.png", "addresses are not opened"),
        ("circle", "circle can't be written to: it is a link that leads in a circle"),
        ("dangling", "dangling can't be written to: it is a link to nowhere, which is not there"),
        ("circle/cat.png", "circle can't be written to"),
        ("a" * 300, "a+ can't be written to .file name too long"),
        ("a" * 300 + "/cat.png", "a+ can't be written to .file name too long"),
        ("file/cat.png", "file can't be written to"),
    ],
)
def test_a_place_that_is_none_is_refused_in_one_sentence(out, said):
    Path("circle").symlink_to("circle")
    Path("dangling").symlink_to("nowhere")
    Path("file").touch()
    with pytest.raises(Mistake, match=said) as told:
        Destination("try", out, False).check_folder()
    assert "\n" not in str(told.value)


def test_a_folder_that_nobody_may_look_into_is_refused(monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(writing.tempfile, "TemporaryFile", refuse)
    with pytest.raises(Mistake, match=r"locked can't be written to \(permission denied\)"):
        Path("locked").mkdir()
        Destination("try", "locked", False).check_folder()

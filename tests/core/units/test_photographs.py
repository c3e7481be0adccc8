"""Many photographs: folders are expanded, what can't be read is left out and told, neighbours are fed together."""

import os
from pathlib import Path

import pytest
import torch
from PIL import Image

from phosphene.core.errors import Mistake
from phosphene.core.units.inputs import feed
from phosphene.core.units.photographs import counted, fed, photo_name, pictures_in, readable
from tests.small import convnet, levels


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """b.png, a.JPG, deeper/c.webp; and what is no picture, is hidden, or is damaged."""
    monkeypatch.chdir(tmp_path)
    Path("some/deeper").mkdir(parents=True)
    Path("some/.hidden").mkdir()
    for name in ("b.png", "a.JPG", "deeper/c.webp", ".hidden/d.png"):
        Image.new("RGB", (12, 10), "red").save(Path("some") / name)
    Path("some/notes.txt").write_text("not a picture")
    return "some"


def test_a_folder_is_the_pictures_in_it_sorted_and_each_is_there_once(folder):
    inside = ["some/a.JPG", "some/b.png", "some/deeper/c.webp"]
    assert pictures_in([folder]) == inside
    assert pictures_in(["some/b.png", Path(folder), "skimage:cat"]) == [inside[1], inside[0], inside[2], "skimage:cat"]


def test_folders_that_are_linked_to_are_looked_into_once_and_circles_end(folder):
    Path("outside").mkdir()
    Path("outside/z.png").write_bytes(Path("some/b.png").read_bytes())
    os.symlink(Path("outside").resolve(), "some/linked")
    os.symlink(Path("some").resolve(), "some/deeper/circle")
    os.symlink(Path("some/deeper").resolve(), "some/again")  # which is there already
    inside = ["some/a.JPG", "some/b.png", "some/deeper/c.webp", "some/linked/z.png"]
    assert pictures_in([folder]) == inside


def test_what_cannot_be_read_is_left_out_with_a_sentence(folder):
    Path("some/aa.png").write_bytes(Path("some/b.png").read_bytes()[:50])
    files, refused = readable([folder, "nowhere.png"])
    assert files == ["some/a.JPG", "some/b.png", "some/deeper/c.webp"]
    assert len(refused) == 2
    assert "aa.png" in refused[0] and "no file nowhere.png" in refused[1]


def test_files_of_codes_are_no_pictures_and_are_left_to_whoever_takes_them(folder):
    assert readable(["some/b.png", "mine.safetensors"]) == (["some/b.png", "mine.safetensors"], [])


def test_without_any_picture_it_is_a_mistake_that_says_why(folder):
    with pytest.raises(Mistake, match=r"no picture in some/notes.txt: some/notes.txt is not a picture .* begins with"):
        readable(["some/notes.txt"])
    with pytest.raises(Mistake, match=r"there is no picture in some/empty$"):
        Path("some/empty").mkdir()
        readable(["some/empty"])


def test_neighbours_of_one_size_are_fed_together_in_batches():
    network, sizes = convnet(), [(16, 16), (16, 16), (16, 16), (20, 16), (16, 16)]
    photos = [levels(1, 3, *size, seed=i) for i, size in enumerate(sizes)]
    batches = list(fed(network, photos, "whole", batch=2))
    assert [indices for indices, _ in batches] == [[0, 1], [2], [3], [4]]
    for indices, pictures in batches:
        for i, picture in zip(indices, pictures, strict=True):
            assert torch.equal(picture[None], feed(network, photos[i], "whole"))


def test_whoever_wants_to_know_is_told_after_every_photograph_how_many_were_fed():
    network, photos, heard = convnet(), [levels(1, 3, 16, 16, seed=i) for i in range(3)], []
    with counted(lambda done, total: heard.append((done, total))):
        list(fed(network, photos, batch=2))
    assert heard == [(0, 3), (1, 3), (2, 3), (3, 3)]
    list(fed(network, photos))
    assert len(heard) == 4


def test_a_photographs_name_is_its_files():
    assert [photo_name(photo) for photo in ("a/b.c.png", Path("d.jpg"), "skimage:cat", torch.zeros(3, 8, 8))] == [
        "b.c", "d", "cat", "",
    ]  # fmt: skip


def test_a_folder_that_nobody_may_look_into_is_told(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "listdir", refuse)
    with pytest.raises(Mistake, match=r"the folder .* can't be looked into: permission denied"):
        readable([str(tmp_path)])


@pytest.mark.parametrize("name", ["", "a" * 300, "https://example.org/cat.jpg"])
def test_what_is_no_path_is_no_folder_either(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (9, 9)).save("cat.png")
    assert pictures_in([name]) == [name]
    with pytest.raises(Mistake, match="there is no picture in"):
        readable([name])

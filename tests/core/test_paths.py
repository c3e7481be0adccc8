"""Paths as people give them."""

import os
from pathlib import Path

import pytest

from phosphene.core.errors import Mistake
from phosphene.core.paths import (
    A_FOLDER,
    NO_FILE,
    Unreadable,
    broken,
    check_length,
    content,
    given_path,
    is_file,
    is_folder,
    opened,
    reason,
    shortened,
    textual,
)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("", "the name of the picture is empty"),
        ("  ", "the name of the picture is empty"),
        ("https://example.org/a.jpg", "addresses are not opened, and https://example.org/a.jpg is an address"),
        ("HTTP://example.org", "addresses are not opened"),
        ("s3://bucket/key", "addresses are not opened"),
        ("www.example.org/a.jpg", "addresses are not opened"),
        ("data:image/png;base64,AA", "addresses are not opened"),
        (Path("https://example.org/a.jpg"), "addresses are not opened"),
        ("file:///tmp/a.jpg", "addresses are not opened, and file:///tmp/a.jpg is one; give the path: /tmp/a.jpg"),
        ("file://localhost/tmp/a.jpg", ".*give the path: /tmp/a.jpg"),
        ("a\0b", "the name of the picture has a zero byte"),
    ],
)
def test_what_is_no_path_is_refused(given, said):
    with pytest.raises(Mistake, match=f"^{said}"):
        given_path(given, "picture")


@pytest.mark.parametrize(
    "given", ["cat.jpg", "a:b", "C:/cat.jpg", "sky: blue.png", "data.png", "www/a.png", "file.png"]
)
def test_what_looks_a_little_like_an_address_is_a_path(given):
    assert given_path(given) == Path(given)


def test_a_tilde_is_the_home_folder_unless_something_is_called_so(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    assert given_path("~/cat.jpg") == tmp_path / "home/cat.jpg"
    assert given_path("~nobody-of-this-name/cat.jpg") == Path("~nobody-of-this-name/cat.jpg")
    (tmp_path / "home").mkdir()
    assert is_folder("~")
    (tmp_path / "~").mkdir()
    assert given_path("~") == Path("~")


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "cat.jpg").touch()
    with pytest.raises(Mistake, match=r"cat.jpg/ ends like a folder, but .*cat.jpg is a file"):
        given_path(f"{tmp_path}/cat.jpg/")
    assert given_path(f"{tmp_path}/") == tmp_path


def test_what_nobody_can_look_at_is_neither_file_nor_folder(tmp_path, monkeypatch):
    for path in ("", "a" * 300, "a\0b", tmp_path / "none"):
        assert not is_file(path) and not is_folder(path)
    assert is_folder(tmp_path) and not is_file(tmp_path)

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "stat", refuse)
    assert not is_file(tmp_path / "x") and not is_folder(tmp_path / "x")
    for read in (broken, opened, content):
        with pytest.raises(PermissionError):
            read(tmp_path / "x")


def test_why_nothing_can_be_read(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "circle").symlink_to("circle")
    (tmp_path / "good").symlink_to("file")
    assert broken(tmp_path / "file") is None and broken(tmp_path / "good") is None
    assert broken(tmp_path) == A_FOLDER
    assert broken(tmp_path / "none") == broken(tmp_path / "file/below") == NO_FILE
    assert broken(tmp_path / "dangling") == "it is a link to nowhere, which is not there"
    assert broken(tmp_path / "circle") == "it is a link that leads in a circle"
    assert broken(Path(os.devnull)) == "it is a device or a pipe"
    with pytest.raises(Unreadable) as error:
        opened(tmp_path)
    assert reason(error.value) == A_FOLDER


def test_a_file_is_read_up_to_a_limit(tmp_path):
    (tmp_path / "file").write_bytes(b"1234")
    assert content(tmp_path / "file", 4) == b"1234"
    with opened(tmp_path / "file", 4) as file:
        assert file.read() == b"1234"
    assert broken(tmp_path / "file", 3) == "it has 4e-06 MB, and 3e-06 MB is the limit"
    (tmp_path / "hole").touch()
    os.truncate(tmp_path / "hole", 2**42)  # 4 TB of nothing
    for most in (10**7, float("inf")):  # no machine that runs this has so much memory
        assert "it has 4,398 GB, and " in (broken(tmp_path / "hole", most) or "")


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="files of no length that are none")
def test_a_file_that_says_it_is_empty_is_read_up_to_the_limit():
    with pytest.raises(Unreadable, match="it has more than 1e-05 MB, which is the limit"):
        content(Path("/proc/self/maps"), 10)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
def test_a_pipe_that_takes_the_place_of_a_file_is_not_waited_for(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "pipe")
    looked = os.stat(tmp_path / "file")
    monkeypatch.setattr(os, "stat", lambda path: looked)
    with pytest.raises(Unreadable, match="it is a device or a pipe"):
        opened(tmp_path / "pipe")


def test_a_name_that_the_system_can_not_write_is_refused(monkeypatch):
    def refuse(text):
        raise UnicodeEncodeError("ascii", text, 0, 1, "ordinal not in range")

    monkeypatch.setattr(os, "fsencode", refuse)
    with pytest.raises(Mistake, match=r"the name été\.png has letters that names of files here can't have"):
        given_path("été.png")


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0",
            "it is a pointer of git-lfs and not the file itself, which `git lfs pull` fetches",
        ),
        (b"\n<!DOCTYPE html><html>", "it is a web page"),
        (b"dear diary", "it begins with text"),
        ("ä".encode() * 9 + b"\xc3", "it begins with text"),
        (b"", None),
        (b"\x80\x02}", None),
    ],
)
def test_text_is_recognized(head, words):
    assert textual(head) == words


def test_long_names_are_cut_and_stay_apart():
    names = ["a" * 300, "a" * 299 + "b", "ä" * 150, "😀" * 80]
    short = [shortened(name) for name in names]
    assert len(set(short)) == 4 and all(len(name.encode()) <= 200 for name in short)
    assert all(name.startswith(long[:20]) for name, long in zip(short, names, strict=True))
    assert shortened("a" * 200) == "a" * 200


def test_a_given_name_is_not_cut_but_refused():
    check_length(Path("a" * 251 + ".png"))
    with pytest.raises(Mistake, match=r"the name a{24}\.\.\. has 256 bytes; it may have 255$"):
        check_length(Path("a" * 252 + ".png"))
    check_length(Path("a" * 215 + ".png"), room=40)
    with pytest.raises(Mistake, match=r"has 216 bytes; it may have 215, as files with longer endings"):
        check_length(Path("a" * 216 + ".png"), room=40)

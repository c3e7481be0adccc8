"""Sets of files: whole or not at all, whatever fails and whoever interrupts."""

import errno
import itertools
import os
import signal
from pathlib import Path

import pytest

from phosphene.core.errors import Mistake
from phosphene.core.saving import save, undisturbed

OLD, NEW = b"old", b"new"


def there(folder):
    """What is in a folder, hidden files too."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def failing(at, function):
    """A function that says that the disk is full at this call."""
    calls, renames = itertools.count(), function is os.replace

    def call(*given, **options):
        if next(calls) == at:
            part, path = (given[0], given[1]) if renames else (None, None)
            raise OSError(errno.ENOSPC, "No space left on device", part, None, path)
        return function(*given, **options)

    return call


def test_every_file_is_written_over_what_was_there(tmp_path):
    (tmp_path / "a").write_bytes(OLD)
    save({tmp_path / "a": NEW, tmp_path / "b": NEW})
    assert there(tmp_path) == {"a": NEW, "b": NEW}


@pytest.mark.parametrize("what", ["write", "rename"])
@pytest.mark.parametrize("at", range(4))
def test_a_full_disk_leaves_the_old_files_and_none_of_the_new(what, at, tmp_path, monkeypatch):
    names = ["a", "b", "c", "d"]
    before = dict.fromkeys(names[:2], OLD)
    for name, data in before.items():
        (tmp_path / name).write_bytes(data)
    where, name = (Path, "write_bytes") if what == "write" else (os, "replace")
    with monkeypatch.context() as patch:
        patch.setattr(where, name, failing(at, getattr(where, name)))
        with pytest.raises(Mistake, match=rf"{names[at]} cannot be written: no space left on device") as mistake:
            save({tmp_path / name: NEW for name in names})
    assert isinstance(mistake.value.__cause__, OSError)
    assert there(tmp_path) == before


def test_a_folder_in_the_place_of_a_file_is_named_and_stays(tmp_path):
    (tmp_path / "a").write_bytes(OLD)
    (tmp_path / "b").mkdir()
    with pytest.raises(Mistake, match=r"/b cannot be written: is a directory"):
        save({tmp_path / "a": NEW, tmp_path / "b": NEW})
    assert sorted(os.listdir(tmp_path)) == ["a", "b"] and (tmp_path / "a").read_bytes() == OLD


def test_without_second_names_a_set_is_written_all_the_same(tmp_path, monkeypatch):
    def none(*_, **__):
        raise NotImplementedError

    monkeypatch.setattr(os, "link", none)
    (tmp_path / "a").write_bytes(OLD)
    save({tmp_path / "a": NEW, tmp_path / "b": NEW})
    assert there(tmp_path) == {"a": NEW, "b": NEW}


def test_an_interruption_between_two_renames_waits_until_the_set_is_whole(tmp_path, monkeypatch):
    replace = os.replace

    def interrupted(*given):
        replace(*given)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        save({tmp_path / "a": NEW, tmp_path / "b": NEW})
    assert there(tmp_path) == {"a": NEW, "b": NEW}


def test_an_interruption_while_parts_are_written_leaves_nothing(tmp_path, monkeypatch):
    write = Path.write_bytes

    def interrupted(path, data):
        write(path, data)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Path, "write_bytes", interrupted)
    with pytest.raises(KeyboardInterrupt):
        save({tmp_path / "a": NEW, tmp_path / "b": NEW})
    assert there(tmp_path) == {}


def test_handlers_are_as_they_were():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with undisturbed():
        assert signal.getsignal(signal.SIGINT) is not before[0]
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before

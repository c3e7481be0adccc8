"""The command of the lesson: its page's path is its result, and one that had to go elsewhere is told."""

import errno
import tempfile
from pathlib import Path

import pytest

from tests.faces.commands import last
from tests.faces.lessons.test_page import lesson, made


@pytest.mark.slow
def test_where_the_disk_is_full_the_page_is_elsewhere_and_the_old_one_stays(small, monkeypatch, tmp_path):
    Path("page.html").write_text("old")
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    write = Path.write_bytes

    def full(path, content):
        if path.parent == Path():
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        return write(path, content)

    file = made()
    monkeypatch.setattr(Path, "write_bytes", full)
    code, out, err = lesson(small, "--data", file, "--out", "page.html", "--force")
    assert code == 2 and "could not be written to (no space left on device); it is in" in err
    assert Path("page.html").read_text() == "old"
    assert last(out).parent.parent == tmp_path / "temporary" and "<h1>" in last(out).read_text()

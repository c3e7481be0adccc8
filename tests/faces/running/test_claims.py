"""Names that a process holds: against others, until it ends, and never longer."""

import subprocess
import sys
from pathlib import Path

import pytest

from phosphene.core.errors import Mistake
from phosphene.faces.running.claims import Claims

HOLDS = """
import sys
from pathlib import Path
from phosphene.faces.running.claims import Claims
with Claims() as claims:
    claims.hold([Path(sys.argv[1])])
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def elsewhere(tmp_path):
    """Another process that holds x.png, until it is told or killed."""
    words = [sys.executable, "-c", HOLDS, str(tmp_path / "x.png")]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_name_that_another_process_holds_is_refused_until_that_one_ends(tmp_path, elsewhere):
    with Claims() as claims, pytest.raises(Mistake, match=r"x\.png is being made by another process; wait for it"):
        claims.hold([tmp_path / "x.png"])
    with Claims() as claims:
        claims.hold([tmp_path / "y.png"])
    elsewhere.communicate()
    with Claims() as claims:
        claims.hold([tmp_path / "x.png"])
    assert list(tmp_path.iterdir()) == []


def test_a_process_that_is_killed_holds_nothing(tmp_path, elsewhere):
    elsewhere.kill()
    elsewhere.wait()
    with Claims() as claims:
        claims.hold([tmp_path / "x.png"])
    assert list(tmp_path.iterdir()) == []


def test_names_are_held_together_and_let_go_after_an_error(tmp_path):
    with pytest.raises(ZeroDivisionError), Claims() as claims:
        claims.hold(tmp_path / name for name in ("x.png", "y.png", "x.png"))
        assert sorted(path.name for path in tmp_path.iterdir()) == [".x.png.lock", ".y.png.lock"]
        with Claims() as others, pytest.raises(Mistake, match=r"y\.png is being made"):
            others.hold([tmp_path / "y.png"])
        _ = 1 / 0
    assert list(tmp_path.iterdir()) == []


def test_folders_that_nothing_came_into_go_again(tmp_path):
    with Claims() as claims:
        claims.folder(tmp_path / "a" / "b" / "c")
        claims.folder(tmp_path / "a" / "b" / "d")
        Path(tmp_path, "a", "b", "d", "x").touch()
        claims.folder(tmp_path)
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")) == ["a", "a/b", "a/b/d", "a/b/d/x"]

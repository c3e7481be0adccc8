"""The file of a measured plan: never half, never over another one."""

import errno
import json
import tempfile
from pathlib import Path

import pytest

from phosphene.faces.cli import tune
from phosphene.models.tuning import candidates
from tests.faces.commands import files, is_one_sentence, last


@pytest.fixture
def run(small, monkeypatch):
    """The command, which takes no time."""

    def measure(network, every, *, size, batch, repeats):
        for one in every:
            one.seconds += [0.2, 0.1]
            yield one

    monkeypatch.setattr(tune, "measure", measure)
    return small


def test_what_is_there_is_told_before_anything_is_measured(run, monkeypatch):
    monkeypatch.setattr(tune, "candidates", lambda _: pytest.fail("it was measured"))
    Path("plan.json").write_text("precious")
    assert "plan.json is there already" in is_one_sentence(*run("tune", "--out", "plan.json"))
    Path("plan-own-py.json").symlink_to("nowhere")
    assert "plan-own-py.json is there already" in is_one_sentence(*run("tune"))


def test_a_full_disk_leaves_the_old_plan_and_the_new_one_is_elsewhere(run, monkeypatch, tmp_path):
    Path("plan.json").write_text("old")
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    write = Path.write_bytes

    def full(path, data):
        if path.parent == Path():
            write(path, data[:10])
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        return write(path, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    code, out, err = run("tune", "--out", "plan.json", "--force")
    assert code == 2 and "could not be written to (no space left on device); it is in" in err
    assert Path("plan.json").read_text() == "old" and files() == ["plan.json", "temporary"]
    assert set(json.loads(last(out).read_text())) >= {"network", "plans", "measured"}


def test_a_network_that_fails_meanwhile_leaves_nothing(run, monkeypatch):
    def fails(network):
        assert Path("deep/.plan.json.lock").exists()
        candidates(network)
        raise ZeroDivisionError("no")

    monkeypatch.setattr(tune, "candidates", fails)
    assert is_one_sentence(*run("tune", "--out", "deep/plan.json")) == "own.py fails: ZeroDivisionError: no"
    assert files() == []

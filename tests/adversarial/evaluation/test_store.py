"""Ended at any point, an evaluation goes on to the same bytes; nothing of anybody else's is touched."""

import json

import pytest

from phosphene.adversarial.evaluation.report import Report, names
from phosphene.adversarial.evaluation.store import OF, PARTS, Folder, Memory
from phosphene.core.errors import Mistake
from tests.adversarial.evaluation.small_evaluations import RADII, evaluation, finished

FILES = names("linf", RADII)


def begun(folder, **options):
    store = Folder(folder, FILES)
    found = evaluation(parts=store, **options)
    store.go_on(found.of)
    return store, found


def bytes_in(folder):
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}


@pytest.fixture(scope="module")
def whole():
    """What comes of an evaluation that was never ended."""
    return Report(finished()).files()


@pytest.mark.slow
def test_ended_at_every_fifth_step_it_goes_on_to_the_same_bytes(tmp_path, whole):
    ended = 0
    while True:
        store, found = begun(tmp_path)
        before = store.there
        for index, _ in enumerate(found):
            if index > 4 and store.there > before:
                break
        else:
            break
        ended += 1
    store.finish(Report(found).files())
    assert ended >= 5
    assert bytes_in(tmp_path) == whole and not (tmp_path / PARTS).exists()


@pytest.mark.slow
def test_a_damaged_part_is_made_again(tmp_path, whole):
    _, found = begun(tmp_path)
    for _ in found:
        pass
    every = sorted((tmp_path / PARTS).glob("*.npz"))
    every[0].write_bytes(every[0].read_bytes()[:100])
    every[1].write_bytes(every[2].read_bytes())  # another part's
    _, found = begun(tmp_path)
    for _ in found:
        pass
    assert Report(found).files() == whole


def test_an_unfinished_evaluation_of_something_else_is_told_and_stays(tmp_path):
    store, found = begun(tmp_path)
    next(found)
    with pytest.raises(Mistake, match="unfinished evaluation with another seed and batch; give --force"):
        begun(tmp_path, seed=5, batch=2)
    assert json.loads((tmp_path / PARTS / OF).read_text())["seed"] == 1 and store.there == 1


def test_with_force_it_begins_anew(tmp_path):
    store, found = begun(tmp_path)
    next(found)
    (tmp_path / FILES[0]).write_text("old")
    store = Folder(tmp_path, FILES, force=True)
    store.go_on(evaluation(seed=5).of)
    assert store.there == 0


def test_files_of_somebody_else_are_not_written_over(tmp_path):
    (tmp_path / FILES[1]).write_text("precious")
    with pytest.raises(Mistake, match=r"images\.csv is there already; give --force"):
        Folder(tmp_path, FILES)


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(Mistake, match="can't be written to"):
        begun(tmp_path / "file" / "folder")


@pytest.mark.slow
def test_in_memory_a_part_comes_back_by_its_name():
    memory = Memory()
    part = finished().ledger.clean
    memory.put("one", part)
    assert memory.get("one") is part and memory.get("two") is None

import json

import pytest

from phosphene.core.errors import Mistake
from phosphene.core.index.index import Index
from phosphene.dataset.building import Folder, in_process, run
from phosphene.dataset.decoding import Decoder
from phosphene.dataset.merging import merge
from phosphene.dataset.passing import shard
from phosphene.dataset.shards import finished
from tests.dataset.asked import asked, contents


def built(path, network, question):
    folder = Folder.begun(path, question)
    list(run(folder, in_process(question, network, Decoder(question.door))))
    merge(question, path, network)
    return contents(path)


@pytest.mark.slow
def test_an_index_that_was_stopped_has_the_bytes_of_one_that_was_not(tmp_path):
    network, question = asked(tmp_path / "photos")
    whole = built(tmp_path / "whole", network, question)
    assert set(whole) > {"index.json", "question.json", "images.parquet", "shards/00002.parquet", "relu1.codes.npy"}

    half = Folder.begun(tmp_path / "half", question)
    engine = in_process(question, network, Decoder(question.door))
    assert next(run(half, engine)) == 0
    (half.path / "shards" / ".00001-0a1b2c3d.part").write_bytes(b"half of it")  # killed while it wrote
    (half.path / "relu1.peaks.npy").write_bytes(b"half of it")
    again = Folder.begun(tmp_path / "half", question)
    assert (again.there, again.left, again.pictures_there) == ((0,), [1, 2], 8)
    assert built(tmp_path / "half", network, question) == whole


@pytest.mark.slow
def test_another_engine_and_order_give_the_same_bytes(tmp_path):
    network, question = asked(tmp_path / "photos")
    whole = built(tmp_path / "whole", network, question)
    folder = Folder.begun(tmp_path / "other", question)
    list(run(folder, lambda numbers: ((n, shard(question, n, network)) for n in reversed(numbers))))
    merge(question, folder.path, network)
    assert contents(folder.path) == whole


def test_what_is_there_is_never_overwritten(tmp_path, monkeypatch):
    network, question = asked(tmp_path / "photos")
    whole = built(tmp_path / "index", network, question)
    with pytest.raises(Mistake, match="is there already; give --force"):
        Folder.begun(tmp_path / "index", question)
    with pytest.raises(Mistake, match="is a folder with other things in it"):
        Folder.begun(tmp_path / "photos", question)
    with pytest.raises(Mistake, match="is a folder with other things in it"):
        Folder.begun(tmp_path / "photos", question, force=True)
    (tmp_path / "file").write_text("x")
    with pytest.raises(Mistake, match="is a file; an index is a folder"):
        Folder.begun(tmp_path / "file", question)
    assert contents(tmp_path / "index") == whole
    with pytest.raises(ZeroDivisionError), Folder.begun(tmp_path / "index", question, force=True).kept_if_begun():
        assert not (tmp_path / "index" / "index.json").exists()
        raise ZeroDivisionError
    assert contents(tmp_path / "index") == whole
    Folder.begun(tmp_path / "index", question, force=True)  # and killed, twice
    with pytest.raises(ZeroDivisionError), Folder.begun(tmp_path / "index", question, force=True).kept_if_begun():
        raise ZeroDivisionError
    assert contents(tmp_path / "index") == whole
    with monkeypatch.context() as full, pytest.raises(ZeroDivisionError):
        full.setattr("phosphene.dataset.building.save", lambda files: 1 / 0)
        Folder.begun(tmp_path / "index", question, force=True)
    assert contents(tmp_path / "index") == whole
    for file in (tmp_path / "index").iterdir():  # killed while it was moved back
        (tmp_path / "index" / ".before").mkdir(exist_ok=True)
        file.rename(tmp_path / "index" / ".before" / file.name)
    with pytest.raises(Mistake, match="is there already; give --force"):
        Folder.begun(tmp_path / "index", question)
    assert contents(tmp_path / "index") == whole
    (tmp_path / "index" / "mine.txt").write_text("x")
    with Folder.begun(tmp_path / "index", question, force=True).kept_if_begun():
        pass
    assert set(contents(tmp_path / "index")) == {"question.json", "mine.txt"}


def test_another_question_is_refused_with_what_differs(tmp_path):
    _, question = asked(tmp_path / "photos")
    Folder.begun(tmp_path / "index", question)
    for options, words in (
        ({"batch": 5}, r"another --batch \(3, not 5\); ask the same again"),
        ({"layers": ["relu2"]}, "another layers;"),
        ({"threshold": 1.0, "fit": "squash"}, r"another --fit \(crop, not squash\) and another --threshold"),
    ):
        with pytest.raises(Mistake, match=words):
            Folder.begun(tmp_path / "index", asked(tmp_path / "photos", **options)[1])
    (tmp_path / "photos" / "0" / "000.png").unlink()
    with pytest.raises(Mistake, match="is an unfinished index with another pictures"):
        Folder.begun(tmp_path / "index", asked(tmp_path / "photos")[1])


def test_a_question_of_another_version_is_refused(tmp_path):
    _, question = asked(tmp_path / "photos")
    Folder.begun(tmp_path / "index", question)
    record = json.loads(question.bytes)
    (tmp_path / "index" / "question.json").write_text(json.dumps(record | {"format": 0}))
    with pytest.raises(Mistake, match=r"another format \(0, not 1\)"):
        Folder.begun(tmp_path / "index", question)


def test_not_one_picture_that_can_be_read_is_a_sentence(tmp_path):
    network, question = asked(tmp_path / "photos", 3)
    for file in (tmp_path / "photos").rglob("*.png"):
        file.write_bytes(b"")
    with pytest.raises(Mistake, match=r"not one of 3 pictures could be read; the first: .*000\.png is empty"):
        built(tmp_path / "index", network, question)
    assert not finished(tmp_path / "index", question)  # mended pictures are read by the same command


def test_a_full_disk_is_a_sentence_and_loses_no_shard(tmp_path, monkeypatch):
    network, question = asked(tmp_path / "photos")
    folder = Folder.begun(tmp_path / "index", question)
    engine = in_process(question, network, Decoder(question.door))
    list(run(folder, engine))

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("phosphene.dataset.merging._header", full)
    with pytest.raises(Mistake, match="index can't be written: no space left on device"):
        merge(question, folder.path, network)
    monkeypatch.undo()
    assert Folder.begun(tmp_path / "index", question).left == []
    merge(question, folder.path, network)
    assert Index.open(folder.path).count == 20


def test_what_ends_before_its_first_shard_leaves_no_folder_and_later_all_that_is_there(tmp_path):
    network, question = asked(tmp_path / "photos")
    path = tmp_path / "index"
    with pytest.raises(KeyboardInterrupt), Folder.begun(path, question).kept_if_begun():
        raise KeyboardInterrupt
    assert not path.exists()
    folder = Folder.begun(path, question)
    next(run(folder, in_process(question, network, Decoder(question.door))))
    before = contents(path)
    with pytest.raises(KeyboardInterrupt), folder.kept_if_begun():
        raise KeyboardInterrupt
    assert contents(path) == before

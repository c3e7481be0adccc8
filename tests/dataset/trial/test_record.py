"""A record loses nothing, is one trial's, and says what is wrong with a file that is none."""

import sqlite3

import pytest

from phosphene.core.errors import Mistake
from phosphene.dataset.trial.record import Answer, Record

OF = {"kind": "classes", "seed": 0, "index": "abc"}


@pytest.fixture
def record(tmp_path):
    record = Record(tmp_path / "trial.sqlite")
    record.begin(OF, {"groups": []})
    record.ask([{"truth": 0}, {"truth": 1}, {"truth": 2}])
    yield record
    record.close()


def test_an_answer_is_there_for_whoever_opens_the_file_next(record):
    record.answer("ada", Answer(0, 2, 1.5))
    record.answer("ada", Answer(1, None, 0.5))
    record.answer("bob", Answer(0, 1))
    other = Record(record.path)
    assert other.answers("ada") == [Answer(0, 2, 1.5), Answer(1, None, 0.5)]
    assert other.people() == ["ada", "bob"] and other.questions()[2] == {"truth": 2}
    other.close()


def test_the_last_answer_can_be_taken_back(record):
    for number in range(2):
        record.answer("ada", Answer(number, 0, 1.0))
    assert record.take_back("ada") == 1 and record.answers("ada") == [Answer(0, 0, 1.0)]
    assert record.take_back("ada") == 0 and record.take_back("ada") is None


def test_questions_that_are_there_stay_as_they_are(record):
    record.ask([{"truth": 9}, {"truth": 9}, {"truth": 9}, {"truth": 3}])
    assert [one["truth"] for one in record.questions()] == [0, 1, 2, 3]


def test_another_trial_is_refused_and_what_differs_is_said(record):
    record.begin(OF, {})
    with pytest.raises(Mistake, match="a trial with another seed; give another --record"):
        record.begin(OF | {"seed": 1}, {})


def test_a_file_that_is_no_record_is_one_sentence(tmp_path):
    (tmp_path / "a.sqlite").write_text("these are no answers, and they are longer than a header has to be" * 9)
    with pytest.raises(Mistake, match=r"is no record of a trial .*not a database"):
        Record(tmp_path / "a.sqlite")
    with sqlite3.connect(tmp_path / "b.sqlite") as other:
        other.execute("CREATE TABLE trial (name TEXT)")
    with pytest.raises(Mistake, match="is no record of a trial"):
        Record(tmp_path / "b.sqlite")
    with pytest.raises(Mistake, match="can't be opened for writing"):
        Record(tmp_path / "nowhere" / "c.sqlite")
    with pytest.raises(Mistake, match="there is no record"):
        Record.there(tmp_path / "d.sqlite")
    Record(tmp_path / "e.sqlite").close()
    with pytest.raises(Mistake, match="has no trial in it"):
        Record.there(tmp_path / "e.sqlite")


def test_another_version_is_refused(record):
    record._file.execute("UPDATE trial SET value = '7' WHERE key = 'version'")
    with pytest.raises(Mistake, match="record of version 7, and this is version 1"):
        Record(record.path)


def test_a_disk_that_is_full_loses_nothing_that_was_answered(record):
    record.answer("ada", Answer(0, 1, 1.0))
    (pages,) = record._file.execute("PRAGMA page_count").fetchone()
    record._file.execute(f"PRAGMA max_page_count = {pages}")  # as a full disk would
    with pytest.raises(Mistake, match="disk is full; what was answered before is in it"):
        record.answer("ada" * 5000, Answer(1, 1, 1.0))
    assert record.answers("ada") == [Answer(0, 1, 1.0)]

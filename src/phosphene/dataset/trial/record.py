"""A trial's answers in one SQLite file: each is there for good as soon as it is given, and several people share it.

The questions are kept beside the answers, so that results can be told without the data set and the network.
"""

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from phosphene.core.errors import Mistake, first_line
from phosphene.core.paths import is_file

VERSION = 1

TABLES = """
CREATE TABLE IF NOT EXISTS trial (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS questions (number INTEGER PRIMARY KEY, question TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS answers (
    person TEXT NOT NULL, number INTEGER NOT NULL, choice INTEGER, seconds REAL,
    PRIMARY KEY (person, number));
"""


@dataclass(frozen=True)
class Answer:
    """What a person said.

    Attributes:
        number: of the question.
        choice: its place among the choices; None where the question was skipped.
        seconds: from the question to the answer; None of a machine.
    """

    number: int
    choice: int | None
    seconds: float | None = None


class Record:
    """The file of a trial.

    Args:
        path: it is made where it is not there.
    Raises:
        Mistake: it can't be opened, or is no record of a trial.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._told():
            # an answer is on the disk before the next question is asked; another process is waited for for a second
            self._file = sqlite3.connect(path, timeout=1, isolation_level=None)
            self._file.executescript("PRAGMA synchronous = FULL;" + TABLES)
            version = self._file.execute("SELECT value FROM trial WHERE key = 'version'").fetchone()
        if version is not None and version[0] != str(VERSION):
            raise Mistake(f"{path} is a trial's record of version {version[0]}, and this is version {VERSION}")

    @staticmethod
    def there(path: Path) -> "Record":
        """The record of a trial that has begun.

        Raises:
            Mistake: there is none.
        """
        if not is_file(path):
            raise Mistake(f"there is no record {path} of a trial; answer some questions first: phosphene trial INDEX")
        record = Record(path)
        if record.of() is None:
            raise Mistake(f"{path} has no trial in it; answer some questions first: phosphene trial INDEX")
        return record

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def of(self) -> dict[str, Any] | None:
        """What the trial is of; None where it has not begun."""
        with self._told():
            row = self._file.execute("SELECT value FROM trial WHERE key = 'of'").fetchone()
            return None if row is None else json.loads(row[0])

    def begin(self, of: Mapping[str, Any], about: Mapping[str, Any]) -> None:
        """Say what the trial is of, and what else its results need.

        Raises:
            Mistake: the file has another one.
        """
        wanted, before = json.loads(json.dumps(of)), self.of()
        if before is not None and before != wanted:
            other = [key for key in wanted if before.get(key) != wanted[key]] or ["version"]
            raise Mistake(
                f"{self.path} has a trial with another {' and '.join(other)}; give another --record, or what it was "
                "begun with"
            )
        if before is None:
            values = {"version": str(VERSION), "about": json.dumps(about), "of": json.dumps(wanted)}
            with self._told(), self._whole():
                self._file.executemany("INSERT INTO trial VALUES (?, ?)", values.items())

    def about(self) -> dict[str, Any]:
        """What else the results need."""
        with self._told():
            return dict(json.loads(self._file.execute("SELECT value FROM trial WHERE key = 'about'").fetchone()[0]))

    def ask(self, questions: Sequence[Mapping[str, Any]], first: int = 0) -> None:
        """Keep questions, numbered from `first` on; one that is there stays as it is."""
        rows = [(first + i, json.dumps(one)) for i, one in enumerate(questions)]
        with self._told(), self._whole():
            self._file.executemany("INSERT OR IGNORE INTO questions VALUES (?, ?)", rows)

    def questions(self) -> list[dict[str, Any]]:
        """All that are kept, in order."""
        with self._told():
            rows = self._file.execute("SELECT question FROM questions ORDER BY number").fetchall()
            return [json.loads(text) for (text,) in rows]

    def answer(self, person: str, answer: Answer) -> None:
        """Keep an answer; it is on the disk when this returns."""
        row = person, answer.number, answer.choice, answer.seconds
        with self._told():
            self._file.execute("INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?)", row)

    def take_back(self, person: str) -> int | None:
        """Forget a person's last answer; the number of its question, or None where there is none."""
        last = max((one.number for one in self.answers(person)), default=None)
        if last is not None:
            with self._told():
                self._file.execute("DELETE FROM answers WHERE person = ? AND number = ?", (person, last))
        return last

    def answers(self, person: str) -> list[Answer]:
        """A person's answers, in the order of the questions."""
        with self._told():
            found = self._file.execute(
                "SELECT number, choice, seconds FROM answers WHERE person = ? ORDER BY number", (person,)
            )
            return [Answer(*row) for row in found.fetchall()]

    def people(self) -> list[str]:
        """Who has answered anything, in the order of their names."""
        with self._told():
            return [name for (name,) in self._file.execute("SELECT DISTINCT person FROM answers ORDER BY person")]

    @contextmanager
    def _whole(self) -> Iterator[None]:
        """All of it or nothing."""
        self._file.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._file.execute("ROLLBACK")
            raise
        self._file.execute("COMMIT")

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Whatever SQLite complains about is one sentence."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            why = first_line(error)
            other = "give another --record"
            if "unable to open" in why or "readonly" in why:
                raise Mistake(f"{self.path} can't be opened for writing; {other}") from error
            if any(words in why for words in ("not a database", "malformed", "no such", "no column")):
                raise Mistake(f"{self.path} is no record of a trial ({why}); {other}") from error
            if "locked" in why:
                raise Mistake(f"{self.path} is in use by another process; wait for it, or {other}") from error
            raise Mistake(f"{self.path} can't be written: {why}; what was answered before is in it") from error
        except (ValueError, TypeError, KeyError) as error:
            if isinstance(error, Mistake):
                raise
            raise Mistake(f"{self.path} is no record of a trial ({first_line(error)})") from error

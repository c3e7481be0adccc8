"""Questions in the terminal, one after the other: a number, `s` to skip, `u` to take the last one back, `q` to stop.

Every answer is in the record before the next question is asked, so that nothing is lost however it ends.
"""

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from PIL import Image
from rich.console import Console

from phosphene.core.errors import Mistake, brief
from phosphene.core.networks.network import Network
from phosphene.core.paths import content, given_path, reason
from phosphene.core.pictures.writing import save_png
from phosphene.dataset.trial.record import Answer, Record
from phosphene.faces.cli.output import escape
from phosphene.faces.running.watching import Blocks, can_preview

SKIP, UNDO, QUIT = "s", "u", "q"


@runtime_checkable
class Trial(Protocol):
    """What is asked about."""

    of: dict[str, Any]

    @property
    def about(self) -> dict[str, Any]:
        """What results need beside the questions."""
        ...

    def questions(self, count: int) -> Iterator[dict[str, Any]]:
        """The first so many questions, one by one."""
        ...

    def prepare(self, questions: Sequence[Mapping[str, Any]]) -> None:
        """What takes time before these are asked."""
        ...

    def ask(self, question: Mapping[str, Any]) -> str:
        """A question in words."""
        ...

    def options(self, question: Mapping[str, Any]) -> list[str]:
        """Its answers in words."""
        ...

    def picture(self, question: Mapping[str, Any]) -> Image.Image:
        """What is shown."""
        ...

    def preview(self, question: Mapping[str, Any]) -> Image.Image:
        """What is shown in a terminal."""
        ...

    def feedback(self, question: Mapping[str, Any], choice: int) -> str:
        """What is said after an answer."""
        ...

    def machine(self, judge: Network, questions: Sequence[Mapping[str, Any]]) -> Iterator[int | None]:
        """What another network answers, one by one."""
        ...


@dataclass
class Answers:
    """Where answers come from: a file, what is piped in, or somebody at a keyboard.

    Attributes:
        lines: of a file; None for the standard input.
        name: of the file.
    """

    lines: list[str] | None = None
    name: str = "the standard input"
    read: int = field(default=0, init=False)

    @staticmethod
    def of(given: str | None) -> "Answers":
        """Those in a file, or of the standard input.

        Raises:
            Mistake: the file can't be read.
        """
        if given is None:
            return Answers()
        path = given_path(given, "file of answers")
        try:
            text = content(path).decode("utf-8", "replace")
        except OSError as error:
            raise Mistake(f"the answers in {path} can't be read: {reason(error)}") from error
        return Answers([line for line in text.splitlines() if line.strip()], path.name)

    @property
    def typed(self) -> bool:
        """Whether somebody types them, who can be asked once more."""
        return self.lines is None and sys.stdin is not None and sys.stdin.isatty()

    def next(self) -> str | None:
        """The next line without spaces around it; None where there are no more."""
        if self.lines is not None:
            line = self.lines[self.read] if self.read < len(self.lines) else ""
        else:
            line = sys.stdin.readline() if sys.stdin is not None else ""
        self.read += 1
        return line.strip().casefold() if line else None


@dataclass(frozen=True)
class Dialogue:
    """Who is asked, and how.

    Attributes:
        trial: what about.
        record: where answers go.
        person: who answers.
        console: where questions are printed.
        picture: the file of the picture that is asked about.
        told: whether each answer is followed by the truth.
        preview: whether pictures are shown in the terminal, if it can.
    """

    trial: Trial
    record: Record
    person: str
    console: Console
    picture: Path
    told: bool
    preview: bool

    def hold(self, questions: Sequence[Mapping[str, Any]], answers: Answers) -> bool:
        """Ask what this person has not answered yet; whether all is answered, or skipped, in the end.

        Raises:
            Mistake: an answer from a file or a pipe is none.
        """
        done = {one.number for one in self.record.answers(self.person)}
        try:
            while (number := next((i for i in range(len(questions)) if i not in done), None)) is not None:
                word = self._asked(number, questions[number], len(questions), answers)
                if word in (None, QUIT):
                    return False
                if word == UNDO:
                    done.discard(-1 if (back := self.record.take_back(self.person)) is None else back)
                    continue
                done.add(number)
            return True
        finally:
            self.picture.unlink(missing_ok=True)

    def _asked(self, number: int, question: Mapping[str, Any], of: int, answers: Answers) -> str | None:
        """Ask one question until it is answered; the answer, which is in the record if it is one."""
        options = self.trial.options(question)
        save_png(self.trial.picture(question), self.picture)
        self._say("")
        self._say(f"picture {number + 1} of {of}: {self.picture}")
        if self.preview and can_preview(self.console):
            self.console.print(Blocks(self.trial.preview(question)))
        self._say(self.trial.ask(question))
        for place, words in enumerate(options, 1):
            self._say(f"  {place}  {words}")
        began = time.monotonic()
        while True:
            self.console.print(f"1 to {len(options)}, s(kip), u(ndo), q(uit): ", end="", markup=False, highlight=False)
            word = answers.next()
            if not answers.typed:
                self._say("" if word is None else word)
            if word in (None, QUIT, UNDO):
                return word
            assert word is not None
            place = int(word) if word.isdecimal() and len(word) < 5 else 0
            if word == SKIP or 1 <= place <= len(options):
                break
            wrong = f"{brief(word)} is no answer: 1 to {len(options)}, s, u or q"
            if not answers.typed:
                raise Mistake(f"line {answers.read} of {answers.name}: {wrong}")
            self._say(wrong)
        choice = None if word == SKIP else place - 1
        self.record.answer(self.person, Answer(number, choice, time.monotonic() - began))
        if self.told and choice is not None:
            self._say(self.trial.feedback(question, choice))
        return word

    def _say(self, words: str) -> None:
        self.console.print(escape(words), highlight=False, soft_wrap=True)

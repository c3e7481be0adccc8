"""Questions in the terminal: what is typed, what is kept, what is said."""

import io
from pathlib import Path

import pytest
from PIL import Image
from rich.console import Console

from phosphene.core.errors import Mistake
from phosphene.dataset.trial.record import Answer, Record
from phosphene.faces.trial.asking import Answers, Dialogue


class Sums:
    """A trial about numbers."""

    of, about = {"kind": "sums"}, {}

    def questions(self, count):
        return iter([{"n": n} for n in range(count)])

    def prepare(self, questions):
        pass

    def ask(self, question):
        return f"What is {question['n']} and one?"

    def options(self, question):
        return [str(question["n"]), str(question["n"] + 1), "[bold]none[/]"]

    def picture(self, question):
        return Image.new("RGB", (8, 8))

    preview = picture

    def feedback(self, question, choice):
        return "right" if choice == 1 else "wrong"

    def machine(self, judge, questions):
        return iter([])


@pytest.fixture
def asked(tmp_path):
    record = Record(tmp_path / "trial.sqlite")
    record.begin(Sums.of, {})
    questions = list(Sums().questions(3))
    record.ask(questions)
    said = io.StringIO()

    def hold(*lines, told=True, person="ada"):
        dialogue = Dialogue(
            Sums(), record, person, Console(file=said, width=80), tmp_path / "q.png", told, preview=True
        )  # fmt: skip
        whole = dialogue.hold(questions, Answers(list(lines), "answers.txt"))
        return whole, [(one.number, one.choice) for one in record.answers(person)], said.getvalue()

    yield hold
    record.close()


def test_answers_are_numbers_from_one(asked, tmp_path):
    whole, kept, said = asked("2", "1", "3")
    assert whole and kept == [(0, 1), (1, 0), (2, 2)]
    assert "picture 3 of 3" in said and "What is 2 and one?" in said and "  3  [bold]none[/]" in said
    assert said.count("right") == 1 and said.count("wrong") == 2
    assert not (tmp_path / "q.png").exists()  # the picture of a question goes with it


def test_the_truth_is_told_only_where_it_is_wanted(asked):
    assert "wrong" not in asked("1", "1", "1", told=False)[2]


def test_who_stops_goes_on_where_they_were(asked):
    assert asked("2", "q")[:2] == (False, [(0, 1)])
    assert asked()[:2] == (False, [(0, 1)])  # no more lines: the same as q
    assert asked("2", "2")[:2] == (True, [(0, 1), (1, 1), (2, 1)])
    assert asked("1", "1", "1", person="bob")[1] == [(0, 0), (1, 0), (2, 0)]


def test_the_last_answer_can_be_taken_back_and_skipped_ones_stay_skipped(asked):
    assert asked("u", "2", "u", "1", "s", "2")[:2] == (True, [(0, 0), (1, None), (2, 1)])


def test_what_is_no_answer_says_which_line_it_is(asked):
    with pytest.raises(Mistake, match=r"line 2 of answers.txt: '4' is no answer: 1 to 3, s, u or q"):
        asked("2", "4")


def test_answers_are_read_from_a_file_without_its_empty_lines(tmp_path):
    (tmp_path / "a.txt").write_text("1\n\n S \n")
    answers = Answers.of(str(tmp_path / "a.txt"))
    assert [answers.next() for _ in range(3)] == ["1", "s", None]
    assert not answers.typed
    with pytest.raises(Mistake, match="can't be read"):
        Answers.of(str(tmp_path / "none.txt"))


def test_a_keyboard_is_asked_again(asked, monkeypatch, tmp_path):
    class Keyboard(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr("sys.stdin", Keyboard("nine\n2\nq\n"))
    record, said = Record(tmp_path / "other.sqlite"), io.StringIO()
    dialogue = Dialogue(Sums(), record, "ada", Console(file=said), tmp_path / "q.png", True, preview=False)
    assert not dialogue.hold([{"n": 0}, {"n": 1}], Answers.of(None))
    assert "'nine' is no answer" in said.getvalue() and [one.choice for one in record.answers("ada")] == [1]
    record.close()


def test_a_picture_is_there_while_its_question_is_asked(asked, tmp_path, monkeypatch):
    there = []
    monkeypatch.setattr(Answers, "next", lambda self: there.append(Path(tmp_path / "q.png").exists()) or "q")
    asked()
    assert there == [True]


def test_an_interruption_keeps_what_was_answered(asked, monkeypatch, tmp_path):
    lines = iter(["2"])

    def interrupted(self):
        try:
            return next(lines)
        except StopIteration:
            raise KeyboardInterrupt from None

    monkeypatch.setattr(Answers, "next", interrupted)
    with pytest.raises(KeyboardInterrupt):
        asked()
    record = Record(tmp_path / "trial.sqlite")
    (kept,) = record.answers("ada")
    assert isinstance(kept, Answer) and (kept.number, kept.choice) == (0, 1) and kept.seconds >= 0
    record.close()

"""`phosphene trial`: people against networks, about the photographs of an index or about its units."""

import json
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from rich.console import Console

from phosphene.core.errors import Mistake, exit_code
from phosphene.core.index.index import Index
from phosphene.core.networks.network import Network
from phosphene.core.options import Bounds
from phosphene.core.paths import given_path
from phosphene.core.pictures.writing import png_bytes
from phosphene.dataset.trial.figure import drawn
from phosphene.dataset.trial.of_classes import ClassTrial
from phosphene.dataset.trial.of_units import USUAL, Hint, UnitTrial
from phosphene.dataset.trial.pairs import Difficulty
from phosphene.dataset.trial.record import Answer, Record
from phosphene.dataset.trial.results import results, sentences
from phosphene.faces.cli import options as cli
from phosphene.faces.cli.commands import Options, session, tool
from phosphene.faces.cli.guard import Ended
from phosphene.faces.cli.indexed import network_of
from phosphene.faces.cli.output import note, tell
from phosphene.faces.running.claims import Claims, check_new
from phosphene.faces.running.destination import json_bytes, put
from phosphene.faces.running.progress import bars
from phosphene.faces.running.session import named
from phosphene.faces.trial.asking import Answers, Dialogue, Trial
from phosphene.faces.trial.hints import painter, units_of

COUNT = 20


@tool(
    cli.argument("index", str | None, None, "a folder that phosphene index wrote; not needed for --report"),
    *cli.untyped(cli.NETWORK),
    cli.option("units", bool, False, "ask which of two photographs excites a unit more"),
    cli.option("unit", list[str], [], "with --units: LAYER:UNIT, repeatable; by default another one each time"),
    cli.option("hint", Hint, USUAL, "with --units: what is shown beforehand"),
    cli.option("pictures", str | None, None, "of --hint synthetic: a folder of pictures of the units, LAYER-UNIT.png"),
    cli.option("against", str | None, None, "of --hint synthetic: the same with what excites them least"),
    cli.option("references", int, 9, "with --units: exemplars on either side", bounds=Bounds(1, 50)),
    cli.option("difficulty", Difficulty, "easy", "with --units: from the ends of a unit's photographs, or further in"),
    cli.option("count", int, COUNT, "so many questions", bounds=Bounds(1, 10**6)),
    cli.option("choices", int, 5, "classes to choose from", bounds=Bounds(2, 100)),
    cli.option("seed", int, 0, "of photographs, choices and units", bounds=Bounds(0, 2**32 - 1)),
    cli.option("record", str, "trial.sqlite", "the file of questions and answers; a trial that is there goes on"),
    cli.option("name", str, "me", "who answers; several may share a record"),
    cli.option("answers", str | None, None, "a file of answers, one a line, instead of the keyboard"),
    cli.option("judge", str | None, None, "another network, as --net, that answers in a person's place"),
    cli.option("feedback", bool, True, "say the truth after each answer, and what the network says"),
    cli.option("preview", bool, True, "show the picture in the terminal, where it has colours"),
    cli.option("report", bool, False, "ask nothing: tell the results of the record"),
    cli.FORCE, cli.QUIET, cli.JSON,
)  # fmt: skip
def take_trial(**options: Any) -> None:
    """Answer what a network answers: what photographs show, or which of two excites a unit more; and compare.

    Accuracy of person and network with 95 % intervals, their agreement, both matrices of confusion, and the time for a
    picture; as text, JSON and a figure beside the record.
    """
    path = given_path(options["record"], "record")
    if path.suffix.lower() not in (".sqlite", ".db"):
        raise Mistake(f"{path} does not end in .sqlite, the format of a record")
    files = [path.with_suffix(".json"), path.with_suffix(".png")]
    if options["report"]:
        with closing(Record.there(path)) as record:
            _tell(record, files, options, only=None)
        return
    if not options["index"]:
        raise Mistake("the index is missing: phosphene trial INDEX; phosphene index makes one of your pictures")
    new = not path.exists()
    if new:
        check_new(files, force=options["force"])
    with Claims() as claims:
        claims.hold([path])
        trial, judge = _begun(options)
        with closing(_record(path, trial, options)) as record:
            code = _answered(trial, record, judge, path, options)
            _tell(record, files, options, only=judge.name if judge else options["name"])
    if code is not None:
        raise Ended(code)


def _begun(options: Options) -> tuple[Trial, Network | None]:
    """The trial, and the network that answers in a person's place, if one does."""
    if options["units"] and options["choices"] != 5:
        raise Mistake("--choices belongs to questions about classes; --units asks which of two")
    if not options["units"] and (wrong := next((one for one in ("unit", "pictures", "against") if options[one]), None)):
        raise Mistake(f"--{wrong} belongs to questions about units; give --units as well")
    folder = options["index"]
    network = network_of(Index.open(folder), options)
    index = Index.open(folder, network)
    judge = None if options["judge"] is None else _other(options["judge"], network)
    with named(network.name):
        if not options["units"]:
            return ClassTrial(index, network, choices=options["choices"], seed=options["seed"]), judge
        return UnitTrial(
            index, network, units=units_of(index, network, options["unit"]), hint=options["hint"],
            painted=painter(network, given_path(options["record"], "record"), options),
            references=options["references"], difficulty=options["difficulty"], seed=options["seed"],
        ), judge  # fmt: skip


def _other(spec: str, network: Network) -> Network:
    usual = {one.name: one.default for one in cli.NETWORK}
    return session(usual | {"net": spec, "device": network.device.type}).network


def _record(path: Path, trial: Trial, options: Options) -> Record:
    """The record with all its questions; a new one is begun when they are made."""
    record, count = Record(path) if path.exists() else None, options["count"]
    try:
        if record is not None:
            record.begin(trial.of, trial.about)
        made: list[dict[str, Any]] = []
        if record is None or len(record.questions()) < count:
            with bars(quiet=options["quiet"]) as progress:
                made = list(progress.track(trial.questions(count), total=count, description="questions"))
        record = record or Record(path)
        record.begin(trial.of, trial.about)
        record.ask(made)
        trial.prepare(record.questions()[:count])
    except BaseException:
        if record is not None:
            record.close()
        raise
    return record


def _answered(trial: Trial, record: Record, judge: Network | None, path: Path, options: Options) -> int | None:
    """Have the questions answered; the code that the program ends with, where it was interrupted."""
    questions = record.questions()[: options["count"]]
    name = judge.name if judge else options["name"]
    try:
        if judge is not None:
            with named(judge.name):
                _by_machine(trial, record, judge, questions, quiet=options["quiet"])
            return None
        console = Console(stderr=True, quiet=options["quiet"] and options["answers"] is not None)
        dialogue = Dialogue(
            trial, record, name, console, path.with_suffix(".question.png"), options["feedback"], options["preview"]
        )
        if not dialogue.hold(questions, Answers.of(options["answers"])):
            _going_on(record, name, len(questions), options)
    except KeyboardInterrupt as stopped:
        _going_on(record, name, len(questions), options, "interrupted: ")
        return exit_code(stopped)
    return None


def _by_machine(
    trial: Trial, record: Record, judge: Network, questions: Sequence[dict[str, Any]], *, quiet: bool
) -> None:
    """Have the questions that it has not answered yet answered by a network."""
    done = {one.number for one in record.answers(judge.name)}
    left = [number for number in range(len(questions)) if number not in done]
    with bars(quiet=quiet) as progress:
        task = progress.add_task(judge.name, total=len(left))
        said = trial.machine(judge, [questions[number] for number in left]) if left else iter(())
        for number, choice in zip(left, said, strict=True):
            record.answer(judge.name, Answer(number, choice))
            progress.advance(task)


def _going_on(record: Record, name: str, of: int, options: Options, begins: str = "") -> None:
    many = len(record.answers(name))
    note(
        f"{begins}{many} of {of} are answered, and in {record.path}; the same command goes on from there",
        quiet=options["quiet"],
    )


def _tell(record: Record, files: Sequence[Path], options: Options, only: str | None) -> None:
    """The results as text or JSON, and both files of them."""
    if only is not None and only not in record.people():
        return
    found = results(record)
    made: dict[Path, Callable[[], bytes]] = {
        files[0]: lambda: json_bytes(found.record()), files[1]: lambda: png_bytes(drawn(found)),
    }  # fmt: skip
    folder, elsewhere = put({path: make() for path, make in made.items()}, force=True)
    if options["json"]:
        tell(json.dumps(found.record() | {"figure": str(folder / files[1].name)}, indent=1))
    else:
        tell("\n".join([*([] if options["quiet"] else sentences(found)), str(folder / files[1].name)]))
    if elsewhere:
        note(elsewhere)
        raise Ended(2)

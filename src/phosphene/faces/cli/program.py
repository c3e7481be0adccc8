"""The command line: opens a network and a photograph, calls a recipe, shows and writes what comes of it.

Its commands are the rows of the catalogue. `phosphene --help` and `--version` import no torch: only the module of the
command that was chosen is loaded.
"""

import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import Annotated

import typer

from phosphene import catalogue
from phosphene.core.saving import undisturbed
from phosphene.faces.cli import usage
from phosphene.faces.cli.guard import guarded
from phosphene.faces.cli.output import error, legible


def application(chosen: str | None, *, like: bool = False) -> typer.Typer:
    """The program, with the chosen command loaded and the others as lines of its help.

    Args:
        like: whether the command follows a picture's recipe, so that hardly anything has to be typed.
    """
    app = typer.Typer(
        add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
        help="See what a trained vision network sees, by optimizing its input.",
        epilog="phosphene help COMMAND says what a command takes.",
    )  # fmt: skip
    for name in catalogue.commands():
        sentence = catalogue.sentence(name)
        if name == chosen:
            app.command(name)(_loaded(name, like))
        else:
            app.command(name, help=sentence)(_stub(sentence))

    @app.callback()
    def common(
        shown: Annotated[
            bool, typer.Option("--version", help="Show the version.", callback=_say_version, is_eager=True)
        ] = False,
        debug: Annotated[bool, typer.Option("--debug", help="Show where an error comes from.")] = False,
    ) -> None:
        pass

    return app


def _loaded(name: str, like: bool) -> Callable[..., None]:
    """The command itself; imports what it needs.

    An interruption waits for that: torch goes on without a NumPy whose import was interrupted, and fails later. The
    command has its own guard as typer ends with 130 in silence, whatever interrupted it.
    """
    rows = catalogue.commands()[name]
    with undisturbed():
        if any(row.name for row in rows):
            from phosphene.faces.cli.commands import recipe_command

            return guarded()(recipe_command(name, rows, like=like))
        command: Callable[..., None] = catalogue.loaded(rows[0].home)
        return guarded()(command)


def _stub(sentence: str) -> Callable[..., None]:
    def stub() -> None:
        pass

    stub.__doc__ = sentence
    return stub


def _say_version(wanted: bool) -> bool:
    if wanted:
        print(f"phosphene {version('phosphene')}")
        raise typer.Exit
    return wanted


def run(given: Sequence[str]) -> int:
    """Run the command line; the exit code."""
    legible()
    given = list(given)
    if given[:1] == ["help"]:
        given = [*(word for word in given[1:2] if word != "help"), "--help"]
    chosen = next((word for word in given if not word.startswith("-")), None)
    if chosen is not None and given[0] == chosen and chosen not in catalogue.commands():
        error(usage.unknown_command(chosen))
        return 2
    try:
        like = any(word.partition("=")[0] == "--like" for word in given)
        called = application(chosen if chosen in catalogue.commands() else None, like=like)
        return called(given, prog_name="phosphene", standalone_mode=False) or 0
    except usage.UnreadableLine as unreadable:
        if given:
            error(usage.sentence(unreadable, chosen or ""))
        else:  # the help is what is said to no words at all
            print(unreadable, file=sys.stderr)
        return 2

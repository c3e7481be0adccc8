"""The command line: opens a network and a photograph, calls a recipe, shows and writes what comes of it.

Its commands are the rows of the catalogue. `phosphene --help` and `--version` import no torch: only the module of the
command that was chosen is loaded.
"""

import sys
from collections.abc import Callable
from importlib.metadata import version
from typing import Annotated, NoReturn

import typer

from phosphene import catalogue
from phosphene.faces.cli import usage
from phosphene.faces.cli.output import error, legible


def application(chosen: str | None) -> typer.Typer:
    """The program, with the chosen command loaded and the others as lines of its help."""
    app = typer.Typer(
        add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
        help="See what a trained vision network sees, by optimizing its input.",
        epilog="phosphene help COMMAND says what a command takes.",
    )  # fmt: skip
    for name in catalogue.commands():
        sentence = catalogue.sentence(name)
        if name == chosen:
            app.command(name)(_loaded(name))
        else:
            app.command(name, help=sentence)(_stub(sentence))

    @app.callback()
    def common(
        shown: Annotated[
            bool, typer.Option("--version", help="Show the version.", callback=_say_version, is_eager=True)
        ] = False,
    ) -> None:
        pass

    return app


def _loaded(name: str) -> Callable[..., None]:
    """The command itself; imports what it needs."""
    rows = catalogue.commands()[name]
    if any(row.name for row in rows):
        from phosphene.faces.cli.commands import recipe_command

        return recipe_command(name, rows)
    command: Callable[..., None] = catalogue.loaded(rows[0].home)
    return command


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


def main(arguments: list[str] | None = None) -> None:
    """Run the command line."""
    legible()
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] == ["help"]:
        given = [*(word for word in given[1:2] if word != "help"), "--help"]
    chosen = next((word for word in given if not word.startswith("-")), None)
    if chosen is not None and given[0] == chosen and chosen not in catalogue.commands():
        _refuse(usage.unknown_command(chosen))
    try:
        code = application(chosen if chosen in catalogue.commands() else None)(given, standalone_mode=False)
    except KeyboardInterrupt:
        sys.exit(130)
    except usage.UnreadableLine as unreadable:
        if not given:  # the help is what is said to no words at all
            print(unreadable, file=sys.stderr)
            sys.exit(2)
        _refuse(usage.sentence(unreadable, chosen or ""))
    sys.exit(code)


def _refuse(words: str) -> NoReturn:
    """Say what is wrong, and end."""
    error(words)
    sys.exit(2)

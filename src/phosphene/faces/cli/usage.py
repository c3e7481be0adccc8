"""What is said about a command line that can't be read: one sentence, as about every other mistake.

typer brings click, in a place of its own or not; so its exceptions are known by their names.
"""

import re
from typing import Any, cast

import typer

from phosphene import catalogue
from phosphene.core.errors import did_you_mean

UnreadableLine: Any = cast(Any, typer.BadParameter.__mro__[1])
"""click's UsageError."""


def unknown_command(name: str) -> str:
    """There is no command of this name."""
    return f"no command '{name}'{did_you_mean(name, catalogue.commands())} (phosphene --help lists them)"


def sentence(error: Any, command: str) -> str:
    """What is wrong with a command line, and what to write instead.

    Args:
        command: that was chosen, or nothing.
    """
    match type(error).__name__:
        case "NoSuchOption":
            return _no_option(error.option_name, command, error.ctx)
        case "MissingParameter":
            return _missing(error.param, command)
        case "BadOptionUsage":
            takes = "takes no value" if "not take" in error.message else "needs a value behind it"
            return f"{error.option_name} {takes}; see phosphene {command} --help"
    if more := re.fullmatch(r"Got unexpected extra argument\S* \((.*)\)", error.message, re.DOTALL):
        return f"{command} has no use for '{more[1]}'; see phosphene {command} --help"
    return str(error.message)


def _no_option(name: str, command: str, context: Any) -> str:
    if not command or context.parent is None:
        return f"no option '{name}' in front of a command; write phosphene COMMAND {name}, or see phosphene --help"
    known = [one for parameter in context.command.params for one in (*parameter.opts, *parameter.secondary_opts)]
    near = did_you_mean(name, [one for one in known if one.startswith("-")])
    return f"{command} has no option '{name}'{near} (phosphene {command} --help lists them)"


def _missing(parameter: Any, command: str) -> str:
    is_option = parameter.param_type_name == "option"
    name = parameter.opts[0] if is_option else parameter.metavar or parameter.name.upper()
    words = f" ({parameter.help.partition(';')[0].partition(' [default')[0]})" if parameter.help else ""
    return f"{command} needs {name}{words}; see phosphene {command} --help"

"""What is said beside the results: on the standard error, a line at a time."""

from rich import markup
from rich.console import Console

from phosphene.core.errors import printable


def escape(words: str) -> str:
    """Anybody's words as they are: neither rich nor the terminal does what they say."""
    return markup.escape(printable(words))


def error(words: str) -> None:
    """One sentence on the standard error."""
    Console(stderr=True, soft_wrap=True).print(f"[bold red]error:[/] {escape(words)}", highlight=False)


def note(words: str, *, quiet: bool = False) -> None:
    """A line on the standard error."""
    Console(stderr=True, quiet=quiet, soft_wrap=True).print(escape(words), highlight=False)

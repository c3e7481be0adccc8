"""What is said beside the results: on the standard error, a line at a time."""

from rich.console import Console
from rich.markup import escape


def error(words: str) -> None:
    """One sentence on the standard error."""
    Console(stderr=True, soft_wrap=True).print(f"[bold red]error:[/] {escape(words)}", highlight=False)


def note(words: str, *, quiet: bool = False) -> None:
    """A line on the standard error."""
    Console(stderr=True, quiet=quiet, soft_wrap=True).print(escape(words), highlight=False)

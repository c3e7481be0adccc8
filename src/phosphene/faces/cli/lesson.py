"""`phosphene lesson linear`: why a change that nobody sees fools a classifier, on one page."""

from typing import Any, Literal

from rich.console import Console

from phosphene.core.options import Bounds
from phosphene.faces.cli import options as cli
from phosphene.faces.cli.commands import session, tool
from phosphene.faces.cli.guard import Ended
from phosphene.faces.cli.output import note, tell


@tool(
    cli.argument("lesson", Literal["linear"], cli.Parameter.empty, "linear: from ten numbers to a deep network"),
    cli.argument("photo", str, cli.DEFAULT_PHOTO, "what the network is shown: a picture, or skimage:NAME"),
    *cli.NETWORK,
    cli.option("beside", str | None, None, "a second network to compare with, as --net; none for none"),
    cli.option("data", str | None, None, "pictures of several classes for the linear classifier: a folder of one "
               "folder for each class, or a .npz file with X and y; by default views of scikit-image's photographs"),
    cli.option("names", str | None, None, "of the classes, where the data have none: with commas between them, or a "
               "file with one a line"),
    cli.option("size", int, 32, "side in pixels that the data are brought to", bounds=Bounds(8, 256)),
    cli.option("decay", float, 0.3, "how smooth the linear classifier's weights are to be", bounds=Bounds(0, 1000)),
    cli.option("seed", int, 0, "of all random numbers", bounds=Bounds(0, 2**32 - 1)),
    cli.option("out", str | None, None, "the page, NAME.html, or its folder; by default lesson-linear.html"),
    cli.FORCE,
    cli.option("quiet", bool, False, "say nothing but where the page is"),
)  # fmt: skip
def give_lesson(**options: Any) -> None:
    """Show on one page why a change that nobody sees fools a classifier: linear ones, and deep networks."""
    from phosphene.faces.lessons.page import Asked, linear_lesson

    net, photo = options["net"], options["photo"]
    asked = Asked(photo, net, *(options[name] for name in ("data", "names", "size", "decay", "seed", "beside")))
    second = options | {"net": asked.second, "weights_file": None, "plan": None}  # those are of the first
    console = Console(stderr=True, quiet=options["quiet"])
    page, elsewhere = linear_lesson(
        asked, lambda: session(dict(options)).network,
        (lambda: session(dict(second)).network) if asked.second else None, out=options["out"], force=options["force"],
        console=console,
    )  # fmt: skip
    tell(page)
    if elsewhere:
        note(elsewhere)
        raise Ended(2)

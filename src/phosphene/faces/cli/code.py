"""`phosphene code`: what layers say about a photograph, as a file from which `invert` makes a picture without it."""

import re
from typing import Any, get_args

from phosphene.core.errors import Mistake
from phosphene.core.paths import check_length, given_path, shortened
from phosphene.core.pictures.files import CODES
from phosphene.core.units.inputs import Fit
from phosphene.faces.cli import options as cli
from phosphene.faces.cli.commands import session, tool
from phosphene.faces.cli.guard import Ended
from phosphene.faces.cli.output import note, tell
from phosphene.faces.running.claims import Claims, check_new
from phosphene.faces.running.destination import put
from phosphene.faces.running.session import named
from phosphene.inversion.code_files import encoded


@tool(
    cli.argument("photo", str, cli.DEFAULT_PHOTO, "a picture, or skimage:NAME"),
    cli.option(
        "layer", list[str], [],
        "whose activations, `all` for those that blocks end with, or logits, probabilities, log-probabilities; "
        "repeatable",
    ),
    cli.option("fit", Fit, get_args(Fit)[0], "how the photograph becomes the network's input"),
    *cli.NETWORK,
    cli.option("out", str | None, None, f"the file, NAME{CODES}; by default code-LAYER{CODES}"),
    cli.FORCE,
)  # fmt: skip
def write_code(**options: Any) -> None:
    """Save what layers say about PHOTO, without the picture and its name: `phosphene invert FILE` inverts it."""
    layers, photo, out, force = (options.pop(name) for name in ("layer", "photo", "out", "force"))
    fit = options.pop("fit")
    called = re.sub(r"[^\w.#-]", "_", f"-{layers[0]}") if len(layers) == 1 else ""
    file = given_path(out or f"{shortened(f'code{called}')}{CODES}", "code")
    if file.suffix.lower() != CODES:
        raise Mistake(f"{file.name} is no name for a code; give one that ends in {CODES}")
    check_length(file)
    check_new([file], force=force)
    with Claims() as claims:
        claims.hold([] if force else [file])
        network = session(options).network
        with named(network.name):
            content = encoded(network, photo, layers, fit)
        folder, elsewhere = put({file: content}, force=force)
    tell(folder / file.name)
    if elsewhere:
        note(elsewhere)
        raise Ended(2)

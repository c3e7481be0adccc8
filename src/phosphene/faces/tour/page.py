"""The tour: every recipe once, on one photograph, into one self-contained page.

It calls the recipes as a user would and arranges what they return; the mathematics is theirs.
"""

import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

from rich.console import Console

from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from phosphene.core.paths import given_path, is_file, reason
from phosphene.core.pictures.files import open_photo
from phosphene.core.results.provenance import versions
from phosphene.core.results.results import Result, Run
from phosphene.faces.running.progress import bars
from phosphene.faces.tour.contact import contact_sheet
from phosphene.faces.tour.guide import Guide, Ran
from phosphene.faces.tour.stops import alone
from phosphene.faces.tour.stops import beside as side_by_side
from phosphene.models.embedded import EMBEDDED


def tour(
    open_network: Callable[[], Network],
    photo: str,
    *,
    spec: str = "embedded:photo",
    open_beside: Callable[[], Network] | None = None,
    beside_spec: str = "",
    out: str | Path = "tour",
    force: bool = False,
    fast: bool = False,
    seed: int = 0,
    anonymous: bool = False,
    console: Console | None = None,
) -> Path:
    """Walk through what a network sees in PHOTO and write one self-contained page.

    Args:
        open_network: loads the network; called after the folder was checked.
        photo: a path, or `skimage:NAME`.
        spec: as the page's commands name the network.
        open_beside: loads a second network, which is shown beside the first.
        beside_spec: as the page's commands name the second network.
        out: the page's folder.
        force: overwrite a page that is there.
        fast: few steps and small pictures.
        seed: of all random numbers.
        anonymous: leave out of the pictures how they were made.
        console: for the progress.
    Returns:
        The path of index.html.
    Raises:
        Mistake: the photograph or the network can't be opened, or the folder can't be written to.
    """
    console = console or Console(stderr=True)
    folder = _folder(given_path(out, "folder"), force)
    open_photo(photo)
    network, beside = open_network(), open_beside and open_beside()
    with _progress(console) as ran:
        guide = Guide(network, photo, spec, folder, fast, seed, ran, anonymous, beside=beside, beside_spec=beside_spec)
        alone.consists(guide)
        said = alone.says(guide)
        alone.filters(guide)
        alone.looks_for(guide, said)
        alone.matters(guide, said)
        alone.dreams(guide)
        alone.remembers(guide)
        alone.fooled(guide)
        if beside is not None:
            side_by_side.stops(guide, beside, said)
    if not any(section.pictures for section in guide.sections):
        raise Mistake(guide.sections[0].missing[0])
    page = folder / "index.html"
    page.write_text(_rendered(guide), encoding="utf-8")
    return page


def beside_spec(net: str, given: str | None) -> str:
    """The spec of the second network; of an embedded one its robust twin, where there is one; empty for none."""
    if given is None:
        return f"{net}-robust" if net.removeprefix("embedded:") + "-robust" in EMBEDDED else ""
    return "" if given == "none" else given


def _folder(folder: Path, force: bool) -> Path:
    if is_file(folder / "index.html") and not force:
        raise Mistake(f"{folder / 'index.html'} is there already; give --force to overwrite it, or another --out")
    try:
        (folder / "pictures").mkdir(parents=True, exist_ok=True)
        (folder / "pictures" / ".writable").touch()
        (folder / "pictures" / ".writable").unlink()
    except OSError as error:
        raise Mistake(f"{folder} can't be written to: {reason(error)}") from error
    return folder


@contextmanager
def _progress(console: Console) -> Iterator[Ran]:
    """A bar for each run; the function runs one to its end."""
    with bars(console, stays=True) as progress:

        def ran(title: str, run: Run) -> Result:
            task = progress.add_task(title, total=run.total)
            for step in run:
                progress.update(task, completed=step.index)
            return run.so_far()

        yield ran


# ------------------------------------------------------------------------------------------------------- the page


def _rendered(guide: Guide) -> str:
    from jinja2 import Environment, PackageLoader

    network = guide.network
    environment = Environment(loader=PackageLoader("phosphene", "faces/tour"), autoescape=True, trim_blocks=True)
    return environment.get_template("page.html").render(
        network=network.name,
        size=f"{network.size[0]} x {network.size[1]}",
        photo=Path(guide.photo.removeprefix("skimage:")).name,
        sections=guide.sections,
        sheet=contact_sheet(guide),
        again=guide.command("tour") + (f" --beside {shlex.quote(guide.beside_spec)}" if guide.beside_spec else ""),
        versions=versions(),
        sha256=network.sha256,
        seed=guide.seed,
        plan=str(network.plan),
        day=date.today().isoformat(),
    )

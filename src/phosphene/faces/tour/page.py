"""The tour: every recipe once, on one photograph, into one self-contained page.

It calls the recipes as a user would and arranges what they return; the mathematics is theirs. After each stop the page
so far is written, and a tour that was stopped goes on with what is missing: its page has the bytes of one that was not.
"""

import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from phosphene.core.errors import Mistake, unless_interrupted
from phosphene.core.networks.network import Network
from phosphene.core.paths import given_path
from phosphene.core.pictures.files import open_photo
from phosphene.core.results.provenance import network_record, photo_record, versions
from phosphene.core.results.results import Result, Run
from phosphene.faces.running.claims import Claims
from phosphene.faces.running.progress import bars
from phosphene.faces.running.runner import ENDS
from phosphene.faces.tour.contact import contact_sheet
from phosphene.faces.tour.guide import Guide, Ran, Shown, Stop
from phosphene.faces.tour.stops import alone
from phosphene.faces.tour.stops import beside as side_by_side
from phosphene.faces.tour.template import template
from phosphene.faces.tour.unfinished import PAGE, PICTURES, Tour, Unfinished
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
) -> Tour:
    """Walk through what a network sees in PHOTO and write one self-contained page.

    Args:
        open_network: loads the network; called after photograph and folder were checked.
        photo: a path, or `skimage:NAME`.
        spec: as the page's commands name the network.
        open_beside: loads a second network, which is shown beside the first.
        beside_spec: as the page's commands name the second network.
        out: the page's folder; an unfinished tour that is there goes on.
        force: overwrite what is there.
        fast: few steps and small pictures.
        seed: of all random numbers.
        anonymous: leave out of the pictures how they were made.
        console: for the progress.
    Raises:
        Mistake: the photograph or the network can't be opened, the folder can't be written to, or something else is
            in it.
        BaseException: what stopped it before there was any picture.
    """
    console = console or Console(stderr=True)
    folder = given_path(out, "folder")
    open_photo(photo)
    with Claims() as claims:
        claims.hold([folder / PAGE])
        claims.folder(folder / PICTURES)
        kept = Unfinished(folder, force)
        network, beside = open_network(), open_beside and open_beside()
        with _progress(console) as ran:
            guide = Guide(network, photo, spec, fast, seed, ran, anonymous, beside=beside, beside_spec=beside_spec)
            kept.go_on(_of(guide))
            if there := kept.there():
                console.print(f"{there} stops are in {folder} already; going on with the others", markup=False)
            stops: list[Stop] = [*alone.STOPS, *(side_by_side.STOPS if beside is not None else ())]
            stopped = None
            try:
                _walk(guide, kept, stops)
            except ENDS as caught:
                stopped = caught
            there = kept.there()
            if stopped is not None and there is None:
                raise unless_interrupted(network.name, stopped)
    many = len(stops)
    return Tour(network.name, folder / PAGE, many if there is None else there, many, guide.failures, stopped)


def _walk(guide: Guide, kept: Unfinished, stops: list[Stop]) -> None:
    """Every stop that is not there yet, and the page."""
    names = [stop.__name__ for stop in stops]
    for name in names:
        with suppress(KeyError):
            guide.made[name] = kept.restored(name)
    for stop in [stop for stop in stops if stop.__name__ not in guide.made]:
        guide.take(stop)
        guide.made = {name: guide.made[name] for name in names if name in guide.made}  # in the order of the page
        if any(section.pictures for section in guide.sections):
            kept.keep(guide, _rendered(guide, kept, unfinished=_so_far(guide, stops)))
    if not any(section.pictures for section in guide.sections):
        raise Mistake(guide.sections[0].missing[0])
    sheet = contact_sheet(guide)
    if guide.failures:
        kept.keep(guide, _rendered(guide, kept, sheet, unfinished=_so_far(guide, stops)), sheet)
    else:
        kept.finish(guide, _rendered(guide, kept, sheet), sheet)


def _so_far(guide: Guide, stops: list[Stop]) -> str:
    there, many = len(guide.made.keys() - guide.again), len(stops)
    return f"{there} of {many} stops are made" + (f", and {next(iter(guide.failures))}" if guide.failures else "")


def _of(guide: Guide) -> dict[str, Any]:
    """All that the page's bytes depend on, by the words that say what is another."""

    def network(one: Network, spec: str) -> dict[str, Any]:
        plans = {purpose: one.plan_for(purpose).record() for purpose in ("reading", "search", "picture")}
        return {"called": spec, **network_record(one), "plan": plans}

    return {
        "network": network(guide.network, guide.spec),
        "second network": guide.beside and network(guide.beside, guide.beside_spec),
        "photograph": {"called": guide.photo, **photo_record(guide.photo)},
        "seed": guide.seed, "--fast": guide.fast, "--no-provenance": guide.anonymous,
        "version": versions(), "device": guide.network.device.type, "number of threads": torch.get_num_threads(),
    }  # fmt: skip


def beside_spec(net: str, given: str | None) -> str:
    """The spec of the second network; of an embedded one its robust twin, where there is one; empty for none."""
    if given is None:
        return f"{net}-robust" if net.removeprefix("embedded:") + "-robust" in EMBEDDED else ""
    return "" if given == "none" else given


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


def _rendered(guide: Guide, kept: Unfinished, sheet: Shown | None = None, unfinished: str = "") -> str:
    network = guide.network
    return template("tour/page.html").render(
        network=network.name,
        size=f"{network.size[0]} x {network.size[1]}",
        photo=Path(guide.photo.removeprefix("skimage:")).name,
        sections=guide.sections,
        sheet=sheet,
        unfinished=unfinished,
        again=guide.command("tour") + (f" --beside {shlex.quote(guide.beside_spec)}" if guide.beside_spec else ""),
        versions=kept.of["version"],
        sha256=network.sha256,
        seed=guide.seed,
        plan=str(network.plan),
        day=kept.day,
    )

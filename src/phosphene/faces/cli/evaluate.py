"""`phosphene evaluate`: how often a network can be fooled on a data set, into a folder."""

import json
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from phosphene.adversarial.evaluation.ensembles import CURVE, ensemble
from phosphene.adversarial.evaluation.evaluate import Evaluation
from phosphene.adversarial.evaluation.evidence import Check
from phosphene.adversarial.evaluation.judging import judged
from phosphene.adversarial.evaluation.report import Report, names
from phosphene.adversarial.evaluation.store import Folder
from phosphene.adversarial.norms import Norm, usual_radius
from phosphene.core.errors import Mistake, exit_code, failed, unless_interrupted
from phosphene.core.options import Bounds, read_number
from phosphene.core.paths import given_path, shortened
from phosphene.core.units.labelled import read_labelled
from phosphene.core.units.network_input import Fit
from phosphene.faces.cli import options as cli
from phosphene.faces.cli.commands import session, tool
from phosphene.faces.cli.guard import Ended
from phosphene.faces.cli.output import error, escape, note, results, tell
from phosphene.faces.evaluation.page import PAGE, headline, page
from phosphene.faces.running.claims import Claims
from phosphene.faces.running.progress import bars
from phosphene.faces.running.runner import ENDS
from phosphene.faces.running.session import named

RADIUS = Bounds(1e-6, 1e6)


@tool(
    *cli.NETWORK,
    cli.option("data", str, cli.Parameter.empty, "pictures with their classes: a folder of one folder for each class, "
               "or a .npz file with X and y"),
    cli.option("norm", Norm, "linf", "how the size of a change is measured"),
    cli.option("eps", str | None, None, "the radii, with commas between them, as in 2/255,4/255; by default the usual"),
    cli.option("attacks", str, "fast", "fast, standard (AutoAttack's four), or names of attacks with commas between"),
    cli.option("curve", str, CURVE, "the minimal attack for the radii between, or none"),
    cli.option("batch", int, 64, "pictures at a time", bounds=Bounds(1, 1024)),
    cli.option("limit", int | None, None, "so many pictures, the first ones", bounds=Bounds(1, 10**9)),
    cli.option("fit", Fit, "crop", "how a photograph becomes the network's input"),
    cli.option("bpda", str | None, None, "a module without a useful gradient, which is passed straight by attacks"),
    cli.option("eot", int, 0, "of a network that draws random numbers: attack the mean over so many draws",
               bounds=Bounds(0, 1000)),
    cli.option("seed", int, 0, "of all random numbers", bounds=Bounds(0, 2**32 - 1)),
    cli.option("out", str | None, None, "the folder, by default evaluate-NETWORK; an unfinished evaluation goes on"),
    cli.option("force", bool, False, "begin anew, over what is there"),
    cli.option("quiet", bool, False, "say nothing but where the page is"),
    cli.JSON,
)  # fmt: skip
def evaluate_network(**options: Any) -> None:
    """Say how often a network can be fooled on a data set, and by what: JSON, CSV, the worst pictures, a page."""
    asked, norm = dict(options), options["norm"]
    radii = _radii(options["eps"])
    entries = ensemble(options["attacks"], norm)
    (curve,) = (None,) if options["curve"] == "none" else ensemble(options["curve"], norm)
    if curve is not None and not curve.recipe.minimal:
        raise Mistake(f"{curve.name} does not look for the smallest change; a curve needs one that does, or none")
    network = session(options).network
    spelled = "".join(c if c.isalnum() else "-" for c in network.name).strip("-")
    folder = given_path(asked["out"] or shortened(f"evaluate-{spelled}"), "folder")
    with Claims() as claims:
        with named(network.name):
            data = read_labelled(asked["data"], network, asked["fit"])
            data = data if asked["limit"] is None else data.first(asked["limit"])
            radii = radii or [usual_radius(norm, data.pictures[0].numel())]
            store = Folder(folder, [PAGE, *names(norm, radii)], force=asked["force"])
            evaluation = Evaluation(
                network, data, norm=norm, radii=radii, entries=entries, curve=curve, batch=asked["batch"],
                seed=asked["seed"], draws=asked["eot"], straight=asked["bpda"], parts=store,
            )  # fmt: skip
            claims.hold([folder / PAGE])
            store.go_on(evaluation.of)
        report = Report(evaluation, _watch(evaluation, store, quiet=asked["quiet"]))
        made = page(report, data=Path(asked["data"]).name, again=_again(asked)).encode(errors="backslashreplace")
        store.finish({**report.files(), PAGE: made})
    _tell(report, folder / PAGE, quiet=asked["quiet"], as_json=asked["json"])


def _radii(given: str | None) -> list[float]:
    """Numbers with commas between them."""
    return [float(read_number(word, "eps", RADIUS)) for word in given.split(",")] if given else []


def _watch(evaluation: Evaluation, store: Folder, *, quiet: bool) -> list[Check]:
    """Do what is left, under a bar, and check it; what is done stays, however it ends."""
    if store.there:
        note(f"{store.there} parts are in {store.folder} already; going on with the others", quiet=quiet)
    try:
        with bars(quiet=quiet) as progress:
            task = progress.add_task("evaluate", total=None)
            for done in evaluation:
                progress.update(
                    task, description=evaluation.doing, completed=round(done), total=round(evaluation.total)
                )
            task = progress.add_task("checks", total=None)
            return list(progress.track(judged(evaluation), task_id=task))
    except ENDS as stopped:
        if not store.there:
            raise unless_interrupted(evaluation.network.name, stopped) from stopped
        there = f"{store.there} parts are in {store.folder}; the same command goes on from there"
        if isinstance(stopped, KeyboardInterrupt):
            note(f"interrupted: {there}")
        else:
            error(f"{failed(evaluation.network.name, stopped)}; {there}")
        raise Ended(exit_code(stopped)) from stopped


def _tell(report: Report, path: Path, *, quiet: bool, as_json: bool) -> None:
    if as_json:
        tell(json.dumps(report.summary() | {"page": str(path)}, indent=1))
        return
    console = Console(file=results(), quiet=quiet, soft_wrap=True)
    console.print(escape(headline(report)), highlight=False)
    console.print(f"[bold]{escape(report.verdict)}[/]", highlight=False)
    tell(path)


def _again(asked: Mapping[str, Any]) -> str:
    """The line that makes it once more."""
    usual: dict[str, Any] = {"net": "embedded:photo", "norm": "linf", "attacks": "fast", "curve": CURVE, "fit": "crop"}
    usual |= {"seed": 0, "eot": 0, "device": "auto", "precision": "auto"}
    skip = ("out", "force", "quiet", "json", "batch")
    words = ["phosphene", "evaluate"]
    for name, value in asked.items():
        if name in skip or value is None or value is False or usual.get(name) == value:
            continue
        flag = "--weights" if name == "weights_file" else "--" + re.sub("_", "-", name)
        words += [flag] if value is True else [flag, str(value)]
    return shlex.join(words)

"""Time this program beside its peers and the bare floor: `python -m benchmarks NAME`, all by turns in one run."""

import datetime
import importlib
import inspect
import re
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table as RichTable

from benchmarks.timing import Claim, Finding, Report, kind_of_processor, machine, versions

NAMES = {
    "visualize": "feature visualization on GoogLeNet, beside torch-lucent, Horama and a loop by hand",
    "dream": "a DeepDream gradient of a large picture, beside the plain loop",
    "film": "dreams over films: how much they flicker, how deep they are, what they cost, beside dreams of each frame",
    "invert": "pictures of codes: what a step costs beside its gradient, how long all blocks take, errors by depth",
    "codes": "pictures of codes: how near each preset comes to ten photographs and their codes",
    "residual": "style transfer by residual networks, smoothed, robust and plain, judged by another network",
    "stylize": "style transfer: beside a tutorial's loop, its bare gradient, and style-transfer-pytorch's loop",
    "blocks": "styles of large pictures block by block: a step beside the undivided one, and the peak by size",
    "minimal": "attacks that look for the smallest change, beside adversarial-library (--net, --methods)",
    "attack": "PGD on resnet18 and cifar_resnet20, beside loops by hand, torchattacks and foolbox",
    "attribution": "occlusion on resnet18 and vgg11, in full and incrementally, beside bare forwards and Captum",
    "plans": "what each way to run a network brings, on several networks",
    "batch": "64 channels of a small network at once, beside a loop by hand",
    "legibility": "who recognizes the class images of each preset (--presets, --seeds, --classes)",
    "channels": "how much more than any photograph a channel's picture excites it",
    "honesty": "how far each method of attribution can be believed (--net, --photos, --methods)",
    "photographs": "what attacks do to 200 photographs: PGD within a few levels, a tiger shark, ten ostriches",
    "maps": "five thousand digits laid out by code and by pixels; a grid for ten thousand images, beside the optimum",
    "neighbours": "the ten nearest of 100,000 codes, beside scikit-learn and faiss",
    "robustness": "robust accuracy of three networks and the passes it takes, beside AutoAttack",
    "index": "one pass over a data set beside the bare forward, its memory, and decoding apart",
    "cluster": "an index by one process and by Ray: images a second, the merge, bytes; what 100 million images take",
    "units": "do pictures explain a unit? which of two photographs excites it more, by a machine (--net, --presets)",
    "memory": "the peak of 508 channels at once, from the command line",
}
RESULTS = Path(__file__).with_name("RESULTS.md")
INTRODUCTION = """\
# What was measured

Seconds are medians over the repeats, with the least and the most; contestants took turns, and a ratio is the median
of the ratios within each repeat. Made by `python -m benchmarks NAME --record`; compare only within a table.
"""

console = Console()


def _verdict(claim: Claim | Finding) -> str:
    return f"{'holds' if claim.holds else 'DOES NOT HOLD'}: {claim.sentence}: {claim.found}"


def _facts(how_often: str) -> list[str]:
    now = datetime.datetime.now(datetime.UTC)
    return [f"{machine()}.", f"{versions()}; {how_often}{now:%Y-%m-%d}."]


def show(report: Report, facts: list[str]) -> None:
    """Print it."""
    for table in report.tables:
        printed = RichTable(title=table.title, title_justify="left", title_style="bold")
        for i, heading in enumerate(table.headings):
            printed.add_column(heading, justify="right" if i else "left")
        for row in table.rows:
            printed.add_row(*row)
        console.print(printed)
    for claim in report.claims:
        console.print(_verdict(claim), style="green" if claim.holds else "bold red", highlight=False, soft_wrap=True)
    for line in [*report.notes, *facts]:
        console.print(line, highlight=False, soft_wrap=True)


def section(heading: str, report: Report, facts: list[str]) -> str:
    """The same as Markdown."""
    lines = [heading, "", *facts, ""]
    for table in report.tables:
        lines += [f"{table.title}:", "", f"| {' | '.join(table.headings)} |", "|---" * len(table.headings) + "|"]
        lines += [f"| {' | '.join(row)} |" for row in table.rows] + [""]
    lines += [f"- {text}" for text in (*map(_verdict, report.claims), *report.notes)]
    return "\n".join(lines) + "\n"


def replaced(text: str, heading: str, new: str) -> str:
    """`text` with the section under `heading` replaced, or with a new one at its end; the others are kept."""
    introduction, *sections = re.split(r"^(?=## )", text, flags=re.MULTILINE)
    kept = {one.splitlines()[0]: one.rstrip() + "\n" for one in sections}
    kept[heading] = new
    return "\n".join([introduction.rstrip() + "\n", *kept.values()])


def main(
    name: Annotated[str, typer.Argument(help=f"One of {', '.join(NAMES)}; without it they are listed.")] = "",
    repeats: Annotated[int | None, typer.Option(min=1, help="How often each contestant has its turn (5).")] = None,
    presets: Annotated[str | None, typer.Option(help="Of legibility, with commas (all that are feasible).")] = None,
    seeds: Annotated[int | None, typer.Option(min=1, help="Of legibility: how many (3).")] = None,
    classes: Annotated[str | None, typer.Option(help="Of legibility: choose or held-out (choose).")] = None,
    net: Annotated[str | None, typer.Option(help="Of honesty: one of its networks (both).")] = None,
    photos: Annotated[int | None, typer.Option(min=1, help="Of honesty: how many photographs (16).")] = None,
    methods: Annotated[str | None, typer.Option(help="Of honesty, with commas (all).")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Few steps of small work: says whether it runs.")] = False,
    record: Annotated[bool, typer.Option("--record", help="Write the result into benchmarks/RESULTS.md.")] = False,
) -> None:
    """Time this program beside its peers and the bare floor, all by turns in one run; and judge what it makes."""
    if not name:
        for known, words in NAMES.items():
            console.print(f"{known:10} {words}", highlight=False, soft_wrap=True)
        return
    if name not in NAMES:
        raise typer.BadParameter(f"no benchmark '{name}'; there are {', '.join(NAMES)}")
    run = importlib.import_module(f"benchmarks.{name}").run
    takes = inspect.signature(run).parameters
    options = {
        "repeats": repeats, "presets": presets, "seeds": seeds, "classes": classes,
        "net": net, "photos": photos, "methods": methods,
    }  # fmt: skip
    given = {option: value for option, value in options.items() if value is not None}
    for option in given:
        if option not in takes:
            raise typer.BadParameter(f"{name} takes no --{option}")
    if "repeats" in takes:
        given.setdefault("repeats", 5)
    least = {"repeats": 5, "seeds": 3, "photos": 16}
    if record and (quick or any(given.get(option, many) < many for option, many in least.items())):
        raise typer.BadParameter("only whole runs of at least five repeats, three seeds or 16 photographs are recorded")
    report: Report = run(quick=quick, **given)
    facts = _facts(f"{given['repeats']} repeats; " if "repeats" in takes else "")
    show(report, facts)
    if record and report.tables:
        heading = f"## {report.name or name}, {kind_of_processor()}"
        before = RESULTS.read_text(encoding="utf-8") if RESULTS.is_file() else INTRODUCTION
        RESULTS.write_text(replaced(before, heading, section(heading, report, facts)), encoding="utf-8")


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(main)
    app()

"""The layers of a network as a tree whose every line can be used: names are whole, indentation shows what holds what.

A name that is cut to its last part reads well and can't be given to `--layer`; so it is printed whole, its beginning
faint where there are colours. A terminal that is too narrow for the columns gets them below the name.
"""

import json
from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.text import Text

from phosphene.core.errors import Mistake, printable
from phosphene.core.networks.layers import Layer, other_names, parameter_count
from phosphene.core.networks.network import Network
from phosphene.core.units.labels import class_names
from phosphene.faces.cli.output import results, tell

HEADS = ("layer", "kind", "shape", "a position sees", "parameters")


def list_layers(network: Network, *, as_json: bool = False) -> None:
    """List a network's layers as a tree: kind, shape, receptive field, parameters."""
    rows = {layer.name: _row(network, layer) for layer in network.layers.values()}
    if as_json:
        tell(json.dumps(list(rows.values()), indent=1))
        return
    console = Console(file=results(), soft_wrap=True, highlight=False)
    total = sum(p.numel() for p in network.model.parameters())
    console.print(f"{printable(network.name)}: {_facts(network)}; {_spaced(total)} parameters", markup=False)
    for line in _lines(network, rows, console.width if results().isatty() else None):
        console.print(line)


def list_classes(network: Network, *, as_json: bool = False) -> None:
    """List what a network's classes are called, by number."""
    names = class_names(network)
    if as_json:
        tell(json.dumps(names, indent=1))
        return
    if not any(names):
        raise Mistake(f"{network.name} has no names for its classes; their numbers are 0 to {network.classes - 1}")
    for index, name in enumerate(names):
        tell(f"{index:>{len(str(len(names)))}}  {printable(name)}")


def _facts(network: Network) -> str:
    """What was found out about the network, in words."""
    head = network.head
    ends = {"softmax": "logits", "sigmoid": "sigmoid logits", "probabilities": "probabilities", "numbers": "numbers"}
    channels = network.anatomy.channels
    found = [
        f"{network.size[0]} x {network.size[1]} px{', no other size' if network.fixed else ''}",
        "" if channels == 3 else "grey" if channels == 1 else f"{channels} channels",
        "one question, no or yes" if head.question else f"{network.classes} {ends[head.kind]}",
        "" if network.independent else "read one picture at a time",
        "" if network.deterministic else "read with the same random numbers every time",
    ]
    return "; ".join(filter(None, found))


def _row(network: Network, layer: Layer) -> dict[str, Any]:
    field = layer.field if layer.field or len(layer.shape) < 3 else network.receptive_field(layer.name)
    return {
        "name": layer.name,
        "kind": layer.kind,
        "shape": list(layer.shape),
        "channel_axis": layer.channel_axis,
        "channels": layer.channels,
        "receptive_field": str(field) if field else "the whole picture",
        "parameters": parameter_count(network.model, layer),
    }


def tree(names: list[str]) -> Iterator[tuple[str, int]]:
    """Every name with its depth, what holds others before them, otherwise in the order given.

    A holder is a name that others begin with; the calls of a module beyond the first (`relu#2`) stand beside it.
    """
    known = set(names)

    def holder(name: str) -> str | None:
        parts = name.split(".")
        return next((up for i in range(len(parts) - 1, 0, -1) if (up := ".".join(parts[:i])) in known), None)

    inside: dict[str | None, list[str]] = {}
    seen: set[str] = set()

    def note(name: str) -> None:
        if name not in seen:
            seen.add(name)
            up = holder(name)
            if up is not None:
                note(up)  # its place is where the first of those inside of it runs
            inside.setdefault(up, []).append(name)

    for name in names:
        note(name)

    def walk(up: str | None, depth: int) -> Iterator[tuple[str, int]]:
        for name in inside.get(up, []):
            yield name, depth
            yield from walk(name, depth + 1)

    return walk(None, 0)


def _lines(network: Network, rows: dict[str, dict[str, Any]], width: int | None) -> Iterator[Text]:
    shared: dict[str, list[str]] = {}
    for name, first in other_names(network.model).items():
        shared.setdefault(first, []).append(name)
    table = []
    for name, depth in tree(list(rows)):
        row = rows[name]
        kind = printable(", also ".join([row["kind"], *shared.get(name, [])]))
        number = _spaced(row["parameters"]) if row["parameters"] else ""
        cells = [kind, " x ".join(map(str, row["shape"])), row["receptive_field"], number]
        table.append((_name(name, depth), cells))
    longest = max(len(HEADS[0]), *(len(label) for label, _ in table))
    others = [max(len(head), *(len(cells[i]) for _, cells in table)) for i, head in enumerate(HEADS[1:])]
    fits = width is None or longest + sum(others) + 2 * len(others) <= width
    if fits:
        yield Text(_columns([HEADS[0].ljust(longest), *HEADS[1:]], [longest, *others]), style="bold")
    for label, cells in table:
        if fits:
            yield label + Text(_columns([" " * (longest - len(label)), *cells], [longest - len(label), *others]))
        else:
            indent = " " * (len(label) - len(label.plain.lstrip()) + 2)
            yield label + Text(f"\n{indent}{', '.join(filter(None, cells[:3]))}", style="dim")


def _spaced(number: int) -> str:
    return f"{number:,}".replace(",", " ")


def _columns(cells: list[str], widths: list[int]) -> str:
    """Left-aligned, the last one (a number) to the right; nothing after the last letter."""
    *words, number = cells
    padded = [word.ljust(width) for word, width in zip(words, widths, strict=False)]
    return "  ".join([*padded, number.rjust(widths[-1])]).rstrip()


def _name(name: str, depth: int) -> Text:
    """The whole name, indented; what the lines above have already said is faint."""
    above, dot, last = printable(name).rpartition(".")
    return Text.assemble("  " * depth, (above + dot, "dim"), last)

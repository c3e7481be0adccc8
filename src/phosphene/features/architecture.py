"""What a network is made of: its main stages in order of execution, each as a block drawn to scale.

A network is a tree of modules. It is opened level by level, as far as the stages still fit on one page: what only holds
others in a row (`nn.Sequential`) always, everything else while there are few stages. A layer that neither changes how
many values there are nor has a matrix of weights (a rectifier, a normalization, dropout) belongs to the stage before.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod, sqrt
from typing import Any

from torch import nn

from phosphene.core.networks.layers import Layer
from phosphene.core.networks.network import Network
from phosphene.core.pictures.files import open_photo
from phosphene.core.results.recipes import recipe
from phosphene.core.results.results import Result
from phosphene.features.charts import Block, funnel

LEAST, MOST = 8, 24  # rows that one looks at with pleasure


@dataclass
class Stage:
    """One row: a layer, and those after it that only belong to it.

    Attributes:
        layer: whose shape it has.
        kinds: of the layer and of those that belong to it.
        owners: the modules that they are, by name; a function's is left out.
        times: how many stages alike, one after another, the row stands for; the layer is the last one's.
    """

    layer: Layer
    kinds: list[str]
    owners: list[str]
    times: int = 1


@recipe("reading")
def architecture(network: Network) -> Result:
    """Draw what NETWORK is made of: its main stages, their shape, what they see and how much they learnt.

    Args:
        network: whose.
    """
    rows = list(_rows(network, stages(network)))
    total = sum(p.numel() for p in network.model.parameters())
    height, width = network.size
    elsewhere = total - sum(row["parameters"] for row in rows)
    foot = f"{short(elsewhere)} more parameters are in parts that have no row" if elsewhere else ""
    picture = Block("the picture", "red, green, blue", f"3 x {height} x {width}", "", sqrt(height * width), 3)
    drawing = funnel([picture, *map(_block, rows)], f"{network.name}: {short(total)} parameters", foot)
    return Result(
        image=open_photo(drawing),
        names=["architecture"],
        numbers=[{"parameters": total, "size": [height, width], "stages": rows}],
        title=f"{network.name}: {short(total)} parameters",
        drawing=drawing,
    )


def short(number: int) -> str:
    """`832`, `2.43 k`, `1.94 M`."""
    for unit, name in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if number >= unit:
            return f"{number / unit:.3g} {name}" if number < 999.5 * unit else f"{number / unit:.0f} {name}"
    return str(number)


def stages(network: Network) -> list[Stage]:
    """The network's main stages, in order of execution."""
    opened = frozenset([""])
    while True:
        shown = _shown(network, opened)
        inside = [stage.layer.tap.owner for stage in shown if _holds(network, stage.layer, few=len(shown) < LEAST)]
        ways = [opened | set(inside)] + [opened | {name} for name in inside if len(shown) < LEAST]
        wider = next((way for way in ways if way != opened and len(_shown(network, way)) <= MOST), None)
        if wider is None:
            return shown
        opened = wider


def _holds(network: Network, layer: Layer, few: bool) -> bool:
    """Whether a stage is to be opened: it holds others that ran, and is nothing but their row, or stages are few."""
    if layer.tap.function is not None or layer.tap.index > 1:
        return False
    within = any(other.tap.owner.startswith(layer.tap.owner + ".") for other in network.layers.values())
    return within and (few or isinstance(network.model.get_submodule(layer.tap.owner), nn.Sequential))


def _shown(network: Network, opened: frozenset[str]) -> list[Stage]:
    """The stages that can be seen when these modules are opened; where there are many, those alike are one row."""
    found: list[Stage] = []
    for layer in _visible(network, opened):
        owners = [layer.tap.owner] if layer.tap.function is None else []
        if found and _belongs(network, layer, found[-1].layer):
            found[-1].kinds += [layer.kind]
            found[-1].owners += owners
        elif layer.tap.function is None or layer.kind == "pooling":
            found.append(Stage(layer, [layer.kind], owners))
    return found if len(found) <= MOST else _together(found)


def _visible(network: Network, opened: frozenset[str]) -> Iterator[Layer]:
    """The layers whose holders are all opened, and that are not opened themselves."""
    ran = {layer.tap.owner for layer in network.layers.values() if layer.tap.function is None} | {""}
    for layer in network.layers.values():
        owner, called = layer.tap.owner, layer.tap.function is not None
        parts = owner.split(".")
        above = {"", *(".".join(parts[:i]) for i in range(1, len(parts) + called))} & ran
        if layer.name != "logits" and above <= opened and (called or owner not in opened):
            yield layer


def _belongs(network: Network, layer: Layer, before: Layer) -> bool:
    """Whether a layer only belongs to the one before: it says as many values and has no matrix of weights."""
    if layer.tap.function is not None:
        return prod(layer.shape) == prod(before.shape)
    module = network.model.get_submodule(layer.tap.owner)
    if isinstance(module, (nn.Identity, nn.modules.dropout._DropoutNd)):
        return True
    return prod(layer.shape) == prod(before.shape) and all(p.dim() < 2 for p in module.parameters())


def _together(found: list[Stage]) -> list[Stage]:
    """Neighbours of one kind and shape as one row."""
    rows: list[Stage] = []
    for stage in found:
        before = rows[-1] if rows else None
        if before and (before.kinds[0], before.layer.shape) == (stage.kinds[0], stage.layer.shape):
            rows[-1] = Stage(stage.layer, before.kinds + stage.kinds, before.owners + stage.owners, before.times + 1)
        else:
            rows.append(stage)
    return rows


def _rows(network: Network, found: list[Stage]) -> Iterator[dict[str, Any]]:
    """The stages ready for JSON; weights that several share are counted in the first."""
    counted: set[int] = set()
    sees = ""
    for stage in found:
        modules = [network.model.get_submodule(owner) for owner in stage.owners]
        new = {id(p): p.numel() for m in modules for p in m.parameters() if id(p) not in counted}
        counted |= set(new)
        sees = sees if sees == WHOLE else _sees(network, stage.layer)  # what follows sees no less: nothing to measure
        yield {
            "name": stage.layer.name,
            "kind": ", ".join(dict.fromkeys(stage.kinds)),
            "times": stage.times,
            "shape": list(stage.layer.shape),
            "channels": stage.layer.channels,
            "receptive_field": sees,
            "parameters": sum(new.values()),
        }


WHOLE = "the whole picture"


def _sees(network: Network, layer: Layer) -> str:
    if len(layer.shape) < 3:
        return WHOLE
    field = network.receptive_field(layer.name)
    covers = field.measured and field.rows.size >= network.size[0] and field.columns.size >= network.size[1]
    return WHOLE if covers else str(field)


def _block(row: dict[str, Any]) -> Block:
    kind = f"{row['times']} x {row['kind']}" if row["times"] > 1 else row["kind"]
    shape = " x ".join(map(str, row["shape"]))
    side = sqrt(prod(row["shape"]) / row["channels"])
    number = short(row["parameters"]) if row["parameters"] else ""
    return Block(row["name"], kind, f"{shape}, sees {row['receptive_field']}", number, side, row["channels"])

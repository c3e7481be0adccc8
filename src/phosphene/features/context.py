"""What a network takes for part of a class: other classes that it sees in several pictures of this one.

Training photographs of dumbbells show the arms that lift them, and so does a network's dumbbell (Mordvintsev et al.
2015, "Inceptionism"). One picture may hold anything; what is in most of several realizations was learned.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Unpack
from zlib import crc32

import torch
from jaxtyping import Float
from torch import Tensor

from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from phosphene.core.networks.preprocessing import seen
from phosphene.core.optimization.ascent import Nouns
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.settings_options import SettingsOptions
from phosphene.core.optimization.steps import Step
from phosphene.core.options import Batch, Bounds, Seed, Side
from phosphene.core.pictures.sheets import Strip, rows
from phosphene.core.results.recipes import recipe
from phosphene.core.results.results import Result, Run
from phosphene.core.units.inputs import logits
from phosphene.core.units.labels import class_index, label
from phosphene.core.units.portraits import Portraits, default_side
from phosphene.core.units.presets import AnyPreset, settings
from phosphene.core.units.units import Unit
from phosphene.features.visualize import parts_of

TOP = 5
ACROSS = 6  # pictures in a row of the figure


@recipe("picture")
def context(
    network: Network,
    class_name: str | int,
    *,
    starts: Annotated[int, Bounds(1, 1000)] = 6,
    others: Annotated[int, Bounds(0, 1000)] = 4,
    preset: AnyPreset = "default",
    size: Side | None = None,
    batch: Batch = 16,
    seed: Seed = 0,
    **given: Unpack[SettingsOptions],
) -> Run:
    """Paint CLASS several times, and say which other classes the network sees in these pictures.

    A class is told where it is among the five best others in at least a third of the pictures, with how often it is
    among the five best in pictures of other classes too: what is seen everywhere is the network's habit, not part
    of CLASS.

    Args:
        network: the network to read.
        class_name: a class, by its name or number.
        starts: so many pictures of it, from different noise.
        others: so many pictures of other classes to compare with, each of another one at random; 0 for none.
        preset: how they are made.
        size: side of the pictures in pixels.
        batch: so many views at a time go through the network.
        seed: of the start, the transforms, and the other classes.
    """
    wanted = class_index(network, class_name)
    if network.classes < 3:
        raise Mistake(f"{network.name} has {network.classes} classes; there is nothing to tell beside '{class_name}'")
    elsewhere = _others(network, wanted, others, seed)
    classes = [wanted] * starts + elsewhere
    units = [Unit("logits", index) for index in classes]
    keys = [wanted + i * 2**32 for i in range(starts)] + elsewhere
    chosen = settings(preset, given)
    side = size or default_side(network)
    portraits = Portraits(
        network,
        parts_of(units, 1.0, "logit"),
        keys,
        chosen,
        (side, side),
        nouns=Nouns.among(given),
        seed=seed,
        batch=batch,
    )
    stem = units[0].stem
    names = [f"{stem}-{i + 1}" for i in range(starts)] + [f"{stem}-other{index}" for index in elsewhere]

    called = label(network, wanted)

    def finish(step: Step) -> Result:
        shown = portraits.shown(step)
        colours = seen(network, shown[:, :3])
        answers = torch.cat([logits(network, some) for some in colours.split(batch)]).float().cpu()
        return _told(network, called, classes, starts, shown.float().cpu(), answers, names)

    return Run(portraits.path, total=chosen.steps, names=names, finish=finish)


def _told(
    network: Network,
    called: str,
    classes: Sequence[int],
    starts: int,
    shown: Float[Tensor, "n c h w"],
    answers: Float[Tensor, "n classes"],
    names: Sequence[str],
) -> Result:
    """The pictures, the first `starts` of them of the class that is `called` so, and what else is seen in them."""
    best = best_others(answers, classes)
    found = in_several(best[:starts], best[starts:])
    others = len(classes) - starts
    words = [
        f"{label(network, one['class'])} in {one['count']} of {starts}"
        + (f" (elsewhere in {one['elsewhere']} of {others})" if one["elsewhere"] else "")
        for one in found
    ]
    beside = f"also {', '.join(words) if words else 'no class in several pictures'}"
    numbers: list[dict[str, Any]] = [
        {
            "class": index,
            "value": float(answer[index]),
            "others": [{"class": k, "label": label(network, k), "logit": float(answer[k])} for k in also],
        }
        for index, answer, also in zip(classes, answers, best, strict=True)
    ]
    numbers[0]["context"] = [{"label": label(network, one["class"])} | one for one in found]
    captions = [", ".join(label(network, k) for k in also[:3]) for also in best]
    captions[starts:] = [f"{label(network, k)}: {c}" for k, c in zip(classes[starts:], captions[starts:], strict=True)]
    panels = [(caption, picture[None]) for caption, picture in zip(captions, shown, strict=True)]
    strips = [
        Strip(heading if i == first else "", panels[i : min(i + ACROSS, last)])
        for heading, first, last in (
            ("its pictures, and the other classes that are seen in each", 0, starts),
            ("pictures of other classes, to compare with", starts, len(panels)),
        )
        for i in range(first, last, ACROSS)
    ]
    head = f"What {network.name} takes for part of {called}"
    return Result(
        image=shown, names=names, numbers=numbers, panels=[[panel] for panel in panels],
        title=f"{called}: {beside} ({network.name})", drawing=rows(strips, head, beside, 4, 220),
    )  # fmt: skip


def _others(network: Network, wanted: int, many: int, seed: int) -> list[int]:
    """So many other classes at random, each once; all of them where there are fewer."""
    order = Key(seed, [crc32(f"other than {wanted}".encode())]).uniform(torch.arange(1), network.classes)[0]
    return [int(index) for index in order.argsort() if index != wanted][:many]


def best_others(said: Float[Tensor, "n classes"], classes: Sequence[int], many: int = TOP) -> list[list[int]]:
    """For each picture the classes with the largest logits, apart from its own."""
    rest = said.clone()
    rest[torch.arange(len(rest)), torch.tensor(classes)] = -torch.inf
    return rest.topk(min(many, rest.shape[1] - 1), dim=1).indices.tolist()


def in_several(own: Sequence[Sequence[int]], elsewhere: Sequence[Sequence[int]] = ()) -> list[dict[str, int]]:
    """The classes that are in at least a third of the lists, the most frequent first.

    Args:
        own: for each picture of the class, the other classes that are seen in it, best first.
        elsewhere: the same for pictures of other classes.
    Returns:
        `class`, `count` of its lists and `elsewhere`, that of the other lists. Those with a larger share of the other
        lists than of its own are left out: they are seen everywhere. Ties go to the smaller sum of ranks.
    """
    found = []
    for index in sorted({k for also in own for k in also}):
        ranks = [list(also).index(index) for also in own if index in also]
        other = sum(index in also for also in elsewhere)
        if 3 * len(ranks) >= len(own) and other * len(own) < max(1, len(elsewhere)) * len(ranks):
            found.append((-len(ranks), sum(ranks), {"class": index, "count": len(ranks), "elsewhere": other}))
    return [one for _, _, one in sorted(found, key=lambda row: row[:2])]

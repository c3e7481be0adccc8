"""Two networks beside one another: a robust one teaches most beside one that is not.

A network that was trained on attacked pictures (Madry et al. 2018, arXiv:1706.06083) can't use patterns that nobody
sees, because the attack takes them away. What is left to it is what people use too; so its gradients point at things
(Tsipras et al. 2019, arXiv:1805.12152), and climbing its classes paints them (Santurkar et al. 2019, arXiv:1906.09453).
"""

import shlex
from dataclasses import dataclass
from typing import Any

from phosphene.adversarial import pgd
from phosphene.attribution import gradient, guided
from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from phosphene.core.results.results import Result
from phosphene.core.units.default_layers import spread
from phosphene.core.units.labels import class_index, label
from phosphene.faces.tour.guide import Guide, Section, Shown
from phosphene.faces.tour.stops.alone import LEVELS, fallen, fit_for, fooled, matters, said_by
from phosphene.features import visualize
from phosphene.inversion import invert

FAMILIAR = (
    "goldfish", "king penguin", "school bus", "African elephant", "monarch", "teapot", "orange", "lemon", "sports car",
    "golden retriever", "tabby", "zebra", "pizza", "banana", "castle", "airliner",
)  # fmt: skip
"""Things that everybody recognizes, to look for in both networks."""

MOST_CLASSES = 6


def short(spec: str) -> str:
    """A network's name for a caption: `photo-robust`, `inception5h`."""
    return spec.removeprefix("embedded:").removeprefix("torchvision:").partition("?")[0].partition(".py")[0]


@dataclass(frozen=True)
class Both:
    """The two networks, and the first one's first answer.

    Attributes:
        names: as captions call them.
        said: the first answer of ours; both are asked about it.
    """

    other: Network
    names: tuple[str, str]
    said: dict[str, Any]


def _both(guide: Guide) -> Both | None:
    """None where there is no second network, or nothing to ask both about."""
    said = said_by(guide)
    if guide.beside is None or said is None:
        return None
    ours, theirs = short(guide.network.name), short(guide.beside.name)
    return Both(guide.beside, (ours, theirs if theirs != ours else f"{theirs} again"), said)


def same_classes(one: Network, other: Network, first: str, many: int) -> list[tuple[int, int]]:
    """The class called `first` and familiar ones that both networks know by name, as indices in each.

    Raises:
        Mistake: they share no name.
    """
    found: list[tuple[int, int]] = []
    others = [name for full in one.labels or () for name in (full, *full.split(","))]
    for name in (first, *FAMILIAR, *others):
        try:
            pair = class_index(one, name), class_index(other, name)
        except Mistake:
            continue  # one of them does not know it, or means several things by it
        if pair not in found:
            found.append(pair)
        if len(found) == many:
            break
    if not found:
        raise Mistake(f"{one.name} and {other.name} share no name of a class")
    return found


def _commands(guide: Guide, ours: str, theirs: str, *, photo: bool = True) -> list[str]:
    return [guide.command(ours, photo=photo), guide.command(theirs, photo=photo, spec=guide.beside_spec)]


def _show(
    guide: Guide, section: Section, name: str, captions: tuple[str, str], ours: Shown, theirs: Result, *part: str | int
) -> None:
    """A picture of ours that is on the page already, and a part of the other network's result, side by side."""
    guide.show(section, captions[1], f"theirs-{name}", theirs, *part)
    section.pictures.insert(-1, Shown(captions[0], f"pictures/ours-{name}.png", ours.png))


def classes(guide: Guide) -> None:
    """The same classes, painted from noise by both."""
    both = _both(guide)
    if both is None:
        return
    other, names, said = both.other, both.names, both.said
    with guide.stop(
        "Two ideas of the same classes",
        f"The same climb from noise, towards the same classes, of {names[0]} (left) and {names[1]} (right). An "
        "ordinary network is also convinced by fine patterns that nobody sees, and the climb finds those first. A "
        "robust network was trained on pictures in which they were turned against it; to please it, the climb has to "
        "paint the thing.",
        "Santurkar et al. 2019, arXiv:1906.09453; Engstrom et al. 2019, arXiv:1906.00945",
        pairs=True, shared=True,
    ) as section:  # fmt: skip
        pairs = same_classes(guide.network, other, said["label"], 2 if guide.fast else MOST_CLASSES)
        asked = [[f"logits:{two[side]}" for two in pairs] for side in (0, 1)]
        section.commands = _commands(guide, *("visualize " + " ".join(units) for units in asked), photo=False)
        steps, size = (8, 64) if guide.fast else (96, None)
        made = [
            guide.ran(f"classes of {name}", visualize(network, units, seed=guide.seed, steps=steps, size=size))
            for name, network, units in zip(names, (guide.network, other), asked, strict=True)
        ]
        for index, (i, _) in enumerate(pairs):
            for side, name, result in zip(("ours", "theirs"), names, made, strict=True):
                caption = f"{label(guide.network, i)}: {name}"
                guide.show(section, caption, f"{side}-class-{i}", result, "picture", index)


def pixels(guide: Guide) -> None:
    """The same photograph's gradient in both."""
    both = _both(guide)
    if both is None:
        return
    other, names, said = both.other, both.names, both.said
    with guide.stop(
        "Two gradients",
        "How the score moves with every pixel, in both. An ordinary network's gradient looks like noise; a robust "
        "network's follows the outlines of the thing, although nobody asked for that: it only had to be indifferent to "
        "small changes. Guided backprop looks alike in both, because it shows the picture more than the network.",
        "Tsipras et al. 2019, arXiv:1805.12152; Adebayo et al. 2018, arXiv:1810.03292",
        pairs=True, shared=True,
    ) as section:  # fmt: skip
        fit = fit_for(guide, said)
        try:
            target: int | None = class_index(other, said["label"])
        except Mistake:
            target = None  # it does not know this class; then it is asked about its own answer
        asked = "" if target is None else f" --target {target}"
        section.commands = [
            guide.command(f"attribute --method {m}{asked} --fit {fit}", spec=guide.beside_spec)
            for m in ("gradient", "guided")
        ]
        for method, name in ((gradient, "gradient"), (guided, "guided-backprop")):
            with guide.trying(section):
                mine, theirs = guide.shown(matters, name), method(other, guide.photo, target=target, fit=fit)
                if mine is not None:
                    words = name.replace("-", " ")
                    _show(guide, section, name, (f"{words}: {names[0]}", f"{words}: {names[1]}"), mine, theirs)


def attacked(guide: Guide) -> None:
    """The same attack on both."""
    both = _both(guide)
    if both is None:
        return
    other, names = both.other, both.names
    before = guide.earlier(fooled)
    known = {"levels": LEVELS[0]} | (before.known if before else {})
    levels = known["levels"]
    with guide.stop(
        "Two attacks",
        f"Every pixel of both pictures may move by at most {levels}/255. What matters is how far each "
        "answer falls: a robust network may lose some certainty and keep its answer, where an ordinary one is sure of "
        "something else. The price is that it is right a little less often when nobody attacks.",
        "Madry et al. 2018, arXiv:1706.06083; Tsipras et al. 2019, arXiv:1805.12152",
        *_commands(guide, f"attack --eps {levels}/255", f"attack --eps {levels}/255"),
        pairs=True, shared=True,
    ) as section:  # fmt: skip
        run = pgd(other, guide.photo, eps=levels / 255, steps=4 if guide.fast else 40, seed=guide.seed)
        theirs = guide.ran(f"attack on {names[1]}", run)
        mine, change = (guide.shown(fooled, name) for name in ("adversarial", "change"))
        if mine is None or change is None:
            raise Mistake(f"{names[0]} could not be attacked, so there is nothing to compare")
        captions = (f"{names[0]}: {known['answer']}", f"{names[1]}: {fallen(theirs)}")
        _show(guide, section, "attacked", captions, mine, theirs)
        captions = (f"{names[0]}: {change.caption}", f"{names[1]}: {theirs.panels[0][1][0]}")
        _show(guide, section, "change", captions, change, theirs, "panel", 0, 1)


def survives(guide: Guide) -> None:
    """The same photograph, from the same depth of both."""
    both = _both(guide)
    if both is None:
        return
    other, names = both.other, both.names
    with guide.stop(
        "What survives in both",
        "A picture with the same activations in a deep layer, looked for from noise, without any prior. What an "
        "ordinary network knows about a picture can also be had from something that looks like nothing; a robust "
        "network says the same only about pictures that look alike to us as well.",
        "Engstrom et al. 2019, arXiv:1906.00945",
        pairs=True, shared=True,
    ) as section:  # fmt: skip
        stages = [spread(network, 2 if guide.fast else 5) for network in (guide.network, other)]  # as that stop does
        layers = [found[min(3, len(found) - 1)] for found in stages]
        plainly = (f"invert --layer {shlex.quote(layer)} --preset plain" for layer in layers)
        section.commands = _commands(guide, *plainly)
        found = [
            guide.ran(
                f"invert {layer} of {name}",
                invert(
                    network, guide.photo, layer=layer, preset="plain", steps=8 if guide.fast else 200, seed=guide.seed
                ),
            )
            for network, layer, name in zip((guide.network, other), layers, names, strict=True)
        ]
        for whose, layer, name, result in zip(("ours", "theirs"), layers, names, found, strict=True):
            guide.show(section, f"from {layer}: {name}", f"{whose}-survives", result)


STOPS = (classes, pixels, attacked, survives)
"""In the order of the page."""

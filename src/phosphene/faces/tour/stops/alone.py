"""The stops of the tour on one network: each calls a recipe as a user would, and says what is to be seen."""

import shlex
from typing import Any

import torch
from torch import Tensor

from phosphene.adversarial import pgd
from phosphene.attribution import gradient, guided, occlusion
from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from phosphene.core.results.results import Result
from phosphene.core.units.default_layers import spread
from phosphene.core.units.inputs import Fit, feed, logits, said_in_words
from phosphene.core.units.labels import class_index, label
from phosphene.dreaming import dream
from phosphene.faces.tour.guide import Guide, Section
from phosphene.features import architecture, predict, visualize, weights
from phosphene.inversion import invert
from phosphene.style import stylize

REFERENCES = ("chelsea", "astronaut", "coffee", "rocket", "hubble_deep_field", "grass", "brick", "coins")
"""Photographs that tell what a unit usually says, so that what only this one excites can be told."""

DEPTHS = 3
GUIDES = "skimage:rocket", "skimage:brick"
"""For dreams: what a layer sees there is unlike what it dreams by itself."""

PAINTING = "painting:night"

Said = dict[str, Any] | None
"""The network's first answer; None where it has none for this photograph."""

SAYS = {
    "softmax": "The network turns the picture into one number for each class that it was taught, and a softmax makes "
    'probabilities of them. It can\'t say "none of these": it always divides one hundred per cent among its own '
    "classes.",
    "sigmoid": "The network turns the picture into one number for each question that it was taught, and a sigmoid "
    "makes a probability of each. The questions are independent: several may be answered with yes, or none.",
    "probabilities": "The network turns the picture into a probability for each class that it was taught, and knows "
    "of nothing else.",
    "numbers": "The network turns the picture into numbers, and those are its answer: a measure of something, or a "
    "code that is alike for pictures that are alike. Everything after this asks about the largest.",
}
"""What the numbers at a network's end are, by its head."""

LEVELS = (2, 4, 8, 16)
"""How many of its 255 levels an attack may move a pixel: the first that is enough."""


def consists(guide: Guide) -> None:
    """What the network is."""
    with guide.stop(
        "What it is",
        "A network of this kind is a funnel: from stage to stage the picture gets smaller (the block's width) and more "
        "is said about every place (its height and colour), each place having seen a larger part of the picture. The "
        "numbers at the right are how many weights were learnt there.",
        "Fukushima 1980; LeCun et al. 1989",
        guide.command("architecture", photo=False),
        guide.command("layers", photo=False),
    ) as section:
        result = architecture(guide.network)
        guide.show(section, result.title, "architecture", result)


def says(guide: Guide) -> None:
    """What the network says; stops after this ask about its first answer."""
    with guide.stop(
        "What it says",
        SAYS[guide.network.head.kind],
        "Krizhevsky, Sutskever & Hinton 2012",
        guide.command("predict"),
    ) as section:  # fmt: skip
        result = predict(guide.network, guide.photo)
        section.answers = result.numbers[0]["top"]
        guide.show(section, f"what the network is fed: {said_in_words(section.answers)}", "fed", result)


def said_by(guide: Guide) -> Said:
    """The network's first answer."""
    section = guide.earlier(says)
    return section.answers[0] if section and section.answers else None


def filters(guide: Guide) -> None:
    """The weights that can be looked at."""
    with guide.stop(
        "Its first layer",
        "Only the first layer's weights live in the space of pictures, so they can be looked at as they are. Edges and "
        "colour blobs appear in nearly every network that was trained on photographs; noise would mean that the "
        "training did not go far.",
        "Zeiler & Fergus 2014, arXiv:1311.2901",
        guide.command("weights", photo=False),
    ) as section:
        result = weights(guide.network)
        guide.show(section, result.panels[0][0][0], "weights", result)


def _typical(network: Network, layers: list[str]) -> dict[str, tuple[Tensor, Tensor]]:
    """Mean and deviation of each channel over the reference photographs."""
    pictures = torch.cat([feed(network, f"skimage:{name}") for name in REFERENCES])
    with torch.no_grad():
        read = network.read(pictures, layers)
    means = {name: y.flatten(2).mean(2) for name, y in read.items()}
    return {name: (m.mean(0), m.std(0)) for name, m in means.items()}


def excited(network: Network, photo: str, layers: list[str], many: int) -> list[str]:
    """The units of each layer that this photograph excites most, compared with other photographs."""
    usual = _typical(network, layers)
    with torch.no_grad():
        read = network.read(feed(network, photo), layers)
    found = []
    for name in layers:
        mean, deviation = usual[name]
        y = read[name][0].flatten(1).mean(1)
        unusual = (y - mean) / (deviation + 0.1 * deviation.mean() + 1e-12)
        found += [f"{name}:{int(i)}" for i in unusual.argsort(descending=True)[:many]]
    return found


def class_word(network: Network, index: int) -> str:
    """A class as the command line understands it."""
    word = label(network, index)
    try:
        return word if network.labels and class_index(network, word) == index else str(index)
    except Mistake:
        return str(index)


def looks_for(guide: Guide) -> None:
    """What the units that this photograph excites look for."""
    network, said = guide.network, said_by(guide)
    with guide.stop(
        "What its units look for",
        "Starting from noise, these pictures climb the activation of one unit each, under random shifts, scalings and "
        "rotations. These are the units that this photograph excites more than others do, from three depths: textures "
        "first, then parts, then things.",
        "Erhan et al. 2009; Olah, Mordvintsev & Schubert 2017, doi:10.23915/distill.00007",
        shared=True,
    ) as section:
        units: list[str] = []
        with guide.trying(section):
            depths = spread(network, 5)[1::2] if len(spread(network, 5)) > 3 else spread(network, 3)
            units = excited(network, guide.photo, depths, 1 if guide.fast else 3)
        units += [f"logits:{said['class']}"] if said else []
        if not units:
            return
        section.commands = [guide.command("visualize " + " ".join(map(shlex.quote, units)), photo=False)]
        steps, size = (8, 64) if guide.fast else (128, None)
        result = guide.ran("units", visualize(network, units, seed=guide.seed, steps=steps, size=size))
        for index, (name, numbers) in enumerate(zip(result.names, result.numbers, strict=True)):
            caption = f"the class {said['label']}" if said and name.startswith("logits") else numbers["unit"]
            guide.show(section, caption, name, result, "picture", index)


def fit_for(guide: Guide, said: dict[str, Any]) -> Fit:
    """The whole photograph, where the network says the same about it as about the part that it is fed otherwise."""
    if guide.fast:
        return "crop"
    try:
        whole = logits(guide.network, feed(guide.network, guide.photo, "whole"))
    except Mistake as mistake:  # it can't take this size
        guide.doubt(mistake)
        return "crop"
    return "whole" if int(guide.network.head.decided(whole)[0]) == said["class"] else "crop"


def matters(guide: Guide) -> None:
    """Which pixels the first answer rests on."""
    said = said_by(guide)
    if said is None:
        return
    network, target = guide.network, said["class"]
    with guide.stop(
        "Which pixels matter",
        f"The gradient tells how the score of {said['label']} moves with every pixel; guided backprop, which passes "
        "only what speaks for it, looks clearest and knows least about the class. The occlusion map covers one place "
        "after another and looks whether the score drops (red) or rises (blue).",
        "Simonyan et al. 2014, arXiv:1312.6034; Springenberg et al. 2015, arXiv:1412.6806; Zeiler & Fergus 2014",
        shared=True,
    ) as section:
        word, fit = shlex.quote(class_word(network, target)), fit_for(guide, said)
        methods = ("gradient", "guided", "occlusion")
        section.commands = [guide.command(f"attribute --method {m} --target {word} --fit {fit}") for m in methods]
        with guide.trying(section):
            result = gradient(network, guide.photo, target=target, fit=fit)
            guide.show(section, "what it is asked about", "asked-about", result, "panel", 0, 0)
            guide.show(section, "gradient", "gradient", result)
        with guide.trying(section):
            result = guided(network, guide.photo, target=target, fit=fit)
            guide.show(section, "guided backprop", "guided-backprop", result)
        side = min(feed(network, guide.photo, fit).shape[2:])
        run = occlusion(
            network, guide.photo, target=target, fit=fit, window=max(1, side // 6), stride=max(1, side // 12)
        )
        result = guide.ran("occlusion", run)
        caption = f"occlusion: red is where a grey square of {result.numbers[0]['window']} px hurts most"
        guide.show(section, caption, "occlusion", result, "panel", 0, 1)


def dreams(guide: Guide) -> None:
    """What a layer amplifies."""
    network = guide.network
    with guide.stop(
        "What it dreams",
        "Whatever a layer sees in the picture is amplified, so that it sees more of it, and again. Nothing is painted "
        "that the layer was not already inclined to see: what comes out are the forms that it is made of.",
        "Mordvintsev, Olah & Tyka 2015",
        guide.command("dream"),
        shared=True,
    ) as section:
        octaves, steps = (1, 2) if guide.fast else (4, 10)
        run = dream(network, guide.photo, seed=guide.seed, octaves=octaves, steps=steps)
        result = guide.ran("dream", run)
        guide.show(section, "the photograph", "photograph", result, "panel", 0, 0)
        guide.show(section, f"dreamt by {result.numbers[0]['layer']}", "dream", result)
        section.teaching += (
            " The depth of the layer decides: from strokes and textures to parts of things. And with a second picture "
            "for a guide, it is at each place led to whatever fits best there of what it sees in that one."
        )
        with guide.trying(section):
            _by_depth(guide, section, octaves, steps, result.numbers[0]["layer"])
        with guide.trying(section):
            _by_guide(guide, section, octaves, steps)


def _by_depth(guide: Guide, section: Section, octaves: int, steps: int, shown: str) -> None:
    """Dreams of earlier layers, but for the one that is shown already."""
    strip = ",".join([layer for layer in spread(guide.network, DEPTHS + 2)[:-1] if layer != shown][:DEPTHS])
    section.commands.append(guide.command(f"dream --strip {shlex.quote(strip)}"))
    run = dream(guide.network, guide.photo, strip=strip, seed=guide.seed, octaves=octaves, steps=steps)
    result = guide.ran("dream by depth", run)
    for index, numbers in enumerate(result.numbers):
        guide.show(section, f"by {numbers['layer']}", f"dream-{result.names[index]}", result, "picture", index)


def _by_guide(guide: Guide, section: Section, octaves: int, steps: int) -> None:
    """A dream of what is seen in another picture."""
    other = next(name for name in GUIDES if name != guide.photo)
    section.commands.append(guide.command(f"dream --guide {other} --out dream-guided.png"))
    run = dream(guide.network, guide.photo, guide=other, seed=guide.seed, octaves=octaves, steps=steps)
    result = guide.ran("dream with a guide", run)
    guide.show(section, f"by {result.numbers[0]['layer']}, with {other} for a guide", "dream-guided", result)


def remembers(guide: Guide) -> None:
    """What layers still know of the photograph."""
    network = guide.network
    with guide.stop(
        "What survives",
        "From a layer's activations alone, a picture is looked for that has the same ones. Early layers keep nearly "
        "everything; deep ones keep what it is and forget where it was and which colour it had.",
        "Mahendran & Vedaldi 2015, arXiv:1412.0035",
        shared=True,
    ) as section:
        layers, steps = spread(network, 2 if guide.fast else 5), 8 if guide.fast else 80
        chosen = " ".join(f"--layer {shlex.quote(layer)}" for layer in layers)
        section.commands = [guide.command(f"invert {chosen}")]
        result = guide.ran("invert", invert(network, guide.photo, layer=layers, steps=steps, seed=guide.seed))
        guide.show(section, result.panels[0][0][0], "inverted-from", result, "panel", 0, 0)
        for i, (layer, numbers) in enumerate(zip(layers, result.numbers, strict=True)):
            guide.show(section, f"{layer}: error {numbers['error']:.3f}", f"inverted-{layer}", result, "picture", i)
        with guide.trying(section):
            _another(guide, section, layers[min(3, len(layers) - 1)], steps)


def _another(guide: Guide, section: Section, layer: str, steps: int) -> None:
    """A picture that this layer can't tell from the one before, either: a metamer."""
    seed = guide.seed + 1
    section.commands.append(guide.command(f"invert --layer {shlex.quote(layer)} --seed {seed} --out metamer.png"))
    result = guide.ran(
        "invert from another start", invert(guide.network, guide.photo, layer=layer, steps=steps, seed=seed)
    )
    guide.show(section, f"{layer} from another start: error {result.numbers[0]['error']:.3f}", "metamer", result)


def painted(guide: Guide) -> None:
    """The photograph in the style of a painting."""
    with guide.stop(
        "In the style of a painting",
        "A deep layer says what is where. Which features meet on a layer, wherever they do, says how it is painted. A "
        "picture is looked for that has the first from the photograph and the second from a painting, which comes "
        "with this program.",
        "Gatys, Ecker & Bethge 2015, arXiv:1508.06576",
        guide.command(f"stylize {PAINTING}"),
        shared=True,
    ) as section:
        steps, size = (2, 64) if guide.fast else (20, 160)
        run = stylize(guide.network, guide.photo, [PAINTING], preset="fast", steps=steps, size=size, seed=guide.seed)
        result = guide.ran("stylize", run)
        guide.show(section, "the painting", "painting", result, "panel", 0, 1)
        guide.show(section, "the photograph, painted", "painted", result)


def fooled(guide: Guide) -> None:
    """How little changes the answer."""
    with guide.stop(
        "How little it takes to fool it",
        "Every pixel moves by a few of its 255 levels at most, which hardly anybody sees, in the direction that the "
        "gradient names.",
        "Szegedy et al. 2014, arXiv:1312.6199; Madry et al. 2018, arXiv:1706.06083",
        shared=True,
    ) as section:
        for levels in LEVELS:
            section.known["levels"] = levels
            run = pgd(guide.network, guide.photo, eps=levels / 255, steps=4 if guide.fast else 40, seed=guide.seed)
            result = guide.ran("attack", run)
            if changed := result.numbers[0]["fooled"]:
                break
        section.teaching += (
            f" With {levels} of them it says something else: its classes lie much closer together than ours."
            if changed
            else f" With {levels} of them it says the same still."
        )
        section.commands = [guide.command(f"attack --eps {levels}/255")]
        section.known["answer"] = fallen(result)
        captions = [caption for caption, _ in result.panels[0]]
        guide.show(section, captions[0], "before", result, "panel", 0, 0)
        guide.show(section, captions[1], "change", result, "panel", 0, 1)
        guide.show(section, captions[2], "adversarial", result)


def fallen(result: Result) -> str:
    """The answer before and after an attack."""
    numbers = result.numbers[0]
    kept = "" if numbers["fooled"] else "still "
    return f"{said_in_words(numbers['before'])}, attacked {kept}{said_in_words(numbers['after'])}"


STOPS = (consists, says, filters, looks_for, matters, dreams, remembers, painted, fooled)
"""In the order of the page."""

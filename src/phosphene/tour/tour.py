"""The tour: every recipe once, on one photograph, into one self-contained page.

It calls the recipes as a user would and arranges what they return; the mathematics is theirs.
"""

import base64
import io
import shlex
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from torch import Tensor

from phosphene.adversarial import pgd
from phosphene.attribution import gradient, guided, occlusion
from phosphene.core.depths import spread
from phosphene.core.errors import Mistake
from phosphene.core.feeding import Fit, feed, said_in_words
from phosphene.core.figures import overlay
from phosphene.core.network import Network
from phosphene.core.pictures import open_photo, png_bytes, to_pil
from phosphene.core.provenance import versions
from phosphene.core.results import Result, Run
from phosphene.core.units import class_index, label
from phosphene.dreaming import dream
from phosphene.features import predict, visualize, weights
from phosphene.inversion import invert

REFERENCES = ("chelsea", "astronaut", "coffee", "rocket", "hubble_deep_field", "grass", "brick", "coins")
"""Photographs that tell what a unit usually says, so that what only this one excites can be told."""

LARGEST_INSIDE = 1_000_000  # bytes of a PNG that is put into the page as it is; larger ones go in as WebP


@dataclass
class Shown:
    """One picture of the page: its caption, where it is at full size, and itself as a data address."""

    caption: str
    file: str
    address: str
    width: int
    height: int
    pixelated: bool


@dataclass
class Section:
    """One stop of the tour."""

    title: str
    teaching: str
    source: str
    commands: list[str] = field(default_factory=list)
    pictures: list[Shown] = field(default_factory=list)
    answers: list[dict[str, Any]] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    wide: bool = False
    seconds: float = 0.0


@dataclass
class Guide:
    """What every stop needs: who is asked about which photograph, how thoroughly, and where pictures go."""

    network: Network
    photo: str
    spec: str
    folder: Path
    fast: bool
    seed: int
    sections: list[Section] = field(default_factory=list)

    def command(self, words: str, *, photo: bool = True) -> str:
        """The line that makes a picture alone, at full quality."""
        parts = words.split(" ", 1)
        given = [parts[0], *([shlex.quote(self.photo)] if photo else []), *parts[1:]]
        net = [] if self.spec == "embedded:photo" else ["--net", shlex.quote(self.spec)]
        return " ".join(["phosphene", *given, *net])

    def show(self, section: Section, caption: str, picture: Tensor, name: str, recipe: Result | None = None) -> None:
        """Write a picture beside the page and put it into the section."""
        data = png_bytes(picture, recipe.text() if recipe else None)
        (self.folder / "pictures" / f"{name}.png").write_bytes(data)
        kind, height, width = "png", *picture.shape[-2:]
        if len(data) > LARGEST_INSIDE:
            buffer, kind = io.BytesIO(), "webp"
            to_pil(picture).save(buffer, "WEBP", quality=90)
            data = buffer.getvalue()
        address = f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
        small = max(height, width) < 100
        section.pictures.append(Shown(caption, f"pictures/{name}.png", address, width, height, small))

    @contextmanager
    def stop(self, title: str, teaching: str, source: str, *commands: str, wide: bool = False) -> Iterator[Section]:
        """A section; what a network can't do is said in it, and the tour goes on."""
        section, start = Section(title, teaching, source, list(commands), wide=wide), time.perf_counter()
        self.sections.append(section)
        with self.trying(section):
            yield section
        section.seconds = time.perf_counter() - start

    @contextmanager
    def trying(self, section: Section) -> Iterator[None]:
        """What fails for this network is left out with a line that says why."""
        try:
            yield
        except Mistake as mistake:
            section.missing.append(str(mistake))


Ran = Callable[[str, Run], Result]


def tour(
    open_network: Callable[[], Network],
    photo: str,
    *,
    spec: str = "embedded:photo",
    out: str | Path = "tour",
    force: bool = False,
    fast: bool = False,
    seed: int = 0,
    console: Console | None = None,
) -> Path:
    """Walk through what a network sees in PHOTO and write one self-contained page.

    Args:
        open_network: loads the network; called after the folder was checked.
        photo: a path, or `skimage:NAME`.
        spec: as the page's commands name the network.
        out: the page's folder.
        force: overwrite a page that is there.
        fast: few steps and small pictures.
        seed: of all random numbers.
        console: for the progress.
    Returns:
        The path of index.html.
    Raises:
        Mistake: the photograph or the network can't be opened, or the folder can't be written to.
    """
    console = console or Console(stderr=True)
    folder = _folder(Path(out), force)
    open_photo(photo)
    guide = Guide(open_network(), photo, spec, folder, fast, seed)
    with _progress(console) as ran:
        said = _says(guide)
        _filters(guide)
        _units(guide, said, ran)
        _pixels(guide, said, ran)
        _dream(guide, ran)
        _remembers(guide, ran)
        _fooled(guide, ran)
    page = folder / "index.html"
    page.write_text(_rendered(guide), encoding="utf-8")
    return page


def _folder(folder: Path, force: bool) -> Path:
    if (folder / "index.html").exists() and not force:
        raise Mistake(f"{folder / 'index.html'} is there already; give --force to overwrite it, or another --out")
    try:
        (folder / "pictures").mkdir(parents=True, exist_ok=True)
        (folder / "pictures" / ".writable").touch()
        (folder / "pictures" / ".writable").unlink()
    except OSError as error:
        raise Mistake(f"{folder} can't be written to: {(error.strerror or str(error)).lower()}") from error
    return folder


@contextmanager
def _progress(console: Console) -> Iterator[Ran]:
    """A bar for each run; the function runs one to its end."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=console.quiet) as progress:

        def ran(title: str, run: Run) -> Result:
            task = progress.add_task(title, total=run.total)
            for step in run:
                progress.update(task, completed=step.index)
            return run.so_far()

        yield ran


# ------------------------------------------------------------------------------------------------------ the stops


def _says(guide: Guide) -> dict[str, Any]:
    """What the network says; everything after this asks about its first answer."""
    with guide.stop(
        "What it says",
        "The network turns the picture into one number for each class that it was taught, and a softmax makes "
        "probabilities of them. It can't say \"none of these\": it always divides one hundred per cent among its own "
        "classes.",
        "Krizhevsky, Sutskever & Hinton 2012",
        guide.command("predict"),
    ) as section:  # fmt: skip
        result = predict(guide.network, guide.photo)
        section.answers = result.numbers[0]["top"]
        guide.show(section, f"what the network is fed: {said_in_words(section.answers)}", result.image, "fed", result)
    if not section.answers:
        raise Mistake(section.missing[0])
    return section.answers[0]


def _filters(guide: Guide) -> None:
    with guide.stop(
        "Its first layer",
        "Only the first layer's weights live in the space of pictures, so they can be looked at as they are. Edges and "
        "colour blobs appear in nearly every network that was trained on photographs; noise would mean that the "
        "training did not go far.",
        "Zeiler & Fergus 2014, arXiv:1311.2901",
        guide.command("weights", photo=False),
    ) as section:
        result = weights(guide.network)
        guide.show(section, result.panels[0][0][0], result.image, "weights", result)


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


def _class_word(network: Network, index: int) -> str:
    """A class as the command line understands it."""
    word = label(network, index)
    try:
        return word if network.labels and class_index(network, word) == index else str(index)
    except Mistake:
        return str(index)


def _units(guide: Guide, said: dict[str, Any], ran: Ran) -> None:
    network = guide.network
    with guide.stop(
        "What its units look for",
        "Starting from noise, these pictures climb the activation of one unit each, under random shifts, scalings and "
        "rotations. These are the units that this photograph excites more than others do, from three depths: textures "
        "first, then parts, then things.",
        "Erhan et al. 2009; Olah, Mordvintsev & Schubert 2017, doi:10.23915/distill.00007",
        wide=True,
    ) as section:
        depths = spread(network, 5)[1::2] if len(spread(network, 5)) > 3 else spread(network, 3)
        units = excited(network, guide.photo, depths, 1 if guide.fast else 3)
        units.append(f"logits:{said['class']}")
        section.commands = [guide.command("visualize " + " ".join(map(shlex.quote, units)), photo=False)]
        options = {"steps": 8, "size": 64} if guide.fast else {"steps": 128}
        result = ran("units", visualize(network, units, seed=guide.seed, **options))
        for name, numbers, picture in zip(result.names, result.numbers, result.image, strict=True):
            caption = numbers["unit"] if not name.startswith("logits") else f"the class {said['label']}"
            guide.show(section, caption, picture, name, result)


def _pixels(guide: Guide, said: dict[str, Any], ran: Ran) -> None:
    network, target = guide.network, said["class"]
    word = shlex.quote(_class_word(network, target))
    fit: Fit = "crop" if guide.fast else "whole"
    with guide.stop(
        "Which pixels matter",
        f"The gradient tells how the score of {said['label']} moves with every pixel; guided backprop, which passes "
        "only what speaks for it, looks clearest and knows least about the class. The occlusion map covers one place "
        "after another and looks whether the score drops (red) or rises (blue).",
        "Simonyan et al. 2014, arXiv:1312.6034; Springenberg et al. 2015, arXiv:1412.6806; Zeiler & Fergus 2014",
        *(
            guide.command(f"attribute --method {m} --target {word} --fit {fit}")
            for m in ("gradient", "guided", "occlusion")
        ),
        wide=True,
    ) as section:
        fed = feed(network, guide.photo, fit).float().cpu()
        guide.show(section, "the photograph", fed, "photograph")
        for method, words in ((gradient, "gradient"), (guided, "guided backprop")):
            with guide.trying(section):
                result = method(network, guide.photo, target=target, fit=fit)
                guide.show(section, words, result.image, words.replace(" ", "-"), result)
        side = min(fed.shape[2:])
        run = occlusion(
            network, guide.photo, target=target, fit=fit, window=max(1, side // 6), stride=max(1, side // 12)
        )
        result = ran("occlusion", run)
        over = overlay(fed, torch.from_numpy(result.values), signed=True)
        caption = f"occlusion: red is where a grey square of {result.numbers[0]['window']} px hurts most"
        guide.show(section, caption, over, "occlusion", result)


def _dream(guide: Guide, ran: Ran) -> None:
    network = guide.network
    with guide.stop(
        "What it dreams",
        "Whatever a layer sees in the picture is amplified, so that it sees more of it, and again. Nothing is painted "
        "that the layer was not already inclined to see: what comes out are the forms that it is made of.",
        "Mordvintsev, Olah & Tyka 2015",
        guide.command("dream"),
        wide=True,
    ) as section:
        options = {"octaves": 1, "steps": 2} if guide.fast else {}
        result = ran("dream", dream(network, guide.photo, seed=guide.seed, **options))
        guide.show(section, f"dreamt by {result.numbers[0]['layer']}", result.image, "dream", result)


def _remembers(guide: Guide, ran: Ran) -> None:
    network = guide.network
    layers = spread(network, 2 if guide.fast else 5)
    with guide.stop(
        "What survives",
        "From a layer's activations alone, a picture is looked for that has the same ones. Early layers keep nearly "
        "everything; deep ones keep what it is and forget where it was and which colour it had.",
        "Mahendran & Vedaldi 2015, arXiv:1412.0035",
        *(guide.command(f"invert --layer {shlex.quote(layer)}") for layer in layers),
        wide=True,
    ) as section:
        guide.show(section, "what was fed", feed(network, guide.photo).float().cpu(), "inverted-from")
        for layer in layers:
            with guide.trying(section):
                run = invert(network, guide.photo, layer=layer, steps=8 if guide.fast else 200, seed=guide.seed)
                result = ran(f"invert {layer}", run)
                caption = f"{layer}: error {result.numbers[0]['error']:.3f}"
                guide.show(section, caption, result.image, f"inverted-{layer}", result)


def _fooled(guide: Guide, ran: Ran) -> None:
    network = guide.network
    with guide.stop(
        "How little it takes to fool it",
        "Every pixel moves by at most 2/255, which nobody sees, in the direction that the gradient names. The answer "
        "changes all the same: the network's classes lie much closer together than ours.",
        "Szegedy et al. 2014, arXiv:1312.6199; Madry et al. 2018, arXiv:1706.06083",
        guide.command("attack --eps 2/255"),
        wide=True,
    ) as section:
        run = pgd(network, guide.photo, eps=2 / 255, steps=4 if guide.fast else 40, seed=guide.seed)
        result = ran("attack", run)
        for (caption, picture), name in zip(result.panels[0], ("before", "change", "adversarial"), strict=True):
            guide.show(section, caption, picture, name, result if name == "adversarial" else None)


# ------------------------------------------------------------------------------------------------------- the page


def _rendered(guide: Guide) -> str:
    from jinja2 import Environment, PackageLoader

    network = guide.network
    environment = Environment(loader=PackageLoader("phosphene", "tour"), autoescape=True, trim_blocks=True)
    return environment.get_template("page.html").render(
        network=network.name,
        size=f"{network.size[0]} x {network.size[1]}",
        photo=Path(guide.photo.removeprefix("skimage:")).name,
        sections=guide.sections,
        again=guide.command("tour"),
        versions=versions(),
        sha256=network.sha256,
        seed=guide.seed,
        plan=str(network.plan),
        day=date.today().isoformat(),
    )

"""Style transfer by residual networks: as they are, with smoothed features, and trained to be robust.

Wang, Li & Vasconcelos 2021 (arXiv:2104.05623) find that residual networks paint poorly, as their activations are peaky,
and that a softmax over them mends it; robust ones paint well as they are (Nakano 2019, doi:10.23915/distill.00019.4).
What is painted is judged by a network that painted nothing: how far its style losses have fallen, and its content.
"""

import subprocess
import sys
from pathlib import Path

from torch import Tensor

from benchmarks.stylize import DATA, MISSING, PHOTO, STYLE, compressed
from benchmarks.timing import Finding, Report, Rows
from phosphene.core.networks.network import Network
from phosphene.core.optimization.keys import Key
from phosphene.core.pictures.files import open_photo
from phosphene.core.pictures.sheets import figure
from phosphene.core.pictures.writing import save_png
from phosphene.models.specs import load
from phosphene.style.blocks import of_code
from phosphene.style.borders import replicated
from phosphene.style.layers import content_layer, style_layers
from phosphene.style.measures import losses
from phosphene.style.presets import setup
from phosphene.style.schedule import Making, Mixture, resized, sizes

FOLDER = Path(__file__).with_name("cache") / "residual"
ROBUST = FOLDER / "resnet20-robust.safetensors"
RESNET, MOBILENET = (f"{DATA / 'models' / name}.py:build" for name in ("cifar_resnet20", "mobilenet_v2"))
SIDE, EPOCHS = 320, 10


def run(repeats: int, quick: bool) -> Report:
    """Each network paints, and VGG-19 judges."""
    if not (DATA / "models" / "cifar_resnet20.py").is_file():
        return Report(notes=[MISSING])
    side, steps = (64, 2) if quick else (SIDE, 100)
    contestants = {
        "resnet20": (load(RESNET), False),
        "resnet20, smoothed": (load(RESNET), True),
        f"resnet20, robust ({EPOCHS} epochs)": (_robust(1 if quick else EPOCHS), False),
        "mobilenet_v2": (load(MOBILENET), False),
        "mobilenet_v2, smoothed": (load(MOBILENET), True),
        "embedded:photo-robust": (load("embedded:photo-robust"), False),
    }
    judge = _making(compressed(), side, 1, smooth=False)
    panels, rows = [("the photograph", judge.photo), ("the style", judge.styles[0])], []
    for name, (network, smooth) in contestants.items():
        print(name, file=sys.stderr, flush=True)
        *_, last = _making(network, side, steps, smooth=smooth).path(Key(0, [0]), judge.photo)
        style, content = _judged(judge, last.pictures)
        panels.append((f"{name}; style {style:.3f}, content {content:.2f}", last.pictures))
        rows.append((name, f"{style:.4f}", f"{content:.3f}"))
    style, content = _judged(judge, judge.photo)
    rows.append(("the photograph", f"{style:.4f}", f"{content:.3f}"))
    FOLDER.mkdir(parents=True, exist_ok=True)
    save_png(figure(panels, "Residual networks paint", columns=4, side=320), FOLDER / "residual.png")
    table = Rows(
        f"Painted at {side} px by residual networks, judged by vgg19_16x", ("network", "style loss", "content"), rows
    )
    found = {name: float(style) for name, style, _ in rows}
    plain, smoothed, robust = (found[name] for name in list(contestants)[:3])
    findings = [
        Finding("resnet20 paints better when its features are smoothed", smoothed < plain, f"{smoothed} of {plain}"),
        Finding("resnet20 paints better when it is robust", robust < plain, f"{robust} of {plain}"),
    ]
    return Report([table], [] if quick else findings, ["The pictures are in benchmarks/cache/residual."])


def _robust(epochs: int) -> Network:
    """The small residual network, trained further to be hard to fool."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    out = ROBUST.with_stem(f"{ROBUST.stem}-{epochs}")
    if not out.exists():
        words = ["train-robust", DATA / "cifar10_train_4000.npz", "--net", RESNET, "--eps", "8/255"]
        more = ["--epochs", epochs, "--out", out]
        subprocess.run([sys.executable, "-m", "phosphene", *map(str, [*words, *more])], check=True, timeout=3600)
    return load(RESNET, weights=out)


def _making(network: Network, side: int, steps: int, *, smooth: bool) -> Making:
    how, photo = setup("default", {"steps": steps}), open_photo(PHOTO).to(network.dtype)
    photo = resized(photo, (round(side * photo.shape[2] / photo.shape[3]), side))
    layers = style_layers(network)
    return Making(
        network.planned("picture"), photo, [open_photo(STYLE).to(network.dtype)], [1.0], layers,
        content_layer(network), how, [Mixture([1 / len(layers)] * len(layers), how.content)],
        sizes((photo.shape[2], photo.shape[3]), how.smallest), smooth=smooth,
    )  # fmt: skip


def _judged(judge: Making, picture: Tensor) -> tuple[float, float]:
    """The mean style loss of the judge's layers, and its content."""
    aim = judge.last
    (found,) = losses(judge.network, aim.styles, of_code(aim.layer, aim.code), picture, replicated)
    return sum(found["style"].values()) / len(found["style"]), found["content"]

"""Whole architectures, untrained: torchvision's and timm's, each asked and compared with plain PyTorch.

    python -m tests.zoo.architectures [--torchvision] [--timm] [--out FILE]

writes a table in Markdown, one line a network, and beside it, in FILE.jsonl, what it is made of; a network that stands
there is not asked again. Each network has a process of its own, which may end as it likes.
"""

import argparse
import json
import os
import random
import re
import subprocess
import sys
import time
from pathlib import Path

import torch

ROOT = Path(__file__).parents[2]
COLUMNS = ("network", "parameters", "size", "predict", "gradient", "visualized", "occlusion", "seconds", "said")
MONSTER = 1e9
"""Parameters beyond which a network is only asked what it sees."""
SMALL = 1e-4
"""A difference of gradients that needs no explanation."""
LONG = 900
"""Seconds that one network may take."""
IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
PARTS = {
    "segmentation:fcn_resnet50": {"size": 128}, "segmentation:lraspp_mobilenet_v3_large": {"size": 128},
    "detection:retinanet_resnet50_fpn": {"size": 128},
    "detection:fasterrcnn_mobilenet_v3_large_320_fpn": {"size": 128},
}  # fmt: skip
"""Two of torchvision's networks for segmentation and two detectors."""


# ----------------------------------------------------------------------------------------------------- which networks


def torchvision_specs() -> list[str]:
    """Every classification network of torchvision, and some for segmentation and detection."""
    from phosphene.models.torchvision import torchvision_names

    return [f"torchvision:{name}?weights=none" for name in torchvision_names()] + list(PARTS)


def timm_specs(many: int = 40, seed: int = 0) -> list[str]:
    """So many networks of timm, each of another family while there are families left."""
    from phosphene.models.torchvision import import_torchvision

    import_torchvision()
    import timm

    drawn = random.Random(seed)
    families = {module: timm.list_models(module=module) for module in sorted(timm.list_modules())}
    names = [drawn.choice(models) for models in families.values() if models]
    drawn.shuffle(names)
    return [f"timm:{name}?weights=none" for name in names[:many]]


def breadth_first(specs: list[str]) -> list[str]:
    """The first of every family, then the others: `resnet18` before `resnet34`."""
    seen: dict[str, int] = {}
    place = []
    for spec in specs:
        family = re.match(r"\w*?:[a-z]+(_v\d)?", spec)[0]
        seen[family] = seen.get(family, 0) + 1
        place.append(seen[family] > 1 and spec not in PARTS)
    return [spec for later in (False, True) for spec, is_later in zip(specs, place, strict=True) if is_later == later]


# ----------------------------------------------------------------------------------------------------- plain PyTorch


def without_compiled_operators() -> None:
    """Give torchvision a suppression of boxes in plain Python, where its compiled one can't be loaded."""
    from phosphene.models.torchvision import import_torchvision

    torchvision = import_torchvision()
    from torchvision.ops import boxes

    if torchvision.extension._has_ops():
        return

    def suppressed(dets, scores, iou_threshold):
        kept, order = [], scores.argsort(descending=True)
        overlaps = boxes.box_iou(dets, dets)
        while len(order):
            kept.append(int(order[0]))
            order = order[1:][overlaps[order[0], order[1:]] <= iou_threshold]
        return torch.tensor(kept, dtype=torch.long)

    boxes._assert_has_ops = lambda: None
    torchvision._suppressed = torch.library.Library("torchvision", "IMPL", "CPU")
    torchvision._suppressed.impl("nms", suppressed)


def best_scores(answer) -> torch.Tensor:
    """Of every picture the scores of its four best boxes."""
    return torch.stack([torch.nn.functional.pad(one["scores"][:4], (0, 4 - len(one["scores"][:4]))) for one in answer])


def loaded(spec: str, precision: str = "auto"):
    """The network of a spec, its numbers away from what hides them, and how its output becomes (n, classes)."""
    from phosphene import Network, load
    from tests.small import stirred

    if spec not in PARTS:
        network = load(spec, precision=precision)
        stirred(network.model)
        return network, lambda output: output
    without_compiled_operators()
    from torchvision import models

    kind, _, name = spec.partition(":")
    options = {"weights": None, "weights_backbone": None}
    if kind == "detection":
        options |= {"score_thresh" if "retinanet" in name else "box_score_thresh": 0.0, "min_size": 128}
    torch.manual_seed(0)
    model = stirred(getattr(getattr(models, kind), name)(**options))
    if kind == "segmentation":
        return Network(model, **IMAGENET, **PARTS[spec], output="out", name=name), lambda y: y["out"].mean((2, 3))
    facts = {"output": best_scores, "head": "probabilities"}
    return Network(model, **PARTS[spec], **facts, name=name), lambda y: best_scores(y).log()


def plain_numbers(network, numbers, x: torch.Tensor, layout=torch.contiguous_format) -> torch.Tensor:
    """What the model says to pictures in [0, 1], prepared by hand."""
    middle, width = (x.new_tensor(part).view(1, -1, 1, 1) for part in (network.mean, network.std))
    return numbers(network.model(((x - middle) / width).contiguous(memory_format=layout)))


# -------------------------------------------------------------------------------------------------------- one network


def predicted(network, numbers) -> tuple[str, torch.Tensor]:
    """Whether its probabilities are plain PyTorch's; and what it was fed."""
    import phosphene

    result = phosphene.predict(network, "skimage:chelsea")
    with torch.no_grad():
        p = plain_numbers(network, numbers, result.input).softmax(1)[0]
        p = p if network.name not in str(PARTS) or "fcn" in network.name or "lraspp" in network.name else None
    if p is None:
        return "ran", result.input
    apart = max(abs(one["p"] - float(p[one["class"]])) / float(p.max()) for one in result.numbers[0]["top"])
    return f"{apart:.0e}", result.input


def differentiated(network, numbers, x: torch.Tensor, spec: str = "") -> str:
    """The largest difference of its gradient from autograd's, as a part of the largest number.

    Where that is not small, rectifiers near zero flip with rounding, and rounding depends on the memory's layout: then
    also the difference from autograd on a picture that lies channels last, and, of a network of one number a class,
    from autograd in float64.
    """
    import phosphene

    score = {"score": "log-p"} if "rcnn" in network.name or "retinanet" in network.name else {}
    ours = torch.from_numpy(phosphene.gradient(network, "skimage:chelsea", target=1, **score).values)

    def apart(layout: torch.memory_format) -> float:
        own = x.clone().requires_grad_()
        score = plain_numbers(network, numbers, own, layout)[0, 1]
        (gradient,) = torch.autograd.grad(score, own)
        largest = float(gradient.abs().max())
        return float((ours - gradient).abs().max()) / largest if largest or ours.any() else 0.0

    found = apart(torch.contiguous_format)
    if found <= SMALL:
        return f"{found:.0e}"
    words = f"{found:.0e}; channels last {apart(torch.channels_last):.0e}"
    if not spec or spec in PARTS:
        return words
    again = loaded(spec, precision="float64")
    exact = (255 * x.double()).round() / 255  # pixels of 8 bits are exact in both
    return f"{words}; float64 {differentiated(*again, exact)}"


def visualized(network) -> str:
    """The layer whose first channel was painted, in two steps."""
    import phosphene
    from phosphene.core.units.default_layers import halfway

    layer = halfway(network)
    image = phosphene.visualize(network, [f"{layer}:0"], steps=2, size=min(network.size)).image
    assert image.isfinite().all()
    return layer


def covered(network, numbers, x: torch.Tensor) -> str:
    """How a few windows were computed, and the largest difference of their scores from plain PyTorch's."""
    import phosphene

    side = min(network.size) // 3
    score = {"score": "log-p"} if "rcnn" in network.name or "retinanet" in network.name else {}
    run = phosphene.occlusion(network, "skimage:chelsea", target=1, window=side, stride=side, form="positions", **score)
    result = run.result
    with torch.no_grad():
        whole = plain_numbers(network, numbers, x)[0, 1]
        hidden = x.clone()
        hidden[:, :, :side, :side] = 0.5
        drop = whole - plain_numbers(network, numbers, hidden)[0, 1]
    apart = abs(float(result.values[0, 0, 0]) - float(drop)) / max(abs(float(whole)), abs(float(drop)), 1e-12)
    return f"{result.numbers[0]['computed']}; {apart:.0e}"


def row(spec: str) -> dict[str, str]:
    """All of it about one network, as far as it goes; what it says where it does not go."""
    from phosphene import Mistake
    from tests.zoo.plain import differences, state

    began, said = time.monotonic(), []
    found = dict.fromkeys(COLUMNS, "") | {"network": spec.partition("?")[0]}
    torch.set_num_threads(1)

    def tried(column, function, *given):
        try:
            found[column] = function(*given)
        except Mistake as mistake:
            said.append(f"{column}: {mistake}")
        except Exception as error:
            said.append(f"FAULT in {column}: {type(error).__name__}: {str(error).partition(chr(10))[0]}")

    try:
        network, numbers = loaded(spec)
    except Mistake as mistake:
        return found | {"said": str(mistake)}
    many = sum(p.numel() for p in network.model.parameters())
    found["parameters"] = f"{many / 1e6:.1f} M"
    x = None
    try:
        found["size"] = f"{network.size[0]} x {network.size[1]}"
        found["predict"], x = predicted(network, numbers)
    except Mistake as mistake:
        said.append(f"predict: {mistake}")
    took = time.monotonic() - began
    if many < MONSTER and x is not None:
        before = state(network.model)  # behind a plain pass: detectors keep the anchors of the last one
        tried("gradient", differentiated, network, numbers, x, spec)
        tried("visualized", visualized, network)
        if took < 40:
            tried("occlusion", covered, network, numbers, x)
        if changed := differences(before, state(network.model)):
            said.append(f"FAULT: not as it was: {', '.join(changed[:3])}")
    elif many >= MONSTER:
        said.append("only asked what it sees: too large")
    return found | {"seconds": f"{time.monotonic() - began:.0f}", "said": "; ".join(said)}


# ---------------------------------------------------------------------------------------------------------- all of them


def asked_apart(spec: str) -> dict[str, str]:
    """The row of a network, from a process of its own, in which nothing is compiled, as torchvision would its boxes."""
    began, own = time.monotonic(), os.pathsep.join([str(ROOT), str(ROOT / "src")])
    environment = {**os.environ, "PYTHONPATH": own, "TORCHDYNAMO_DISABLE": "1"}
    try:
        done = subprocess.run([sys.executable, "-m", "tests.zoo.architectures", "--one", spec], capture_output=True,
                              text=True, timeout=LONG, env=environment, cwd=ROOT)  # fmt: skip
        return json.loads(done.stdout.splitlines()[-1])
    except subprocess.TimeoutExpired:
        said = f"took longer than {LONG} s"
    except (IndexError, json.JSONDecodeError):
        said = f"FAULT: {(done.stderr.strip().splitlines() or ['ended'])[-1]} (exit code {done.returncode})"
    empty = dict.fromkeys(COLUMNS, "") | {"network": spec.partition("?")[0]}
    return empty | {"seconds": f"{time.monotonic() - began:.0f}", "said": said}


def table(rows: list[dict[str, str]]) -> str:
    """In Markdown."""
    lines = ["| " + " | ".join(COLUMNS) + " |", "|" + "---|" * len(COLUMNS)]
    lines += ["| " + " | ".join(one[column].replace("|", "/") for column in COLUMNS) + " |" for one in rows]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Ask all of them, one after the other."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--torchvision", action="store_true", help="every classification network, and four others")
    words.add_argument("--timm", action="store_true", help="drawn from all families")
    words.add_argument("--many", type=int, default=40, help="so many of timm's")
    words.add_argument("--seed", type=int, default=0, help="of the draw")
    words.add_argument("--out", type=Path, default=Path("architectures.md"))
    words.add_argument("--one", help=argparse.SUPPRESS)
    given = words.parse_args()
    if given.one:
        return print(json.dumps(row(given.one)))
    specs = (torchvision_specs() if given.torchvision else []) + (
        timm_specs(given.many, given.seed) if given.timm else []
    )
    kept = given.out.with_suffix(".jsonl")
    rows = [json.loads(line) for line in kept.read_text().splitlines()] if kept.exists() else []
    known = {one["network"] for one in rows}
    for spec in breadth_first(specs):
        if spec.partition("?")[0] not in known:
            rows.append(asked_apart(spec))
            with kept.open("a") as file:
                file.write(json.dumps(rows[-1]) + "\n")
            print(table(rows[-1:]).splitlines()[-1], flush=True)
        given.out.write_text(table(rows))
    return None


if __name__ == "__main__":
    main()

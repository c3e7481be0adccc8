"""Make the corpus: a small PNG of every recipe, method and preset, each with the recipe that makes it again.

    python -m tests.corpus.make [NAME...]

Pictures here outlive the code that made them: `test_corpus.py` replays all of them. Only what is missing is made, so
that those of earlier versions stay; to make one anew, delete it.
"""

import json
import shlex
import shutil
import sys
import tempfile
from pathlib import Path

import torch

import phosphene
from phosphene.faces.cli.main import main
from tests.machine import kind

HERE = Path(__file__).parent
CAT, COFFEE = "skimage:chelsea", "skimage:coffee"
FIVE = f"{CAT} {COFFEE} skimage:astronaut skimage:rocket skimage:horse"
SMALL = "--size 40 --steps 6 --precision float32"  # bfloat16 is another number on every processor
ONE = "--size 40 --steps 1 --precision float32"
FEW = "--size 40 --steps 2 --precision float32"  # where small differences grow fast

VISUALIZE = (
    {
        f"preset-{name}": f"visualize mixed3b:7 --preset {name} {SMALL}"
        for name in "default best lucid yosinski-b yosinski-c yosinski-d plain".split()
    }
    | {"parameterization-cppn": f"visualize logits:goldfish --parameterization cppn {ONE}"}
    | {f"preset-{name}": f"visualize mixed3b:7 --preset {name} {FEW}" for name in "maco simonyan yosinski-a".split()}
    | {
        f"parameterization-{name}": f"visualize logits:goldfish --parameterization {name} {SMALL}"
        for name in "laplacian phase shared".split()
    }
    | {
        f"parameterization-{name}": f"visualize logits:goldfish --parameterization {name} {FEW}"
        for name in "pixels deep-prior".split()
    }
)
ATTRIBUTE = {
    name: f"attribute {CAT} --method {name} {options}"
    for name, options in {
        "gradient": "", "saliency": "", "deconvnet": "", "guided": "--target tabby --against goldfish",
        "input-x-gradient": "", "integrated": "--steps 4", "smoothgrad": "--samples 3", "grad-cam": "",
        "grad-cam++": "", "layer-cam": "--layer mixed3b", "score-cam": "", "ablation-cam": "", "eigen-cam": "",
        "gradient-shap": "--samples 4", "guided-grad-cam": "", "lrp": "--unit mixed4a:12", "rise": "--masks 16",
        "occlusion": "--window 16 --stride 8", "captum:DeepLift": "", "all": "--masks 8",
    }.items()
}  # fmt: skip
OTHERS = {
    "predict": f"predict {CAT}",
    "architecture": "architecture",
    "weights": "weights",
    "weights-layer": "weights mixed3a.conv3x3.conv --common --filters 0-3 --inputs 0-5",
    "accentuation": f"visualize mixed4a:3 --preset accentuation --start {CAT} {SMALL}",
    "transparent": f"visualize mixed4a:3 --transparency learned {SMALL}",
    "sum": f'visualize "mixed3b:7 + 0.5*mixed4a:3" --negative {SMALL}',
    "diverse": f"visualize mixed4a:3 --starts 2 --diverse 1 {FEW}",
    "interpolate": f"interpolate mixed4a:3 mixed4a:5 --count 3 {SMALL}",
    "context": f"context goldfish --starts 2 --others 1 {FEW}",
    "gallery": "gallery olah --only ours --size 24 --steps 1",
    "grid": f"grid {CAT} --layer mixed4a --cell 12 --steps 2",
    "caricature": f"caricature {CAT} --layer mixed4a --steps 2",
    "accentuate": f"accentuate {CAT} --layer mixed4a --steps 2 --views 2",
    "patches-rows": f"patches {CAT} {COFFEE} skimage:astronaut --unit mixed3b:7 --unit mixed4a:3 --count 3",
    "patches-nine": f"patches {FIVE} --layer mixed3b --each 1 --count 3 --sees most",
    "segment": f"segment {CAT} --box 10,10,40,40",
    "facets": f"facets mixed4a:3 {FIVE} --count 2 --fraction 1 {SMALL}",
    "atlas": f"atlas {CAT} {COFFEE} --layer mixed4a --cells 2 --per-photo 4 --size 24 --steps 1 --precision float32",
    "bfloat16": "visualize mixed4a:3 mixed3b:7 --size 40 --steps 3 --precision bfloat16",
    "dream": "dream skimage:microaneurysms --octaves 1 --steps 2 --layer mixed3a",
    "dream-unit": "dream skimage:microaneurysms --octaves 1 --steps 2 --layer mixed4a:3",
    "invert": f"invert {CAT} --layer mixed3a --steps 4",
    "invert-default": f"invert {CAT} --layer mixed3a --steps 4 --precision float32",
    "invert-mahendran": f"invert {CAT} --layer mixed3a --preset mahendran --restarts 2 --steps 4 --precision float32",
    "fgsm": f"attack {CAT} --method fgsm --eps 1/255",
    "pgd": f"attack {CAT} --method pgd --eps 1/255 --steps 4 --target goldfish",
    "digits-visualize": "visualize logits:3 logits:8 --net embedded:digits --steps 3",
    "digits-weights": "weights --net embedded:digits",
    "digits-predict": "predict skimage:text --net embedded:digits",
    "digits-lrp": "attribute skimage:text --net embedded:digits --method lrp",
    "digits-invert": "invert skimage:text --net embedded:digits --layer conv2 --steps 4",
    "digits-pgd": "attack skimage:text --net embedded:digits --method pgd --eps 8/255 --steps 4",
}
MADE = OTHERS | VISUALIZE | {f"attribute-{name.replace(':', '-')}": words for name, words in ATTRIBUTE.items()}


PYTHON = {
    "python-pgd": lambda network: phosphene.pgd(network, CAT, eps=1 / 255, steps=3),
    "python-guided": lambda network: phosphene.guided(network, CAT),
    "python-occlusion": lambda network: phosphene.occlusion(network, CAT, window=16, stride=16),
    "python-visualize": lambda network: phosphene.visualize(network, ["mixed3b:7-9"], size=32, steps=2),
}
"""Made in Python, several pictures as one sheet."""


def make(name: str) -> None:
    """Run a command, or Python, and keep the picture; of a command's several pictures the first."""
    if name in PYTHON:
        PYTHON[name](phosphene.load(precision="float32")).save(HERE / f"{name}.png")
        return
    with tempfile.TemporaryDirectory() as folder:
        try:
            main([*shlex.split(MADE[name]), "--out", folder, "--quiet"])
        except SystemExit as left:
            if left.code:
                raise
        written = sorted(p for p in Path(folder).rglob("*.png") if not p.stem.endswith((".figure", ".input")))
        shutil.copy(written[0], HERE / f"{name}.png")


def main_(names: list[str]) -> None:
    torch.set_num_threads(1)
    for name in names or [*MADE, *PYTHON]:
        if not (HERE / f"{name}.png").exists():
            make(name)
    (HERE / "machine.json").write_text(json.dumps(kind(), indent=1) + "\n")


if __name__ == "__main__":
    main_(sys.argv[1:])

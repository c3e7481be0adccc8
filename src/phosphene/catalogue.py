"""Every recipe and every command, once: its public name, where it is, how the command line calls it, one sentence.

A literal table. Python's public names (`phosphene.dream`), the command line, `--help` and replay are made of it, so a
new recipe is a row here, and nothing else. It imports no torch: the module of a row is loaded when it is first used.
"""

import importlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    # the public names once more, for editors and type checkers, which can't read the table
    from phosphene.adversarial.attacks.a3 import a3 as a3
    from phosphene.adversarial.attacks.apgd import apgd as apgd
    from phosphene.adversarial.attacks.bim import bim as bim
    from phosphene.adversarial.attacks.cw import cw as cw
    from phosphene.adversarial.attacks.ddn import ddn as ddn
    from phosphene.adversarial.attacks.deepfool import deepfool as deepfool
    from phosphene.adversarial.attacks.fab import fab as fab
    from phosphene.adversarial.attacks.fgsm import fgsm as fgsm
    from phosphene.adversarial.attacks.fmn import fmn as fmn
    from phosphene.adversarial.attacks.lbfgs import lbfgs as lbfgs
    from phosphene.adversarial.attacks.mi_fgsm import mi_fgsm as mi_fgsm
    from phosphene.adversarial.attacks.pdpgd import pdpgd as pdpgd
    from phosphene.adversarial.attacks.pgd import pgd as pgd
    from phosphene.adversarial.attacks.sigma_zero import sigma_zero as sigma_zero
    from phosphene.adversarial.attacks.square import square as square
    from phosphene.adversarial.tensors import attacks as attacks
    from phosphene.attribution.compare import compare as compare
    from phosphene.attribution.exemplars import exemplars as exemplars
    from phosphene.attribution.methods.cam import grad_cam as grad_cam
    from phosphene.attribution.methods.cam import grad_cam_plus_plus as grad_cam_plus_plus
    from phosphene.attribution.methods.cam import guided_grad_cam as guided_grad_cam
    from phosphene.attribution.methods.cam import layer_cam as layer_cam
    from phosphene.attribution.methods.gradient_free_cam import ablation_cam as ablation_cam
    from phosphene.attribution.methods.gradient_free_cam import eigen_cam as eigen_cam
    from phosphene.attribution.methods.gradient_free_cam import score_cam as score_cam
    from phosphene.attribution.methods.gradients import deconvnet as deconvnet
    from phosphene.attribution.methods.gradients import gradient as gradient
    from phosphene.attribution.methods.gradients import guided as guided
    from phosphene.attribution.methods.gradients import saliency as saliency
    from phosphene.attribution.methods.lrp import lrp as lrp
    from phosphene.attribution.methods.occlusion import occlusion as occlusion
    from phosphene.attribution.methods.paths import gradient_shap as gradient_shap
    from phosphene.attribution.methods.paths import input_x_gradient as input_x_gradient
    from phosphene.attribution.methods.paths import integrated as integrated
    from phosphene.attribution.methods.paths import smoothgrad as smoothgrad
    from phosphene.attribution.methods.rise import rise as rise
    from phosphene.attribution.methods.rollout import rollout as rollout
    from phosphene.attribution.segment import segment as segment
    from phosphene.core.errors import Mistake as Mistake
    from phosphene.core.index.index import Index as Index
    from phosphene.core.networks.network import Network as Network
    from phosphene.core.results.recipes import Recipe
    from phosphene.dataset.index import index as index
    from phosphene.dreaming.dream import dream as dream
    from phosphene.features.accentuate import accentuate as accentuate
    from phosphene.features.activation_grid import activation_grid as activation_grid
    from phosphene.features.architecture import architecture as architecture
    from phosphene.features.atlas import atlas as atlas
    from phosphene.features.caricature import caricature as caricature
    from phosphene.features.context import context as context
    from phosphene.features.facets import facets as facets
    from phosphene.features.gallery import gallery as gallery
    from phosphene.features.interpolate import interpolate as interpolate
    from phosphene.features.predict import predict as predict
    from phosphene.features.visualize import visualize as visualize
    from phosphene.features.weights import weights as weights
    from phosphene.inversion.compare import compare_priors as compare_priors
    from phosphene.inversion.invert import invert as invert
    from phosphene.inversion.metamers import metamers as metamers
    from phosphene.inversion.privacy import privacy as privacy
    from phosphene.models.specs import load as load
    from phosphene.models.specs import networks as networks
    from phosphene.style.apply_style import apply_style as apply_style
    from phosphene.style.arbitrary import adain as adain
    from phosphene.style.arbitrary import transport as transport
    from phosphene.style.arbitrary import wct as wct
    from phosphene.style.stylize import stylize as stylize
    from phosphene.style.texture import texture as texture


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        command: how the command line calls it; rows of one command are its methods, the default one first.
        name: the public name in Python, by which pictures are made again; empty for a command that is not a recipe.
        home: MODULE:NAME, below `phosphene`.
        sentence: what it does.
        method: its name as --method. `PREFIX:NAME` stands for every name after that prefix: its home makes a recipe of
            the name.
        many: the option that names independent pictures, of which many may be made part by part.
        judge: MODULE of the judges, other networks that say what they see in its pictures.
        choice: the option that chooses among the methods of its command; `none` stands for the command by itself.
        folders: whether a folder in place of the photograph is done picture by picture.
    """

    command: str
    name: str
    home: str
    sentence: str
    method: str = ""
    many: str = ""
    judge: str = ""
    choice: str = "method"
    folders: bool = False

    @property
    def prefix(self) -> str:
        """What the names of a whole family begin with; empty for a single recipe."""
        return self.method.removesuffix("NAME") if self.method.endswith(":NAME") else ""


JUDGE = "features.judge"
ITSELF = "none"
"""The method that is the command by itself."""

CATALOGUE: tuple[Row, ...] = (
    Row("networks", "", "faces.cli.commands:list_networks", "List what can be loaded."),
    Row("layers", "", "faces.cli.commands:list_layers", "List a network's layers, as a tree."),
    Row("architecture", "architecture", "features.architecture:architecture", "Draw what a network is made of."),
    Row("predict", "predict", "features.predict:predict", "Say what a network sees in a photograph."),
    Row("weights", "weights", "features.weights:weights", "Show a layer's weights as pictures."),
    Row("visualize", "visualize", "features.visualize:visualize", "Paint what units look for.", many="units",
        judge=JUDGE),
    Row("interpolate", "interpolate", "features.interpolate:interpolate", "Paint a strip from one unit to another."),
    Row("context", "context", "features.context:context", "Paint a class several times: what else is in it?",
        judge=JUDGE),
    Row("gallery", "gallery", "features.gallery:gallery", "Show a paper's figure on your network, beside ours.",
        judge=JUDGE),
    Row("grid", "activation_grid", "features.activation_grid:activation_grid",
        "Paint what a layer sees at each place of a photograph."),
    Row("caricature", "caricature", "features.caricature:caricature", "Exaggerate what a layer sees in a photograph."),
    Row("accentuate", "accentuate", "features.accentuate:accentuate", "Change a photograph a little towards a unit."),
    Row("attribute", "saliency", "attribution.methods.gradients:saliency",
        "Show how strongly the score depends on each pixel.", "saliency"),
    Row("attribute", "gradient", "attribution.methods.gradients:gradient",
        "Show the gradient of the score, colour by colour.", "gradient"),
    Row("attribute", "deconvnet", "attribution.methods.gradients:deconvnet",
        "Show what a deconvnet traces back to.", "deconvnet"),
    Row("attribute", "guided", "attribution.methods.gradients:guided", "Show guided backprop.", "guided"),
    Row("attribute", "input_x_gradient", "attribution.methods.paths:input_x_gradient",
        "Show what each colour adds, to first order.", "input-x-gradient"),
    Row("attribute", "integrated", "attribution.methods.paths:integrated", "Show integrated gradients.", "integrated"),
    Row("attribute", "gradient_shap", "attribution.methods.paths:gradient_shap",
        "Show gradient times change at random places of random ways (GradientSHAP).", "gradient-shap"),
    Row("attribute", "smoothgrad", "attribution.methods.paths:smoothgrad",
        "Show the gradient's mean among noisy neighbours.", "smoothgrad"),
    Row("attribute", "grad_cam", "attribution.methods.cam:grad_cam",
        "Show where a late layer finds it (Grad-CAM).", "grad-cam"),
    Row("attribute", "grad_cam_plus_plus", "attribution.methods.cam:grad_cam_plus_plus",
        "Show where a late layer finds it, every occurrence (Grad-CAM++).", "grad-cam++"),
    Row("attribute", "layer_cam", "attribution.methods.cam:layer_cam",
        "Show where a layer finds it, place by place (LayerCAM).", "layer-cam"),
    Row("attribute", "score_cam", "attribution.methods.gradient_free_cam:score_cam",
        "Show where a late layer finds it, by what its channels let through (Score-CAM).", "score-cam"),
    Row("attribute", "ablation_cam", "attribution.methods.gradient_free_cam:ablation_cam",
        "Show where a late layer finds it, by what its channels are missed for (Ablation-CAM).", "ablation-cam"),
    Row("attribute", "eigen_cam", "attribution.methods.gradient_free_cam:eigen_cam",
        "Show what a late layer's channels have in common (Eigen-CAM).", "eigen-cam"),
    Row("attribute", "guided_grad_cam", "attribution.methods.cam:guided_grad_cam",
        "Show guided backprop where Grad-CAM finds it.", "guided-grad-cam"),
    Row("attribute", "lrp", "attribution.methods.lrp:lrp", "Show layer-wise relevance propagation.", "lrp"),
    Row("attribute", "rise", "attribution.methods.rise:rise", "Show the mean score behind random masks (RISE).",
        "rise"),
    Row("attribute", "rollout", "attribution.methods.rollout:rollout", "Show where attention leads in a transformer.",
        "rollout"),
    Row("attribute", "occlusion", "attribution.methods.occlusion:occlusion",
        "Show how much the score drops where a square covers the picture.", "occlusion"),
    Row("attribute", "", "attribution.methods.through_captum:captum_method", "Show what a method of Captum says.",
        "captum:NAME"),
    Row("attribute", "compare", "attribution.compare:compare", "Show what every method says, side by side.", "all"),
    Row("exemplars", "exemplars", "attribution.exemplars:exemplars",
        "Show the parts of photographs that excite a unit most."),
    Row("segment", "segment", "attribution.segment:segment", "Cut out the object that a score depends on (GrabCut)."),
    Row("atlas", "atlas", "features.atlas:atlas", "Map what a layer finds in many photographs."),
    Row("facets", "facets", "features.facets:facets", "Paint a unit's facets, from the photographs that excite it."),
    Row("dream", "dream", "dreaming.dream:dream", "Amplify what a layer sees in a photograph (DeepDream)."),
    Row("invert", "invert", "inversion.invert:invert", "Find a picture that a layer can't tell from a photograph.",
        ITSELF, choice="compare"),
    Row("invert", "compare_priors", "inversion.compare:compare_priors",
        "Show what each prior paints at the same error of the code.", "priors", choice="compare"),
    Row("code", "", "faces.cli.code:write_code", "Save what layers say about a photograph, without it."),
    Row("privacy", "privacy", "inversion.privacy:privacy", "Say down to which layer activations show a photo."),
    Row("metamers", "metamers", "inversion.metamers:metamers", "Find pictures that a layer can't tell apart."),
    Row("stylize", "stylize", "style.stylize:stylize", "Paint it in any style, move by move.", "descent"),
    Row("stylize", "wct", "style.arbitrary:wct", "Paint it in any style at once, by covariances (WCT).", "wct"),
    Row("stylize", "adain", "style.arbitrary:adain", "Paint it in any style at once, by channels (AdaIN).", "adain"),
    Row("stylize", "transport", "style.arbitrary:transport",
        "Paint it in any style at once, moving its features least (optimal transport).", "transport"),
    Row("stylize", "apply_style", "style.apply_style:apply_style",
        "Paint it in the style that a network was trained on, in one pass.", "feed-forward", folders=True),
    Row("texture", "texture", "style.texture:texture", "Make more of a texture, of any size, seamless on demand."),
    Row("attack", "pgd", "adversarial.attacks.pgd:pgd", "Fool it with many small steps.", "pgd"),
    Row("attack", "fgsm", "adversarial.attacks.fgsm:fgsm", "Fool it with one step.", "fgsm"),
    Row("attack", "bim", "adversarial.attacks.bim:bim", "Fool it with steps of one level each.", "bim"),
    Row("attack", "mi_fgsm", "adversarial.attacks.mi_fgsm:mi_fgsm", "Fool it, and other networks, with momentum.",
        "mi-fgsm"),
    Row("attack", "apgd", "adversarial.attacks.apgd:apgd", "Fool it with steps that become shorter by themselves.",
        "apgd"),
    Row("attack", "a3", "adversarial.attacks.a3:a3", "Fool it by every other class in turn, the nearest again.", "a3"),
    Row("attack", "square", "adversarial.attacks.square:square", "Fool it by its scores alone, with random squares.",
        "square"),
    Row("attack", "fab", "adversarial.attacks.fab:fab",
        "Fool it with the smallest change, along the linearized boundary (FAB).", "fab"),
    Row("attack", "fmn", "adversarial.attacks.fmn:fmn",
        "Fool it with the smallest change, by a radius that shrinks and grows (FMN).", "fmn"),
    Row("attack", "ddn", "adversarial.attacks.ddn:ddn",
        "Fool it with the smallest change, its direction apart from its length (DDN).", "ddn"),
    Row("attack", "deepfool", "adversarial.attacks.deepfool:deepfool",
        "Fool it by steps onto the nearest linearized boundary (DeepFool).", "deepfool"),
    Row("attack", "cw", "adversarial.attacks.cw:cw",
        "Fool it with the smallest change, by descents between change and margin (C&W).", "cw"),
    Row("attack", "lbfgs", "adversarial.attacks.lbfgs:lbfgs", "Fool it by L-BFGS, the first attack.", "lbfgs"),
    Row("attack", "sigma_zero", "adversarial.attacks.sigma_zero:sigma_zero", "Fool it by few values.", "sigma-zero"),
    Row("attack", "pdpgd", "adversarial.attacks.pdpgd:pdpgd", "Fool it by a primal-dual search.", "pdpgd"),
    Row("transfer", "", "faces.cli.transfer:transfer", "Try examples made on each network on all the others."),
    Row("train-robust", "", "faces.cli.train:train_robust", "Train a network on your pictures that is hard to fool."),
    Row("train-dream", "", "faces.cli.album:train_dream", "Train a network on your pictures, so that it dreams them."),
    Row("train-decoder", "", "faces.cli.decoder:train_decoder", "Train a way back from a layer's code to pictures."),
    Row("train-style", "", "faces.cli.style:train_style", "Train a network that paints in a style in one pass."),
    Row("lesson", "", "faces.cli.lesson:give_lesson", "Show on a page why small changes fool classifiers."),
    Row("evaluate", "", "faces.cli.evaluate:evaluate_network", "Say how often a network can be fooled on a data set."),
    Row("index", "", "faces.cli.index:index_data", "Find what each unit answers to in a data set of your own."),
    Row("map", "", "faces.cli.map:map_index", "Lay the images of an index out on a page that zooms."),
    Row("neighbours", "", "faces.cli.neighbours:find_neighbours", "Find the images most like a photograph."),
    Row("report", "", "faces.cli.report:report_layer", "Show every unit of a layer on one page, out of an index."),
    Row("trial", "", "faces.cli.trial:take_trial", "Answer what a network answers, and compare."),
    Row("replay", "", "faces.cli.replay:replay_picture", "Make a picture again, from the recipe that it carries."),
    Row("tune", "", "faces.cli.tune:tune_network", "Measure the fastest way to run a network here."),
    Row("tour", "", "faces.cli.commands:take_tour", "Walk through all of it, on one photograph, into one page."),
)  # fmt: skip

SENTENCES = {
    "attribute": "Show which pixels matter.",
    "attack": "Fool a network with a change that nobody sees.",
    "stylize": "Paint a photograph in another picture's style.",
    "invert": "Find a picture that a layer can't tell from a photograph.",
}
"""What a command with several methods does."""

PUBLIC = {
    "load": "models.specs:load",
    "networks": "models.specs:networks",
    "Network": "core.networks.network:Network",
    "Mistake": "core.errors:Mistake",
    "attacks": "adversarial.tensors:attacks",
    "index": "dataset.index:index",
    "Index": "core.index.index:Index",
}
"""Public names that are not recipes."""

# --------------------------------------------------------------------------------------------------------- looking up


def unique(rows: Iterable[Row], others: Iterable[str]) -> tuple[str, ...]:
    """The public names, sorted.

    Raises:
        ValueError: two of them are the same.
    """
    names = [row.name for row in rows if row.name] + list(others)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"the catalogue has two of {', '.join(twice)}; a public name stands for one thing")
    return tuple(sorted(names))


NAMES = unique(CATALOGUE, PUBLIC)
"""Every public name."""


def commands() -> dict[str, tuple[Row, ...]]:
    """The rows of each command, in order."""
    rows: dict[str, tuple[Row, ...]] = {}
    for row in CATALOGUE:
        rows[row.command] = (*rows.get(row.command, ()), row)
    return rows


def sentence(command: str) -> str:
    """What a command does."""
    return SENTENCES.get(command) or commands()[command][0].sentence


def loaded(home: str) -> Any:
    """What stands at MODULE:NAME, or a module."""
    module, _, name = home.partition(":")
    place = importlib.import_module(f"phosphene.{module}")
    return getattr(place, name) if name else place


def public(name: str) -> Any:
    """What a public name stands for."""
    row = next((row for row in CATALOGUE if row.name == name), None)
    return loaded(row.home if row else PUBLIC[name])


def recipes() -> dict[str, Row]:
    """The row of every recipe by its name; a family of recipes by `PREFIX:NAME`."""
    return {row.name or row.method: row for row in CATALOGUE if row.name or row.method}


def row_of(recipe: str) -> Row | None:
    """The row of a recipe's name, if there is one."""
    every = recipes()
    family = next((row for row in every.values() if row.prefix and recipe.startswith(row.prefix)), None)
    return every.get(recipe) or family


def recipe(name: str) -> "Recipe[..., Any]":
    """The recipe of this name.

    Raises:
        KeyError: there is none.
    """
    row = row_of(name)
    if row is None:
        raise KeyError(name)
    return loaded(row.home)(name.removeprefix(row.prefix)) if row.prefix else loaded(row.home)


def method(command: str, name: str = "") -> "Recipe[..., Any]":
    """The recipe that is this method of a command; by default its first one.

    Raises:
        KeyError: it has no such method.
    """
    for row in commands()[command]:
        if row.prefix and name.startswith(row.prefix):
            return recipe(name)
        if row.method == name or not name:
            return loaded(row.home)
    raise KeyError(name)


def methods(command: str) -> dict[str, Row]:
    """The methods of a command; none for one that has no choice."""
    return {row.method: row for row in commands()[command] if row.method}

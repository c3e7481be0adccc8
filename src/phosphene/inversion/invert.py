"""What layers remember: find pictures with the same codes (Mahendran & Vedaldi 2015, arXiv:1412.0035).

argmin |Phi(x) - Phi_0|^2 / |Phi_0|^2 + lambda R(x), from noise. Where the code is the same and the picture is not, the
layer has forgotten the difference. The normalized error is that of the 8-bit picture.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Annotated, Any, Unpack

import torch
from jaxtyping import Float, Int
from PIL import Image
from torch import Tensor

from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from phosphene.core.networks.preprocessing import seen
from phosphene.core.optimization.ascent import Size
from phosphene.core.optimization.settings import Settings
from phosphene.core.optimization.settings_options import FurtherOptions
from phosphene.core.optimization.steps import Step
from phosphene.core.options import Bounds, Seed, Steps, Weight, Words, options_of
from phosphene.core.pictures.eight_bit import nearest_levels
from phosphene.core.pictures.files import Photo, is_code
from phosphene.core.pictures.likeness import psnr, ssim
from phosphene.core.pictures.sheets import figure
from phosphene.core.results.recipes import recipe
from phosphene.core.results.results import Panel, Result, Run
from phosphene.core.units.inputs import Fit, feed, logits, top
from phosphene.inversion.code_files import read_code_file
from phosphene.inversion.codes import ALL, Code, chosen_layers, errors, is_score, read_codes
from phosphene.inversion.decoders import begins, led
from phosphene.inversion.measures import colour_error
from phosphene.inversion.presets import AnyPreset, restarts_of, setup
from phosphene.inversion.search import ERROR, searched

Restarts = Annotated[int, Bounds(1, 256)]


FIRST = 5
"""So many of the strongest classes are compared, where the code is what the network says in the end."""


class InvertOptions(FurtherOptions, total=False):
    """What an inversion may be told besides."""

    decoded: Annotated[bool, Words("begin at the picture of a decoder; by default where one is given")]
    decoder_weight: Annotated[
        Weight, Words("weight of the mean square distance to the picture of a decoder: one that is given, or our own")
    ]


options_of(
    InvertOptions, Settings, leave_out=("tv", "steps", "rate", "jitter", "transparency", "opacity", "stretch", "until")
)


@dataclass(frozen=True)
class Subject:
    """What is inverted.

    Attributes:
        codes: of each layer.
        size: (height, width) of the picture that they are of.
        fed: that picture, where it is known.
    """

    codes: Sequence[Code]
    size: Size
    fed: Float[Tensor, "1 c h w"] | None = None


def subject(network: Network, photo: Photo, layer: str | Sequence[str] | None, fit: Fit) -> Subject:
    """The codes of a photograph, or those of a file."""
    if isinstance(photo, (str, PathLike)) and is_code(photo):
        return Subject(*read_code_file(network, photo, layer))
    fed = feed(network, photo, fit)
    every = ALL in ([layer] if isinstance(layer, str) else layer or [])
    codes = read_codes(network, fed, chosen_layers(network, layer), some=every)
    return Subject(codes, (fed.shape[2], fed.shape[3]), fed)


@recipe("picture")
def invert(
    network: Network,
    photo: Photo,
    *,
    layer: str | Sequence[str] | None = None,
    preset: AnyPreset = "default",
    restarts: Restarts | None = None,
    steps: Steps | None = None,
    tv: Weight | None = None,
    rate: Weight | None = None,
    patience: Steps = 50,
    start: Photo | None = None,
    decoder: Photo | None = None,
    fit: Fit = "crop",
    seed: Seed = 0,
    **given: Unpack[InvertOptions],
) -> Run:
    """Find a picture that LAYER can't tell from PHOTO, starting at noise.

    A preset says how; every option without a default of its own replaces one of its values. Several layers are inverted
    together, and the best picture so far of each is kept.

    Args:
        network: the network to read.
        photo: a path, `skimage:NAME`, or pixels; or a file of codes without the picture (`phosphene code`).
        layer: whose activations are the code; `all` for those that blocks end with; `logits`, `probabilities` or
            `log-probabilities` for what the network says in the end; by default a layer above the middle.
        preset: default, mahendran (their paper's), plain (the bare loop without priors), deep-prior (an untrained
            network as the picture, which takes its time, and ends where its pictures vary least).
        restarts: so many starts of each layer, of which the best is kept.
        steps: how many moves.
        tv: the weight of total variation, which prefers smooth pictures among those with the same code.
        rate: the length of a move.
        patience: a picture is finished when its error has not fallen by 1 % in so many steps; 0 takes all steps.
        start: a photograph to begin at instead of noise; where the code is blind, the picture stays as it is there.
        decoder: a file that `phosphene train-decoder` wrote, to begin at its picture.
        fit: how a photograph becomes the network's input.
        seed: of the start.
    """
    about = subject(network, photo, layer, fit)
    begun = None if start is None else _begun(network, start, fit, about.size)
    at = "start" if start is not None else "decoder" if begins(decoder, given.get("decoded")) else ""
    many = (1 if at else restarts_of(preset)) if restarts is None else restarts
    if at and many > 1:
        raise Mistake(f"{many} restarts at one picture would be the same search; leave out restarts or {at}")
    problems = [code for code in about.codes for _ in range(many)]
    own = {**given, "steps": steps, "tv": tv, "rate": rate}
    how = setup(preset, own, network, [code.layer for code in problems], about.size)
    learned = led(network, problems, about.size, decoder, given.get("decoded"), given.get("decoder_weight", 0.0))
    if begun is not None and learned.start is not None:
        raise Mistake("it begins at a photograph or at a decoder's picture, not at both; leave out start, or decoded")
    path = searched(
        network, problems, how.settings, about.size, starts=[*range(many)] * len(about.codes), seed=seed,
        nouns=how.nouns.besides(learned.prior), patience=patience, start=learned.start if begun is None else begun,
    )  # fmt: skip
    names = [code.layer for code in about.codes]

    def shown(step: Step) -> Float[Tensor, "n 3 h w"]:
        return seen(network, step.pictures[kept_rows(step, many).to(step.pictures.device)])

    def finish(step: Step) -> Result:
        pictures = nearest_levels(shown(step))
        numbers = _numbers(network, about, step, pictures, many)
        return _result(network, about, pictures.float().cpu(), numbers, begun)

    return Run(path, total=how.settings.steps, names=names, finish=finish, shown=shown)


def _begun(network: Network, start: Photo, fit: Fit, size: Size) -> Float[Tensor, "1 c h w"]:
    """What the network is fed for the photograph that a search begins at."""
    begun = feed(network, start, fit)
    if begun.shape[2:] != size:
        height, width = begun.shape[2:]
        raise Mistake(
            f"the start is {height} x {width} px and the code is of {size[0]} x {size[1]}; give pictures of one size, "
            "or --fit crop"
        )
    return begun


def kept_rows(step: Step, many: int) -> Int[Tensor, " codes"]:
    """Of each code the row with the least error among its `many` starts, which are neighbours."""
    best = step.outputs[ERROR].cpu().view(-1, many).argmin(1)
    return many * torch.arange(len(best)) + best


def _numbers(network: Network, about: Subject, step: Step, pictures: Tensor, many: int) -> list[dict[str, Any]]:
    """What is to be said about each code's picture."""
    found = errors(network, about.codes, pictures)
    numbers: list[dict[str, Any]] = [
        {"layer": code.layer, "error": float(error), "steps": step.index}
        for code, error in zip(about.codes, found, strict=True)
    ]
    if many > 1:
        every = step.outputs[ERROR].cpu().view(-1, many)
        for one, starts in zip(numbers, every, strict=True):
            one["errors of the starts"] = starts.tolist()
    for one, code, picture in zip(numbers, about.codes, pictures, strict=True):
        if code.layer == "logits" or is_score(network, code.layer):
            one |= classes(network, code, picture[None])
    if about.fed is not None:
        measured = compared(pictures, seen(network, about.fed))
        for one, further in zip(numbers, measured, strict=True):
            one |= further
    return numbers


def classes(network: Network, code: Code, picture: Float[Tensor, "1 3 h w"]) -> dict[str, Any]:
    """What the network sees in a picture of what it said: its five strongest classes, and how many the code has too."""
    found = top(network, logits(network, picture)[0], FIRST)
    said = network.head.scores(code.values, "logit") if code.layer == "logits" else code.values
    first = said[0].argsort(descending=True)[:FIRST].tolist()
    return {"top": found, "kept classes": sum(one["class"] in first for one in found)}


def compared(pictures: Float[Tensor, "n 3 h w"], photo: Float[Tensor, "1 3 h w"]) -> list[dict[str, float]]:
    """How near each picture is to the photograph."""
    every = zip(psnr(pictures, photo), ssim(pictures, photo), colour_error(pictures, photo), strict=True)
    return [{"psnr": float(p), "ssim": float(s), "colour error": float(c)} for p, s, c in every]


def _result(
    network: Network, about: Subject, pictures: Float[Tensor, "n 3 h w"], numbers: list[dict[str, Any]],
    begun: Float[Tensor, "1 c h w"] | None,
) -> Result:  # fmt: skip
    names = [code.layer for code in about.codes]
    fed = None if about.fed is None else seen(network, about.fed).float().cpu()
    first: list[Panel] = [] if fed is None else [("the network's input", fed)]
    first += [] if begun is None else [("the start", seen(network, begun).float().cpu())]
    found: list[Panel] = [(_caption(one), picture[None]) for one, picture in zip(numbers, pictures, strict=True)]
    title = f"What {names[0] if len(names) == 1 else f'{len(names)} layers'} of {network.name} remember"
    title += "s" if len(names) == 1 and not names[0].endswith("s") else ""
    return Result(
        image=pictures, names=names, numbers=numbers, panels=[[*first, one] for one in found], title=title,
        input=fed, drawing=_row([*first, *found], title) if len(names) > 1 else None,
    )  # fmt: skip


def _caption(numbers: Mapping[str, Any]) -> str:
    words = f"from {numbers['layer']}; error {numbers['error']:.2g}"
    if "top" in numbers:
        words += f"; {numbers['kept classes']} of its {len(numbers['top'])} strongest classes"
    return words


def _row(panels: list[Panel], title: str) -> Image.Image:
    """The photograph and every depth, beside one another."""
    return figure(panels, title, columns=min(len(panels), 10), side=224)

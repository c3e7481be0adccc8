"""What activations give away: down to which layer a photograph can be found again from its code alone.

Activations are passed on as if they were anonymous: to be stored, compared, trained on. Here each layer's code of a
photograph is inverted as `invert` does it (Mahendran & Vedaldi 2015, arXiv:1412.0035), and it is told how near the
picture that was found is to the photograph, what two networks call it, and whether it is recognized: whether a second
network, which had no part in it, finds it more like that photograph than like any of scikit-image's. Where it is, the
code is not anonymous. It may be told by what kind of thing it shows, as none of the others need be alike; so what the
network says in the end, which is no more than that, is told and does not count. Where it is not, nothing is proven: a
longer search, or a decoder that was trained on such pictures, may find more.
"""

from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Annotated, Any, Literal, Unpack

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from phosphene.core.networks.network import Network
from phosphene.core.networks.preprocessing import seen
from phosphene.core.optimization.settings_options import FurtherOptions
from phosphene.core.optimization.steps import Step
from phosphene.core.options import Seed, Steps, Words
from phosphene.core.pictures.eight_bit import nearest_levels
from phosphene.core.pictures.files import Photo, open_photo
from phosphene.core.pictures.fitting import fit as fitted
from phosphene.core.pictures.samples import SAMPLES, SKIMAGE
from phosphene.core.pictures.sheets import grid
from phosphene.core.results.recipes import recipe
from phosphene.core.results.results import Panel, Result, Run
from phosphene.core.units.default_layers import spread, stages
from phosphene.core.units.inputs import Fit, feed, logits, said_in_words, top
from phosphene.inversion.codes import ALL, SCORES, Code, chosen_layers, errors, in_order, read_codes
from phosphene.inversion.invert import compared
from phosphene.inversion.judge import judge_name
from phosphene.inversion.presets import AnyPreset, setup
from phosphene.inversion.search import searched
from phosphene.models.specs import load

Second = Literal["embedded:photo-robust", "embedded:photo"]

SAME = 0.1
"""Two codes of a second network that are nearer than this part of one are of the same photograph: compressed again it
moves by .02, and two lawns are .14 apart."""

MANY = 10
"""So many layers are tried unless somebody names them."""


@recipe("picture")
def privacy(
    network: Network,
    photo: Photo,
    *,
    layer: Annotated[
        str | Sequence[str] | None,
        Words("whose activations; by default ten that blocks end with, and the logits; `all` for all ends of blocks"),
    ] = None,
    second: Annotated[
        Second | None,
        Words(
            "the network that says whether a picture is recognized; it has no part in finding it; by default "
            "embedded:photo-robust, or for itself embedded:photo"
        ),
    ] = None,
    preset: Annotated[AnyPreset, Words("how codes are inverted: default, mahendran, plain or deep-prior")] = "default",
    steps: Annotated[Steps | None, Words("how many moves; by default the preset's")] = None,
    fit: Annotated[Fit, Words("how the photograph becomes the network's input")] = "crop",
    seed: Annotated[Seed, Words("of the start")] = 0,
    **given: Unpack[FurtherOptions],
) -> Run:
    """Say down to which layer PHOTO can be found again from activations alone.

    Args:
        network: the network whose activations would be passed on.
        photo: a path, `skimage:NAME`, or pixels.
    """
    fed = feed(network, photo, fit)
    judge = judge_name(network) if second in (None, network.name) else second
    if second == network.name:
        network.tell(f"{second} is the network whose activations these are, so {judge} says what is recognized")
    names = in_order(network, chosen_layers(network, layer or [*spread(network, MANY), "logits"]))
    codes = read_codes(network, fed, names, some=layer is None or ALL in ([layer] if isinstance(layer, str) else layer))
    names, size = [code.layer for code in codes], (fed.shape[2], fed.shape[3])
    how = setup(preset, {**given, "steps": steps}, network, names, size)
    path = searched(network, codes, how.settings, size, seed=seed, nouns=how.nouns, patience=50)

    def finish(step: Step) -> Result:
        pictures = nearest_levels(seen(network, step.pictures))
        other = load(judge, device=str(network.device))
        return _report(network, other, codes, seen(network, fed), pictures, fit)

    def shown(step: Step) -> Float[Tensor, "1 3 h w"]:
        return grid(torch.cat([seen(network, fed), seen(network, step.pictures)]).float().cpu())

    return Run(path, total=how.settings.steps, names=["privacy"], finish=finish, shown=shown)


def first_answers(network: Network, pictures: Float[Tensor, "n 3 h w"]) -> list[dict[str, Any]]:
    """The class that a network names first of each picture, shown whole."""
    return [top(network, one, 1)[0] for one in logits(network, _whole(network, pictures))]


@torch.no_grad()
def recognized(
    second: Network, pictures: Float[Tensor, "n 3 h w"], photo: Float[Tensor, "1 3 h w"], fit: Fit = "squash"
) -> Bool[Tensor, " n"]:
    """Whether each picture is more like the photograph than like any of scikit-image's, to this network.

    Likeness is the cosine between the means over places of its last stage, less their mean over all photographs. It may
    be one of them itself, by whatever name and compressed again; that one is left out.

    Args:
        fit: how the photograph became these pixels, as the others do.
    """
    layer, size = stages(second)[-1], (photo.shape[2], photo.shape[3])
    own, how = _code(second, photo, layer), "crop" if fit == "crop" else "squash"
    others = [_code(second, fitted(open_photo(SKIMAGE + name), size, how), layer) for name in SAMPLES]
    known = torch.cat([own, *(one for one in others if (one - own).norm() > SAME * own.norm())])
    found, middle = torch.cat([_code(second, one[None], layer) for one in pictures]), known.mean(0)
    likeness = torch.nn.functional.cosine_similarity((found - middle)[:, None], (known - middle)[None], dim=2)
    return (likeness.argmax(1) == 0).cpu()


def _code(network: Network, picture: Float[Tensor, "1 3 h w"], layer: str) -> Float[Tensor, "1 channels"]:
    said = network.planned("reading").read(_whole(network, picture), [layer])[layer]
    return said.flatten(2).mean(2) if said.dim() > 2 else said


def _whole(network: Network, pictures: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n 3 height width"]:
    """Pictures at a network's own size."""
    return fitted(pictures.float().cpu(), network.size, "squash").to(network.device, network.dtype)


def given_away(layers: Sequence[Mapping[str, Any]]) -> str:
    """One sentence for who wants to publish activations: down to which layer every picture is recognized.

    A single one behind others that are not may be chance: of twenty photographs one is always the nearest. What the
    network says in the end does not count, unless there is nothing else.
    """
    layers = [one for one in layers if one["layer"] not in ("logits", *SCORES)] or layers
    known = list(takewhile(lambda one: one["recognized"], layers))
    if not known:
        return (
            "The picture that was found from the first of these layers is not recognized; which proves nothing: a "
            "longer search, or a decoder that was trained on such pictures, may find one that is"
        )
    rest = "; that others gave nothing away here proves nothing" if len(known) < len(layers) else ""
    return (
        f"Down to {known[-1]['layer']} activations are not anonymous: the pictures that were found from them alone are "
        f"recognized, told from twenty other photographs{rest}"
    )


def _report(
    network: Network,
    second: Network,
    codes: Sequence[Code],
    photo: Float[Tensor, "1 3 h w"],
    pictures: Float[Tensor, "n 3 h w"],
    fit: Fit,
) -> Result:
    every = torch.cat([photo, pictures])
    mine, theirs = (first_answers(one, every) for one in (network, second))
    known = recognized(second, pictures, photo, fit).tolist()
    found = zip(codes, errors(network, codes, pictures).tolist(), compared(pictures, photo), known, strict=True)
    layers = [
        {
            "layer": code.layer, "numbers": code.values.numel(), "error": error, **near, "says": own, "second": other,
            "kept": own["class"] == mine[0]["class"], "recognized": again,
        }
        for (code, error, near, again), own, other in zip(found, mine[1:], theirs[1:], strict=True)
    ]  # fmt: skip
    captions = [
        "the network's input",
        *(
            f"{one['layer']}: error {one['error']:.3f}, SSIM {one['ssim']:.2f}, {one['psnr']:.1f} dB"
            f"{', recognized' if one['recognized'] else ''}"
            for one in layers
        ),
    ]
    shown = every.float().cpu()
    panels: list[Panel] = [
        (f"{caption}\n{network.name}: {said_in_words([own])}\n{second.name}: {said_in_words([other])}", picture[None])
        for caption, own, other, picture in zip(captions, mine, theirs, shown, strict=True)
    ]
    sentence = given_away(layers)
    numbers = [{"words": sentence, "says": mine[0], "second": theirs[0], "layers": layers}]
    return Result(
        image=grid(shown), names=["privacy"], numbers=numbers, panels=[panels], title=sentence, input=shown[:1]
    )

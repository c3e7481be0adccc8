"""Textures of any size from a picture of one (Gatys et al. 2015, arXiv:1505.07376): new, and the same to the eye.

What a texture is, statistics of a network's features say, whatever the place. A picture that begins as noise in the
texture's colours is moved until its own are the same. There is no seam to hide and no part that is copied.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, Unpack

from jaxtyping import Float
from torch import Tensor

from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from phosphene.core.networks.preprocessing import working_dtype
from phosphene.core.optimization.ascent import Nouns, Size, check_colours, stages
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.settings import Settings
from phosphene.core.optimization.settings_options import FurtherOptions
from phosphene.core.optimization.steps import Step
from phosphene.core.options import Bounds, Seed, Side, Steps, Weight, Words, options_of
from phosphene.core.pictures.eight_bit import nearest_levels, precise
from phosphene.core.pictures.files import Photos, PhotosInOrder, open_photo
from phosphene.core.pictures.fitting import resize
from phosphene.core.pictures.masks import read_mask
from phosphene.core.results.recipes import recipe
from phosphene.core.results.results import Panel, Result, Run
from phosphene.core.units.photographs import photo_name
from phosphene.style.layers import fitting_layers, is_residual
from phosphene.style.regions import completed
from phosphene.style.statistics import OF_FEATURES, OF_SUMS
from phosphene.style.synthesis import Synthesis

TEXTURE = Settings(parameterization="pixels", optimizer="lbfgs", steps=200)
"""How it is moved at the first size."""


class TextureOptions(FurtherOptions, total=False):
    """What may be told besides."""

    height: Annotated[Side, Words("in pixels; by default as high as wide")]
    wasserstein: Annotated[Weight, Words("weight of how far features would have to be carried, were they normal")]
    histogram: Annotated[Weight, Words("weight of the histogram of each channel")]
    sliced: Annotated[Weight, Words("weight of the histograms along directions through all channels")]
    nearest: Annotated[Weight, Words("weight of how far each place is from the one that it is most like")]
    smooth: Annotated[
        Literal["auto", "on", "off"],
        Words("smooth features by a softmax before they are compared: auto, where the network is a residual one"),
    ]
    rate: Annotated[Weight, Words("the length of a move, where the optimizer doesn't find its own")]
    tv: Annotated[Weight, Words("weight of the total variation")]


options_of(TextureOptions, Settings, leave_out=("steps", "jitter", "transparency", "opacity", "stretch", "until"))


@recipe("picture")
def texture(
    network: Network,
    textures: PhotosInOrder,
    *,
    size: Side = 512,
    seamless: bool = False,
    mask: PhotosInOrder | None = None,
    layer: str | Sequence[str] | None = None,
    gram: Weight = 1.0,
    spread: Weight = 1.0,
    texture_scale: Annotated[float, Bounds(0.1, 10)] = 1.0,
    steps: Steps = 200,
    seed: Seed = 0,
    **given: Unpack[TextureOptions],
) -> Run:
    """Make more of a texture: a new picture of any size that looks like TEXTURES, grown from noise.

    Args:
        network: the network to read.
        textures: pictures of a texture; several are blended, all over or where masks say.
        size: the width in pixels.
        seamless: what leaves on one side comes in on the other, so that copies side by side have no seam.
        mask: of several textures, where each is meant: white there, grey for a blend; the last one may be left out,
            and is where no other is.
        layer: where textures are read; by default up to five layers, from the first to about the last third.
        gram: weight of the Gram matrices, the products of features.
        spread: weight of the features' means and standard deviations.
        texture_scale: how large the texture's forms are; 1: as in its picture.
        steps: how many moves at the smallest size; each further one, twice as large, takes half as many.
        seed: of the noise.
    Raises:
        Mistake: no texture, a layer without places or one that sees more than a texture has, or masks that don't fit.
    """
    check_colours(network)
    opened = [open_photo(one) for one in textures]
    told: Mapping[str, Any] = {"gram": gram, "spread": spread, **given}
    statistics = {name: told[name] for name in (*OF_SUMS, *OF_FEATURES) if told.get(name)}
    making = _making(network, opened, mask, (given.get("height", size), size), layer,
                     statistics, seamless, texture_scale,
                     TEXTURE.but({**given, "steps": steps}), given)  # fmt: skip
    network.allowance.check_steps(sum(making.steps), 1, making.last)
    called = "+".join(dict.fromkeys(photo_name(one) or "texture" for one in textures))
    trace = _Trace()

    def finish(step: Step) -> Result:
        image = nearest_levels(step.pictures).float().cpu()
        numbers = _numbers(making, trace, step)
        panels: list[Panel] = [
            ("the texture" if len(opened) == 1 else f"texture {i + 1}", one.float().cpu())
            for i, one in enumerate(opened)
        ]
        panels.append((f"more of it: {numbers['fall']:.0f} times nearer than noise", image))
        title = f"A texture as {network.name} sees it: {called}"
        return Result(image, [called], [numbers], [panels], title)

    path = trace.noted(stages(making.ascents(), Key(seed, [0])))
    return Run(path, total=sum(making.steps), names=[called], finish=finish)


def _making(
    network: Network, opened: Sequence[Float[Tensor, "1 3 h w"]], masks: Photos | None, size: Size,
    layer: str | Sequence[str] | None, statistics: dict[str, float], seamless: bool, scale: float, settings: Settings,
    given: TextureOptions,
) -> Synthesis:  # fmt: skip
    if not opened:
        raise Mistake("no texture is given; name a picture of one")
    if not statistics:
        raise Mistake("no statistic is left, so the texture says nothing; give one of them a weight, as --gram 1")
    seen = [precise(one, working_dtype(network)).to(network.device) for one in opened]
    smooth = given.get("smooth", "auto")
    where, masks = None, [] if masks is None else list(masks)
    if masks:
        where = completed([resize(read_mask(one, size, "the texture"), size).clamp(0, 1) for one in masks], len(seen))
    layers = fitting_layers(network, layer, min(side for one in seen for side in one.shape[2:]) * scale, "texture")
    return Synthesis(
        network, seen, [1.0] * len(seen), where, layers, statistics, is_residual(network) if smooth == "auto" else
        smooth == "on", seamless, size, scale, settings, Nouns.among(given),
    )  # fmt: skip


class _Trace:
    """What each layer said first, and how long it took."""

    def __init__(self) -> None:
        self.first: dict[str, float] = {}
        self.began = time.monotonic()

    def noted(self, steps: Iterator[Step]) -> Iterator[Step]:
        """The same steps."""
        for step in steps:
            self.first = self.first or _said(step)
            yield step


def _said(step: Step) -> dict[str, float]:
    return {name.removeprefix("style of "): float(value[0]) for name, value in step.outputs.items()}


def _numbers(making: Synthesis, trace: _Trace, step: Step) -> dict[str, Any]:
    """What is to be said about the picture."""
    said = _said(step)
    return {
        "layers": list(making.layers), "style": said, "style at the start": trace.first,
        "fall": sum(trace.first.values()) / max(sum(said.values()), 1e-12),
        "statistics": dict(making.statistics), "smoothed": making.smooth, "seamless": making.seamless,
        "sizes": [list(one) for one in making.sizes], "steps": step.index,
        "seconds": round(time.monotonic() - trace.began, 2),
    }  # fmt: skip

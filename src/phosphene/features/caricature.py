"""What a layer sees in a photograph, exaggerated (Olah et al. 2018, doi:10.23915/distill.00010; lucid's caricatures).

From noise, a picture is found at which the layer goes as far as it can, at every position, in the direction in
which it went there for the photograph. What the layer has no channels for is missing; what it looks for is overdone.
"""

from typing import Annotated, Unpack

from phosphene.core.networks.network import Network
from phosphene.core.optimization.ascent import Nouns
from phosphene.core.optimization.settings import Settings
from phosphene.core.optimization.settings_options import FurtherOptions
from phosphene.core.optimization.steps import Step
from phosphene.core.optimization.terms import likeness
from phosphene.core.options import Bounds, Seed, Steps, Weight, options_of
from phosphene.core.pictures.files import Photo
from phosphene.core.results.recipes import recipe
from phosphene.core.results.results import Result, Run
from phosphene.core.units.default_layers import halfway
from phosphene.core.units.inputs import Fit, code, feed
from phosphene.core.units.portraits import Portraits, reached
from phosphene.core.units.presets import settings


class CaricatureOptions(FurtherOptions, total=False):
    """What a caricature may be told besides."""

    until: float


OWN = ("tv", "steps", "rate", "jitter", "transparency", "opacity", "stretch")
options_of(CaricatureOptions, Settings, leave_out=OWN)


@recipe("picture")
def caricature(
    network: Network,
    photo: Photo,
    *,
    layer: str | None = None,
    power: Annotated[float, Bounds(0, 100)] = 1.0,
    steps: Steps = 128,
    rate: Weight = 0.05,
    jitter: Annotated[float, Bounds(0, 0.5)] = 0.07,
    tv: Weight = 0.0,
    fit: Fit = "crop",
    seed: Seed = 0,
    **given: Unpack[CaricatureOptions],
) -> Run:
    """Exaggerate what LAYER sees in PHOTO, starting at noise.

    Args:
        network: the network to read.
        photo: a path, `skimage:NAME`, or pixels.
        layer: any one; by default one above the middle.
        power: of the cosine in what is made large, dot * cos^power; more keeps closer to the photograph.
        steps: how many moves.
        rate: adam's step.
        jitter: range of the random shifts that the picture has to survive, as a part of its side.
        rotate: degrees of the random rotations, either way; by default 5.
        tv: weight of the total variation.
        fit: how the photograph becomes the network's input.
        seed: of the start and the transforms.
    """
    fed = feed(network, photo, fit)
    size = fed.shape[2], fed.shape[3]
    name = network.layer(layer).name if layer else halfway(network)
    said = code(network, fed, name)
    shift = round(jitter * min(size) / 2) / min(
        size
    )  # as much border as is shifted away, so that positions keep their meaning
    usual = {
        "robustness": "none", "steps": steps, "rate": rate, "tv": tv, "rotate": 5.0, "pad": shift,
        "jitter": 2 * shift, "smallest": 0.95, "largest": 1.05, "border": "reflect",
    }  # fmt: skip
    chosen = settings("default", usual | given)
    portraits = Portraits(
        network, [([0], likeness(name, said, power))], [0], chosen, size, nouns=Nouns.among(given), seed=seed
    )
    shown = fed.float().cpu()
    own = float(reached(network, portraits.parts, fed, 1)[0])

    def finish(step: Step) -> Result:
        picture = portraits.shown(step).float().cpu()
        value = float(portraits.reached(step)[0])
        words = f"caricature by {name}{_how_far(name, value / own)}" if own > 0 else f"caricature by {name}"
        return Result(
            image=picture,
            names=[name],
            numbers=[{"layer": name, "value": value, "photo": own, "steps": step.index}],
            panels=[[("the network's input", shown), (words, picture)]],
            title=f"What {name} of {network.name} sees, exaggerated",
            input=shown,
        )

    return Run(portraits.path, total=steps, names=[name], finish=finish)


def _how_far(layer: str, ratio: float) -> str:
    """How much is exaggerated, in words.

    Args:
        ratio: of what is made large to the same of the photograph.
    """
    if ratio < 1:
        return f", not exaggerated yet: {layer} goes {100 * ratio:.0f} % as far as with the photograph; take more steps"
    return f": {layer} goes {ratio:.3g} times as far as with the photograph, in the same direction"

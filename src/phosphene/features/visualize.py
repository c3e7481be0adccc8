"""What units look for: pictures that excite them, found by climbing from noise (Erhan et al. 2009; Olah et al. 2017).

Gradient ascent on the pixels alone finds noise that the network mistakes for what it looks for. Two things make
pictures of it: coordinates in which natural pictures are easy (Fourier coefficients in decorrelated colours), and
transforms that the picture has to survive.
"""

from collections.abc import Sequence

from phosphene.core.errors import Mistake, check_range
from phosphene.core.networks.network import Network
from phosphene.core.optimization.ascent import Parts
from phosphene.core.optimization.settings import Border, OptimizerName, ParameterizationName, Robustness, Transparency
from phosphene.core.optimization.steps import Step
from phosphene.core.optimization.terms import Score, Term, diversity
from phosphene.core.pictures.files import LEAST_SIDE, Photo, open_photo
from phosphene.core.pictures.fitting import resize
from phosphene.core.results.recipes import recipe
from phosphene.core.results.results import Result, Run
from phosphene.core.units.inputs import unit_words
from phosphene.core.units.spelling import parse_units
from phosphene.core.units.units import AnyUnit, Sum, Unit, groups, stems, unit_term
from phosphene.features.portraits import Portraits, default_side
from phosphene.features.presets import Preset, settings


def parts_of(units: Sequence[AnyUnit], sign: float, kind: Score) -> Parts:
    """Units that are read together, and the term that is made large for them."""
    return [(problems, sign * unit_term([units[i] for i in problems], kind)) for problems in groups(units)]


def class_of(unit: AnyUnit) -> int | None:
    """The class that a picture of this unit should show, where the unit is one."""
    return unit.index if isinstance(unit, Unit) and unit.layer == "logits" else None


@recipe("picture")
def visualize(
    network: Network,
    units: Sequence[str | AnyUnit],
    *,
    preset: Preset = "default",
    size: int | None = None,
    negative: bool = False,
    score: Score = "logit",
    starts: int = 1,
    diverse: float = 0.0,
    start: Photo | None = None,
    steps: int | None = None,
    parameterization: ParameterizationName | None = None,
    decay: float | None = None,
    deviation: float | None = None,
    optimizer: OptimizerName | None = None,
    rate: float | None = None,
    robustness: Robustness | None = None,
    pad: float | None = None,
    jitter: float | None = None,
    smallest: float | None = None,
    largest: float | None = None,
    rotate: float | None = None,
    border: Border | None = None,
    channel_reach: float | None = None,
    crop_from: float | None = None,
    crop_to: float | None = None,
    views: int | None = None,
    noise: float | None = None,
    tv: float | None = None,
    l2: float | None = None,
    l6: float | None = None,
    high_pass: float | None = None,
    shrink: float | None = None,
    blur_width: float | None = None,
    blur_every: int | None = None,
    small_norm: float | None = None,
    small_contribution: float | None = None,
    transparency: Transparency | None = None,
    opacity: float | None = None,
    until: float | None = None,
    stretch: bool | None = None,
    render: int | None = None,
    batch: int = 16,
    seed: int = 0,
) -> Run:
    """Paint what excites each of UNITS most: LAYER:UNIT, LAYER:0-63, LAYER:UNIT@ROW,COLUMN or logits:CLASS.

    Also LAYER:all, LAYER (all of it at once), LAYER:UNIT@TOKEN, directions (LAYER:file=VECTOR.npy), and sums of these
    ("mixed4a:3 + 0.5*mixed4a:5").

    A preset says how (Adam on Fourier coefficients in decorrelated colours, under random shifts, scalings and
    rotations); every option without a default of its own replaces one of its values.

    Args:
        network: whose units.
        units: which ones; all of them are painted in one batch.
        preset: default, best (twice as long), lucid, maco, accentuation, simonyan, yosinski-a to -d,
            plain (the lectures' loop).
        size: side of the pictures in pixels.
        negative: what they dislike instead.
        score: what is climbed for a class: its logit (known to give the best pictures), log p or p.
        starts: so many pictures of each unit, from different noise.
        diverse: push the pictures of one unit apart: the weight of the similarity of their Gram matrices at its layer.
        start: a photograph to start from instead of noise.
        steps: how many moves.
        parameterization: what is moved; deep-prior and cppn are networks, phase keeps a natural spectrum (MaCo).
        decay: how much low frequencies are preferred (fourier).
        deviation: of the starting noise, where it is pixels or fourier.
        optimizer: how far a move goes.
        rate: adam's and nadam's step; what the gradient is multiplied by (steepest); the mean change (normalized).
        robustness: all transforms at once: strong, lucid's, or none.
        pad: border around the picture, as a part of its side.
        jitter: reach of the shifts, as a part of the side.
        smallest: least scaling.
        largest: greatest scaling.
        rotate: degrees either way.
        border: what is around the picture.
        channel_reach: the part of these reaches that units of layers with rows and columns get.
        crop_from: show the network square parts, the smallest with this part of the side.
        crop_to: the largest of them.
        views: how many random views a step.
        noise: deviation of the noise that is added to each view.
        tv: weight of the total variation.
        l2: weight of the mean square distance from the mean colour.
        l6: weight of the mean sixth power of it, which bounds values.
        high_pass: weight of what a blur removes.
        shrink: part of the way to the mean colour after a move (L2 decay).
        blur_width: deviation in pixels of a blur after a move.
        blur_every: only after so many moves.
        small_norm: percentile of the pixels nearest the mean colour that are set to it after a move.
        small_contribution: percentile of the pixels that contribute least, likewise.
        transparency: what the unit ignores becomes transparent: learned, or by the gradients on the way.
        opacity: weight of the mean opacity, where it is learned.
        until: stop a picture when its unit passes this value.
        stretch: show it with full contrast about the mean colour, as papers print such pictures.
        render: side in pixels at which a cppn is shown in the end: its picture has no size of its own.
        batch: so many views at a time go through the network: memory stays flat, and caches are used (16 is 1.3
            times as fast as 64 at 128 px on two cores).
        seed: of the start and the transforms.
    """
    chosen = settings(preset, locals())
    check_range("size", size, LEAST_SIDE, 10_000)
    check_range("render", render, LEAST_SIDE, 10_000)
    check_range("batch", batch, 1)
    check_range("starts", starts, 1, 1000)
    if diverse and starts == 1:
        raise Mistake("pictures are pushed apart only where a unit has several; give --starts 4")
    asked = parse_units(network, units)
    painted = [unit for unit in asked for _ in range(starts)]
    names = [unit.key + i * 2**32 for unit in asked for i in range(starts)]
    sign = -1.0 if negative else 1.0
    parts = parts_of(painted, sign, score)
    if diverse:
        parts = [(problems, term - diverse * _apart(network, painted, problems, starts)) for problems, term in parts]
    side = size or default_side(network)
    portraits = Portraits(
        network, parts, names, chosen, (side, side), seed=seed, batch=batch, together=starts if diverse else 1,
        render=render, start=None if start is None else resize(open_photo(start), (side, side)),
    )  # fmt: skip
    files = [stem + (f"-{i + 1}" if starts > 1 else "") for stem in stems(asked) for i in range(starts)]

    def finish(step: Step) -> Result:
        shown = portraits.shown(step).float().cpu()
        said = [sign * value for value in portraits.reached(step).tolist()]
        word = "least excites" if negative else "excites"
        captions = [
            f"{word} the {unit_words(network, unit, score)}: {value:.4g}"
            for unit, value in zip(painted, said, strict=True)
        ]
        return Result(
            image=shown,
            names=files,
            numbers=[
                {"unit": unit.short, "class": class_of(unit), "value": value, "steps": step.index}
                for unit, value in zip(painted, said, strict=True)
            ],
            panels=[[(c, picture[None])] for c, picture in zip(captions, shown, strict=True)],
            title=f"{network.name}",
        )

    return Run(portraits.path, total=chosen.steps, names=files, finish=finish, shown=portraits.shown)


def _apart(network: Network, units: Sequence[AnyUnit], problems: Sequence[int], starts: int) -> Term:
    """How alike the pictures of one unit are: at its own layer, or the last one with rows and columns."""
    unit = units[problems[0]]
    layer = network.layer(unit.parts[0][1].layer if isinstance(unit, Sum) else unit.layer)
    if len(layer.shape) != 3:
        layer = [one for one in network.layers.values() if len(one.shape) == 3 and min(one.shape[1:]) > 1][-1]
    return diversity(layer.name, [problem // starts for problem in problems])

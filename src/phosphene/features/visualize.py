"""What units look for: pictures that excite them, found by gradient ascent from noise.

The idea is that of Erhan et al. 2009; how it makes pictures, Olah et al. 2017 (doi:10.23915/distill.00007) tell.
Gradient ascent on the pixels alone finds noise that the network mistakes for what it looks for. Two things make
pictures of it: coordinates in which natural pictures are easy (Fourier coefficients in decorrelated colours), and
transforms that the picture has to survive.
"""

from collections.abc import Sequence
from typing import Annotated, Unpack

from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from phosphene.core.optimization.ascent import Nouns, Parts
from phosphene.core.optimization.settings_options import SettingsOptions
from phosphene.core.optimization.steps import Step
from phosphene.core.optimization.terms import Score, Term, diversity
from phosphene.core.options import Batch, Bounds, Seed, Side, Weight, Words
from phosphene.core.pictures.files import Photo, open_photo
from phosphene.core.pictures.fitting import resize
from phosphene.core.results.recipes import recipe
from phosphene.core.results.results import Result, Run
from phosphene.core.units.inputs import unit_words
from phosphene.core.units.portraits import Portraits, default_side
from phosphene.core.units.presets import AnyPreset, settings
from phosphene.core.units.spelling import parse_units
from phosphene.core.units.units import AnyUnit, Sum, Unit, groups, stems, unit_term


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
    preset: AnyPreset = "default",
    size: Side | None = None,
    negative: bool = False,
    score: Score = "logit",
    starts: Annotated[int, Bounds(1, 1000), Words("so many pictures of each unit, from different noise")] = 1,
    diverse: Weight = 0.0,
    start: Photo | None = None,
    render: Side | None = None,
    batch: Batch = 16,
    seed: Seed = 0,
    **given: Unpack[SettingsOptions],
) -> Run:
    """Paint what excites each of UNITS most: LAYER:UNIT, LAYER:0-63, LAYER:UNIT@ROW,COLUMN or logits:CLASS.

    Also LAYER:all, LAYER (all of it at once), LAYER:UNIT@TOKEN, directions (LAYER:file=VECTOR.npy), and sums of these
    ("mixed4a:3 + 0.5*mixed4a:5").

    A preset says how (Adam on Fourier coefficients in decorrelated colours, under random shifts, scalings and
    rotations); every option without a default of its own replaces one of its values. In Python a transform, a prior, an
    optimizer or a parameterization of one's own may be given.

    Args:
        network: the network to read.
        units: LAYER:UNIT, LAYER:0-63, logits:CLASS, ..., as above; all of them are painted in one batch.
        preset: default, best (twice as long), lucid, maco, accentuation, simonyan, yosinski-a to -d,
            plain (the lectures' loop).
        size: side of the pictures in pixels.
        negative: what they dislike instead.
        score: what is made large for a class: its logit (known to give the best pictures), log p or p.
        diverse: push the pictures of one unit apart: the weight of the similarity of their Gram matrices at its layer.
        start: a photograph to start from instead of noise.
        render: side in pixels at which a cppn is shown in the end: its picture has no size of its own.
        batch: so many views at a time go through the network: memory stays flat, and caches are used (16 is 1.3
            times as fast as 64 at 128 px on two cores).
        seed: of the start and the transforms.
    """
    chosen = settings(preset, given)
    if diverse and starts == 1:
        raise Mistake("pictures are pushed apart only where a unit has several; give --starts 4")
    own = parse_units(network, units)
    painted = [unit for unit in own for _ in range(starts)]
    names = [unit.key + i * 2**32 for unit in own for i in range(starts)]
    sign = -1.0 if negative else 1.0
    parts = parts_of(painted, sign, score)
    if diverse:
        parts = [(problems, term - diverse * _apart(network, painted, problems, starts)) for problems, term in parts]
    side = size or default_side(network)
    portraits = Portraits(
        network, parts, names, chosen, (side, side), nouns=Nouns.among(given), seed=seed, batch=batch, render=render,
        together=starts if diverse else 1, start=None if start is None else resize(open_photo(start), (side, side)),
    )  # fmt: skip
    files = [stem + (f"-{i + 1}" if starts > 1 else "") for stem in stems(own) for i in range(starts)]
    word = "least excites" if negative else "excites"

    def finish(step: Step) -> Result:
        shown = portraits.shown(step).float().cpu()
        values = [sign * value for value in portraits.reached(step).tolist()]
        both = list(zip(painted, values, strict=True))
        captions = [f"{word} the {unit_words(network, unit, score)}: {value:.4g}" for unit, value in both]
        return Result(
            image=shown, names=files, title=f"{network.name}",
            numbers=[
                {"unit": unit.short, "class": class_of(unit), "value": value, "steps": step.index}
                for unit, value in both
            ],
            panels=[[(c, picture[None])] for c, picture in zip(captions, shown, strict=True)],
        )  # fmt: skip

    return Run(portraits.path, total=chosen.steps, names=files, finish=finish, shown=portraits.shown)


def _apart(network: Network, units: Sequence[AnyUnit], problems: Sequence[int], starts: int) -> Term:
    """How alike the pictures of one unit are: at its own layer, or the last one with rows and columns."""
    unit = units[problems[0]]
    layer = network.layer(unit.parts[0][1].layer if isinstance(unit, Sum) else unit.layer)
    if len(layer.shape) != 3:
        layer = [one for one in network.layers.values() if len(one.shape) == 3 and min(one.shape[1:]) > 1][-1]
    return diversity(layer.name, [problem // starts for problem in problems])

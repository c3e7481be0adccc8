"""How an optimization is set up, spelled in plain numbers and words: what presets, options and records are made of.

Every setting stands here once, with its default, its bounds and a sentence; the priors' weights beside the priors. What
the words mean in nouns is said in `ascent.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cache
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from phosphene.core.errors import Mistake, did_you_mean
from phosphene.core.optimization.priors import PriorWeights
from phosphene.core.options import Bounds, Words, read_number

ParameterizationName = Literal["fourier", "pixels", "natural", "laplacian", "cppn", "phase", "deep-prior", "shared"]
OptimizerName = Literal["adam", "nadam", "steepest", "momentum", "normalized", "lbfgs"]
Schedule = Literal["steady", "cosine", "tenths"]
Robustness = Literal["strong", "lucid", "none"]
Border = Literal["grey", "reflect"]
Transparency = Literal["none", "learned", "gradient"]


@dataclass(frozen=True)
class Settings(PriorWeights):
    """One way to ascend; lengths are fractions of the picture's side where nothing else is said."""

    steps: Annotated[int, Bounds(0, 100_000), Words("how many moves")] = 256
    parameterization: Annotated[
        ParameterizationName,
        Words(
            "what is moved: Fourier coefficients in decorrelated colours, pixels, Fourier coefficients that begin as "
            "noise with the spectrum of photographs (natural), a Laplacian pyramid, a network from coordinates to "
            "colours (cppn), phases under a natural spectrum (MaCo), an untrained convolutional network (deep-prior), "
            "or Fourier coefficients with a part that all pictures share"
        ),
    ] = "fourier"
    decay: Annotated[float, Bounds(0, 10), Words("how much low frequencies are preferred (fourier)")] = 1.0
    deviation: Annotated[
        float,
        Bounds(0, 1000),
        Words("of the starting noise, where it is pixels (about the mean colour), fourier or natural"),
    ] = 0.01
    optimizer: Annotated[OptimizerName, Words("how far a move goes")] = "adam"
    rate: Annotated[
        float,
        Bounds(0, 1_000_000),
        Words(
            "adam's and nadam's step; what the gradient is multiplied by (steepest, momentum); the mean change of a "
            "parameter (normalized); lbfgs finds its own"
        ),
    ] = 0.05
    schedule: Annotated[
        Schedule,
        Words(
            "how the rate falls: not at all, along a cosine to nothing, or to a tenth after a quarter of the steps and "
            "to a hundredth after three quarters"
        ),
    ] = "steady"
    momentum: Annotated[float, Bounds(0, 0.9999), Words("the part of a move that goes on in the next (momentum)")] = 0.9
    pad: Annotated[float, Bounds(0, 4), Words("border around the picture, as a part of its side")] = 0.0
    jitter: Annotated[float, Bounds(0, 1), Words("range of the random shifts, as a part of the side")] = 0.0
    smallest: Annotated[float, Bounds(0.01, 100), Words("least random scaling")] = 1.0
    largest: Annotated[float, Bounds(0.01, 100), Words("greatest random scaling")] = 1.0
    rotate: Annotated[float, Bounds(0, 180), Words("degrees of the random rotations, either way")] = 0.0
    border: Annotated[Border, Words("what is around the picture: grey, or the picture mirrored")] = "grey"
    channel_reach: Annotated[
        float,
        Bounds(0, 1),
        Words(
            "the part of these shifts, scalings and rotations that units of layers with rows and columns get: a "
            "texture has a scale and a direction of its own, a class has not"
        ),
    ] = 1.0
    crop_from: Annotated[
        float, Bounds(0, 4), Words("show the network square parts, the smallest with this part of the side (0: whole)")
    ] = 0.0
    crop_to: Annotated[float, Bounds(0, 4), Words("the largest of them")] = 0.0
    views: Annotated[int, Bounds(1, 10_000), Words("how many random views a step")] = 1
    noise: Annotated[float, Bounds(0, 10), Words("deviation of the noise that is added to each view")] = 0.0
    shrink: Annotated[float, Bounds(0, 1), Words("part of the way to the mean colour after a move (L2 decay)")] = 0.0
    blur_width: Annotated[float, Bounds(0, 100), Words("deviation in pixels of a blur after a move")] = 0.0
    blur_every: Annotated[int, Bounds(1, 100_000), Words("blur only after so many moves")] = 1
    small_norm: Annotated[
        float,
        Bounds(0, 100),
        Words("percentile of the pixels nearest the mean colour that are set to it after a move"),
    ] = 0.0
    small_contribution: Annotated[
        float, Bounds(0, 100), Words("percentile of the pixels that contribute least, likewise")
    ] = 0.0
    transparency: Annotated[
        Transparency,
        Words(
            "what the unit ignores becomes transparent: learned (over random backgrounds), or by the gradients on the "
            "way"
        ),
    ] = "none"
    opacity: Annotated[float, Bounds(0, 1_000_000), Words("weight of the mean opacity, where it is learned")] = 1.0
    natural: Annotated[
        float,
        Bounds(0, 1_000_000),
        Words("weight of how improbable a layer's activations are among those of photographs (embedded:photo)"),
    ] = 0.0
    natural_match: Annotated[
        float,
        Bounds(0, 1_000_000),
        Words("weight of how far their mean and covariance over the picture are from those of photographs"),
    ] = 0.0
    natural_layer: Annotated[str, Words("that layer; by default one near the picture, which noise excites")] = ""
    until: Annotated[
        float, Bounds(-1_000_000, 1_000_000), Words("stop a picture when its unit passes this value (0: go on)")
    ] = 0.0
    stretch: Annotated[
        bool, Words("show it with full contrast about the mean colour, as papers print such pictures")
    ] = False

    def __post_init__(self) -> None:
        for name, hint in _hints().items():
            object.__setattr__(self, name, _read(name.replace("_", "-"), getattr(self, name), hint))
        if self.smallest > self.largest:
            raise Mistake(f"smallest {self.smallest:g} is above largest {self.largest:g}; exchange them")

    def but(self, given: Mapping[str, Any]) -> "Settings":
        """The same with the settings among these values that are not None, nor objects in place of settings.

        `robustness` stands for all settings of the transforms; a single one that is given too comes before it.

        Raises:
            Mistake: a value is not a possible one.
        """
        names = {field.name for field in fields(Settings)}
        robustness = given.get("robustness")
        if robustness is not None and robustness not in ROBUSTNESS:
            raise Mistake(f"'{robustness}' is not a valid value for robustness; there are {', '.join(ROBUSTNESS)}")
        own = {
            k: _read(k.replace("_", "-"), v, _hints()[k])
            for k, v in given.items()
            if k in names and v is not None and not callable(v)
        }
        return replace(self, **(ROBUSTNESS[robustness] if robustness else {}) | own)

    @property
    def aligned(self) -> "Settings":
        """The same for what is compared place by place: views as large as the picture, shifted by up to `pad`.

        Raises:
            Mistake: it is only parts of the picture that are shown.
        """
        if self.crop_from:
            raise Mistake(
                f"crop-from {self.crop_from:g} shows parts of the picture, and here the whole is compared place by "
                "place; leave it out"
            )
        return replace(self, jitter=2 * self.pad)


@cache
def _hints() -> dict[str, Any]:
    return get_type_hints(Settings, include_extras=True)


def _read(name: str, value: Any, hint: Any) -> Any:
    choices = get_args(hint.__origin__) if get_origin(hint.__origin__) is Literal else ()
    if choices and value not in choices:
        near = did_you_mean(str(value), choices) or f"; there are {', '.join(choices)}"
        raise Mistake(f"'{value}' is not a valid value for {name}{near}")
    bounds = next((note for note in hint.__metadata__ if isinstance(note, Bounds)), None)
    return value if bounds is None else read_number(value, name, bounds, whole=hint.__origin__ is int)


def _transforms(**given: Any) -> dict[str, Any]:
    """Every setting of the transforms, those that are not given at rest."""
    names = "pad jitter smallest largest rotate border channel_reach crop_from crop_to views noise".split()
    return {name: given.get(name, getattr(Settings(), name)) for name in names}


ROBUSTNESS: dict[str, dict[str, Any]] = {
    "strong": _transforms(
        pad=0.1, jitter=0.15, smallest=0.6, largest=1.6, rotate=20.0, border="reflect", channel_reach=0.25
    ),
    # lucid `transform.py`, for its 128 px; it shifts twice and draws scales from a list, here the shift is one
    "lucid": _transforms(pad=12 / 128, jitter=12 / 128, smallest=0.9, largest=1.1, rotate=10.0),
    "none": _transforms(),
}
"""Transforms by name: strong (pictures made under them are recognized best by other networks), lucid's, none."""

"""From a method to a recipe: what is asked, the method's numbers, and how they are shown."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Literal, TypedDict, get_type_hints

import torch
from jaxtyping import Float
from torch import Tensor

from phosphene.attribution.checks import Checks, checks
from phosphene.attribution.emptiness import blanked, empty, said_of_nothing
from phosphene.attribution.maps import (
    About,
    AnyExplainer,
    Explainer,
    Explains,
    Growing,
    Kind,
    Maps,
    Method,
    Show,
    found,
    pixels,
)
from phosphene.attribution.question import Pictures, Question, as_list, class_of, fed_together, question, usual_score
from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from phosphene.core.networks.plan import Purpose
from phosphene.core.networks.preprocessing import shown
from phosphene.core.optimization.steps import Step
from phosphene.core.optimization.terms import Score
from phosphene.core.options import Batch, Words
from phosphene.core.paths import told_apart
from phosphene.core.pictures.colours import grey_heat, heat, overlay, scales, signed_picture
from phosphene.core.pictures.files import Photo, Photos
from phosphene.core.results.recipes import docstring
from phosphene.core.results.results import Panel, Result, Run
from phosphene.core.results.signature import Input, Option, arguments_of, settings
from phosphene.core.units.inputs import Fit
from phosphene.core.units.photographs import photo_name
from phosphene.core.units.spelling import parse_unit, region_of

Scale = Literal["own", "common"]


def drawn(
    network: Network, maps: Tensor, about: About, fed: Float[Tensor, "n 3 h w"], show: Show, scale: Scale
) -> Float[Tensor, "n 3 h w"]:
    """The numbers as pictures.

    Args:
        network: of whose channels three are shown as colours.
        show: "colours" around mid grey; "grey" from black to white; "heat" in colours, diverging where the method's
            numbers are contributions; "overlay" the same over the photograph.
        scale: of each picture its own, or the largest of them for all.
    """
    values, one = maps.float().cpu(), pixels(maps, about.kind).float().cpu()
    if about.relative:
        one = one - one.amin((1, 2), keepdim=True)

    def common(numbers: Tensor) -> Tensor | None:
        return scales(numbers).amax().expand(len(numbers)) if scale == "common" else None

    if show == "colours":
        if values.dim() == 3:
            raise Mistake(f"{about.name} has one number for each pixel, not three; show it as heat, grey or overlay")
        colours = shown(network, values)
        return signed_picture(colours, common(colours))
    if show == "grey":
        return grey_heat(one.abs(), common(one))
    signed = about.kind == "contribution"
    if show == "overlay":
        return overlay(fed, one, signed=signed, scale=common(one))
    return heat(one, signed, common(one))


@dataclass(frozen=True)
class MapStep(Step):
    """Where a method is: its maps so far, and its checks so far."""

    maps: Maps = field(default_factory=lambda: Maps(torch.zeros(0)))
    checked: Checks = field(default_factory=Checks)


class Showing(TypedDict, total=False):
    """What every method takes about how it is asked and shown."""

    fit: Annotated[Fit, Words("how a photograph becomes the network's input")]
    show: Annotated[
        Show,
        Words("colours around grey, grey, heat, or an overlay over the photograph; by default what suits the method"),
    ]
    scale: Annotated[Scale, Words("of several pictures: each its own, or a common one")]
    check: Annotated[
        bool, Words("also say how far to believe it: randomized weights, deletion, a shifted input, a mosaic")
    ]
    batch: Annotated[Batch, Words("so many pictures go through the network at a time")]


class Asking(TypedDict, total=False):
    """What is asked, of methods that answer a question."""

    target: Annotated[str | int | None, Words("a class; by default what the network says, of each photograph its own")]
    against: Annotated[str | int | None, Words("another class: why the target rather than this one")]
    unit: Annotated[str | None, Words("instead of a class, a unit LAYER:UNIT or a sum of units")]
    region: Annotated[
        str | None, Words("of a class map, or of a detector's boxes: X,Y,WIDTH,HEIGHT in pixels of the network's input")
    ]
    score: Annotated[Score, Words("of a class: the unnormalized logit, log p or p")]


class Common(Asking, Showing, total=False):
    """What every method that answers a question takes: `**common: Unpack[Common]` at the end of its arguments.

    It is for the method's recipe, which is called with it; the method itself is not.
    """


SIMILAR = Input(
    "similar_to", "instead of a class: how similar the network's code is to that of this picture, a cosine",
    True, False, False, Photo | None, positional=False,
)  # fmt: skip
PHOTOS = Input(
    "photos", "one or several: a path, `skimage:NAME`, or pixels", True, True, True, Photo | Photos, positional=True
)


def explains(
    words: str,
    kind: Kind,
    show: Show,
    *,
    name: str = "",
    asks: bool = True,
    complete: bool = False,
    relative: bool = False,
    score: Score = "logit",
    beside: Sequence[AnyExplainer] = (),
    purpose: Purpose = "reading",
    uses: Sequence[str] = (),
) -> Explains:
    """Make a method a recipe: (network, photos, *, what every method takes, its own options) -> Result, or Run.

    Args:
        words, kind, show, name, asks, complete, relative: as in `About`.
        score: what is asked about classes unless it is said otherwise.
        beside: other recipes whose pictures are shown before this one's in the figure.
        purpose: what the network is run for.
        uses: packages whose versions matter.
    """

    def made(method: Method) -> Any:
        about = About(
            name or method.__name__.replace("_", "-"), words, kind, show, asks, complete, relative, score, purpose
        )
        own = [one for one in arguments_of(method, leave_out=2) if isinstance(one, Option) and not one.setting]

        def explained(network: Network, photos: Photo | Photos, **options: Any) -> Result | Run:
            mine = {one.name: options.pop(one.name) for one in own}
            asking = {name: options.pop(name) for name in (SIMILAR.name, *Asking.__annotations__) if name in options}
            return _explained(method, about, beside, network, photos, mine, asking, **options)

        for key in ("__name__", "__qualname__", "__module__", "__doc__"):
            setattr(explained, key, getattr(method, key))
        head, tail = docstring(method)
        returns = Run if get_type_hints(method)["return"] is Growing else Result
        similar = (SIMILAR,) if about.asks else ()
        takes: tuple[Input | Option, ...] = (PHOTOS, *similar, *_options(about, own))
        used, first = tuple(uses), _asked_first if about.asks else None
        return Explainer(explained, method.__name__, purpose, used, takes, returns, head, tail, first, method, about)

    return made


def _options(about: About, own: Sequence[Option]) -> tuple[Option, ...]:
    """What every method takes, with the defaults of this one; its own options stand after the question."""
    usual = {
        "score": about.score, "fit": "crop", "show": about.show, "scale": "own", "check": False, "batch": 16,
    }  # fmt: skip

    def of(typed: type) -> list[Option]:
        options = [replace(one, default=usual.get(one.name), setting=False) for one in settings(typed)]
        return [replace(one, optional=one.default is None) for one in options]

    return (*(of(Asking) if about.asks else ()), *own, *of(Showing))


@dataclass(frozen=True)
class _Shown:
    """From a method's maps to what is shown and said of them.

    Attributes:
        about: the method.
        asked: the question.
        pictures: (n, c, h, w), what the network was fed.
        fed: the same, to be shown.
        names: of the pictures, for files.
        show, scale: as for `drawn`.
        beside: other methods and their maps, shown before it.
    """

    about: About
    asked: Question
    pictures: Pictures
    fed: Float[Tensor, "n 3 h w"]
    names: Sequence[str]
    show: Show
    scale: Scale
    beside: Sequence[tuple[About, Maps]]

    def picture(self, maps: Maps) -> Float[Tensor, "n 3 h w"]:
        """The map alone."""
        return self._drawn(maps, self.about, self.show)

    def _drawn(self, maps: Maps, about: About, show: Show) -> Float[Tensor, "n 3 h w"]:
        return drawn(self.asked.network, blanked(maps, about).values, about, self.fed, show, self.scale)

    def result(self, maps: Maps, checked: Checks) -> Result:
        """All of it."""
        image, nothing = self.picture(maps), said_of_nothing(maps, self.about, self.asked, self.pictures)
        each = [Checks() if words else checked for words in nothing]
        numbers = [self._numbers(i, maps, each[i]) | ({"nothing": why} if why else {}) for i, why in enumerate(nothing)]
        return Result(
            image=image, names=self.names, numbers=numbers, panels=self._panels(image, maps, each, nothing),
            title=self._title(maps, checked, nothing), input=self.fed,
            values=maps.values.float().cpu().numpy(), further_values=maps.further_values,
        )  # fmt: skip

    def _panels(
        self, image: Tensor, maps: Maps, checked: Sequence[Checks], nothing: Sequence[str]
    ) -> list[list[Panel]]:
        about = self.about
        columns = [("the network's input", self.fed)]
        columns += [(f"{o.name}: {o.words}", self._drawn(m, o, o.show)) for o, m in self.beside]
        columns.append(("", image))
        if self.show not in ("colours", "overlay"):
            columns.append(("over the photograph", self._drawn(maps, about, "overlay")))
        panels = []
        for i in range(len(self.fed)):
            of = f", {self.asked.words(i)}" if about.asks and len(self.fed) > 1 else ""
            own = f"{about.name}{of}: {nothing[i] or '; '.join([about.words, *checked[i].remarks(i)])}"
            row: list[Panel] = [(words or own, pictures[i : i + 1]) for words, pictures in columns]
            panels.append([*row, *(maps.panels[i] if maps.panels else ()), *checked[i].panels(i, about)])
        return panels

    def _numbers(self, index: int, maps: Maps, checked: Checks) -> dict[str, Any]:
        asked = {"target": self.asked.units[index].short, "words": self.asked.words(index)}
        facts = maps.facts[index] if maps.facts else {}
        return (asked if self.about.asks else {}) | facts | checked.numbers(index)

    def _title(self, maps: Maps, checked: Checks, nothing: Sequence[str]) -> str:
        asked = {self.asked.words(i) for i in range(len(self.fed))}
        what = f": {asked.pop()}" if self.about.asks and len(asked) == 1 else ""
        blind = sorted({facts["blind"] for facts in maps.facts if "blind" in facts})
        several = f"nothing in {sum(map(bool, nothing))} of {len(nothing)} maps" if any(nothing) else checked.headline
        end = nothing[0] if len(nothing) == 1 and nothing[0] else several
        return ": ".join(filter(None, [f"{self.about.name}{what} of {self.asked.network.name}", *blind, end]))


def _asked_first(
    network: Network, target: str | int | None, against: str | int | None, unit: str | None, region: str | None
) -> Sequence[str]:
    """Raise a Mistake if a class, unit or region is not there; the pictures' names are those of the photographs."""
    for one in (target, against):
        if one is not None:
            class_of(network, one)
    if unit is not None:
        parse_unit(network, str(unit))
    if region is not None:
        region_of(network, region)
    return []


def _explained(
    method: Method,
    about: About,
    beside: Sequence[AnyExplainer],
    network: Network,
    photos: Photo | Photos,
    options: dict[str, Any],
    asking: dict[str, Any],
    *,
    fit: Fit = "crop",
    show: Show = "heat",
    scale: Scale = "own",
    check: bool = False,
    batch: int = 16,
) -> Result | Run:
    """The recipe of a method."""
    fed = fed_together(network, photos, fit)
    score = asking.pop("score", about.score)
    score = usual_score(network, score) if score == about.score else score
    asked = question(network, fed, score=score, batch=batch, **asking)
    named = about.asks and any(given is not None for given in asking.values())
    names = file_names(photos, about.name, [one.stem for one in asked.units] if named else None)
    made = method(asked, fed, **options)
    others = [(one.about, found(one.method, asked, fed)) for one in beside]
    told = _Shown(about, asked, fed, shown(network, fed).float().cpu(), names, show, scale, others)
    if not isinstance(made, Growing):
        only = made if isinstance(made, Maps) else Maps(made)
        if not check:
            return told.result(only, Checks())
        made = Growing(1, iter([(1, only)]))
    total, own_steps = made.total, made.steps
    further, checked = checks(method, about, asked, fed, options, cost=total) if check else (0, None)

    def at(done: int, maps: Maps, so_far: Checks = Checks()) -> MapStep:
        values = torch.tensor([facts.get("value", 0.0) for facts in maps.facts] or [0.0] * len(fed))
        return MapStep(done, told.fed, values, maps=maps, checked=so_far)

    def steps() -> Iterator[MapStep]:
        for done, maps in own_steps:
            yield at(done, maps)
        for more, so_far in checked(maps) if checked and not empty(maps, about).all() else ():
            yield at(total + more, maps, so_far)

    def finish(step: Step) -> Result:
        assert isinstance(step, MapStep)
        return told.result(step.maps, step.checked)

    def picture(step: Step) -> Tensor:
        assert isinstance(step, MapStep)
        return told.picture(step.maps)

    return Run(steps(), total=total + further, names=names, finish=finish, shown=picture)


def file_names(photos: Photo | Photos, method: str, units: Sequence[str] | None) -> list[str]:
    """Names for files: the method and what was asked; of several, behind each photograph's own, no two alike."""
    given = as_list(photos)
    several = len(given) > 1
    names = []
    for i, photo in enumerate(given):
        parts = [(photo_name(photo) or f"photograph{i + 1}") if several else "", method, units[i] if units else ""]
        names.append("-".join(filter(None, parts)))
    return told_apart(names)

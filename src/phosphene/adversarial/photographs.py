"""From an attack to a recipe for a photograph: what is asked, what is fed, the attack; `cases.py` shows the rest."""

import inspect
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Annotated, Any, Concatenate, Literal, ParamSpec, TypedDict

import torch
from jaxtyping import Float
from torch import Tensor

from phosphene.adversarial.cases import Case
from phosphene.adversarial.goals import Wanted, confident
from phosphene.adversarial.norms import Norm
from phosphene.adversarial.problems import Problems, problems
from phosphene.adversarial.searches import Search
from phosphene.adversarial.victims import Classifier, Victim
from phosphene.core.errors import Mistake, check_choice, check_range, did_you_mean
from phosphene.core.networks.network import Network
from phosphene.core.optimization.constraints import Radius
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.steps import Step
from phosphene.core.options import Bounds, Seed, Words
from phosphene.core.pictures.eight_bit import nearest_levels
from phosphene.core.pictures.files import Photo
from phosphene.core.results.recipes import Recipe, docstring
from phosphene.core.results.results import Run
from phosphene.core.results.signature import Argument, Input, Option, arguments_of, settings
from phosphene.core.units.inputs import Fit, feed, logits, said_in_words, top
from phosphene.core.units.labels import class_index, label

P = ParamSpec("P")

Start = Literal["photo", "noise"]

Length = Sequence[str] | Callable[[Mapping[str, Any]], int]


class Common(TypedDict, total=False):
    """What every attack on a photograph takes: `**common: Unpack[Common]` at the end of an attack's arguments.

    It is for the attack's recipe, which is called with it; the attack itself is not.
    """

    target: Annotated[str | int | None, Words("the class that it shall say; by default any other than now")]
    confidence: Annotated[
        float | None, Bounds(0.001, 0.9999999), Words("how probable the target has to be; by default more than others")
    ]
    norm: Annotated[Norm, Words("how the size of a change is measured")]
    restarts: Annotated[int, Bounds(1, 1000), Words("so often it is tried, each time with other random numbers")]
    start: Annotated[Start, Words("what is changed: the photograph, or noise of its size")]
    robust_to_rounding: Annotated[bool, Words("search among pictures of 8 bits, so that the saved one fools too")]
    fit: Annotated[Fit, Words("how the photograph becomes the network's input")]
    seed: Annotated[Seed, Words("of what is random")]


class Within(Common, total=False):
    """The same for attacks within a radius."""

    eps: Annotated[
        float | None, Bounds(1e-6, 1e6), Words("the radius, in pixel units of [0, 1]; by default what is usual")
    ]


@dataclass(frozen=True, eq=False, repr=False)
class Attack:
    """An attack as a function over tensors: what all take stands here once, its own options go by name.

    Attributes:
        function: (problems, *, options of its own) -> steps.
        own: these options.
        norms: those that it knows, its own first.
        minimal: whether it looks for the smallest change, and takes no radius.
    """

    function: Callable[..., Iterator[Step]]
    own: tuple[Option, ...]
    norms: tuple[Norm, ...]
    minimal: bool

    def __post_init__(self) -> None:
        words = f"{inspect.getdoc(self.function)}\n\nIt is called as {self._call()}."
        for name, value in (("__name__", self.function.__name__), ("__doc__", words)):  # for help() and editors
            object.__setattr__(self, name, value)

    def __call__(
        self,
        victim: Victim | Network | Classifier,
        x: Float[Tensor, "n ..."],
        labels: Wanted,
        *,
        norm: Norm | None = None,
        eps: Radius | None = None,
        targeted: bool = False,
        bounds: tuple[float | Tensor, float | Tensor] = (0.0, 1.0),
        until_fooled: bool = True,
        enough: Radius = 0.0,
        restarts: int = 1,
        key: Key = Key(),
        **options: Any,
    ) -> Search:
        name = self.function.__name__
        check_choice(f"norm of {name}", norm or self.norms[0], self.norms)
        check_range("restarts", restarts, 1)
        if self.minimal and eps is not None:
            raise Mistake(f"{name} looks for the smallest change and takes no eps, but enough; pgd and apgd take one")
        if isinstance(eps, int | float) and eps == 0:
            raise Mistake("0 is not a valid value for eps: it must be more than 0, or nothing may change")
        mine = [one.name for one in self.own]
        if unknown := set(options) - set(mine):
            raise TypeError(f"{name} has no option '{min(unknown)}'{did_you_mean(min(unknown), mine)}")
        options = {one.name: one.read(options[one.name], one.name) for one in self.own if one.name in options}
        given = problems(
            victim, x, labels, norm=norm or self.norms[0], eps=math.inf if self.minimal else eps, targeted=targeted,
            bounds=bounds, until_fooled=until_fooled, enough=enough, key=key,
        )  # fmt: skip
        whole = partial(self.function, **options)
        return Search(given, whole, minimal=self.minimal, restarts=restarts, shape=tuple(x.shape))

    def __repr__(self) -> str:
        return f"<attack {self._call()}>"

    def _call(self) -> str:
        every = [name for name in inspect.signature(self).parameters if name != "options"]
        return f"{self.function.__name__}({', '.join([*every, *(one.name for one in self.own)])})"


@dataclass(frozen=True, eq=False, repr=False)
class PhotographAttack(Recipe[Concatenate[Network, Photo, P], Run]):
    """A recipe that was made of an attack: (network, photo, *, options) -> Run.

    Attributes:
        attack: the function over tensors.
    """

    attack: Attack

    @property
    def norms(self) -> tuple[Norm, ...]:
        """Those that it knows, its own first."""
        return self.attack.norms

    @property
    def minimal(self) -> bool:
        """Whether it looks for the smallest change, and takes no radius."""
        return self.attack.minimal


def attack(
    *norms: Norm, minimal: bool = False, length: Length = ("steps",)
) -> Callable[[Callable[Concatenate[Problems, P], Iterator[Step]]], PhotographAttack[P]]:
    """Make a function (problems, *, options of its own) -> steps an attack, for tensors and for photographs.

    The last step's pictures are its result: of each problem the best that it found, reached or not. On a photograph it
    goes on to the end, and does not stop as soon as the photograph fools: it is to fool as well as it can.

    Args:
        norms: those that it knows, its own first.
        minimal: it looks for the smallest change, and takes no radius.
        length: options of its own whose product is how many steps it takes at most, or a function from all options to
            that.
    """

    def made(function: Callable[Concatenate[Problems, P], Iterator[Step]]) -> PhotographAttack[P]:
        own = tuple(one for one in arguments_of(function) if isinstance(one, Option) and not one.setting)
        over_tensors = Attack(function, own, norms, minimal)

        def attacked(network: Network, photo: Photo, **options: Any) -> Run:
            total = _total(length, options)
            mine = {one.name: options.pop(one.name) for one in own}
            return _attacked(over_tensors, function.__name__, mine, total, network, photo, **options)

        for name in ("__name__", "__qualname__", "__module__", "__doc__"):
            setattr(attacked, name, getattr(function, name))
        head, tail = docstring(function)
        by_name: Any = attacked  # its options are those of P and `Common`
        return PhotographAttack(
            by_name, function.__name__, "search", (), _arguments(own, norms, minimal), Run, head, tail, None,
            over_tensors,
        )  # fmt: skip

    return made


def _total(length: Length, options: Mapping[str, Any]) -> int:
    """How many steps there are at most."""
    return length(options) if callable(length) else math.prod(options[name] for name in length if name in options)


def _arguments(own: Sequence[Option], norms: tuple[Norm, ...], minimal: bool) -> tuple[Argument, ...]:
    """The options of an attack on a photograph: those that all have, and its own between them."""
    # the smallest change ends just beyond the boundary, and rounding would take it back
    usual = {one.name: one.default for one in fields(_Asked)} | {"norm": norms[0], "robust_to_rounding": minimal}
    common = {one.name: replace(one, default=usual[one.name], setting=False) for one in settings(Within)}
    common = {name: replace(one, optional=one.default is None) for name, one in common.items()}
    common["norm"] = replace(common["norm"], choices=norms)
    for name, wrong in (("eps", minimal), ("norm", len(norms) == 1)):
        if wrong:
            del common[name]
    first = [common[name] for name in ("target", "confidence", "norm", "eps") if name in common]
    return (PHOTO, *first, *own, *(one for one in common.values() if one not in first))


PHOTO = Input("photo", "a path, `skimage:NAME`, or pixels", True, False, True, Photo, positional=True)


def _attacked(
    function: Attack, name: str, own: dict[str, Any], total: int, network: Network, photo: Photo, **common: Any
) -> Run:
    """The recipe of an attack."""
    asked = _Asked(**common)
    if asked.eps is not None and (asked.norm or "linf") == "linf":
        check_range("eps", asked.eps, 1 / 255, 1)  # within less there is no other picture of 8 bits
    fed = feed(network, photo, asked.fit)
    if asked.start == "noise":
        noise = Key(asked.seed).child(1).uniform(torch.arange(1), *fed.shape[1:])
        fed = nearest_levels(noise).to(fed)
    before = logits(network, fed)[0]
    label, targeted = _wanted(network, before, asked.target, asked.confidence)
    victim = Victim(network, through=nearest_levels if asked.robust_to_rounding else None)
    search = function(
        victim, fed, _goal(network, label, targeted, asked.confidence), norm=asked.norm, eps=asked.eps,
        targeted=targeted, until_fooled=False, restarts=asked.restarts, key=Key(asked.seed), **own,
    )  # fmt: skip
    case = Case(search, network, fed, before, label, targeted, name.replace("_", "-"), asked.start == "noise")
    if asked.restarts > 1:
        total = asked.restarts * (total + 1)  # each begins with a step of its own
    return Run(search, total=total, names=[case.stem], finish=case.result, shown=case.picture)


@dataclass(frozen=True)
class _Asked:
    """What was asked for of what every attack takes: `Within`, with its defaults."""

    target: str | int | None = None
    confidence: float | None = None
    norm: Norm | None = None
    eps: float | None = None
    restarts: int = 1
    start: Start = "photo"
    robust_to_rounding: bool = False
    fit: Fit = "crop"
    seed: int = 0


def _goal(network: Network, label: int, targeted: bool, confidence: float | None) -> Wanted:
    """Labels, or a class with so much confidence.

    Raises:
        Mistake: no class is wanted, or there is no confidence in it.
    """
    labels = torch.tensor([label])
    if confidence is None:
        return labels
    if not targeted:
        raise Mistake("confidence is that in a class: give a target")
    if not network.head.has_probabilities:
        raise Mistake(f"{network.name} ends in plain numbers, and there is no confidence in them")
    return confident(labels, confidence)


def _wanted(
    network: Network, before: Float[Tensor, " outputs"], target: str | int | None, confidence: float | None
) -> tuple[int, bool]:
    """The class that a photograph is taken for and shall not be, or, targeted, that it shall be taken for.

    Of a network that ends in plain numbers: which one shall become less, or, targeted, more.

    Raises:
        Mistake: there is nothing to fool about, or the target is what the network says already.
    """
    if not network.head.has_probabilities:
        name, _, way = f"0 {'up' if target is None else target}".rpartition(" ")
        if way not in ("up", "down"):
            raise Mistake(f"{network.name} ends in plain numbers: a target is up or down, or NUMBER up, not '{target}'")
        return class_index(network, name.removeprefix("0 ")), way == "up"
    truth = int(network.head.decided(before[None]))
    if target is None:
        if not network.head.holds(before[None], torch.tensor([truth])):
            most = said_in_words(top(network, before))
            raise Mistake(f"{network.name} finds nothing in it that it could be fooled about ({most}); give a target")
        return truth, False
    goal = class_index(network, target)
    if confidence is None and network.head.holds(before[None], torch.tensor([goal])):
        raise Mistake(f"{network.name} already says {label(network, goal)}; choose another target")
    return goal, True

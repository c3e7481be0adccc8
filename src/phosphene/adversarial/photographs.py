"""From an attack to a recipe for a photograph: what is fed, the attack, 8 bits, and what the network says then.

The result is rounded to 8 bits and read once more, because a change that rounding removes fools nobody.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, Any, Concatenate, ParamSpec, Protocol, TypedDict, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from phosphene.adversarial.goals import Wanted
from phosphene.adversarial.norms import NORMS, Norm, size
from phosphene.adversarial.problems import Problems, problems
from phosphene.adversarial.searches import Search
from phosphene.adversarial.victims import Classifier, Victim
from phosphene.core.errors import Mistake, check_choice, check_range, did_you_mean
from phosphene.core.networks.network import Network
from phosphene.core.networks.preprocessing import shown
from phosphene.core.optimization.constraints import Radius
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.steps import Step
from phosphene.core.options import Bounds, Seed, Words
from phosphene.core.pictures.files import Photo
from phosphene.core.results.recipes import Recipe, docstring
from phosphene.core.results.results import Result, Run
from phosphene.core.results.signature import Argument, Input, Option, arguments_of, settings
from phosphene.core.units.inputs import Fit, feed, logits, said_in_words, top
from phosphene.core.units.labels import class_index, label

P = ParamSpec("P")


class Common(TypedDict, total=False):
    """What every attack on a photograph takes: `**common: Unpack[Common]` at the end of an attack's arguments.

    It is for the attack's recipe, which is called with it; the attack itself is not.
    """

    target: Annotated[str | int | None, Words("the class that it shall say; by default any other than now")]
    norm: Annotated[Norm, Words("how the size of a change is measured")]
    restarts: Annotated[int, Bounds(1, 1000), Words("so often it is tried, each time with other random numbers")]
    fit: Annotated[Fit, Words("how the photograph becomes the network's input")]
    seed: Annotated[Seed, Words("of what is random")]


class Within(Common, total=False):
    """The same for attacks within a radius."""

    eps: Annotated[
        float | None, Bounds(1e-6, 1e6), Words("the radius, in pixel units of [0, 1]; by default what is usual")
    ]


@runtime_checkable
class Attack(Protocol):
    """An attack as a function over tensors; its own options go by name."""

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
        **own: Any,
    ) -> Search: ...


@dataclass(frozen=True, eq=False, repr=False)
class PhotographAttack(Recipe[Concatenate[Network, Photo, P], Run]):
    """A recipe that was made of an attack: (network, photo, *, options) -> Run.

    Attributes:
        attack: the function over tensors.
        norms: those that it knows, its own first.
        minimal: whether it looks for the smallest change, and takes no radius.
    """

    attack: Attack
    norms: tuple[Norm, ...]
    minimal: bool


def attack(
    *norms: Norm, minimal: bool = False, moves: Sequence[str] = ("steps",)
) -> Callable[[Callable[Concatenate[Problems, P], Iterator[Step]]], PhotographAttack[P]]:
    """Make a function (problems, *, options of its own) -> steps an attack, for tensors and for photographs.

    The last step's pictures are its result: of each problem the best that it found, reached or not. On a photograph it
    goes on to the end, and does not stop as soon as the photograph fools: it is to fool as well as it can.

    Args:
        norms: those that it knows, its own first.
        minimal: it looks for the smallest change, and takes no radius.
        moves: options whose product is how many moves it makes at most.
    """

    def made(function: Callable[Concatenate[Problems, P], Iterator[Step]]) -> PhotographAttack[P]:
        own = [one for one in arguments_of(function) if isinstance(one, Option) and not one.setting]
        over_tensors = _over_tensors(function, own, norms, minimal)

        def attacked(network: Network, photo: Photo, **options: Any) -> Run:
            mine = {one.name: options.pop(one.name) for one in own}
            total = math.prod(max(1, mine.get(one, 1)) for one in moves) * options.get("restarts", 1)
            return _attacked(over_tensors, function.__name__, mine, total, network, photo, **options)

        for name in ("__name__", "__qualname__", "__module__", "__doc__"):
            setattr(attacked, name, getattr(function, name))
        head, tail = docstring(function)
        by_name: Any = attacked  # its options are those of P and `Common`
        return PhotographAttack(
            by_name, function.__name__, "search", (), _arguments(own, norms, minimal), Run, head, tail, None,
            over_tensors, norms, minimal,
        )  # fmt: skip

    return made


def _arguments(own: Sequence[Option], norms: tuple[Norm, ...], minimal: bool) -> tuple[Argument, ...]:
    """The options of an attack on a photograph: those that all have, and its own between them."""
    usual: dict[str, Any] = {"norm": norms[0], "restarts": 1, "fit": "crop", "seed": 0}
    common = {one.name: replace(one, default=usual.get(one.name), setting=False) for one in settings(Within)}
    common = {name: replace(one, optional=one.default is None) for name, one in common.items()}
    common["norm"] = replace(common["norm"], choices=norms)
    for name, wrong in (("eps", minimal), ("norm", len(norms) == 1)):
        if wrong:
            del common[name]
    first = [common[name] for name in ("target", "norm", "eps") if name in common]
    return (PHOTO, *first, *own, *(one for one in common.values() if one not in first))


def _over_tensors(function: Any, own: Sequence[Option], norms: tuple[Norm, ...], minimal: bool) -> Attack:
    """The attack as a function over tensors."""

    def over_tensors(
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
        name = function.__name__
        check_choice(f"norm of {name}", norm or norms[0], norms)
        check_range("restarts", restarts, 1)
        if minimal and eps is not None:
            raise Mistake(f"{name} looks for the smallest change and takes no eps, but enough; pgd and apgd take one")
        if unknown := set(options) - {one.name for one in own}:
            raise TypeError(f"{name} has no option '{min(unknown)}'{did_you_mean(min(unknown), [o.name for o in own])}")
        options = {one.name: one.read(options[one.name], one.name) for one in own if one.name in options}
        given = problems(
            victim, x, labels, norm=norm or norms[0], eps=math.inf if minimal else eps, targeted=targeted,
            bounds=bounds, until_fooled=until_fooled, enough=enough, key=key,
        )  # fmt: skip
        whole = partial(function, **options)
        return Search(given, whole, minimal=minimal, restarts=restarts, shape=tuple(x.shape))

    over_tensors.__name__, over_tensors.__doc__ = function.__name__, function.__doc__
    return over_tensors


PHOTO = Input("photo", "a path, `skimage:NAME`, or pixels", True, False, True, Photo, positional=True)


def rounded(
    pictures: Float[Tensor, "n c h w"], center: Float[Tensor, "n c h w"], radius: float, norm: Norm = "linf"
) -> Float[Tensor, "n c h w"]:
    """The nearest 8-bit pictures that are still within the radius of 8-bit centers.

    In other norms than l-inf each value is rounded towards the center where rounding to the nearest goes too far.
    """
    middle = (center * 255).round()
    if norm == "linf":
        levels_away = math.floor(min(radius, 1) * 255 + 1e-6)
        levels = (pictures * 255).round().clamp(middle - levels_away, middle + levels_away)
    else:
        away = pictures * 255 - middle
        far = size(away.round() / 255, norm) > radius
        levels = middle + torch.where(far.view(-1, 1, 1, 1), away.trunc(), away.round())
    return levels.clamp(0, 255) / 255


def _attacked(
    function: Attack,
    name: str,
    own: dict[str, Any],
    total: int,
    network: Network,
    photo: Photo,
    *,
    target: str | int | None = None,
    eps: float | None = None,
    norm: Norm | None = None,
    restarts: int = 1,
    fit: Fit = "crop",
    seed: int = 0,
) -> Run:
    """The recipe of an attack."""
    if eps is not None and (norm or "linf") == "linf":
        check_range("eps", eps, 1 / 255, 1)  # within less there is no other picture of 8 bits
    fed = feed(network, photo, fit)
    before = logits(network, fed)[0]
    label, targeted = _wanted(network, before, target)
    path = function(
        network, fed, torch.tensor([label]), norm=norm, eps=eps, targeted=targeted, until_fooled=False,
        restarts=restarts, key=Key(seed), **own,
    )  # fmt: skip
    case = _Case(path, network, fed, before, label, targeted, name)
    return Run(path, total=total, names=[case.stem], finish=case.result, shown=case.picture)


def _wanted(network: Network, before: Float[Tensor, " outputs"], target: str | int | None) -> tuple[int, bool]:
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
    if network.head.holds(before[None], torch.tensor([goal])):
        raise Mistake(f"{network.name} already says {label(network, goal)}; choose another target")
    return goal, True


@dataclass(frozen=True)
class _Case:
    """A photograph that is attacked, and what comes of it.

    Attributes:
        search: the attack.
        fed: the photograph as the network takes it.
        before: what the network says.
        label, targeted: what it shall say, or not say any more.
        name: of the attack.
    """

    search: Search
    network: Network
    fed: Float[Tensor, "1 c h w"]
    before: Float[Tensor, " outputs"]
    label: int
    targeted: bool
    name: str

    @property
    def stem(self) -> str:
        """For the file's name."""
        named = label(self.network, self.label).replace(" ", "-").replace("/", "-")
        return f"{self.name}-{named}" if self.targeted else self.name

    def _nothing(self, attacked: Float[Tensor, "1 c h w"], moved: bool) -> str:
        """What an attack that did not fool had nothing of: a gradient, or a change; else nothing."""
        network = self.network.planned("reading")
        objective = Victim(network).objective(self.search.problems.loss)
        seen = objective(torch.cat([self.fed, attacked]), torch.zeros(2, dtype=torch.long), Key())
        still = "" if moved else "no pixel was moved"
        return still if seen.gradients.any() else ", ".join(filter(None, ["there is no gradient to follow", still]))

    def _eight_bit(self, step: Step) -> Float[Tensor, "1 c h w"]:
        problems = self.search.problems
        assert isinstance(problems.eps, float)
        return rounded(step.pictures.to(self.fed), self.fed, problems.eps, problems.norm)

    def picture(self, step: Step) -> Float[Tensor, "1 3 h w"]:
        """The attacked photograph in 8 bits, as it is looked at."""
        return shown(self.network, self._eight_bit(step))

    def result(self, step: Step) -> Result:
        """The attacked photograph in 8 bits, and what the network says about it."""
        network, fed = self.network, self.fed
        rounded_off = self._eight_bit(step)
        answer = logits(network, rounded_off)[0]
        before, after = top(network, self.before), top(network, answer)
        apart = ((rounded_off * 255).round() - (fed * 255).round()).cpu().double() / 255  # exact: both are 8-bit
        fooled, words, score = self._verdict(answer)
        numbers: dict[str, Any] = {
            "fooled": fooled, "before": before, "after": after, "target": self.label if self.targeted else None,
            "steps": step.index,
        } | score  # fmt: skip
        numbers.update((norm, float(size(apart, norm)[0])) for norm in NORMS)
        if not self.search.minimal:
            numbers["eps"] = self.search.problems.eps
        photo, image = (shown(network, one.float().cpu()) for one in (fed, rounded_off))
        change = (0.5 + 10 * apart).clamp(0, 1).float()
        panels = [
            (f"before: {said_in_words(before)}", photo),
            (f"the change, 10 times; at most {255 * numbers['linf']:.0f}/255", shown(network, change)),
            (f"after: {said_in_words(after)}", image),
        ]
        nothing = "" if fooled else self._nothing(rounded_off, bool(apart.any()))
        title = f"{self.name}: {nothing or words}, {network.name}"
        numbers |= {"nothing": nothing} if nothing else {}
        return Result(image, [self.stem], [numbers], [panels], title, photo, apart.float().numpy())

    def _verdict(self, answer: Float[Tensor, " outputs"]) -> tuple[bool, str, dict[str, float]]:
        """Whether it fooled, in words, and with which number."""
        head, outputs = self.network.head, torch.stack([self.before, answer]).cpu().double()
        if not head.has_probabilities:
            before, after = outputs[:, self.label].tolist()
            words = f"{label(self.network, self.label)} from {before:.4g} to {after:.4g}"
            return (after > before) == self.targeted, words, {"value before": before, "value": after}
        fooled = bool(head.holds(outputs[1:], torch.tensor([self.label]))) == self.targeted
        said = self.label if self.targeted else int(head.decided(outputs[1:]))
        p = float(head.scores(outputs[1:], "p")[0, said])
        return fooled, "fooled" if fooled else "not fooled", {"confidence": p}

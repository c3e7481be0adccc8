"""From an attack to a recipe for a photograph: what is fed, the attack, 8 bits, and what the network says then.

The result is rounded to 8 bits and read once more, because a change that rounding removes fools nobody.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Annotated, Any, Concatenate, ParamSpec, TypedDict

import torch
from jaxtyping import Float
from torch import Tensor

from phosphene.adversarial.goals import loss
from phosphene.adversarial.victims import Classifier, Victim
from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from phosphene.core.networks.preprocessing import shown
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.objectives import gradient
from phosphene.core.optimization.steps import Step
from phosphene.core.options import Bounds, Seed, Words
from phosphene.core.pictures.files import Photo
from phosphene.core.results.recipes import Recipe, docstring
from phosphene.core.results.results import Result, Run
from phosphene.core.results.signature import Argument, Input, Option, arguments_of, settings
from phosphene.core.units.inputs import Fit, feed, logits, said_in_words, top
from phosphene.core.units.labels import class_index, label

P = ParamSpec("P")
Attack = Callable[..., Iterator[Step]]
"""(victim, x, labels, radius, targeted, until_fooled, key, *, its own options) -> steps, the last one the result."""


class Common(TypedDict, total=False):
    """What every attack on a photograph takes: `**common: Unpack[Common]` at the end of an attack's arguments.

    It is for the attack's recipe, which is called with it; the attack itself is not.
    """

    target: Annotated[str | int | None, Words("the class that it shall say; by default any other than now")]
    eps: Annotated[float, Bounds(1 / 255, 1), Words("how far a pixel may move, in [0, 1]")]
    fit: Annotated[Fit, Words("how the photograph becomes the network's input")]
    seed: Annotated[Seed, Words("of what is random")]


@dataclass(frozen=True, eq=False, repr=False)
class PhotographAttack(Recipe[Concatenate[Network, Photo, P], Run]):
    """A recipe that was made of an attack: (network, photo, *, options) -> Run.

    Attributes:
        attack: the function over tensors.
    """

    attack: Attack


def attack(
    function: Callable[
        Concatenate[Victim | Network | Classifier, Tensor, Tensor, float, bool, bool, Key, P], Iterator[Step]
    ],
) -> PhotographAttack[P]:
    """Make an attack a recipe: (network, photo, *, target, eps, its own options, fit, seed) -> Run.

    An attack is (victim, x, labels, radius, targeted, until_fooled, key, *, its own options, **common). On a photograph
    it goes on to the end, and does not stop as soon as the photograph fools: it is to fool as well as it can.
    """
    own = [one for one in arguments_of(function, leave_out=7) if isinstance(one, Option) and not one.setting]

    def attacked(network: Network, photo: Photo, **options: Any) -> Run:
        mine = {one.name: options.pop(one.name) for one in own}
        return _attacked(function, mine, network, photo, **options)

    for name in ("__name__", "__qualname__", "__module__", "__doc__"):
        setattr(attacked, name, getattr(function, name))
    usual: dict[str, Any] = {"eps": 8 / 255, "fit": "crop", "seed": 0}
    common = [replace(one, default=usual.get(one.name), setting=False) for one in settings(Common)]
    common = [replace(one, optional=one.default is None) for one in common]
    arguments: tuple[Argument, ...] = (PHOTO, *common[:2], *own, *common[2:])
    head, tail = docstring(function)
    by_name: Any = attacked  # its options are those of P and `Common`
    return PhotographAttack(
        by_name, function.__name__, "search", (), arguments, Run, head, tail, None, function
    )  # fmt: skip


PHOTO = Input("photo", "a path, `skimage:NAME`, or pixels", True, False, True, Photo, positional=True)


def rounded(
    pictures: Float[Tensor, "n c h w"], center: Float[Tensor, "n c h w"], radius: float
) -> Float[Tensor, "n c h w"]:
    """The nearest 8-bit pictures that are still within the radius of 8-bit centers."""
    levels_away = math.floor(radius * 255 + 1e-6)
    levels, middle = (pictures * 255).round(), (center * 255).round()
    return levels.clamp(middle - levels_away, middle + levels_away).clamp(0, 255) / 255


def _attacked(
    function: Attack,
    own: dict[str, Any],
    network: Network,
    photo: Photo,
    *,
    target: str | int | None = None,
    eps: float = 8 / 255,
    fit: Fit = "crop",
    seed: int = 0,
) -> Run:
    """The recipe of an attack."""
    fed = feed(network, photo, fit)
    before = logits(network, fed)[0]
    case = _Case(network, fed, before, *_wanted(network, before, target), eps, function.__name__)
    path = function(network, fed, torch.tensor([case.label]), eps, case.targeted, False, Key(seed), **own)
    return Run(path, total=own.get("steps", 1), names=[case.stem], finish=case.result, shown=case.picture)


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
        fed: the photograph as the network takes it.
        before: what the network says.
        label, targeted: what it shall say, or not say any more.
        eps: the radius.
        name: of the attack.
    """

    network: Network
    fed: Float[Tensor, "1 c h w"]
    before: Float[Tensor, " outputs"]
    label: int
    targeted: bool
    eps: float
    name: str

    @property
    def stem(self) -> str:
        """For the file's name."""
        named = label(self.network, self.label).replace(" ", "-").replace("/", "-")
        return f"{self.name}-{named}" if self.targeted else self.name

    def _nothing(self, attacked: Float[Tensor, "1 c h w"], moved: bool) -> str:
        """What an attack that did not fool had nothing of: a gradient, or a change; else nothing."""
        network = self.network.planned("reading")
        objective = gradient(network, loss(torch.tensor([self.label]), self.targeted, network.head))
        seen = objective(torch.cat([self.fed, attacked]), torch.zeros(2, dtype=torch.long), Key())
        still = "" if moved else "no pixel was moved"
        return still if seen.gradients.any() else ", ".join(filter(None, ["there is no gradient to follow", still]))

    def picture(self, step: Step) -> Float[Tensor, "1 3 h w"]:
        """The attacked photograph in 8 bits, as it is looked at."""
        return shown(self.network, rounded(step.pictures.to(self.fed), self.fed, self.eps))

    def result(self, step: Step) -> Result:
        """The attacked photograph in 8 bits, and what the network says about it."""
        network, fed = self.network, self.fed
        rounded_off = rounded(step.pictures.to(fed), fed, self.eps)
        answer = logits(network, rounded_off)[0]
        before, after = top(network, self.before), top(network, answer)
        apart = ((rounded_off * 255).round() - (fed * 255).round()).cpu().double() / 255  # exact: both are 8-bit
        fooled, words, score = self._verdict(answer)
        numbers: dict[str, Any] = {
            "fooled": fooled, "before": before, "after": after, "target": self.label if self.targeted else None,
            "linf": float(apart.abs().max()), "l2": float(apart.norm()), "eps": self.eps, "steps": step.index,
        } | score  # fmt: skip
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

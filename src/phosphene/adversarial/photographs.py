"""From an attack to a recipe for a photograph: what is fed, the attack, 8 bits, and what the network says then.

The result is rounded to 8 bits and read once more, because a change that rounding removes fools nobody.
"""

import inspect
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from jaxtyping import Float
from torch import Tensor

from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.steps import Step
from phosphene.core.options import Words
from phosphene.core.pictures.files import Photo
from phosphene.core.results.recipes import Recipe, docstring
from phosphene.core.results.results import Result, Run
from phosphene.core.results.signature import arguments_of
from phosphene.core.units.inputs import Fit, feed, logits, said_in_words, top
from phosphene.core.units.labels import class_index, label

Attack = Callable[..., Iterator[Step]]
"""(victim, x, labels, *, radius, targeted, its own options) -> steps, the last one the result."""
OURS = ("radius", "targeted", "until_fooled", "key")
"""Options of attacks that the recipe sets itself."""


@dataclass(frozen=True, eq=False, repr=False)
class PhotographAttack(Recipe[..., Run]):
    """A recipe that was made of an attack: (network, photo, *, options) -> Run.

    Attributes:
        attack: the function over tensors.
    """

    attack: Attack


def attack() -> Callable[[Attack], PhotographAttack]:
    """Make an attack a recipe: (network, photo, *, target, eps, its own options, fit, seed) -> Run.

    The attack's own options are its keywords, but for the radius, whether it is targeted, and the key, which the recipe
    gives; where it can stop as soon as it fools, it goes on to the end, as a photograph is to fool as well as it can.
    """

    def made(function: Attack) -> PhotographAttack:
        own = [one for one in arguments_of(function, leave_out=3) if one.name not in OURS]
        takes = inspect.signature(function).parameters

        def attacked(network: Network, photo: Photo, **options: Any) -> Run:
            mine = {one.name: options.pop(one.name) for one in own}
            seed = options.pop("seed", 0)
            if "key" in takes:
                mine["key"] = Key(seed)
            if "until_fooled" in takes:
                mine["until_fooled"] = False
            return _attack(function, mine, network, photo, **options)

        for name in ("__name__", "__qualname__", "__module__", "__doc__"):
            setattr(attacked, name, getattr(function, name))
        usual = arguments_of(_common)
        common = [one for one in usual if one.name != "seed" or "key" in takes]
        arguments = (*common[:3], *own, *common[3:])
        head, tail = docstring(function)
        return PhotographAttack(attacked, function.__name__, "search", (), arguments, Run, head, tail, function)

    return made


def _common(
    network: Network,
    photo: Annotated[Photo, Words("a path, `skimage:NAME`, or pixels")],
    *,
    target: Annotated[str | int | None, Words("the class that it shall say; by default any other than now")] = None,
    eps: Annotated[float, Words("how far a pixel may move, in [0, 1]")] = 8 / 255,
    fit: Annotated[Fit, Words("how the photograph becomes the network's input")] = "crop",
    seed: Annotated[int, Words("of the random start")] = 0,
) -> None:
    """What every attack takes."""


def rounded(
    pictures: Float[Tensor, "n 3 h w"], center: Float[Tensor, "n 3 h w"], radius: float
) -> Float[Tensor, "n 3 h w"]:
    """The nearest 8-bit pictures that are still within the radius of 8-bit centers."""
    levels_away = math.floor(radius * 255 + 1e-6)
    levels, middle = (pictures * 255).round(), (center * 255).round()
    return levels.clamp(middle - levels_away, middle + levels_away).clamp(0, 255) / 255


def _attack(
    function: Attack,
    own: dict[str, Any],
    network: Network,
    photo: Photo,
    *,
    target: str | int | None = None,
    eps: float = 8 / 255,
    fit: Fit = "crop",
) -> Run:
    """The recipe of an attack."""
    if not 1 / 255 - 1e-6 <= eps <= 1:
        raise Mistake(f"eps is {eps:g}; it must be 1/255 (the next 8-bit value) to 1, such as 8/255")
    fed = feed(network, photo, fit)
    before = logits(network, fed)[0]
    truth = int(before.argmax())
    goal = None if target is None else class_index(network, target)
    if goal == truth:
        raise Mistake(f"{network.name} already says {label(network, truth)}; choose another target")
    case = _Case(network, fed, before, truth, goal, eps, function.__name__)
    path = function(
        network, fed, torch.tensor([truth if goal is None else goal]), radius=eps, targeted=goal is not None, **own
    )
    return Run(path, total=own.get("steps", 1), names=[case.stem], finish=case.result)


@dataclass(frozen=True)
class _Case:
    """A photograph that is attacked, and what comes of it.

    Attributes:
        fed: the photograph as the network takes it.
        before: its logits.
        truth: the class that the network says.
        goal: the class that it shall say, if it is one.
        eps: the radius.
        name: of the attack.
    """

    network: Network
    fed: Float[Tensor, "1 3 h w"]
    before: Float[Tensor, " classes"]
    truth: int
    goal: int | None
    eps: float
    name: str

    @property
    def stem(self) -> str:
        """For the file's name."""
        if self.goal is None:
            return self.name
        return f"{self.name}-{label(self.network, self.goal).replace(' ', '-').replace('/', '-')}"

    def result(self, step: Step) -> Result:
        """The attacked photograph in 8 bits, and what the network says about it."""
        network, fed = self.network, self.fed
        shown = rounded(step.pictures.to(fed), fed, self.eps)
        answer = logits(network, shown)[0]
        before, after = top(network, self.before), top(network, answer)
        apart = ((shown * 255).round() - (fed * 255).round()).cpu().double() / 255  # exact: both are 8-bit
        fooled = after[0]["class"] == self.goal if self.goal is not None else after[0]["class"] != self.truth
        p = after[0]["p"] if self.goal is None else float(answer.cpu().double().softmax(0)[self.goal])
        numbers = {
            "fooled": fooled, "before": before, "after": after, "target": self.goal, "confidence": p,
            "linf": float(apart.abs().max()), "l2": float(apart.norm()), "eps": self.eps, "steps": step.index,
        }  # fmt: skip
        panels = [
            (f"before: {said_in_words(before)}", fed.float().cpu()),
            (f"the change, 10 times; at most {255 * numbers['linf']:.0f}/255", (0.5 + 10 * apart).clamp(0, 1).float()),
            (f"after: {said_in_words(after)}", shown.float().cpu()),
        ]
        title = f"{self.name}: {'fooled' if fooled else 'not fooled'}, {network.name}"
        return Result(
            shown.float().cpu(), [self.stem], [numbers], [panels], title, fed.float().cpu(), apart.float().numpy()
        )  # fmt: skip

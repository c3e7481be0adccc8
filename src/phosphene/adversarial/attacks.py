"""Small changes that change the answer: the fast gradient sign and projected gradient descent, within an l-inf ball.

FGSM: Goodfellow et al. 2015 (arXiv:1412.6572), one step of eps sign(g). PGD: Madry et al. 2018 (arXiv:1706.06083), many
small ones from a random start, each projected back. The result is rounded to 8 bits and asked about again, because a
perturbation that rounding removes fools nobody.
"""

import math
from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor

from phosphene.core.errors import Mistake, check_range
from phosphene.core.networks.network import Network
from phosphene.core.optimization.constraints import linf
from phosphene.core.optimization.engine import argmin
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.objectives import gradient
from phosphene.core.optimization.optimizers import sign
from phosphene.core.optimization.parameterizations import Pixels
from phosphene.core.optimization.steps import Step, best
from phosphene.core.optimization.terms import cross_entropy
from phosphene.core.pictures.files import Photo
from phosphene.core.results.recipes import recipe
from phosphene.core.results.results import Result, Run
from phosphene.core.units.inputs import Fit, feed, logits, said_in_words, top
from phosphene.core.units.labels import class_index, label

Radius = float
"""A distance in pixel units of [0, 1]; written 8/255 on the command line."""


def rounded(
    pictures: Float[Tensor, "n 3 h w"], center: Float[Tensor, "n 3 h w"], radius: float
) -> Float[Tensor, "n 3 h w"]:
    """The nearest 8-bit pictures that are still within the radius of 8-bit centers."""
    reach = math.floor(radius * 255 + 1e-6)
    levels, middle = (pictures * 255).round(), (center * 255).round()
    return levels.clamp(middle - reach, middle + reach).clamp(0, 255) / 255


def _attack(network: Network, photo: Photo, target: str | int | None, eps: float, fit: Fit, name: str) -> tuple:
    """What both attacks share: the input, the objective away from (or towards) a class, and what comes of it."""
    if not 1 / 255 - 1e-6 <= eps <= 1:
        raise Mistake(f"eps is {eps:g}; it must be 1/255 (the next 8-bit value) to 1, such as 8/255")
    fed = feed(network, photo, fit)
    said = logits(network, fed)
    truth = int(said[0].argmax())
    goal = None if target is None else class_index(network, target)
    if goal == truth:
        raise Mistake(f"{network.name} already says {label(network, truth)}; choose another target")
    loss = -cross_entropy([truth]) if goal is None else cross_entropy([goal])
    stem = name if goal is None else f"{name}-{label(network, goal).replace(' ', '-').replace('/', '-')}"

    def finish(step: Step) -> Result:
        shown = rounded(step.pictures.to(fed), fed, eps)
        before, after = top(network, said[0]), top(network, logits(network, shown)[0])
        apart = ((shown * 255).round() - (fed * 255).round()).cpu().double() / 255  # exact: both are 8-bit
        fooled = after[0]["class"] == goal if goal is not None else after[0]["class"] != truth
        p = after[0]["p"] if goal is None else float(logits(network, shown)[0].cpu().double().softmax(0)[goal])
        numbers = {
            "fooled": fooled,
            "before": before,
            "after": after,
            "target": goal,
            "confidence": p,
            "linf": float(apart.abs().max()),
            "l2": float(apart.norm()),
            "eps": eps,
            "steps": step.index,
        }
        panels = [
            (f"before: {said_in_words(before)}", fed.float().cpu()),
            (f"the change, 10 times; at most {255 * numbers['linf']:.0f}/255", (0.5 + 10 * apart).clamp(0, 1).float()),
            (f"after: {said_in_words(after)}", shown.float().cpu()),
        ]
        title = f"{name}: {'fooled' if fooled else 'not fooled'}, {network.name}"
        return Result(shown.float().cpu(), [stem], [numbers], [panels], title, fed.float().cpu(), apart.float().numpy())

    return fed, gradient(network, loss), stem, finish


@recipe("search")
def fgsm(
    network: Network,
    photo: Photo,
    *,
    target: str | int | None = None,
    eps: Radius = 8 / 255,
    fit: Fit = "crop",
) -> Run:
    """Fool NETWORK with one step of the gradient's sign (Goodfellow et al. 2015).

    Args:
        network: who is to be fooled.
        photo: a path, `skimage:NAME`, or pixels.
        target: the class that it shall say; by default any other than now.
        eps: how far a pixel may move, in [0, 1].
        fit: how the photograph becomes the network's input.
    """
    fed, objective, stem, finish = _attack(network, photo, target, eps, fit, "fgsm")
    path = argmin(Pixels(fed), objective, optimizer=sign(eps), constraint=linf(fed, eps), steps=1)
    return Run(path, total=1, names=[stem], finish=finish)


@recipe("search")
def pgd(
    network: Network,
    photo: Photo,
    *,
    target: str | int | None = None,
    eps: Radius = 8 / 255,
    steps: int = 40,
    step_size: Radius | None = None,
    random_start: bool = True,
    fit: Fit = "crop",
    seed: int = 0,
) -> Run:
    """Fool NETWORK with many small steps inside the ball of radius EPS (Madry et al. 2018); the best one is kept.

    Args:
        network: who is to be fooled.
        photo: a path, `skimage:NAME`, or pixels.
        target: the class that it shall say; by default any other than now.
        eps: how far a pixel may move, in [0, 1].
        steps: how many.
        step_size: of each, in [0, 1]; by default a tenth of eps.
        random_start: begin anywhere in the ball.
        fit: how the photograph becomes the network's input.
        seed: of the start.
    """
    check_range("steps", steps, 0)
    check_range("step-size", step_size, 1e-6, 1)
    fed, objective, stem, finish = _attack(network, photo, target, eps, fit, "pgd")
    start = fed
    if random_start:
        noise = Key(seed, [0]).uniform(torch.zeros(1, dtype=torch.long), *fed.shape[1:])
        start = (fed + eps * (2 * noise.to(fed) - 1)).clamp(0, 1)
    path: Iterator[Step] = argmin(
        Pixels(start), objective, optimizer=sign(step_size or eps / 10), constraint=linf(fed, eps),
        steps=steps, key=Key(seed),
    )  # fmt: skip
    return Run(best(path), total=steps, names=[stem], finish=finish)

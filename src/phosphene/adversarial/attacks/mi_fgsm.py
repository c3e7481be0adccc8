"""Momentum: examples that fool other networks too (Dong et al. 2018, arXiv:1710.06081, algorithm 1).

    g_(t+1) = momentum g_t + gradient / |gradient|_1,    x_(t+1) = P(x_t + step direction(g_(t+1)))

Directions that stay the same from step to step are less this network's own. So are those that views of the picture have
in common (`views`): smaller copies, darker ones, shifted ones.
"""

from collections.abc import Iterator
from typing import Annotated, Unpack

import torch
from torch import Tensor

from phosphene.adversarial import views
from phosphene.adversarial.norms import size, steepest
from phosphene.adversarial.photographs import Within, attack
from phosphene.adversarial.problems import Problems
from phosphene.core.errors import Mistake
from phosphene.core.optimization.constraints import Radius
from phosphene.core.optimization.engine import Evaluate, Evaluation, Objective, Optimizer, Update, argmin
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.parameterizations import Pixels
from phosphene.core.optimization.steps import Step, best
from phosphene.core.options import Bounds, Steps, Words


@attack("linf", "l2")
def mi_fgsm(
    problems: Problems,
    *,
    steps: Annotated[Steps, Words("how many steps")] = 10,
    step_size: Annotated[float | None, Bounds(1e-6, 1e6), Words("length of a step; by default a tenth of eps")] = None,
    momentum: Annotated[float, Bounds(0, 1), Words("what part of earlier gradients stays at each step")] = 1.0,
    diverse: Annotated[bool, Words("let half the views be smaller and anywhere (diverse inputs, DI)")] = False,
    translations: Annotated[
        int, Bounds(1, 99), Words("side of the Gaussian that blurs gradients (translations, TI; the paper's: 15)")
    ] = 1,
    scales: Annotated[int, Bounds(1, 20), Words("darker copies, each half as bright (scales, SI; the paper's: 5)")] = 1,
    **common: Unpack[Within],
) -> Iterator[Step]:
    """Fool NETWORK, and others, with momentum (MI-FGSM, Dong et al. 2018); the best one is kept.

    The paper's radius is 16/255. For other networks let it take all its steps (in Python: until_fooled=False).

    Raises:
        Mistake: inputs that are no pictures have neither places nor neighbours.
    """
    if problems.x[0, 0].numel() == 1 and (diverse or translations > 1):
        raise Mistake("diverse and translations are for pictures; for other inputs leave them out")
    path = argmin(
        Pixels(problems.x),
        _seen(problems, diverse, translations, scales),
        optimizer=accumulated(problems, step_size or problems.eps / 10, momentum),
        constraint=problems.project,
        steps=steps,
        key=problems.key,
        stop=problems.stop,
        last=problems.last(),
    )
    return path if problems.until_fooled else best(path)


def _seen(problems: Problems, smaller: bool, translations: int, scales: int) -> Objective:
    """The picture's own values and answers, and the gradient of its views."""
    gradients = problems.objective()
    if smaller:
        gradients = views.diverse(gradients)
    if scales > 1:
        gradients = views.scaled(gradients, scales)
    if translations > 1:
        gradients = views.translated(gradients, translations)
    if not smaller and scales == 1:
        return gradients

    def over(pictures: Tensor, rows: Tensor, key: Key) -> Evaluation:
        seen = gradients(pictures, rows, key)
        answers = problems.answers(pictures, rows) if smaller else seen.outputs[problems.goal.layer]
        return Evaluation(problems.loss(answers, rows), seen.gradients, {problems.goal.layer: answers})

    return over


def accumulated(problems: Problems, step_size: Radius, momentum: float) -> Optimizer:
    """Steps along the sum of all gradients, each by its l1 norm, row by row."""

    def start(parameters: list[Tensor]) -> Update:
        sums = [torch.zeros_like(one) for one in parameters]

        @torch.no_grad()
        def update(values: Tensor, gradients: list[Tensor], rows: Tensor, evaluate: Evaluate) -> None:
            for parameter, total, gradient in zip(parameters, sums, gradients, strict=True):
                at = rows.to(parameter.device)
                own = step_size[rows.to(step_size.device)].to(parameter) if isinstance(step_size, Tensor) else step_size
                own = own.view(-1, 1, 1, 1) if isinstance(own, Tensor) else own
                length = size(gradient[at], "l1").clamp(min=torch.finfo(gradient.dtype).tiny)
                total[at] = momentum * total[at] + gradient[at] / length.view(-1, 1, 1, 1)
                parameter[at] -= own * steepest(total[at], problems.norm)

        return update

    return start

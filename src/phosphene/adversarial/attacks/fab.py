"""The fast adaptive boundary attack: steps onto the linearized boundary, biased towards the input where it began.

At a point z the goal's margin is taken for linear; z and the input x are both projected onto where it is 0, within the
bounds, and the next point lies between the two projections, a little beyond the boundary (Croce & Hein 2020,
arXiv:1907.02044, algorithm 1):

    z' = (1 - a)(z + eta d(z)) + a (x + eta d(x)),    a = min(|d(z)| / (|d(z)| + |d(x)|), a_max)

Where z' reaches the goal, the next step begins nearer to x, at (1 - beta) x + beta z'; at the end the way from x to the
nearest such point is searched.

The paper asks the victim about z' and then, for a gradient, about the point nearer to x. Here the gradient is taken at
z', in the same pass, and the linear function that was had there is projected onto from the point nearer to x: one
forward pass a step. z' is the one of the two that is close to the boundary.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, NamedTuple, Unpack

import torch
from jaxtyping import Float, Int
from torch import Tensor

from phosphene.adversarial.hyperplanes import crossing
from phosphene.adversarial.nearest import Nearest
from phosphene.adversarial.norms import size, usual_radius
from phosphene.adversarial.photographs import Common, attack
from phosphene.adversarial.problems import Problems
from phosphene.adversarial.victims import Measured
from phosphene.core.optimization.steps import Step
from phosphene.core.options import Bounds, Steps, Words


class Linear(NamedTuple):
    """A linear function of each row: `values` at `points`, and its gradients."""

    points: Float[Tensor, "m c h w"]
    values: Float[Tensor, " m"]
    gradients: Float[Tensor, "m c h w"]

    def moved(self, points: Float[Tensor, "m c h w"]) -> "Linear":
        """The same function, at other points."""
        change = (self.gradients * (points - self.points)).flatten(1).sum(1)
        return Linear(points, self.values + change, self.gradients)

    def among(self, rows: Tensor) -> "Linear":
        """Of these rows alone."""
        return Linear(*(one[rows.to(one.device)] for one in self))


@attack("linf", "l2", "l1", minimal=True, length=("steps", "targets"))
def fab(
    problems: Problems,
    *,
    steps: Annotated[Steps, Words("how many steps towards each class")] = 100,
    targets: Annotated[int, Bounds(1, 1000), Words("towards so many of the likeliest other classes, by turns")] = 9,
    bias: Annotated[float, Bounds(0, 1), Words("how far a step leans towards the photograph, at most")] = 0.1,
    overshoot: Annotated[float, Bounds(1, 2), Words("how far it goes beyond the linear boundary")] = 1.05,
    backward: Annotated[float, Bounds(0, 1), Words("what is kept of a change that fools")] = 0.9,
    **common: Unpack[Common],
) -> Iterator[Step]:
    """Fool NETWORK with the smallest change, along its linearized boundary (FAB, Croce & Hein 2020).

    The first try begins at the photograph, further ones anywhere within half of the radius that is enough.
    """
    nearest, rows = Nearest(problems), problems.rows
    chosen: list[Tensor] = []

    def likeliest(answers: Tensor, rows: Tensor) -> Tensor:
        ways = problems.ways(answers, rows)
        least = ways.topk(min(targets, max(1, ways.shape[1] - 1)), 1, largest=False)
        chosen.append(least.indices)
        return least.values

    start = problems.x if problems.key.stage == 0 else _anywhere(problems)
    answers, values, gradients = problems.victim.gradients(start, rows, likeliest, problems.goal.layer)
    nearest.see(start, rows, answers)
    index, rows = 0, rows[nearest.going(rows)]
    yield nearest.step(index, rows)
    for way in range(values.shape[1]):

        def measure(answers: Tensor, rows: Tensor, way: int = way) -> Tensor:
            return problems.ways(answers, rows).gather(1, chosen[0][rows.to(answers.device), way, None])[:, 0]

        linear = Linear(start, values[:, way], gradients[:, way]).among(rows)
        for _ in range(steps):
            if not len(rows):
                return
            points = _next(problems, linear, rows, bias, overshoot)
            linear = _asked(problems, nearest, measure, points, rows, backward)
            going = nearest.going(rows)
            linear, rows, index = linear.among(going.nonzero().flatten()), rows[going], index + 1
            yield nearest.step(index, rows)
    yield from nearest.between(index)


def _anywhere(problems: Problems) -> Tensor:
    """Within half of the radius that is enough, or, where there is none, of the usual one."""
    usual = usual_radius(problems.norm, problems.x[0].numel())
    near = torch.as_tensor(problems.enough).to(problems.x)
    return replace(problems, eps=torch.where(near > 0, near, usual).expand(len(problems)) / 2).anywhere()


def _next(problems: Problems, linear: Linear, rows: Int[Tensor, " m"], bias: float, overshoot: float) -> Tensor:
    """Between the projections of a point and of its input onto where the linear function is 0."""
    x = problems.x[rows.to(linear.points.device)]
    both = [linear, linear.moved(x)]
    points, values, gradients = (torch.cat(parts) for parts in zip(*both, strict=True))
    changes, _ = crossing(points, gradients, values, problems.norm, problems.low, problems.high)
    near, far = size(changes, problems.norm).chunk(2)
    part = (near / (near + far).clamp(min=torch.finfo(near.dtype).tiny)).clamp(max=bias).view(-1, 1, 1, 1)
    own, origin = (points + overshoot * changes).chunk(2)
    return problems.box(torch.lerp(own, origin, part), rows)


def _asked(
    problems: Problems, nearest: Nearest, measure: Measured, points: Tensor, rows: Int[Tensor, " m"], backward: float
) -> Linear:
    """The linear function at these points; it is given from nearer to the input where they reach the goal."""
    seen = problems.objective(measure)(points, rows, problems.key)
    reached = nearest.see(points, rows, seen.outputs[problems.goal.layer]).view(-1, 1, 1, 1)
    back = torch.where(reached, torch.lerp(problems.x[rows.to(points.device)], points, backward), points)
    return Linear(points, seen.values, seen.gradients).moved(back)

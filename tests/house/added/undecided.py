"""An attack, as somebody would write it: tests copy it to `phosphene.adversarial.attacks.undecided`."""

from collections.abc import Iterator
from typing import Annotated, Unpack

from phosphene.adversarial.photographs import Within, attack
from phosphene.adversarial.problems import Problems
from phosphene.core.optimization.steps import Step
from phosphene.core.options import Bounds, Words


@attack("linf")
def undecided(
    problems: Problems,
    *,
    steps: Annotated[int, Bounds(1, 100), Words("how many times noise is added")] = 3,
    **common: Unpack[Within],
) -> Iterator[Step]:
    """Add noise and hope."""
    x = problems.x
    for index in range(steps + 1):
        yield Step(index, x, x.new_zeros(len(x)))
        noise = problems.key.at(index).uniform(problems.rows, *x.shape[1:]).to(x)
        x = problems.project(problems.x + problems.eps * (2 * noise - 1), problems.rows)

"""Auto-PGD: projected gradient descent without a step length to choose (Croce & Hein 2020, arXiv:2003.01690).

Its steps begin at the ball's diameter and become shorter where they no longer help (`descent`), so that 100 of them
explore first and refine then. Of its losses (`losses`) `ce` and `targeted-dlr` are the first two of AutoAttack's four
attacks; the latter goes towards each of the highest other classes in turn, which finds what a descent from the class
itself walks past. In the l1 ball a descent begins in larger ones (arXiv:2103.01208, `descent`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal, Unpack

from phosphene.adversarial.descent import descend
from phosphene.adversarial.kept import Kept
from phosphene.adversarial.losses import about_classes, dlr, dlr_towards, highest_others
from phosphene.adversarial.photographs import Within, attack
from phosphene.adversarial.problems import Problems
from phosphene.core.optimization.steps import Step
from phosphene.core.options import Bounds, Steps, Words

Loss = Literal["ce", "dlr", "margin", "targeted-dlr"]


def _length(options: Mapping[str, Any]) -> int:
    """A descent towards each target, and the input itself."""
    steps: int = options["steps"]
    return options["targets"] * (steps + 1) if options["loss"] == "targeted-dlr" else steps


@attack("linf", "l2", "l1", length=_length)
def apgd(
    problems: Problems,
    *,
    steps: Annotated[Steps, Words("how many steps, towards each target")] = 100,
    loss: Annotated[
        Loss, Words("what is made small; targeted-dlr takes the highest other classes as targets, one after the other")
    ] = "ce",
    targets: Annotated[int, Bounds(1, 10_000), Words("of targeted-dlr: how many")] = 9,
    random_start: Annotated[bool, Words("begin anywhere in the ball")] = True,
    **common: Unpack[Within],
) -> Iterator[Step]:
    """Fool NETWORK with steps that become shorter by themselves (Auto-PGD, Croce & Hein 2020); the best one is kept.

    A goal that has its target already, or that is not about classes, is the only one; dlr is taken for it.
    """
    kept, index = Kept(problems), 0
    measures = [{"ce": problems.loss, "margin": problems.margin}.get(loss) or dlr(problems)]
    if loss == "targeted-dlr" and about_classes(problems) and not problems.goal.targeted:
        answers = problems.answers(problems.x, problems.rows)
        kept.see(problems.x, problems.rows, answers)
        yield kept.step(0)
        index = 1
        others = highest_others(problems, answers, targets)
        measures = [dlr_towards(problems, one) for one in others.unbind(1)]
    for turn, measure in enumerate(measures):
        rows = kept.left
        if not len(rows):
            return
        here = replace(problems, key=problems.key.child(turn + 1)) if turn else problems
        start = here.anywhere() if random_start else problems.x
        for _ in descend(here, kept, rows, start[rows.to(start.device)], measure, steps):
            yield kept.step(index)
            index += 1

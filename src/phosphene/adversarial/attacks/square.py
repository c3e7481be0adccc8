"""Square: a random search by scores alone (Andriushchenko et al. 2020, arXiv:1912.00049, algorithm 1).

One query a step: a square of the change, anywhere, is replaced by another one (`squares`), and that is kept where it
makes the margin smaller. Squares become smaller by a schedule. Nothing is differentiated, so that it is misled by no
gradient, and works where there is none.
"""

import math
from collections.abc import Iterator
from typing import Annotated, Unpack

from jaxtyping import Bool, Float
from torch import Tensor

from phosphene.adversarial.kept import Kept
from phosphene.adversarial.photographs import Within, attack
from phosphene.adversarial.problems import Problems
from phosphene.adversarial.squares import squares, windows
from phosphene.core.optimization.steps import Step
from phosphene.core.options import Bounds, Words

HALVED = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)
"""After how many of 10,000 queries the area of a square is halved (section 5 of the paper)."""

FIRST_LOOK = 1 / 8
"""The part of the queries before which nobody is let go: up to there squares are too large for what is left to gain."""


@attack("linf", "l2", "l1", length=("queries",))
def square(
    problems: Problems,
    *,
    queries: Annotated[int, Bounds(1, 1_000_000), Words("how often the network is asked")] = 5000,
    p: Annotated[float, Bounds(1e-6, 1), Words("what part of the picture the first squares cover")] = 0.8,
    patience: Annotated[
        float | None, Bounds(1, 1000), Words("let go what would not be reached at so many times its progress")
    ] = None,
    **common: Unpack[Within],
) -> Iterator[Step]:
    """Fool NETWORK by its scores alone, with random squares (Andriushchenko et al. 2020); the best try is kept.

    With `patience` a picture is let go that can't be reached within the queries that are left. While squares are large,
    the search gains more with each doubling of its queries, later no more than before. So after q of Q queries, an
    eighth at least, whose second half made the margin m smaller by m(q/2) - m(q), it is hopeless where

        m(q) > patience log2(Q / q) (m(q/2) - m(q)).

    Measured on CIFAR and two adversarially trained networks (l-inf 2/255 and 8/255, l2 1/2; five runs, 718 pictures, of
    which 260 are fooled): patience 3 loses none of those, 2 three, 1 thirty-four. With 3 the others take 930 to 2040
    queries of 5000. Without patience all have the paper's whole budget.
    """
    kept = Kept(problems)
    propose = (squares if problems.norm == "linf" else windows)(problems)
    halves, noted = looks(queries), dict[int, Tensor]()
    for query in range(queries):
        rows = kept.left
        tried = propose(kept.pictures[rows.to(kept.pictures.device)], rows, query, p / 2 ** halvings(query, queries))
        kept.see(tried, rows, problems.answers(tried, rows))
        asked = query + 1
        if patience is not None and asked in halves:
            noted[asked] = kept.margins
            if (before := noted.get(halves[asked])) is not None:
                lost = hopeless(before, kept.margins, math.log2(queries / asked), patience)
                kept.let_go(kept.left[lost[kept.left]])
        yield kept.step(query)
        if not kept.alive.any():
            return


def halvings(query: int, queries: int) -> int:
    """How often the area of a square was halved before this query."""
    return sum(query * 10_000 // queries > mark for mark in HALVED)


def looks(queries: int) -> dict[int, int]:
    """After how many queries it is asked what is hopeless, and how many are half as many: two of each doubling."""
    last = round(-2 * math.log2(FIRST_LOOK))
    marks = [round(queries * FIRST_LOOK / 2 * 2 ** (j / 2)) for j in range(last + 2)]
    return dict.fromkeys(marks[:2], 0) | dict(zip(marks[2:], marks, strict=False))


def hopeless(
    before: Float[Tensor, " n"], margins: Float[Tensor, " n"], doublings: float, patience: float
) -> Bool[Tensor, " n"]:
    """Whose margin would stay above 0 even at `patience` times its progress in each doubling that is left."""
    return (margins > patience * doublings * (before - margins)).cpu()

"""The search for pictures that have given codes: many problems in one batch, each row's best kept, each stopped alone.

argmin |Phi(x) - c|^2 / |c|^2 + lambda R(x), as any other ascent (`core/optimization/ascent.py`). What is kept of each
problem is its picture with the least error so far, whatever its priors say, so that more steps are never worse.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from phosphene.core.networks.network import Network
from phosphene.core.optimization.ascent import Ascent, Nouns, Size, ascent
from phosphene.core.optimization.engine import Evaluation, Objective, Stop
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.settings import Settings
from phosphene.core.optimization.steps import Step, best, steadiest
from phosphene.core.optimization.terms import Reading, Term
from phosphene.core.optimization.transforms import Transform, as_is
from phosphene.inversion.codes import Code, by_layer, distance
from phosphene.inversion.depths import in_depth

ERROR = "error"
"""The output of a step that holds the error of each problem, without its priors."""

FALL = 0.01
"""An error that has not fallen by this part of it has not fallen."""


def with_error(plain: Objective) -> Objective:
    """The same, whose values come along as an output too: priors are added to the values, not to that."""

    def objective(pictures: Tensor, rows: Int[Tensor, " n"], key: Key) -> Evaluation:
        seen = plain(pictures, rows, key)
        return seen._replace(outputs={ERROR: seen.values.clone()})

    return objective


class Stalled:
    """Which of `many` problems have an error that has not fallen by `FALL` in so many steps."""

    def __init__(self, many: int, patience: int) -> None:
        self.patience = patience
        self._mark = torch.full((many,), torch.inf, dtype=torch.float64)
        self._since = torch.zeros(many, dtype=torch.long)

    def __call__(self, pictures: Tensor, rows: Int[Tensor, " n"], seen: Evaluation) -> Bool[Tensor, " n"]:
        errors = seen.outputs[ERROR].detach().cpu().double()
        fallen = errors < (1 - FALL) * self._mark[rows]
        self._mark[rows] = torch.where(fallen, errors, self._mark[rows])
        self._since[rows] = torch.where(fallen, 0, self._since[rows] + 1)
        return self._since[rows] >= self.patience


def _either(one: Stop | None, other: Stop) -> Stop:
    if one is None:
        return other
    return lambda pictures, rows, seen: one(pictures, rows, seen).cpu() | other(pictures, rows, seen)


def apart(problems: Sequence[Sequence[int]], terms: Sequence[Term]) -> Term:
    """How far each picture is from its code, by the term of its layer."""
    place = {problem: (g, i) for g, own in enumerate(problems) for i, problem in enumerate(own)}

    def of(r: Reading) -> Float[Tensor, " n"]:
        found = r.pictures.new_zeros(len(r.pictures))
        groups, own = torch.tensor([place[row] for row in r.rows.tolist()]).to(r.rows.device).T
        for g, term in enumerate(terms):
            found = torch.where(groups == g, term.of(replace(r, rows=torch.where(groups == g, own, 0))), found)
        return found

    return Term(of, frozenset().union(*(term.layers for term in terms)), "distance to codes")


def searched(
    network: Network,
    codes: Sequence[Code],
    settings: Settings | Ascent,
    size: Size,
    *,
    starts: Sequence[int] = (),
    seed: int = 0,
    nouns: Nouns = Nouns(),
    patience: int = 0,
    start: Float[Tensor, "n c h w"] | None = None,
    batch: int = 16,
) -> Iterator[Step]:
    """The steps of a search for pictures with these codes; each has the best pictures so far, their values and errors.

    Args:
        codes: problem i is to meet codes[i]; of several layers, or several of one.
        settings: how pictures are moved, in plain values, or as an `Ascent`.
        size: (height, width) of the pictures.
        starts: the identity of each problem for random numbers; those with the same one begin at the same noise. By
            default all do.
        nouns: in place of settings.
        patience: a problem ends when its error has not fallen by 1 % in so many steps; 0: none does. With a deep prior,
            whose error falls on while it paints noise, it is whether that ends where its pictures vary least, which are
            then what is kept (`steadiest`).
        start: pictures to begin with instead of noise.
        batch: so many go through the network at a time.
    """
    how = settings if isinstance(settings, Ascent) else ascent(settings, network, size, nouns)
    steady = patience > 0 and isinstance(settings, Settings) and settings.parameterization == "deep-prior"
    stop = _either(how.stop, Stalled(len(codes), patience)) if patience and not steady else how.stop
    problems = list(by_layer(codes).values())
    terms = [distance(network, [codes[i] for i in rows]) for rows in problems]

    def reading(network: Network, term: Term, transform: Transform) -> Objective:
        return with_error(in_depth(network, problems, terms, transform))

    how = replace(how, redirected=False, reading=reading, stop=stop, remembering=how.transform is as_is)
    parts = [(range(len(codes)), -apart(problems, terms))]
    key = Key(seed, list(starts) or [0] * len(codes))
    steps = how.trajectory(network, parts, key, size, start=start, batch=batch).steps
    return steadiest(steps) if steady else best(steps, by=ERROR)

"""Pictures of several depths in one pass: each goes through the network as far as the layer whose code it is to meet.

Sorted by depth, all go through the first layers together, and behind each layer those that were to come so far leave
the batch. It is what single passes compute, and faster, as a large batch takes less for each of its pictures. It is
right only where all that follows a layer hangs on it alone: no path may lead past it. That is tried once, on noise;
where it fails, each layer has a pass of its own.
"""

from collections.abc import Sequence
from contextlib import ExitStack

import torch
from jaxtyping import Float, Int
from torch import Tensor

from phosphene.core.networks.network import Network
from phosphene.core.optimization.engine import Evaluation, Objective
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.objectives import gradient, grouped, pulled
from phosphene.core.optimization.terms import Reading, Term
from phosphene.core.optimization.transforms import Transform, as_is


def in_depth(
    network: Network, problems: Sequence[Sequence[int]], terms: Sequence[Term], transform: Transform = as_is
) -> Objective:
    """The values and gradients of terms that read one layer each, as `grouped` gives them.

    Args:
        problems: of each term: its problem i is problem problems[term][i].
        transform: one view of each picture; where it makes several, each layer has a pass of its own.
    """
    alone = grouped(problems, [gradient(network, term, transform) for term in terms])
    reads = [next(iter(term.layers)) for term in terms]
    order = sorted(range(len(terms)), key=lambda group: list(network.layers).index(reads[group]))
    names = list(dict.fromkeys(reads[group] for group in order))
    if len(names) < 2 or not cut_in_two(network, names):
        return alone
    rank = {problem: (order.index(g), i) for g, own in enumerate(problems) for i, problem in enumerate(own)}

    def objective(pictures: Float[Tensor, "n c h w"], rows: Int[Tensor, " n"], key: Key) -> Evaluation:
        ranks = torch.tensor([rank[row] for row in rows.tolist()])
        sorting = ranks[:, 0].argsort(stable=True)
        many = ranks[:, 0].bincount(minlength=len(terms)).tolist()
        with torch.inference_mode(False), torch.enable_grad(), ExitStack() as until:
            x = pictures[sorting.to(pictures.device)].detach().clone().requires_grad_()
            views, _ = transform(x, rows[sorting], key)
            if len(views) != len(x):
                return alone(pictures, rows, key)
            leaving = {name: sum(n for n, g in zip(many, order, strict=True) if reads[g] == name) for name in names}
            leaving = {name: n for name, n in leaving.items() if n}
            read = network.read(views, leaving, until=until, leaving=dict(list(leaving.items())[:-1]))
            first, values = 0, []
            for group, n in zip(order, many, strict=True):
                if n:
                    mine = slice(first, first + n)
                    own, of = ranks[sorting[mine], 1].to(x.device), torch.arange(n, device=x.device)
                    y, read[reads[group]] = read[reads[group]].tensor_split([n])
                    part = Reading(x[mine], own, views[mine], of, {reads[group]: y}, network.head)
                    values.append(terms[group].of(part))
                    first += n
            found = pulled(joined := torch.cat(values), x, network.name)
        if not (joined.sum() + found.sum()).isfinite():
            return alone(pictures, rows, key)  # which says what is not
        back = sorting.argsort().to(x.device)
        return Evaluation(joined.detach()[back], found[back])

    return objective


@torch.no_grad()
def cut_in_two(network: Network, names: Sequence[str]) -> bool:
    """Whether pictures may leave the batch behind each of these layers: what comes out is what comes out without.

    Args:
        names: in the order in which they run.
    """
    if not network.together:
        return False
    x = network.anatomy.noise(network.size, 2 * len(names))  # two leave each time: one that is left would fit any batch
    try:
        whole, part = network.read(x, names), network.read(x, names, leaving=dict.fromkeys(names[:-1], 2))
    except Exception:  # a stranger's model raises anything when some of its pictures are missing
        return False
    for i, name in enumerate(names):
        one, other = whole[name][2 * i :], part[name]
        if one.shape != other.shape or (one - other).abs().max() > 0.01 * one.abs().max():
            return False
    return True

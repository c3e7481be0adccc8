"""How a gradient is had: functions that return an objective, (pictures, rows, key) -> Evaluation.

They combine: `chunked(mean(gradient(a, term), gradient(b, term)), 8)`. Others of their kind: `tiled` (tiles.py) and
`estimated` (estimates.py).
"""

import math
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import ExitStack
from functools import reduce

import torch
from jaxtyping import Float, Int
from torch import Tensor

from phosphene.core.errors import Mistake, failed, first_line
from phosphene.core.networks.head import SOFTMAX
from phosphene.core.networks.network import Network
from phosphene.core.networks.rectifiers import Rule
from phosphene.core.optimization.engine import Evaluation, NotFinite, Objective
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.terms import Reading, Term
from phosphene.core.optimization.transforms import Transform, as_is


class NoGradient(Mistake):
    """What a network says does not depend, for all that can be differentiated, on what it was given."""


def pulled(values: Tensor, at: Tensor, name: str, unrelated: str = "", again: bool = False) -> Tensor:
    """The gradient of the sum of what a network says, with respect to what it was given.

    Args:
        values: computed from `at` by the network.
        name: of the network, for messages.
        unrelated: what is said where the values don't depend on it.
        again: another gradient of the same computation is to follow.
    Raises:
        NoGradient: there is none, and why.
        Mistake: it can't be computed.
    """
    cut = (
        f"{name} gives no gradient: something in it cuts the way back to the picture (no_grad, inference mode, detach, "
        "NumPy, whole numbers, quantized weights); take a method that needs none"
    )
    if not values.requires_grad:
        raise NoGradient(cut)
    try:
        (found,) = torch.autograd.grad(values.sum(), at, allow_unused=True, retain_graph=again)
    except (Mistake, MemoryError):
        raise
    except RuntimeError as error:
        raise Mistake(f"the gradient of {name} can't be computed: {first_line(error)}") from error
    except Exception as error:  # whatever a stranger's model raises on the way back
        raise Mistake(failed(name, error)) from error
    if found is None:
        raise NoGradient(unrelated or cut)
    return found


def gradient(
    network: Network, term: Term, transform: Transform = as_is, rule: Rule = "gradient", keep: Collection[str] = ()
) -> Objective:
    """The values of `term` on `network`, seen through `transform`, and their gradient.

    Args:
        rule: what the backward pass does at rectifiers.
        keep: layers whose activations come along as outputs, from the same forward pass.
    Raises (when called):
        NotFinite: a value or a gradient is not finite; names the step and the term.
    """

    def evaluate(pictures: Tensor, rows: Tensor, key: Key, part: Term, kept: Collection[str] = ()) -> Evaluation:
        with torch.inference_mode(False), torch.enable_grad(), ExitStack() as until:
            x = (pictures.clone() if pictures.is_inference() else pictures.detach()).requires_grad_()
            views, of = transform(x, rows, key)
            wanted = part.layers.union(kept)
            layers = network.read(views, wanted, rule, until) if wanted else {}
            head = network.head if wanted else SOFTMAX  # a prior alone doesn't run the network
            values = part.of(Reading(x, rows.to(x.device), views, of, layers, head))
            found = pulled(values, x, network.name)
        return Evaluation(values.detach(), found, {name: _per_picture(layers[name].detach(), of, x) for name in kept})

    def objective(pictures: Float[Tensor, "n c h w"], rows: Int[Tensor, " n"], key: Key) -> Evaluation:
        seen = evaluate(pictures, rows, key, term, keep)
        if not (seen.values.sum() + seen.gradients.sum()).isfinite():
            for part in term.leaves:
                parts = evaluate(pictures, rows, key, part)[:2]
                for what, numbers in zip(("value", "gradient"), parts, strict=True):
                    if not numbers.isfinite().all():
                        name = part.name.removeprefix("-1 ")
                        raise NotFinite(f"step {key.step}: the {what} of {name} is not finite on {network.name}")
            if not (seen.values.isfinite().all() and seen.gradients.isfinite().all()):
                raise NotFinite(f"step {key.step}: {term.name} is too large to be added up on {network.name}")
        return seen

    return objective


def _per_picture(y: Tensor, of: Int[Tensor, " m"], pictures: Tensor) -> Tensor:
    """Activations of views as activations of pictures: of several views their mean."""
    n = len(pictures)
    if len(y) == n and torch.equal(of.cpu(), torch.arange(n)):
        return y
    many = torch.bincount(of, minlength=n).to(y).view(-1, *[1] * (y.dim() - 1))
    return y.new_zeros(n, *y.shape[1:]).index_add(0, of.to(y.device), y) / many


@torch.no_grad()
def values(
    network: Network, term: Term, pictures: Float[Tensor, "n c h w"], rows: Int[Tensor, " n"]
) -> Float[Tensor, " n"]:
    """What `term` is on these pictures as they are, without its gradient."""
    layers = network.read(pictures, term.layers)
    of = torch.arange(len(pictures), device=pictures.device)
    return term.of(Reading(pictures, rows.to(pictures.device), pictures, of, layers, network.head))


def unblocked(
    network: Network,
    term: Term,
    transform: Transform = as_is,
    steps: int = 16,
    keep: Collection[str] = (),
    watched: Callable[[Objective], Objective] = lambda plain: plain,
) -> Objective:
    """`gradient`; where rectifiers block all of a picture's gradient in the first steps, it is led past them.

    Otherwise a unit that the starting noise does not excite at all would stay grey (lucid's redirection, for 16 steps
    too). It costs a second pass only where something is blocked: 25 of 64 of `embedded:photo`'s mixed4b begin closed,
    and none is after 4 of Adam's steps; steps on pixels are smaller.

    Args:
        watched: what looks at the gradient before it is led anywhere.
    """
    plain = watched(gradient(network, term, transform, keep=keep))
    redirected = gradient(network, term, transform, "redirected")

    def objective(pictures: Tensor, rows: Tensor, key: Key) -> Evaluation:
        seen = plain(pictures, rows, key)
        if key.step < steps and network.rectified:
            blocked = (seen.gradients.flatten(1).abs().amax(1) == 0).nonzero().flatten()
            if len(blocked):
                seen.gradients[blocked] = redirected(pictures[blocked], rows[blocked.cpu()], key).gradients
        return seen

    return objective


def total(*objectives: Objective) -> Objective:
    """The sum of several objectives; outputs that several of them keep are those of the first."""

    def objective(pictures: Tensor, rows: Tensor, key: Key) -> Evaluation:
        parts = [one(pictures, rows, key.child(i)) for i, one in enumerate(objectives)]
        outputs: dict[str, Tensor] = {}
        for part in parts:
            outputs = {**part.outputs, **outputs}
        return Evaluation(_sum(part.values for part in parts), _sum(part.gradients for part in parts), outputs)

    return objective


def _sum(tensors: Iterable[Tensor]) -> Tensor:
    return reduce(torch.add, tensors)


def mean(*objectives: Objective) -> Objective:
    """The mean of several objectives: an ensemble of networks. Outputs are means over those that keep them."""

    def objective(pictures: Tensor, rows: Tensor, key: Key) -> Evaluation:
        parts = [one(pictures, rows, key.child(i)) for i, one in enumerate(objectives)]
        names = dict.fromkeys(name for part in parts for name in part.outputs)
        kept = {name: [part.outputs[name] for part in parts if name in part.outputs] for name in names}
        return Evaluation(
            _sum(part.values for part in parts) / len(parts),
            _sum(part.gradients for part in parts) / len(parts),
            {name: _sum(ys) / len(ys) for name, ys in kept.items()},
        )

    return objective


def grouped(groups: Sequence[Sequence[int]], objectives: Sequence[Objective]) -> Objective:
    """Each group of problems has an objective of its own, to which problem i of the group is problem groups[g][i].

    So terms that read different layers, or need different transforms, go through one batch of pictures.
    """
    if len(groups) == 1:
        return objectives[0]
    group_of, index_in = (torch.zeros(sum(map(len, groups)), dtype=torch.long) for _ in range(2))
    for g, problems in enumerate(groups):
        group_of[list(problems)], index_in[list(problems)] = g, torch.arange(len(problems))

    def objective(pictures: Tensor, rows: Tensor, key: Key) -> Evaluation:
        values, gradients = pictures.new_zeros(len(pictures)), torch.zeros_like(pictures)
        outputs: dict[str, Tensor] = {}
        for g, problems in enumerate(groups):
            mine = (group_of[rows] == g).nonzero().flatten()
            if len(mine):
                seen = objectives[g](pictures[mine], index_in[rows[mine]], key.of(problems))
                values[mine], gradients[mine] = seen.values.to(values), seen.gradients
                for name, y in seen.outputs.items():
                    outputs.setdefault(name, y.new_zeros(len(pictures), *y.shape[1:]))[mine] = y
        return Evaluation(values, gradients, outputs)

    return objective


def remembered(objective: Objective) -> Objective:
    """The same, which is not asked again about a problem's picture that it was asked about last.

    A line search ends at a picture that it has tried, where the next step begins; so it costs no second look. Only for
    objectives without anything random.
    """
    kept: dict[int, tuple[Tensor, Evaluation]] = {}

    def asked(pictures: Float[Tensor, "n c h w"], rows: Int[Tensor, " n"], key: Key) -> Evaluation:
        names = rows.tolist()
        new = [i for i, name in enumerate(names) if name not in kept or not torch.equal(kept[name][0], pictures[i])]
        if new:
            every = len(new) == len(names)
            at = torch.tensor(new)
            seen = objective(pictures if every else pictures[at.to(pictures.device)], rows[at], key)
            for i, own in enumerate(new):
                one = slice(i, i + 1)
                outputs = {name: y[one] for name, y in seen.outputs.items()}
                kept[names[own]] = pictures[own].clone(), Evaluation(seen.values[one], seen.gradients[one], outputs)
            if every:
                return seen
        return joined([kept[name][1] for name in names])

    return asked


class Accumulated:
    """An objective that remembers where its gradients were: the sum of |gradient| over steps, of `many` problems.

    What never had to change in a picture can be made transparent (MaCo, Fel et al. 2023, arXiv:2306.06805).
    """

    def __init__(self, objective: Objective, many: int) -> None:
        self._objective, self._many = objective, many
        self._sum: Tensor | None = None

    def __call__(self, pictures: Tensor, rows: Tensor, key: Key) -> Evaluation:
        seen = self._objective(pictures, rows, key)
        sizes = seen.gradients.abs().mean(1, keepdim=True)
        if self._sum is None:
            self._sum = sizes.new_zeros(self._many, *sizes.shape[1:])
        self._sum.index_add_(0, rows.to(sizes.device), sizes)
        return seen

    def visible(self, quantile: float = 0.8) -> Float[Tensor, "problems 1 h w"]:
        """Opacity, 0 to 1: each problem's sum over its quantile (xplique's 80 %), where that is not 0."""
        assert self._sum is not None
        flat = self._sum.flatten(1)
        limit = flat.kthvalue(math.ceil(quantile * flat.shape[1]), dim=1).values.view(-1, 1, 1, 1)
        return (self._sum / torch.where(limit > 0, limit, 1.0)).clamp(0, 1)


def chunked(objective: Objective, size: int) -> Objective:
    """The same numbers, `size` pictures at a time: memory flat in the batch."""

    def split(pictures: Tensor, rows: Tensor, key: Key) -> Evaluation:
        pairs = zip(pictures.split(size), rows.split(size), strict=True)
        return joined([objective(x, r, key) for x, r in pairs])

    return split


def joined(parts: Sequence[Evaluation]) -> Evaluation:
    """What is said about several groups of pictures, as of one."""
    if len(parts) == 1:
        return parts[0]
    return Evaluation(
        torch.cat([part.values for part in parts]),
        torch.cat([part.gradients for part in parts]),
        {name: torch.cat([part.outputs[name] for part in parts]) for name in parts[0].outputs},
    )

"""One perturbation that fools on most pictures (Moosavi-Dezfooli et al. 2017, arXiv:1610.08401).

It is sought as networks are trained: by gradient steps on the mean loss of small batches, the perturbation being what
is learnt (Shafahi et al. 2018, arXiv:1811.11304, algorithm 1),

    minimize over |d| <= eps    mean over i of max(loss(x_i + d), -BETA).

The loss is log p of the class, cut off where a picture is fooled anyway, for else few pictures would have all the
gradient. The first paper walks from picture to picture and adds a DeepFool step for each that is not fooled yet; that
takes many more passes a picture, can't use batches, and fools fewer.

    found = phosphene.attacks.universal(network, pictures, labels, eps=10 / 255)
    found.rate, found.on(other_pictures)
"""

import math
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from phosphene.adversarial.goals import Wanted
from phosphene.adversarial.norms import Norm, ball, steepest
from phosphene.adversarial.problems import Bounds, Problems, problems
from phosphene.adversarial.victims import Classifier, Victim
from phosphene.core.errors import Mistake, check_choice, check_range
from phosphene.core.networks.network import Network
from phosphene.core.optimization.keys import Key

BETA = 9.0
"""Where the cross-entropy is cut off (section 4.1 of Shafahi et al.)."""

USUAL = {"linf": 10 / 255, "l2": 2000 / 255}
"""Radii of Moosavi-Dezfooli et al., section 3.1; that of l2 for 150,528 values."""


@dataclass(frozen=True)
class Universal:
    """One perturbation for all.

    Attributes:
        perturbation: in the shape of one input.
        rate: the share of the pictures it was made on that it fools, of those that the network was right about.
        rates: after each epoch.
        fooled, before: (n), which pictures it fools, and which reached the goal without it and are not counted.
        forwards, backwards: (n), how often each picture went through the network, one way and back.
        bounds: of inputs.
    """

    perturbation: Float[Tensor, "..."]
    rate: float
    rates: tuple[float, ...]
    fooled: Bool[Tensor, " n"]
    before: Bool[Tensor, " n"]
    forwards: Int[Tensor, " n"]
    backwards: Int[Tensor, " n"]
    bounds: Bounds

    def on(self, x: Float[Tensor, "m ..."]) -> Float[Tensor, "m ..."]:
        """Other inputs with the perturbation, within the bounds."""
        low, high = (torch.as_tensor(end).to(x) for end in self.bounds)
        return (x + self.perturbation.to(x)).clamp(low, high)


def universal(
    victim: Victim | Network | Classifier,
    x: Float[Tensor, "n ..."],
    labels: Wanted,
    *,
    norm: Norm = "linf",
    eps: float | None = None,
    until: float = 0.8,
    epochs: int = 20,
    batch: int = 32,
    step_size: float | None = None,
    targeted: bool = False,
    bounds: Bounds = (0.0, 1.0),
    key: Key = Key(),
) -> Universal:
    """Look for one change, within the radius, that fools on at least a share of the pictures.

    Args:
        norm: linf or l2.
        eps: the radius; by default 10/255, and in l2 as much for each value as 2000/255 is for 150,528.
        until: the share at which it is enough.
        epochs: how often it sees every picture, at most.
        batch: so many pictures at a time; each makes one step.
        step_size: by default a tenth of eps in the first epoch; it falls to 0 along a line.
        key: the order of pictures.
    Raises:
        Mistake: what attacks raise; or no picture is left to be fooled.
    """
    check_choice("norm of universal", norm, ("linf", "l2"))
    check_range("until", until, 0, 1)
    check_range("epochs", epochs, 1)
    check_range("batch", batch, 1)
    radius = USUAL[norm] * (1 if norm == "linf" else math.sqrt(x[0].numel() / 150_528)) if eps is None else eps
    of = problems(
        victim, x, labels, norm=norm, eps=radius, targeted=targeted, bounds=bounds, until_fooled=False, key=key
    )
    of = replace(of, victim=of.victim.counted_anew())
    before = _reached(of, torch.zeros_like(of.x[:1]), of.rows, batch)
    rows = (~before).nonzero().flatten()
    if not len(rows):
        raise Mistake(f"{of.victim.name} is wrong about all {len(x)} pictures already, so that none can be fooled")
    best, rates = (torch.zeros_like(of.x[:1]), before & False), []
    change = best[0]
    for epoch in range(epochs):
        length = (step_size or radius / 10) * (1 - epoch / epochs)
        change = _epoch(of, change, rows, batch, length, key.at(epoch))
        fooled = torch.zeros_like(before).index_copy(0, rows, _reached(of, change, rows, batch))
        rates.append(fooled.sum().item() / len(rows))
        if epoch == 0 or rates[-1] >= max(rates[:-1]):
            best = (change, fooled)
        if rates[-1] >= until:
            break
    return Universal(
        best[0].reshape(x.shape[1:]), max(rates), tuple(rates), best[1], before, of.victim.forwards.clone(),
        of.victim.backwards.clone(), bounds,
    )  # fmt: skip


def _epoch(
    of: Problems, change: Float[Tensor, "1 c h w"], rows: Int[Tensor, " m"], batch: int, length: float, key: Key
) -> Float[Tensor, "1 c h w"]:
    """Every picture once, in any order."""
    objective = of.objective(lambda answers, some: of.loss(answers, some).clamp(min=-BETA))
    project = ball(torch.zeros_like(change), of.eps, of.norm, -math.inf, math.inf)
    order = key.uniform(torch.zeros(1, dtype=torch.long), len(rows))[0].argsort()
    for some in rows[order].split(batch):
        moved = of.x[some.to(of.x.device)] + change
        within = of.box(moved, some)
        gradient = torch.where(within == moved, objective(within, some, key).gradients, 0).mean(0, keepdim=True)
        change = project(change - length * steepest(gradient, of.norm), torch.zeros(1, dtype=torch.long))
    return change


def _reached(of: Problems, change: Tensor, rows: Int[Tensor, " m"], batch: int) -> Bool[Tensor, " m"]:
    """Whose goal is reached with this change."""
    parts = []
    for some in rows.split(batch):
        pictures = of.box(of.x[some.to(of.x.device)] + change, some)
        parts.append(of.reached(of.victim.answers(pictures, some, of.goal.layer, judged=True), some).cpu())
    return torch.cat(parts)

"""How linear a network is: its scores along the line that the fast gradient sign takes.

Goodfellow et al. 2015 (arXiv:1412.6572, figure 4) walk from a picture along the sign of the loss's gradient, both ways,
and plot every class's score: where the lines are straight, one gradient says what a large step does, and a step of the
sign adds up over all pixels as it does in a linear classifier. Unlike an attack the walk leaves [0, 1] where it must,
as a line that is bent by the box says nothing about the network.

How often one such step fools depends on its form: the gradient's sign, or the gradient itself. Of a linear score no
change with the same largest value does more than the sign, and none of the same l2 length more than the gradient
(Hoelder's inequality); of a network that is nearly linear the same can be expected.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from phosphene.adversarial.norms import size, steepest
from phosphene.adversarial.problems import problems
from phosphene.adversarial.victims import Classifier, Victim
from phosphene.core.networks.network import Network
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.objectives import gradient
from phosphene.core.optimization.terms import score
from phosphene.core.units.inputs import logits

BATCH = 32
"""Pictures at a time."""

TOLERANCE = 0.1
"""What counts as near a tangent: off by no more than this part of what it has changed by."""


@dataclass(frozen=True, eq=False)
class Walk:
    """Scores along a line.

    Attributes:
        eps: how far each point is along it, from less than 0 to more.
        scores: of some classes at each point.
        tangents: the derivative of each class's score where eps is 0.
        classes: which they are; the first is the one that the picture is taken for.
    """

    eps: Float[Tensor, " points"]
    scores: Float[Tensor, "points classes"]
    tangents: Float[Tensor, " classes"]
    classes: Sequence[int]

    @property
    def start(self) -> Float[Tensor, " classes"]:
        """The scores of the picture itself."""
        return self.scores[int(self.eps.abs().argmin())]

    @property
    def straight(self) -> Float[Tensor, "points classes"]:
        """The tangents' scores at each point."""
        return self.start + self.eps[:, None] * self.tangents

    def near(self, ahead: bool, tolerance: float = TOLERANCE) -> float:
        """How far the first class's score stays near its tangent: the last point before one where it is off by more
        than this part of what the tangent has changed by; 0 where the first point is.

        Args:
            ahead: on the side of the larger loss, eps > 0; else on the other.
        """
        off = (self.scores - self.straight)[:, 0].abs()
        allowed = tolerance * (self.straight - self.start)[:, 0].abs()
        reached = 0.0
        points = [i for i in self.eps.abs().argsort().tolist() if (self.eps[i] > 0) == ahead and self.eps[i] != 0]
        for i in points:
            if off[i] > allowed[i]:
                break
            reached = float(self.eps[i].abs())
        return reached

    @property
    def explained(self) -> float:
        """The part of the first class's variance along the line that the best straight line has (R^2).

        Every piece of the line counts as much as it is long.
        """
        long = self.eps.diff()
        share = torch.cat([long[:1], long[:-1] + long[1:], long[-1:]]) / (2 * long.sum())
        y, x = (values - share @ values for values in (self.scores[:, 0], self.eps))
        whole = share @ y.square()
        return float((share @ (x * y)) ** 2 / ((share @ x.square()) * whole)) if whole > 0 else 1.0


def walk(
    network: Network, fed: Float[Tensor, "1 c h w"], radius: float = 16 / 255, points: int = 129, many: int = 3
) -> Walk:
    """The scores along the sign of the loss's gradient, from -radius to radius; near the picture points are closer.

    Args:
        fed: the picture, as the network takes it.
        points: so many, the picture itself in their middle; an odd number.
        many: so many of the best classes at the picture, and the best one at each end of the line.
    Raises:
        Mistake: the network gives no gradient, or something that is not finite.
    """
    scores = network.head.scores(logits(network, fed), "logit")[0]
    first = int(scores.argmax())
    network = network.planned("reading")
    likely = score([first], "log-p" if network.head.has_probabilities else "logit")  # the loss's negative
    way = -gradient(network, likely)(fed, torch.zeros(1, dtype=torch.long), Key()).gradients.sign()
    share = torch.linspace(-1, 1, points, dtype=torch.float64)
    eps = radius * share * share.abs()
    line = [fed + step.to(fed).view(-1, 1, 1, 1) * way for step in eps.split(BATCH)]
    seen = torch.cat([network.head.scores(logits(network, part), "logit") for part in line]).cpu().double()
    best = [first, *scores.argsort(descending=True)[:many].tolist(), int(seen[0].argmax()), int(seen[-1].argmax())]
    classes = list(dict.fromkeys(best))
    copies = torch.cat([fed] * len(classes))
    slopes = gradient(network, score(classes))(copies, torch.arange(len(classes)), Key()).gradients
    tangents = (slopes.cpu().double() * way.cpu().double()).sum((1, 2, 3))
    return Walk(eps, seen[:, classes], tangents, classes)


# ----------------------------------------------------------------------------------------------- the form of a step


def forms(gradient: Float[Tensor, "n ..."]) -> Float[Tensor, "3 n ..."]:
    """Directions along a gradient g of d values, 0 where it is 0.

    sign(g), whose largest value is 1 and whose l2 length is sqrt(d); sqrt(d) g / |g|_2, which is as long; and
    g / |g|_inf, whose largest value is 1, too.
    """
    largest = size(gradient, "linf").clamp(min=torch.finfo(gradient.dtype).tiny)
    as_long = math.sqrt(gradient[0].numel()) * steepest(gradient, "l2")
    return torch.stack([gradient.sign(), as_long, gradient / largest.view(-1, *[1] * (gradient.dim() - 1))])


def fooled_by_a_step(
    victim: Network | Classifier, pictures: Float[Tensor, "n c h w"], radii: Sequence[float]
) -> Float[Tensor, "3 radii"]:
    """How often one step of the loss's gradient, within [0, 1], changes what a picture is taken for.

    The first two forms are the fast gradient (`attacks.fgsm`) in l-inf of radius eps and in l2 of radius sqrt(d) eps.

    Returns:
        The share of the pictures that are taken for anything at all, by form and radius; nan where there is none.
    Raises:
        Mistake: the network gives no gradient, or something that is not finite.
    """
    fooled, counted = torch.zeros(3, len(radii)), 0
    for x in pictures.split(BATCH):
        who, rows = Victim.of(victim), torch.arange(len(x))
        labels = who.head.decided(who.answers(x, rows)).cpu()
        given = problems(who, x, labels, until_fooled=False)
        seen = given.objective()(x, rows, Key())
        before = given.reached(seen.outputs[given.goal.layer], rows).cpu()
        for i, way in enumerate(forms(seen.gradients)):
            for j, eps in enumerate(radii):
                changed = given.box(x - eps * way.to(x), rows)
                fooled[i, j] += (given.reached(given.answers(changed, rows), rows).cpu() & ~before).sum()
        counted += int((~before).sum())
    return fooled / counted

"""Checks that attack: what another attack finds that the evaluation did not, and that attacks work at all."""

from dataclasses import replace
from itertools import pairwise

import torch
from torch import Tensor

from phosphene.adversarial.attacks.pgd import pgd
from phosphene.adversarial.evaluation.culprits import further, straightened
from phosphene.adversarial.evaluation.evidence import Check, Evidence
from phosphene.adversarial.norms import Norm, dual, steepest
from phosphene.adversarial.victims import Victim

TOLERANCE: dict[Norm, float] = {"linf": 1.02, "l2": 1.05, "l1": 1.25}
"""By how much more than the optimum projected gradient descent needs on a linear model."""


def self_test(evidence: Evidence) -> Check:
    """The attack itself, in this process, on a linear model whose answer is known.

    Of two classes with logits -+(w . x + b) / 2 the smallest change is |w . x + b| / |w|*, with the dual norm: a radius
    a little larger has to do, and one a little smaller must not.
    """
    norm, generator = evidence.norm, torch.Generator().manual_seed(0)
    w = torch.randn(192, generator=generator)
    x = 0.5 + 0.05 * (torch.rand(16, 3, 8, 8, generator=generator) - 0.5)  # far from the bounds
    scores = x.flatten(1) @ w
    b = scores.sort().values[7:9].mean()  # eight are of each class
    weight, bias = torch.stack([-w, w]) / 2, torch.stack([b, -b]) / 2

    def linear(x: Tensor) -> Tensor:
        return x.flatten(1) @ weight.T + bias

    labels, optimum = (scores > b).long(), (scores - b).abs() / dual(w[None], norm)
    wide, narrow = (
        evidence.attempt("pgd", Victim(linear), x, labels, norm=norm, eps=radius * optimum, steps=25).success
        for radius in (TOLERANCE[norm], 0.98)
    )
    if wrong := int((~wide).sum() + narrow.sum()):
        words = f"the attack is wrong about {wrong} of {2 * len(x)} radii of a linear model, whose answer is known"
        return Check("self-test", "fail", words)
    return Check("self-test", "pass", "on a linear model the attack finds what the closed form says")


def returned(evidence: Evidence) -> Check:
    """What was seen to fool is what is returned (silent success, Pintor et al. 2022)."""
    lost = evidence.iterated.seen & ~evidence.iterated.success
    words = "the network was seen fooled with {} pictures that count as robust: the attack returns another try"
    return evidence.judged("returned", lost, "what was seen to fool was returned", words, "--attacks standard")


def single_step(evidence: Evidence) -> Check:
    """Many steps are stronger than one (Carlini et al. 2019, arXiv:1902.06705, section 5.1)."""
    one = evidence.tried("fgsm")
    found = one.success & (evidence.robust | ~evidence.iterated.success)
    words = "one step of the gradient's sign fools with {} pictures that many steps do not get"
    return evidence.judged("single step", found, "no single step finds more", words, further(evidence))


def more_steps(evidence: Evidence) -> Check:
    """More steps and restarts find no more (incomplete optimization, Pintor et al. 2022)."""
    found = evidence.tried("pgd", evidence.robust, steps=50, step_size=evidence.eps / 10, restarts=2).success
    good = "more steps and restarts find no more"
    words = "50 steps and a restart fool with {} more pictures"
    return evidence.judged("more steps", found, good, words, further(evidence))


def monotone(evidence: Evidence) -> Check:
    """A larger radius fools with no fewer pictures (Carlini et al. 2019, section 5.2)."""
    radii = [0.5, 2.0, 4.0]
    trials = {r: evidence.tried("pgd", eps=r * evidence.eps, steps=20, step_size=r * evidence.eps / 5) for r in radii}
    ordered = [trials[0.5], evidence.iterated, trials[2.0], trials[4.0]]
    lost = torch.zeros(len(evidence), dtype=torch.bool)
    for smaller, larger in pairwise(ordered):
        lost |= smaller.success & ~larger.success
    words = "{} pictures are fooled within a radius, and not within twice as much"
    return evidence.judged("monotone", lost, "a larger radius never fools with fewer", words, further(evidence))


def unbounded(evidence: Evidence) -> Check:
    """Without a bound every picture fools (Carlini et al. 2019; unconstrained failure, Pintor et al. 2022)."""
    far = {"linf": 1.0, "l2": evidence.x[0].numel() ** 0.5, "l1": float(evidence.x[0].numel())}[evidence.norm]
    options = {"eps": far, "steps": 30, "step_size": far / 12}
    stays = ~evidence.tried("pgd", **options).success
    good, words = "without a bound every picture fools", "with {} pictures it is not fooled even without a bound"
    check = evidence.judged("unbounded", stays, good, words, "")
    if check.outcome == "pass":
        return check
    next = straightened(evidence, stays, lambda other: bool(other.tried("pgd", **options).success.all()))
    return replace(check, next=next)


def without_gradients(evidence: Evidence) -> Check:
    """An attack that asks for scores alone finds no more (Carlini et al. 2019; AutoAttack's flag)."""
    found = evidence.tried("square", evidence.robust, queries=200).success
    words = "an attack without gradients fools with {} more pictures"
    good = "an attack without gradients finds no more"
    return evidence.judged("without gradients", found, good, words, further(evidence))


def at_random(evidence: Evidence) -> Check:
    """Random changes of the full size find no more (Carlini et al. 2019, section 5.3)."""
    found, rows = torch.zeros(len(evidence), dtype=torch.bool), evidence.robust.nonzero().flatten()
    if len(rows):
        problems = evidence.problems.among(rows)
        for draw in range(50):
            noise = problems.key.child(draw).normal(problems.rows, *problems.x.shape[1:]).to(problems.x)
            way = steepest(noise, problems.norm, 1.0)
            pictures = problems.project(problems.x + problems.radius(problems.rows) * way, problems.rows)
            found[rows] |= problems.reached(problems.answers(pictures, problems.rows), problems.rows).cpu()
    words = "random changes fool with {} more pictures"
    return evidence.judged("at random", found, "random changes find no more", words, further(evidence))


def transferred(evidence: Evidence) -> Check:
    """Pictures that fool another network fool no more (transfer failure, Pintor et al. 2022)."""
    found, rows = torch.zeros(len(evidence), dtype=torch.bool), torch.arange(len(evidence))
    problems = evidence.problems
    for surrogate in evidence.surrogates:
        search = pgd.attack(surrogate, evidence.x, evidence.labels, norm=evidence.norm, eps=evidence.eps)
        found |= problems.reached(problems.answers(search.outcome.inputs, rows), rows).cpu() & evidence.robust
    words = "what fools another network fools with {} more pictures"
    good = "what fools other networks finds no more"
    return evidence.judged("transferred", found, good, words, further(evidence))

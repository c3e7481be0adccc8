"""A plan may make a picture faster, never wrong and never impossible: what it changes is compared once per network.

Every exact rewrite, channels last and bfloat16 are run forward and backward on one picture of noise beside the plain
model. What differs (batch normalization folded into a weight that is read elsewhere too) or fails (`view` on an
activation that lies channels last in memory) is dropped, and said.
"""

from contextlib import ExitStack
from typing import NamedTuple

import torch
from torch import Tensor

from phosphene.core.networks.anatomy import Anatomy
from phosphene.core.networks.layers import LOGITS
from phosphene.core.networks.plan import REWRITES, Plan
from phosphene.core.networks.reader import Reader
from phosphene.core.networks.restoring import same_random_numbers
from phosphene.core.networks.rewrites import acted_on
from phosphene.core.networks.trials import HALF

LOGITS_APART = {torch.float64: 1e-8, torch.float32: 1e-3}
"""By how much, of the largest logit, an exact rewrite may miss the plain model: rounding, in deep networks."""

GRADIENT_APART = {torch.float64: 1e-6, torch.float32: 0.05}
"""The same of the gradient's length, where a few rectifiers near zero flip in any two float32 computations."""

LOWERED_APART = 0.1
"""By how much, of the largest logit, bfloat16 may miss float32: .002 to .02 on most networks, .06 on a trained
MobileNetV2, whose pictures are good; .13 where what is asked is mostly rounding."""

WORDS = {
    "channels_last": "channels last",
    "bfloat16": "bfloat16",
    "local_response_norm": "the banded local response normalization",
    "strided_convolution": "the gradient of strided convolutions without strides",
    "batch_norm": "batch normalization folded into convolutions",
}


class Answer(NamedTuple):
    """What a model says about one picture of noise, and the gradient; None where it has none."""

    logits: Tensor
    gradient: Tensor | None


def verified(anatomy: Anatomy, plan: Plan) -> Plan:
    """The plan, without what differs from the plain model or fails; looked for when it is first used."""
    if plan not in anatomy.verified:
        with anatomy.locks:
            if plan not in anatomy.verified:
                anatomy.verified[plan] = _verified(anatomy, plan)
    return anatomy.verified[plan]


def features(anatomy: Anatomy, plan: Plan) -> list[str]:
    """What the plan does to this model beyond running it plainly."""
    rewrites = [name for name in rewritable(anatomy) if name in plan.rewrites]
    others = {"channels_last": plan.channels_last, "bfloat16": anatomy.lowered(plan)}
    return [*rewrites, *(name for name, on in others.items() if on)]


def rewritable(anatomy: Anatomy) -> tuple[str, ...]:
    """The exact rewrites that find something to act on."""
    return tuple(
        name for name in REWRITES if (anatomy.native.pairs if name == "batch_norm" else acted_on(anatomy, [name]))
    )


def without(anatomy: Anatomy, plan: Plan, dropped: list[str]) -> Plan:
    """The plan less some of its features."""
    return Plan(
        str(anatomy.dtype).removeprefix("torch.") if "bfloat16" in dropped else plan.precision,
        plan.channels_last and "channels_last" not in dropped,
        tuple(name for name in plan.rewrites if name not in dropped),
    )


def _verified(anatomy: Anatomy, plan: Plan) -> Plan:
    on = features(anatomy, plan)
    if not on:
        return plan
    plain = _answer(anatomy, without(anatomy, plan, on))
    if plain is None or _agrees(anatomy, plan, plain):
        return plan
    dropped = list(on)
    for name in on:
        rest = [other for other in dropped if other != name]
        if len(on) > 1 and _agrees(anatomy, without(anatomy, plan, rest), plain):
            dropped = rest
    what = ", ".join(WORDS[name] for name in dropped)
    anatomy.tell(f"{anatomy.name} is run without {what}, because it would fail or say something else with it")
    return without(anatomy, plan, dropped)


def _answer(anatomy: Anatomy, plan: Plan) -> Answer | None:
    """What the model says as the plan runs it; None where it fails."""
    try:
        with torch.inference_mode(False), torch.enable_grad(), same_random_numbers(), ExitStack() as until:
            x = anatomy.noise(anatomy.size, 1).requires_grad_()
            reader = Reader(anatomy, {LOGITS: 1}, "gradient", plan.rewrites)
            until.enter_context(anatomy.locks)
            anatomy.watch_backward(until)
            until.enter_context(anatomy.ready(plan, reader.modules, reader))
            logits = reader.run(anatomy.preprocess(x, plan.channels_last), until)[LOGITS]
            if not logits.requires_grad:
                return Answer(logits, None)
            # weights that differ, as probabilities add up to one whatever the picture is
            weights = torch.linspace(0.5, 1.5, logits.numel(), device=logits.device).view_as(logits)
            (gradient,) = torch.autograd.grad((logits * weights).sum(), x, allow_unused=True)
    except Exception:  # whatever a stranger's model raises when it is run another way
        return None
    return Answer(logits.detach(), gradient)


def _agrees(anatomy: Anatomy, plan: Plan, plain: Answer) -> bool:
    """Whether the plan's answer is the plain one, but for rounding."""
    own = _answer(anatomy, plan)
    if own is None or own.logits.shape != plain.logits.shape or (own.gradient is None) != (plain.gradient is None):
        return False
    if not plain.logits.isfinite().all():
        return True  # there is nothing to compare with; whoever reads it says so
    lowered = anatomy.lowered(plan)
    most = LOWERED_APART if lowered else LOGITS_APART.get(anatomy.dtype, HALF)
    apart = (own.logits - plain.logits).abs().max()
    if not apart <= most * plain.logits.abs().max():
        return False
    if own.gradient is None or plain.gradient is None or lowered:
        return own.gradient is None or bool(own.gradient.isfinite().all())
    away = (own.gradient - plain.gradient).norm()
    return bool(away <= GRADIENT_APART.get(anatomy.dtype, 10 * HALF) * plain.gradient.norm())

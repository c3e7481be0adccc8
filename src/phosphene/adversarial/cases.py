"""What comes of an attack on a photograph: the picture in 8 bits, what the network says of it, and the figure.

The result is rounded to 8 bits and read once more, because a change that rounding removes fools nobody.
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from phosphene.adversarial.norms import NORMS, Norm, size
from phosphene.adversarial.searches import Search
from phosphene.adversarial.victims import Victim
from phosphene.core.networks.network import Network
from phosphene.core.networks.preprocessing import shown
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.steps import Step
from phosphene.core.results.results import Result
from phosphene.core.units.inputs import logits, said_in_words, top
from phosphene.core.units.labels import label


def rounded(
    pictures: Float[Tensor, "n c h w"], center: Float[Tensor, "n c h w"], radius: float, norm: Norm = "linf"
) -> Float[Tensor, "n c h w"]:
    """The nearest 8-bit pictures that are still within the radius of 8-bit centers.

    In other norms than l-inf each value is rounded towards the center where rounding to the nearest goes too far.
    """
    middle = (center * 255).round()
    if norm == "linf":
        levels_away = math.floor(min(radius, 1) * 255 + 1e-6)
        levels = (pictures * 255).round().clamp(middle - levels_away, middle + levels_away)
    else:
        away = pictures * 255 - middle
        far = size(away.round() / 255, norm) > radius
        levels = middle + torch.where(far.view(-1, 1, 1, 1), away.trunc(), away.round())
    return levels.clamp(0, 255) / 255


@dataclass(frozen=True)
class Case:
    """A photograph that is attacked, and what comes of it.

    Attributes:
        search: the attack.
        fed: the photograph as the network takes it.
        before: what the network says.
        label, targeted: what it shall say, or not say any more.
        name: of the attack.
        from_noise: it began with noise, and not with a photograph.
    """

    search: Search
    network: Network
    fed: Float[Tensor, "1 c h w"]
    before: Float[Tensor, " outputs"]
    label: int
    targeted: bool
    name: str
    from_noise: bool = False

    @property
    def stem(self) -> str:
        """For the file's name."""
        named = label(self.network, self.label).replace(" ", "-").replace("/", "-")
        began = f"{self.name}-noise" if self.from_noise else self.name
        return f"{began}-{named}" if self.targeted else began

    def _nothing(self, attacked: Float[Tensor, "1 c h w"], moved: bool) -> str:
        """What an attack that did not fool had nothing of: a gradient, or a change; else nothing."""
        network = self.network.planned("reading")
        objective = Victim(network).objective(self.search.problems.loss)
        seen = objective(torch.cat([self.fed, attacked]), torch.zeros(2, dtype=torch.long), Key())
        still = "" if moved else "no pixel was moved"
        return still if seen.gradients.any() else ", ".join(filter(None, ["there is no gradient to follow", still]))

    def _lost(self, step: Step) -> str:
        """What to say where the picture fools until it is rounded; else nothing."""
        problems = self.search.problems
        if not self.network.head.has_probabilities:
            return ""
        pictures = problems.project(step.pictures.to(self.fed), problems.rows)
        answers = logits(self.network, pictures)
        if not problems.goal.reached(answers, problems.rows, self.network.head).any():
            return ""
        return "it fools until it is rounded to 8 bits (--robust-to-rounding searches among those)"

    def _eight_bit(self, step: Step) -> Float[Tensor, "1 c h w"]:
        problems = self.search.problems
        return rounded(step.pictures.to(self.fed), self.fed, float(problems.eps), problems.norm)

    def picture(self, step: Step) -> Float[Tensor, "1 3 h w"]:
        """The attacked photograph in 8 bits, as it is looked at."""
        return shown(self.network, self._eight_bit(step))

    def result(self, step: Step) -> Result:
        """The attacked photograph in 8 bits, and what the network says about it."""
        network, fed = self.network, self.fed
        rounded_off = self._eight_bit(step)
        answer = logits(network, rounded_off)[0]
        before, after = top(network, self.before), top(network, answer)
        apart = ((rounded_off * 255).round() - (fed * 255).round()).cpu().double() / 255  # exact: both are 8-bit
        fooled, words, score = self._verdict(answer)
        numbers: dict[str, Any] = {
            "fooled": fooled, "before": before, "after": after, "target": self.label if self.targeted else None,
            "steps": step.index,
        } | score  # fmt: skip
        numbers.update((norm, float(size(apart, norm)[0])) for norm in NORMS)
        numbers |= {"values": apart.numel(), "forwards": int(self.search.problems.victim.forwards.sum())}
        numbers["backwards"] = int(self.search.problems.victim.backwards.sum())
        if not self.search.minimal:
            numbers["eps"] = self.search.problems.eps
        photo, image = (shown(network, one.float().cpu()) for one in (fed, rounded_off))
        change = (0.5 + 10 * apart).clamp(0, 1).float()
        panels = [
            (f"before: {_listed(before)}", photo),
            (f"the change, 10 times: {_sizes(numbers)}", shown(network, change)),
            (f"after: {_listed(after)}", image),
        ]
        nothing = "" if fooled else self._lost(step) or self._nothing(rounded_off, bool(apart.any()))
        title = f"{self.name}: {nothing or words}, {network.name}"
        numbers |= {"nothing": nothing} if nothing else {}
        return Result(image, [self.stem], [numbers], [panels], title, photo, apart.float().numpy())

    def _verdict(self, answer: Float[Tensor, " outputs"]) -> tuple[bool, str, dict[str, float]]:
        """Whether it fooled, in words, and with which number."""
        head, outputs = self.network.head, torch.stack([self.before, answer]).cpu().double()
        if not head.has_probabilities:
            before, after = outputs[:, self.label].tolist()
            words = f"{label(self.network, self.label)} from {before:.4g} to {after:.4g}"
            return (after > before) == self.targeted, words, {"value before": before, "value": after}
        fooled = bool(self.search.problems.goal.reached(outputs[1:], torch.tensor([0]), head))
        said = self.label if self.targeted else int(head.decided(outputs[1:]))
        p = float(head.scores(outputs[1:], "p")[0, said])
        return fooled, "fooled" if fooled else "not fooled", {"confidence": p}


def _listed(answers: list[dict[str, Any]]) -> str:
    """The most probable classes, one a line."""
    return "\n".join(said_in_words([one]) for one in answers)


def _sizes(numbers: dict[str, Any]) -> str:
    """All norms of a change, a line each."""
    changed = f"l0 {numbers['l0']:.0f} values of {numbers['values']}"
    return f"l-inf {255 * numbers['linf']:.0f}/255\nl2 {numbers['l2']:.3g}\nl1 {numbers['l1']:.4g}\n{changed}"

"""What to run next: which option gets past what a check has found.

Where something in a network has no gradient, or a misleading one, the module that does it is found by trying: it is the
smallest one that, passed straight, ends the trouble.
"""

from collections.abc import Callable, Iterator

from jaxtyping import Bool
from torch import Tensor, nn

from phosphene.adversarial.adaptive import bpda
from phosphene.adversarial.evaluation.evidence import Evidence
from phosphene.adversarial.victims import Victim
from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network

FEW = 4
"""With so many pictures modules are tried."""

TRIED = 64
"""At most so many modules are tried, the smallest first."""

UNKNOWN = "MODULE"
"""What stands in a suggestion where no module alone is to blame, or nobody can tell."""


def further(evidence: Evidence) -> str:
    """What to run next where other attacks find more: the standard ones, or, after those, past the gradient."""
    return f"--bpda {UNKNOWN}" if evidence.thorough else "--attacks standard"


def straightened(evidence: Evidence, troubled: Bool[Tensor, " n"], helps: Callable[[Evidence], bool]) -> str:
    """The option that passes the smallest module straight with which it helps: `--bpda door`.

    Args:
        troubled: the pictures that something is wrong with.
        helps: whether nothing is wrong any more with a few of them.
    """
    rows, victim = troubled.nonzero().flatten()[:FEW], evidence.victim
    who = victim.classifier
    for name in _modules(who.model if isinstance(who, Network) else who):
        try:
            if helps(evidence.about(rows, Victim(bpda(who, name), through=victim.through, shape=victim.shape))):
                return f"--bpda {name}"
        except Mistake:  # the shapes differ, or there is no gradient either
            continue
    return f"--bpda {UNKNOWN}"


def _modules(model: object) -> Iterator[str]:
    """The names of modules, those that consist of the fewest first."""
    if isinstance(model, nn.Module):
        sizes = {name: sum(1 for _ in module.modules()) for name, module in model.named_modules() if name}
        yield from sorted(sizes, key=lambda name: sizes[name])[:TRIED]

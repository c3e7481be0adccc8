"""How little it takes to fool a network."""

from phosphene.adversarial.attacks.fgsm import fgsm
from phosphene.adversarial.attacks.pgd import pgd

__all__ = ["fgsm", "pgd"]

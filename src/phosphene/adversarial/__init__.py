"""How little it takes to fool a network."""

from phosphene.adversarial.attacks import fgsm, pgd

__all__ = ["fgsm", "pgd"]

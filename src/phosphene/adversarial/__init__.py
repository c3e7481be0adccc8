"""How little it takes to fool a network."""

from phosphene.adversarial.attacks import fgsm, pgd

METHODS = {f.__name__: f for f in (fgsm, pgd)}

__all__ = ["METHODS", "fgsm", "pgd"]

"""How far a map is to be believed: what each check asks is the essay of its module."""

from phosphene.attribution.checks.running import checks
from phosphene.attribution.checks.showing import Checks

__all__ = ["Checks", "checks"]

"""Lists of numbers as they are typed: how much each of several styles, or layers, counts."""

import re

from phosphene.core.errors import Mistake, brief


def numbers_in(words: str | None, called: str, many: int, what: str) -> list[float]:
    """The numbers that are spelled with commas; all the same, where there are none.

    Args:
        called: the option.
        many: so many numbers are wanted, one for each of `what`.
    Raises:
        Mistake: another spelling, another number of them, or nothing but zeros.
    """
    if words is None:
        return [1.0] * many
    number = r" *[0-9]*\.?[0-9]+(?:e-?[0-9]+)? *"
    if re.fullmatch(f"{number}(,{number})*", words) is None:  # no file's name, above all
        raise Mistake(f"{brief(words)} is not a valid value for {called}: write numbers with commas, as 3,1")
    found = [float(one) for one in words.split(",")]
    if len(found) != many:
        raise Mistake(f"{called} has {len(found)} numbers for {many} {what}; give one for each")
    if not 0 < sum(found) < float("inf"):
        raise Mistake(f"{brief(words)} is not a valid value for {called}: one of them has to be above 0")
    return found

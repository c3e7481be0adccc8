"""How much may be made and read, where a stranger says how much: a record asks for no more than it shows.

Everybody else may do what the machine can.
"""

import math
from dataclasses import dataclass
from typing import NoReturn

from phosphene.core.errors import Mistake


@dataclass
class Meter:
    """How much has been read so far, in pictures.

    Attributes:
        most: so many may be read in all, forwards and backwards.
        read: so many were.
        refused: why it would have been more, once it would have been.
    """

    most: float
    read: float = 0.0
    refused: str = ""

    def refuse(self, asks: str) -> NoReturn:
        """Raise a Mistake, and keep it."""
        self.refused = f"{asks}, which takes longer than a replay may; --patient lets it"
        raise Mistake(self.refused)

    def check_kept(self) -> None:
        """Raise again what was refused: a recipe that tries many things goes on without what fails."""
        if self.refused:
            raise Mistake(self.refused)


@dataclass(frozen=True)
class Allowance:
    """The most pixels, height times width.

    Attributes:
        picture: of one picture that is made.
        together: of all that are made together.
        read: of all that go through a network at a time.
        largest: of what the meter counts as one picture; a larger one counts as its part of more.
        meter: counts what is read, where it may not be as much as one likes.
        name: what shows no more, for messages.
    """

    picture: float = math.inf
    together: float = math.inf
    read: float = math.inf
    largest: float = math.inf
    meter: Meter | None = None
    name: str = ""

    def check_made(self, many: int, size: tuple[int, int]) -> None:
        """Raise a Mistake if so many pictures of (height, width) are too much; before they take any memory."""
        height, width = size
        if height * width > self.picture or many * height * width > self.together:
            pictures = "a picture" if many == 1 else f"{many} pictures"
            raise Mistake(f"{self.name} asks for {pictures} of {width} x {height} px, which is more than it shows")

    def check_read(self, many: int, size: tuple[int, int]) -> None:
        """Raise a Mistake if so many views of (height, width) at a time are too much."""
        height, width = size
        if many * height * width > self.read:
            raise Mistake(
                f"{self.name} asks to read {many} x {width} x {height} px at a time, which is far more than it shows"
            )

    def enter(self, many: int, size: tuple[int, int]) -> None:
        """What a network asks before it reads so many views of (height, width); raises a Mistake if it may not."""
        self.check_read(many, size)
        self.count(many, size)

    def check_steps(self, steps: int, many: int, size: tuple[int, int], views: int = 1) -> None:
        """Raise a Mistake if so many steps of pictures of (height, width) take too long; before the first of them.

        Args:
            many: pictures, of each of which a network reads so many `views` in each step.
        """
        if self.meter is None or self.meter.read + steps * self._pictures(many * views, size) <= self.meter.most:
            return
        height, width = size
        pictures = "a picture" if many == 1 else f"{many} pictures"
        each = f" in {views} views" if views > 1 else ""
        self.meter.refuse(f"{self.name} asks for {steps} steps of {pictures} of {width} x {height} px{each}")

    def count(self, many: int, size: tuple[int, int]) -> None:
        """Note that so many views of (height, width) are read; raise a Mistake if that is too much in all."""
        if self.meter is None:
            return
        self.meter.read += self._pictures(many, size)
        if self.meter.read > self.meter.most:
            self.meter.refuse(f"{self.name} asks to read more than {self.meter.most:.0f} pictures")

    def check_kept(self) -> None:
        """Raise again what was refused."""
        if self.meter is not None:
            self.meter.check_kept()

    def _pictures(self, many: int, size: tuple[int, int]) -> float:
        """How many the meter counts; a small one takes nearly as long as a larger one, so it is one too."""
        return many * max(1.0, size[0] * size[1] / self.largest)


UNLIMITED = Allowance()

"""How much may be made and read at a time, where a stranger says how much: a record asks for no more than it shows.

Everybody else may do what the machine can.
"""

import math
from dataclasses import dataclass

from phosphene.core.errors import Mistake


@dataclass(frozen=True)
class Allowance:
    """The most pixels, height times width.

    Attributes:
        picture: of one picture that is made.
        together: of all that are made together.
        read: of all that go through a network at a time.
        name: what shows no more, for messages.
    """

    picture: float = math.inf
    together: float = math.inf
    read: float = math.inf
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


UNLIMITED = Allowance()

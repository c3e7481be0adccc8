"""Films whose frames are pictures: frame by frame into a folder, and from there into a film; a stopped one goes on.

Each frame is written before the next one begins, with the recipe of the film and its own number, by which it can be
made again. A frame is there as a whole or not at all, and what it takes over from others it reads out of their files;
so a film that went on has the bytes of one that was never stopped. A frame that is damaged, cut off or not as its seal
says, is made again, and so are all behind it.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path

from phosphene.core.errors import Mistake
from phosphene.core.results.reels import FRAME, Reel, frame_file, kept_in
from phosphene.core.results.results import Result
from phosphene.core.saving import save
from phosphene.faces.running.destination import FRAMES, json_bytes
from phosphene.faces.running.kept import Record, foreign, record_beside, record_within, same


class Filming:
    """A film in the making.

    Args:
        reel: its frames.
        film: its file, NAME.mp4 or NAME.gif; the frames are in NAME.frames, and the record is in NAME.json.
        force: make the frames that are there again.
    Attributes:
        folder: where the frames are.
        network: its name.
        done: so many frames are there, from the first on.
        found: so many were there before.
        damaged: a frame that is there and can't be used.
        stopped: why it ended early.
    Raises:
        Mistake: something else is there.
    """

    def __init__(self, reel: Reel, film: Path, *, force: bool = False) -> None:
        self.reel, self.film, self.force = reel, film, force
        self.folder, self.text = film.with_suffix(FRAMES), film.with_suffix(".json")
        self._wanted: Record = json.loads(json.dumps(reel.recipe))
        self.network: str = self._wanted["network"]["spec"]
        self.damaged: Path | None = None
        self.stopped: BaseException | None = None
        there = [] if force else [self._is_there(index) for index in range(len(reel))]
        self.done = self.found = next((index for index, one in enumerate(there) if not one), len(there))
        if not force:
            self._check_beside(any(there) or self.damaged is not None)

    def _is_there(self, index: int) -> bool:
        """Whether a frame is there as a whole.

        Raises:
            Mistake: it was made in another way.
        """
        path = self.folder / frame_file(index)
        record, whole = record_within(path)
        if record is None:
            return False
        ours = same(record, self._wanted) and record.get(FRAME) == index
        if record and not ours:
            raise foreign(path, "film")
        if not (ours and whole):
            self.damaged = self.damaged or path
        return ours and whole

    def _check_beside(self, goes_on: bool) -> None:
        """Raise a Mistake if another film or its record is there."""
        record = record_beside(self.text)
        ours = record is not None and same(record, self._wanted)
        if record is not None and not ours and not (goes_on and record == {}):
            raise foreign(self.text, "film")
        if os.path.lexists(self.film) and not (ours or goes_on):
            raise foreign(self.film, "film")

    def __len__(self) -> int:
        return len(self.reel)

    def __iter__(self) -> Iterator[float]:
        """Make the frames that are missing; yields how many there are, as a fraction while one is in the making."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for stale in [*self.folder.glob(".*.part"), *(self.folder.glob("[0-9]*.png") if self.force else [])]:
            stale.unlink()
        earlier = kept_in(self.folder)
        for index in range(self.done, len(self)):
            run = self.reel.begin(index, earlier)
            for step in run:
                yield index + min(0.99, step.index / max(1, run.total))
            self._keep(index, run.result)
            yield self.done

    def _keep(self, index: int, result: Result) -> None:
        result.recipe = result.recipe | {"numbers": result.numbers[0]}
        save({self.folder / frame_file(index): result.png("picture", 0)})
        self.done = index + 1

    @property
    def record(self) -> Record:
        """What is told about the film, and written beside it."""
        numbers = {"frames": self.done, "seconds": self.reel.times[self.done] - self.reel.times[0]}
        unfinished = {"unfinished": True} if self.done < len(self) else {}
        outputs = [self.film.name, self.text.name, self.folder.name]
        return {**self._wanted, **unfinished, "outputs": outputs, "numbers": numbers}

    def write(self) -> None:
        """Make the film of the frames that are there.

        Raises:
            Mistake: there is none, or it can't be written.
        """
        if not self.done:
            raise Mistake("a film needs at least one frame, and none is there yet")
        self.reel.write(self.film, self.folder, self.done)
        save({self.text: json_bytes(self.record)})

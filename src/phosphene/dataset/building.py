"""An index in the making: what is left of it, shard by shard, and the merge; it can be ended anywhere and goes on.

    folder = Folder.begun(path, question)
    for done in run(folder, in_process(question, network, decoder)):
        ...

An engine is handed the numbers of the shards that are left and yields each one's bytes, in whatever order. It is all
that another one, on a cluster, has to do; what is written is the same.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from phosphene.core.errors import Mistake
from phosphene.core.index.layout import FACTS, QUESTION, SHARDS, is_index, read_json
from phosphene.core.networks.network import Network
from phosphene.core.paths import is_file, is_folder, reason
from phosphene.core.saving import save, undisturbed
from phosphene.dataset.decoding import Decoder
from phosphene.dataset.passing import Lanes, shard
from phosphene.dataset.question import Question
from phosphene.dataset.shards import finished, shard_path

Engine = Callable[[Sequence[int]], Iterator[tuple[int, bytes]]]
"""From the numbers of shards to each one's number and bytes."""

BEFORE = ".before"
"""In an index's folder: the index that is made anew, until the new one has begun."""

MOST_LANES = 16
"""Batches that are read side by side; the steps from layer to layer are Python's, which takes turns."""

WORDS = {
    "network": "network", "plan": "plan or device", "layers": "layers", "source": "pictures", "fit": "--fit",
    "draft": "--draft", "thumbnails": "--thumbnails", "batch": "--batch", "shard": "--shard", "count": "--count",
    "threshold": "--threshold", "threads": "number of threads", "versions": "versions of packages", "format": "format",
}  # fmt: skip
"""What a question can differ in, as people know it."""


def in_process(
    question: Question, network: Network, decoder: Decoder, seen: Callable[[int], None] = lambda many: None
) -> Engine:
    """The engine of this process: one shard after the other, by as many lanes as it has threads for."""

    def engine(numbers: Sequence[int]) -> Iterator[tuple[int, bytes]]:
        with closing(Lanes(network, max(1, min(MOST_LANES, torch.get_num_threads() // question.threads)))) as lanes:
            for number in numbers:
                yield number, shard(question, number, lanes, decoder, seen)

    return engine


@dataclass(frozen=True)
class Folder:
    """The folder of an index in the making.

    Attributes:
        path: of it.
        question: what is asked.
        there: the shards that were there already.
    """

    path: Path
    question: Question
    there: tuple[int, ...] = ()

    @classmethod
    def begun(cls, path: Path, question: Question, *, force: bool = False) -> "Folder":
        """A folder that is to become an index; an unfinished one goes on.

        Args:
            force: begin anew, over an index that is there.
        Raises:
            Mistake: there is an index, or an unfinished one of another question, or something else; or it can't be
                written to.
        """
        try:
            if is_file(path / BEFORE / FACTS) and not is_index(path):  # it was killed in the moment between
                _take_away(path)
            anew = force and is_index(path)
            if not anew:
                _check(path, question)
            with _put_aside(path) if anew else nullcontext():
                (path / SHARDS).mkdir(parents=True, exist_ok=True)
                for part in (path / SHARDS).glob(".*.part"):
                    part.unlink()  # of a process that was killed while it wrote
                if not is_file(path / QUESTION):
                    save({path / QUESTION: question.bytes})
        except OSError as error:
            raise Mistake(f"{path} can't be written to ({reason(error)}); give --out") from error
        return cls(path, question, tuple(finished(path, question)))

    @property
    def left(self) -> list[int]:
        """The shards that are not there."""
        there = set(self.there)
        return [number for number in range(self.question.shards) if number not in there]

    @property
    def pictures_there(self) -> int:
        """How many pictures are in the shards that were there already."""
        return sum(len(self.question.rows(number)) for number in self.there)

    @contextmanager
    def kept_if_begun(self) -> Iterator[None]:
        """Whatever ends this before the first shard is written takes the folder away, as nothing could go on from it.

        Then an index that was to be made anew is there again; else it is gone.
        """
        try:
            yield
        except BaseException:
            if not finished(self.path, self.question):
                with undisturbed():
                    _take_away(self.path)
            shutil.rmtree(self.path / BEFORE, ignore_errors=True)
            raise
        shutil.rmtree(self.path / BEFORE, ignore_errors=True)


def _check(path: Path, question: Question) -> None:
    """Raise a Mistake unless the folder is new, empty, or an unfinished index of this question."""
    if os.path.lexists(path) and not is_folder(path):
        raise Mistake(f"{path} is a file; an index is a folder, give another --out")
    if is_file(path / FACTS):
        raise Mistake(f"the index {path} is there already; give --force to make it anew, or another --out")
    if is_file(path / QUESTION):
        before, wanted = read_json(path / QUESTION), json.loads(question.bytes)
        other = [key for key in wanted if before.get(key) != wanted[key]]
        if other:
            raise Mistake(
                f"{path} is an unfinished index with {_difference(before, wanted, other)}; ask the same again, give "
                "--force to begin anew, or another --out"
            )
    elif is_folder(path) and any(not one.name.startswith(".") for one in path.iterdir()):
        raise Mistake(f"{path} is a folder with other things in it, and no index; give another --out")


def _difference(before: dict[str, Any], wanted: dict[str, Any], keys: Sequence[str]) -> str:
    """What is different, with both values where they are short."""
    words = []
    for key in keys:
        old, new = before.get(key), wanted[key]
        if key == "network" and isinstance(old, dict) and old.get("spec") != new["spec"]:
            old, new = old.get("spec"), new["spec"]
        plain = isinstance(old, (str, int, float)) and isinstance(new, (str, int, float))
        words.append(f"another {WORDS.get(key, key)}" + (f" ({old}, not {new})" if plain else ""))
    return " and ".join(words)


@contextmanager
def _put_aside(path: Path) -> Iterator[None]:
    """Move an index into a hidden folder of its own folder, until the new one has begun; what fails in here puts it
    back. Where a finished one is there already, what is before it is the rest of one that was killed, and goes."""
    aside = path / BEFORE
    try:
        with undisturbed():
            if is_file(aside / FACTS):
                _clear(path)
            else:
                shutil.rmtree(aside, ignore_errors=True)
                aside.mkdir()
                for file in _own(path):
                    os.replace(file, aside / file.name)
        yield
    except BaseException:
        with undisturbed():
            _take_away(path)
        raise


def _take_away(path: Path) -> None:
    """Take away what is not begun; what was put aside is put back."""
    _clear(path)
    aside = path / BEFORE
    for file in sorted(aside.iterdir()) if aside.is_dir() else []:
        os.replace(file, path / file.name)
    with suppress(OSError):  # there is something else
        shutil.rmtree(aside, ignore_errors=True)
        path.rmdir()


def _clear(path: Path) -> None:
    for file in _own(path):
        shutil.rmtree(file) if file.is_dir() else file.unlink()


def _own(path: Path) -> list[Path]:
    """What an index, finished or not, has in its folder; the file that says that it is one first."""
    names = (FACTS, QUESTION, SHARDS)
    rest = [file for file in sorted(path.iterdir()) if file.suffix in (".npy", ".parquet") and file.is_file()]
    return [path / name for name in names if os.path.lexists(path / name)] + rest


def run(folder: Folder, engine: Engine) -> Iterator[int]:
    """Compute what is left; yields the number of each shard as soon as it is written.

    Raises:
        Mistake: one can't be written; those that are written stay.
    """
    for number, data in engine(folder.left):
        save({shard_path(folder.path, number): data})
        yield number

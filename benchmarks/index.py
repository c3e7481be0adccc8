"""The pass of an index beside the network's bare forward, its memory, and decoding apart.

The bare forward reads the same layers of the same pictures in the same batches and by the same plan, and has them in
memory as floats already. The pass finds them in a folder, decodes, fits and feeds them, keeps what units say, and
writes its shards; the merge is timed apart. Both see all pictures once a repeat. Data: the 5,000 validation images of
Tiny-ImageNet's 100 classes (64 px) with embedded:photo, and 200 photographs (320 px and more) with inception5h.
"""

import os
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter

import torch
from PIL import Image

from benchmarks.cache import DATA
from benchmarks.memory import peak
from benchmarks.timing import Claim, Contestant, Finding, Report, Rows, Spread, Table, race
from phosphene.core.networks.network import Network
from phosphene.core.pictures.eight_bit import fraction, to_pil
from phosphene.core.pictures.files import open_photo
from phosphene.core.pictures.samples import SAMPLES
from phosphene.core.units.network_input import Entrance
from phosphene.dataset.building import Folder, in_process
from phosphene.dataset.building import run as shards
from phosphene.dataset.decoding import Decoded, Decoder, Door, decode, decoder
from phosphene.dataset.index import default_layers
from phosphene.dataset.merging import merge
from phosphene.dataset.question import Question, ask
from phosphene.dataset.sources import listed
from phosphene.models.specs import load

ARCHIVE = "tiny_imagenet_100.tar.xz"
WORKERS = 0
"""What the command takes for so many pictures: a thread."""

PASS, BARE = "phosphene, one pass", "the bare forward"
AT_LEAST = 0.9


@contextmanager
def validation(many: int | None) -> Iterator[Path]:
    """Tiny-ImageNet's validation images as they are in the archive, a folder a class."""
    with tempfile.TemporaryDirectory() as folder, tarfile.open(DATA / ARCHIVE) as archive:
        count = 0
        for member in archive:
            part, *rest = member.name.split("/")
            if member.isfile() and part == "val" and (many is None or count < many):
                file = Path(folder, *rest)
                file.parent.mkdir(exist_ok=True)
                file.write_bytes(archive.extractfile(member).read())
                count += 1
        yield Path(folder)


@dataclass(frozen=True)
class Case:
    """A network and what it looks at."""

    network: Network
    question: Question
    workers: int

    @property
    def images(self) -> int:
        return len(self.question.listing)

    def bare(self) -> Contestant:
        """The forward alone, of pictures that are in memory."""
        reading, question = self.network.planned("reading"), self.question
        items = (question.listing.item(i) for i in range(self.images))
        decoded = Decoder(question.door).decoded(items)
        pixels = torch.stack([torch.from_numpy(one.pixels) for one in decoded if isinstance(one, Decoded)])
        batches = [fraction(part, 255) for part in pixels.split(question.batch)]

        @torch.no_grad()
        def once(tick: Callable[[], None]) -> None:
            tick()
            for pictures in batches:
                reading.read(pictures, question.layers)
            tick()

        return once

    def whole(self, merges: list[float]) -> Contestant:
        """The pass, with its processes, into a new folder; notes what the merge took behind it."""

        def once(tick: Callable[[], None]) -> None:
            with tempfile.TemporaryDirectory() as folder:
                tick()
                begun = Folder.begun(Path(folder) / "index", self.question)
                with decoder(self.question.door, self.workers) as decoding:
                    for _ in shards(begun, in_process(self.question, self.network, decoding)):
                        pass
                tick()
                start = perf_counter()
                merge(self.question, begun.path, self.network)
                merges.append(perf_counter() - start)

        return once


def _raced(case: Case, repeats: int) -> tuple[Table, Claim, str]:
    merges: list[float] = []
    seconds = race({PASS: case.whole(merges), BARE: case.bare()}, repeats)
    name, ratio = case.network.name.split(":")[-1], seconds[BARE].over(seconds[PASS])
    title = f"{case.images} images, {name}, layers {', '.join(case.question.layers)}, batch {case.question.batch}"
    claim = Claim(f"on {name} the pass has {AT_LEAST:.0%} of the bare forward's images a second", ratio, AT_LEAST)
    rate = Spread([case.images / one for one in seconds[PASS].numbers])
    merged = f"the merge of {case.images} images takes {median(merges):.3g} s"
    return Table(title, seconds), claim, f"{name}: {rate.written()} images/s in the pass; {merged}."


def _photographs(many: int, side: int, folder: Path) -> list[str]:
    """JPEGs whose longer side has so many pixels."""
    files = []
    for i, name in zip(range(many), sorted(SAMPLES) * many, strict=False):
        picture = to_pil(open_photo(f"skimage:{name}"))
        picture = picture.resize(
            [round(side * edge / max(picture.size)) for edge in picture.size], Image.Resampling.LANCZOS
        )
        files.append(str(folder / f"{i}.jpg"))
        picture.save(files[-1], quality=92)
    return files


def _decoding(repeats: int, quick: bool) -> tuple[Rows, dict[int, float]]:
    """Images a second of one process, by the network's size and with drafts; without, for each size."""
    rows, rates = [], {}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        for side in (500,) if quick else (500, 2000):
            files = _photographs(4 if quick else 40, side, Path(folder))
            for size in (64, 224):
                for draft in (False, True):
                    door = Door(Entrance((size, size), False, 3), draft=draft)
                    found = []
                    for _ in range(repeats):
                        start = perf_counter()
                        for file in files:
                            decode(file, door)
                        found.append(len(files) / (perf_counter() - start))
                    rows.append((f"{side} px to {size} px", "draft" if draft else "whole", Spread(found).written()))
                    if side == 500 and not draft:
                        rates[size] = Spread(found).median
    torch.set_num_threads(threads)
    return Rows("Decoding, fitting and thumbnails by one process", ("photographs", "", "images/s"), rows), rates


def _memory(folder: Path, sizes: tuple[int, ...]) -> tuple[Rows, list[float]]:
    words = "--shard 256 --out index --workers 0 --quiet".split()
    found = [peak(["index", str(folder), "--limit", str(many), *words]) for many in sizes]
    rows = [(f"{many:,} images", f"{one / 1e6:.0f} MB") for many, one in zip(sizes, found, strict=True)]
    return Rows("Peak resident memory of the command, embedded:photo", ("", "peak"), rows), found


def run(repeats: int, quick: bool) -> Report:
    """The races, memory at two sizes, and decoding."""
    if not (DATA / ARCHIVE).is_file():
        raise SystemExit(f"this benchmark needs {ARCHIVE}, which is not in {DATA}")
    os.environ["PYTHONWARNINGS"] = "ignore"
    tables: list[Table | Rows] = []
    claims: list[Claim | Finding] = []
    notes = [__doc__ or ""]
    decoding, rates = _decoding(repeats, quick)
    with validation(200 if quick else None) as folder:
        small = load("embedded:photo", device="cpu")
        large = load(f"{DATA / 'models' / 'inception5h.py'}:build", device="cpu")
        photographs = listed(DATA / "imagenet_200", large).evenly(16 if quick else None)
        for network, listing in ((small, listed(folder, small)), (large, photographs)):
            case = Case(network, ask(network, listing, default_layers(network)), WORKERS)
            table, claim, note = _raced(case, repeats)
            forward = case.images / table.seconds[BARE].median
            rate = rates[network.size[0]]
            tables.append(table)
            claims += [claim, Finding(
                f"one process decodes photographs of 500 px faster than {network.name.split(':')[-1]} looks at them",
                rate > forward, f"{rate:.3g} against {forward:.3g} images/s",
            )]  # fmt: skip
            notes.append(note)
        memory, peaks = _memory(folder, (50, 200) if quick else (1000, 5000))
    claims.append(Finding(
        "five times as many images take less than a tenth more memory", peaks[1] < 1.1 * peaks[0],
        f"{peaks[1] / peaks[0]:.2f} times",
    ))  # fmt: skip
    return Report([*tables, decoding, memory], [] if quick else claims, notes)

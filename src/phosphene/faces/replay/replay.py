"""Make a picture again from the record that it carries, and say whether every pixel is the same.

Embedded networks and scikit-image's photographs are found by themselves; everything else (networks, weights,
photographs) has to be named by the person who asks, and must have the hashes that the record gives.
"""

import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from phosphene.core.errors import Mistake, brief, printable
from phosphene.core.index.photographs import recalled
from phosphene.core.networks.allowance import Allowance, Meter
from phosphene.core.networks.network import Network
from phosphene.core.pictures.files import Photo, pixel_count
from phosphene.core.pictures.samples import SAMPLES
from phosphene.core.pictures.writing import png_bytes
from phosphene.core.results.provenance import network_record, versions
from phosphene.core.results.reels import Reel
from phosphene.core.results.results import Result, Run
from phosphene.faces.replay.inputs import Files, photograph
from phosphene.faces.replay.record import Record, incomplete, read_record

AT_A_TIME = 100
"""Pictures: a sweep makes 64 together, of which a file shows one, and a network is shown 16 or 64 at a time."""

LITTLE = 8 * 224 * 224
"""Pixels that may be read at a time whatever is shown: small pictures are read by hundreds (occlusion)."""

LONGEST = 1_000_000
"""Pictures that a replay reads in all, as large as the largest that it shows, forwards and backwards.

What takes long in this program is 784 to 12,544 places of a grid in 32 steps each (25,000 to 400,000), 64 units of a
layer in 8 views and 256 steps (131,000) or in 1000 steps (64,000), an atlas of 400 cells in 128 steps of 3 views
(154,000), occlusion at each of 224 x 224 places (50,000), and RISE's 4000 masks for each of ten photographs (40,000).
A million are minutes on a small network and hours on a large one; what a stranger may ask for otherwise, 100,000 steps
of a hundred pictures in a hundred views, is years.
"""

FINER = 16
"""In a figure a picture may be drawn smaller than it was made, by this factor of its pixels."""


@dataclass(frozen=True)
class Replayed:
    """The picture, made again.

    Attributes:
        image: it.
        text: its own recipe.
        differing: how many pixels differ.
        largest: the largest difference of a colour or of alpha, in 8-bit levels.
        changes: what is not as it was: versions, machine.
    """

    image: Image.Image
    text: dict[str, str]
    differing: int
    largest: int
    changes: tuple[str, ...]

    @property
    def same(self) -> bool:
        """Whether every pixel is."""
        return self.differing == 0

    @property
    def words(self) -> str:
        """What came out, in a sentence."""
        width, height = self.image.size
        if self.same:
            return f"identical: all {width} x {height} pixels"
        why = f" ({'; '.join(self.changes)})" if self.changes else ""
        return f"{self.differing} of {width * height} pixels differ, by at most {self.largest}/255{why}"

    def png(self) -> bytes:
        """The picture as a PNG that carries its recipe."""
        return png_bytes(self.image, self.text)


def embedded_spec(record: Record) -> str:
    """The spec of the embedded network that made a picture.

    Raises:
        Mistake: another network did, which has to be named.
    """
    from phosphene.models.embedded import EMBEDDED

    spec = record.network["spec"]
    if spec.partition(":")[0] != "embedded" or spec.partition(":")[2] not in EMBEDDED:
        raise Mistake(
            f"{record.picture.name} was made with {spec}, which is not inside this program: name it with --net "
            f"(its weights' SHA-256 begins with {record.network['sha256'][:12]})"
        )
    return spec


def begin(
    record: Record, network: Network, inputs: Sequence[str | Path] = (), meter: Meter | None = None
) -> Run | Result:
    """Call the recipe again; of a film, for this frame and those before it.

    Args:
        record: what the picture says.
        network: the one that made the picture; run by the recorded plans whatever its own are.
        inputs: files of the photographs, or folders or indexes with them, in any order.
        meter: counts what is read, and says how much may be.
    Raises:
        Mistake: network or photographs are not those that made the picture, and what differs; it takes too long; or a
            film has no such frame.
    """
    _check_network(record, network)
    given = Files(inputs)
    if len(record.inputs) > len(given.files) + len(SAMPLES) and not given.indexes:
        said = f"{record.picture.name} was made from {len(record.inputs)} photographs"
        raise Mistake(f"{said}, and {len(given.files)} were named with --input")
    photos: dict[str, list[Photo]] = {}
    for one in record.inputs:
        photos.setdefault(one["as"], []).append(photograph(record.picture.name, one, given))
    named: dict[str, Photo | Sequence[Photo]] = {}
    for wanted in record.recipe.inputs:
        files = photos.get(wanted.name, [])
        if wanted.name in record.index and wanted.indexed:
            numbers = [one.get("number", -1) for one in record.inputs if one["as"] == wanted.name]
            named[wanted.name] = recalled(record.index[wanted.name], dict(zip(numbers, files, strict=True)))
            continue
        if (wanted.required and not files) or (not wanted.many and len(files) > 1):
            raise incomplete(record.picture)
        if files:
            named[wanted.name] = files if wanted.many else files[0]
    allowed = allowance(record, network, [file for files in photos.values() for file in files], meter)
    made = record.recipe(network.following(record.plans).within(allowed), **named, **record.arguments)
    if isinstance(made, Reel):
        if record.frame is None:
            raise incomplete(record.picture)
        made.until(record.frame)
    return made


def patience(patient: bool = False) -> Meter:
    """How much a replay may read in all: `LONGEST` pictures, or as many as its recipe says."""
    return Meter(math.inf if patient else LONGEST)


def allowance(
    record: Record, network: Network, photos: Sequence[Photo], meter: Meter | None = None, besides: int = 0
) -> Allowance:
    """How much a record may ask for: what its picture shows, and what the person who asks has named.

    One of several pictures was made together with others that it does not show, and a figure draws pictures smaller
    than they were made; no more is known of them than that there were not too many.

    Args:
        besides: the pixels of a picture that this person asks for.
    """
    shown = record.shown.width * record.shown.height
    own = network.size[0] * network.size[1]
    largest = max(shown, own, besides, *map(pixel_count, photos))
    whole = {"sheet": (shown, shown), "picture": (shown, AT_A_TIME * shown)}
    kind = record.part[0] if record.part else ""
    picture, together = whole.get(str(kind), (max(FINER * shown, largest), AT_A_TIME * largest))
    read = max(AT_A_TIME * largest, LITTLE)
    return Allowance(picture, together, read, largest, meter or patience(), record.picture.name)


def finished(record: Record, result: Result) -> Replayed:
    """Compare what came out with the picture."""
    try:
        image, text = result.shown(*record.part), result.text(*record.part)
    except Mistake:
        raise
    except (IndexError, TypeError, ValueError, ArithmeticError, RuntimeError) as error:  # a number of any size
        raise Mistake(f"the recipe in {record.picture.name} makes no {' '.join(map(str, record.part))}") from error
    new, old = (np.asarray(picture.convert("RGBA")).astype(int) for picture in (image, record.shown))
    before = {**record.versions, "the number of threads": record.threads}
    after = {**versions(record.recipe.uses), "the number of threads": torch.get_num_threads()}
    changes = tuple(
        f"{name} was {brief(was) if not isinstance(was, str) else printable(was)[:60]}, is {now}"
        for name, now in after.items()
        if (was := before.get(name)) != now
    )
    if new.shape != old.shape:
        return Replayed(image, text, image.width * image.height, 255, changes)
    apart = np.abs(new - old).max(2)
    return Replayed(image, text, int((apart > 0).sum()), int(apart.max()), changes)


@contextmanager
def as_many_threads(record: Record) -> Iterator[None]:
    """With as many threads as worked at the picture, which the order of sums depends on; or all that there can be."""
    before = torch.get_num_threads()
    torch.set_num_threads(min(record.threads, max(os.cpu_count() or 1, before)))
    try:
        yield
    finally:
        torch.set_num_threads(before)


def replay(
    picture: str | Path, network: Network | None = None, inputs: Sequence[str | Path] = (), *, patient: bool = False
) -> Replayed:
    """Make a picture again: the same pixels on the same kind of machine.

    Args:
        picture: a PNG of this program.
        network: the one that made it, unless it is an embedded one.
        inputs: the photographs that it was made from, unless they are scikit-image's.
        patient: whether it may take as long as its recipe says: to read more than `LONGEST` pictures.
    Raises:
        Mistake: it carries no recipe or was changed; network or photographs are not those that made it; or it would
            take too long.
    """
    from phosphene.models.specs import load

    record = read_record(picture)
    with as_many_threads(record):
        if network is None:
            network = load(
                embedded_spec(record), precision=record_precision(record), device=record.device,
                head=record.network.get("head"),
            )  # fmt: skip
        meter = patience(patient)
        result = begin(record, network, inputs, meter).result
        meter.check_kept()
        return finished(record, result)


def record_precision(record: Record) -> str:
    """What the network itself is to be in."""
    return "float64" if any(plan.precision == "float64" for plan in record.plans.values()) else "float32"


def _check_network(record: Record, network: Network) -> None:
    own, name = network_record(network), record.picture.name
    for key, words in {"sha256": "its weights", "code_sha256": "its file"}.items():
        before, now = record.network.get(key), own.get(key)
        if before != now:
            raise Mistake(
                f"{network.name} is not the network that made {name}: the SHA-256 of {words} begins with "
                f"{str(now)[:12]}, not {str(before)[:12]}"
            )
    head = record.network.get("head", own["head"])  # pictures of the first versions say nothing of it
    if head != own["head"]:
        raise Mistake(f"{network.name} ends in {own['head']}; it was {head} for {name}")
    if record.network.get("size") != own["size"]:
        raise Mistake(f"{network.name} is fed {own['size']} pixels; it was {record.network.get('size')} for {name}")

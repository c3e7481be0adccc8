"""Long climbs that resume: what was made is kept in benchmarks/cache, numbers as JSON and pictures as a sheet."""

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from phosphene.core.networks.network import Network
from phosphene.core.pictures.sheets import grid
from phosphene.core.pictures.writing import save_png
from phosphene.core.results.provenance import state_sha256
from phosphene.models.specs import load

FOLDER = Path(__file__).with_name("cache")
DATA = Path(__file__).resolve().parents[2] / "shared" / "data"

Make = Callable[[Callable[[], None]], tuple[torch.Tensor, dict[str, Any]]]
"""From `tick`, to be called after every step, to pictures and what is to be kept about them."""


@dataclass(frozen=True)
class Job:
    """One climb.

    Attributes:
        name: of its files, which a hash of the key ends.
        key: all that it depends on, ready for JSON.
        cost: how long it takes beside the other jobs.
        make: makes it.
    """

    name: str
    key: dict[str, Any]
    cost: int
    make: Make

    @property
    def file(self) -> Path:
        words = json.dumps(self.key, sort_keys=True)
        return FOLDER / f"{self.name}-{hashlib.sha256(words.encode()).hexdigest()[:12]}.json"


def network_of(name: str) -> Network:
    """One of the networks with published weights beside this repository."""
    file = DATA / "models" / f"{name}.py"
    if not file.is_file():
        raise SystemExit(f"this benchmark needs the network {file.name}, which is not in {file.parent}")
    return load(f"{file}:build", device="cpu")


def digest(network: Network) -> str:
    """Of its weights."""
    return network.sha256 or state_sha256(network.model)


def climbed(jobs: Sequence[Job]) -> dict[str, dict[str, Any]]:
    """What each job found, by its name; those that were done before are read, and the time left is said."""
    FOLDER.mkdir(exist_ok=True)
    left = [job for job in jobs if not job.file.is_file()]
    total, done, began = sum(job.cost for job in left), 0.0, time.monotonic()
    if len(left) < len(jobs):
        print(f"{len(jobs) - len(left)} of {len(jobs)} were made before: {FOLDER}", flush=True)
    for i, job in enumerate(left):
        steps, said = 0, time.monotonic()

        def tick(i: int = i, job: Job = job) -> None:
            nonlocal steps, said
            steps += 1
            if time.monotonic() - said > 60:
                said = time.monotonic()
                print(f"{job.name}, {i + 1} of {len(left)}, step {steps}", flush=True)

        pictures, found = job.make(tick)
        done += job.cost
        save_png(grid(pictures), job.file.with_suffix(".png"))
        job.file.write_text(json.dumps(job.key | {"found": found}, indent=1), encoding="utf-8")  # last: it is whole
        minutes = (time.monotonic() - began) / done * (total - done) / 60
        print(f"{job.name}: {i + 1} of {len(left)}, about {minutes:.0f} minutes left", flush=True)
    return {job.name: json.loads(job.file.read_text(encoding="utf-8"))["found"] for job in jobs}

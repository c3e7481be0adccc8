"""Fair races: contestants take turns within one run, and every number comes with its spread.

The speed of a machine drifts, by its temperature and by its neighbours; a ratio of two numbers that were measured an
hour apart is worth nothing. So each repeat lets every contestant run once, in an order that rotates from repeat to
repeat, and ratios are taken within a repeat.

A contestant is a function that does the same step over and over and calls `tick()` before the first and after each. The
first steps warm up caches and are left out; a repeat's number is the median of the others.
"""

import os
import platform
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from itertools import pairwise
from pathlib import Path
from statistics import median

import torch

Contestant = Callable[[Callable[[], None]], None]

CPUINFO = Path("/proc/cpuinfo")


@dataclass(frozen=True)
class Spread:
    """One number per repeat."""

    numbers: Sequence[float]

    @property
    def median(self) -> float:
        return median(self.numbers)

    def written(self, digits: int = 3) -> str:
        """`0.0521 (0.0518 to 0.0533)`, to so many significant digits."""
        low, high = min(self.numbers), max(self.numbers)
        return f"{self.median:.{digits}g} ({low:.{digits}g} to {high:.{digits}g})"

    def over(self, other: "Spread") -> "Spread":
        """The ratio within each repeat."""
        return Spread([a / b for a, b in zip(self.numbers, other.numbers, strict=True)])

    def times(self, factor: float) -> "Spread":
        """The same in another unit."""
        return Spread([factor * number for number in self.numbers])


def seconds_a_step(contestant: Contestant) -> float:
    """The median time between two ticks, without the first quarter of them (and at least one, where there are two)."""
    ticks: list[float] = []
    contestant(lambda: ticks.append(time.perf_counter()))
    steps = [after - before for before, after in pairwise(ticks)]
    return median(steps[min(len(steps) - 1, -(-len(steps) // 4)) :])


def race(contestants: Mapping[str, Contestant], repeats: int) -> dict[str, Spread]:
    """Seconds a step of every contestant, `repeats` times by turns."""
    names = list(contestants)
    found: dict[str, list[float]] = {name: [] for name in names}
    for repeat in range(repeats):
        first = repeat % len(names)
        for name in names[first:] + names[:first]:
            found[name].append(seconds_a_step(contestants[name]))
    return {name: Spread(numbers) for name, numbers in found.items()}


@dataclass(frozen=True)
class Table:
    """A race's outcome.

    Attributes:
        title: what was done in each step.
        seconds: a step of each contestant, in the order of the rows; the first one is this program.
    """

    title: str
    seconds: Mapping[str, Spread]

    def ratio(self, name: str) -> Spread:
        """How many times as long as this program `name` took."""
        return self.seconds[name].over(next(iter(self.seconds.values())))

    @property
    def headings(self) -> Sequence[str]:
        """Of the columns."""
        return "contestant", "seconds (least to most)", "times phosphene's"

    @property
    def rows(self) -> Sequence[Sequence[str]]:
        """Contestant, seconds, how many times this program's time."""
        return [
            (name, seconds.written(), "1" if index == 0 else self.ratio(name).written())
            for index, (name, seconds) in enumerate(self.seconds.items())
        ]


@dataclass(frozen=True)
class Rows:
    """A table of anything but times."""

    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Claim:
    """What must hold.

    Attributes:
        sentence: with the limit in words.
        ratio: what was measured.
        limit: what its median may reach at most (or at least, if `at_least`).
    """

    sentence: str
    ratio: Spread
    limit: float
    at_least: bool = True

    @property
    def holds(self) -> bool:
        return self.ratio.median >= self.limit if self.at_least else self.ratio.median <= self.limit

    @property
    def found(self) -> str:
        """What was measured, in words."""
        return self.ratio.written()


@dataclass(frozen=True)
class Finding:
    """What must hold of anything but times: the sentence with its limit, whether it holds, what was found in words."""

    sentence: str
    holds: bool
    found: str


@dataclass(frozen=True)
class Report:
    """What one benchmark found: tables, what must hold, and sentences about how it was measured.

    `name` heads it in RESULTS.md, where that is not the benchmark's own.
    """

    tables: Sequence[Table | Rows] = ()
    claims: Sequence[Claim | Finding] = ()
    notes: Sequence[str] = field(default_factory=list)
    name: str = ""


# ---------------------------------------------------------------------------------------------- where it was measured


def _cpuinfo(key: str) -> str:
    text = CPUINFO.read_text() if CPUINFO.is_file() else ""
    found = re.search(rf"^{key}\s*:\s*(.*)$", text, re.MULTILINE)
    return found[1] if found else ""


def bfloat16_instructions() -> list[str]:
    """Which instructions for bfloat16 the processor has; there it is faster than float32, elsewhere slower."""
    flags = set(_cpuinfo("flags").split())
    return [name for name in ("avx512_bf16", "amx_bf16") if name in flags]


def kind_of_processor() -> str:
    """Results of one kind say nothing about the other."""
    return f"processor with{'' if bfloat16_instructions() else 'out'} bfloat16 instructions"


def machine() -> str:
    """`AMD EPYC, 2 cores, 2 threads, bfloat16: avx512_bf16`."""
    name = _cpuinfo("model name") or platform.processor() or platform.machine()
    family = " ".join(f"{key} {value}" for key in ("cpu family", "model") if (value := _cpuinfo(key)))
    return (
        f"{name}{f' ({family})' if family else ''}, {os.cpu_count()} cores, {torch.get_num_threads()} threads, "
        f"bfloat16 instructions: {', '.join(bfloat16_instructions()) or 'none'}"
    )


def versions() -> str:
    """Of everything that the speed depends on."""

    def of(package: str) -> str:
        try:
            return f"{package} {version(package)}"
        except PackageNotFoundError:
            return f"no {package}"

    packages = ", ".join(of(package) for package in ("phosphene", "torch", "torchvision", "torch-lucent", "horama"))
    return f"Python {platform.python_version()}, {packages}"

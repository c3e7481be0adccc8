"""Memory stays flat in the number of units: all 508 channels of mixed4a, by the command line, in its own process."""

import os
import subprocess
import sys
import tempfile

from benchmarks.cache import DATA
from benchmarks.timing import Finding, Report, Rows

LAYER, UNITS, SIDE, STEPS, MOST = "mixed4a", 508, 128, 4, 4e9


def peak(arguments: list[str]) -> float:
    """The peak resident memory of `phosphene ARGUMENTS`, in bytes."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", "from phosphene.faces.cli.main import main; main()", *arguments]
        process = subprocess.Popen(command, cwd=folder)
        _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"phosphene {' '.join(arguments)} failed: {os.waitstatus_to_exitcode(status)}")
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def run(quick: bool) -> Report:
    """Its peak, and what it must not pass."""
    file = DATA / "models" / "inception5h.py"
    if not file.is_file():
        raise SystemExit(f"this benchmark needs the network {file.name}, which is not in {file.parent}")
    units = f"{LAYER}:0-19" if quick else f"{LAYER}:all"
    found = peak(
        ["visualize", units, "--net", f"{file}:build", "--size", str(SIDE), "--steps", str(1 if quick else STEPS)]
    )
    words = f"{found / 1e9:.2f} GB"
    table = Rows(f"Peak resident memory, {SIDE} px", ("units", "peak"), [(units, words)])
    text = f"{UNITS} units at once stay below {MOST / 1e9:g} GB"
    return Report([table], [] if quick else [Finding(text, found < MOST, words)], ["The whole process, ru_maxrss."])

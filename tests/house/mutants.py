"""Do the tests notice? `make mutants` puts small faults into ten modules and counts those that a test fails on.

mutmut writes the mutants: one function each with a `+` for a `-`, a bound moved by one, an argument left out, another
default. Each is put before the module's own test file and nothing else, as what only a distant test notices is found
late and explained badly. mutmut asks for every test of a tree and for its own settings in a pyproject.toml, so that
each module gets a folder in `.mutants` where it sees that one test file. What was asked stays there and is asked again
when the module or its tests have changed; a run that was stopped goes on where it was.

Survivors and their diffs are in `.mutants/survivors.diff`. Not each is a hole: some change nothing that can be seen.
"""

import hashlib
import json
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PLACE = ROOT / ".mutants"

MODULES = """
    core/optimization/keys core/optimization/steps core/optimization/constraints core/optimization/priors
    core/networks/receptive_fields core/pictures/colours core/pictures/fitting
    attribution/baselines attribution/emptiness adversarial/goals
""".split()
LEAST = 85
"""Per cent of a module's mutants that its tests have to notice."""

KILLED = {1, 3, 36, 24, -24, 152, 255}
"""How pytest ends when a test fails, and how mutmut ends one that runs for ever."""
INTERRUPTED = 2
"""How pytest ends at Ctrl-C, which mutmut takes for an answer."""


def settings(module: str) -> str:
    """A pyproject.toml for mutmut: one module, its own test file, and pytest as the project has it."""
    options = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]
    mutmut = {
        "source_paths": ["src"],
        "only_mutate": [f"src/phosphene/{module}.py"],
        "pytest_add_cli_args_test_selection": [own_tests(module)],
        "use_git_change_detection": False,
        "timeout_constant": 4.0,  # seconds; a busy machine is not a mutant
    }
    tables = {"tool.pytest.ini_options": options, "tool.mutmut": mutmut}
    rows = (
        f"[{name}]\n" + "".join(f"{k} = {json.dumps(v)}\n" for k, v in table.items()) for name, table in tables.items()
    )
    return "\n".join(rows)


def own_tests(module: str) -> str:
    """The test file of a module's name, from the root."""
    folder, _, name = module.rpartition("/")
    return f"tests/{folder}/test_{name}.py"


def prepared(module: str) -> Path:
    """The module's folder, emptied when the module, its tests or the settings have changed."""
    place = PLACE / module.replace("/", ".")
    texts = [
        (ROOT / f"src/phosphene/{module}.py").read_text(),
        (ROOT / own_tests(module)).read_text(),
        settings(module),
    ]
    digest = hashlib.sha256("\0".join(texts).encode()).hexdigest()
    stamp = place / "digest"
    if not stamp.is_file() or stamp.read_text() != digest:
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        for name in ("src", "tests"):
            (place / name).symlink_to(ROOT / name)
        (place / "pyproject.toml").write_text(settings(module))
        stamp.write_text(digest)
    return place


def outcomes(module: str, place: Path) -> dict[str, int]:
    """How the tests ended for each mutant by name, asked where that is not known yet; none if they fail anyway."""
    log, meta = place / "log", place / f"mutants/src/phosphene/{module}.py.meta"
    if meta.is_file():
        asked_again(meta)
    with log.open("w") as written:
        left = subprocess.run([mutmut(), "run"], cwd=place, stdout=written, stderr=subprocess.STDOUT).returncode
    ends = json.loads(meta.read_text())["exit_code_by_key"] if meta.is_file() else {}
    if left or not ends or None in ends.values():
        print(f"{log.read_text()[-2000:]}\n{module}: mutmut did not end well; all that it said is in {log}", flush=True)
        return {}
    return ends


def asked_again(meta: Path) -> None:
    """Forget what was being asked when a run was stopped."""
    known = json.loads(meta.read_text())
    ends = known["exit_code_by_key"]
    known["exit_code_by_key"] = {name: None if end == INTERRUPTED else end for name, end in ends.items()}
    meta.write_text(json.dumps(known))


def mutmut() -> str:
    """The command that lies beside this Python."""
    return str(Path(sys.executable).with_name("mutmut"))


def diffs(names: list[str], place: Path) -> Iterator[str]:
    """What each of these mutants changed."""
    for name in names:
        yield subprocess.run([mutmut(), "show", name], cwd=place, capture_output=True, text=True, check=True).stdout


def main(modules: list[str]) -> None:
    """Print a row for each module; fail if one has less than `LEAST` per cent."""
    below = []
    print(f"{'module':36}{'mutants':>8}{'killed':>8}{'%':>7}", flush=True)
    PLACE.mkdir(exist_ok=True)
    with (PLACE / "survivors.diff").open("w") as survivors:
        for module in modules:
            place = prepared(module)
            ends = outcomes(module, place)
            if not ends:
                below.append(module)
                continue
            alive = [name for name, end in ends.items() if end not in KILLED]
            survivors.writelines(diffs(alive, place))
            survivors.flush()
            killed = len(ends) - len(alive)
            print(f"{module:36}{len(ends):8}{killed:8}{100 * killed / len(ends):7.1f}", flush=True)
            below += [module] if 100 * killed < LEAST * len(ends) else []
    print(f"What the survivors changed: {PLACE / 'survivors.diff'}")
    if below:
        sys.exit(f"less than {LEAST} % in {', '.join(below)}")


if __name__ == "__main__":
    try:
        main(sys.argv[1:] or MODULES)
    except KeyboardInterrupt:
        sys.exit("Stopped. What was asked so far is kept, and the same command goes on from there.")

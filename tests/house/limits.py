"""What keeps the house in order, counted: `python -m tests.house.limits` prints the counts and fails on what is over.

Sizes of files and functions, comments that silence the type checker, recipes that the faces and the core know by name,
modules of the core that fewer than two families use, circles of imports, modules without a test of their own, and tests
that hold either way or only on a fast machine.
"""

import ast
import sys
from collections.abc import Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
SOURCE, TESTS = ROOT / "src" / "phosphene", ROOT / "tests"

FILE_LINES, BODY_LINES, PARAMETERS, BRANCHES, IGNORES = 400, 45, 15, 20, 5
CLI_LINES, MAIN_LINES = 250, 119

FORKS = (ast.If, ast.IfExp, ast.For, ast.While, ast.ExceptHandler, ast.comprehension, ast.BoolOp, ast.match_case)

WORDS_OF_THE_FIELD = {
    "gradient": "the plain rule of the backward pass, and an objective",
    "guided": "a rule of the backward pass",
    "deconvnet": "a rule of the backward pass",
    "lbfgs": "an optimizer",
    "weights": "what a network has learnt, the option --weights",
}
"""Names of recipes that the core and the faces use for what they mean anyway."""

ONE_FAMILY = {
    "optimization.tiles": "gradients of large pictures, for dreams and styles of any size",
    "optimization.estimates": "gradients from scores alone, for attacks on networks that give nothing else",
    "index.boxes": "what a unit sees of a picture, for the writer of an index and for whoever checks one",
    "units.exemplars": "the strongest examples, which families of data sets look for as well",
    "units.labelled": "pictures with their classes, for whatever counts how often a network is right",
}
"""Modules of the core that fewer than two families use, and why they are there all the same."""

TESTED_IN = {
    "__main__.py": "faces/cli/test_main.py",
    "faces/cli/replay.py": "faces/replay/test_replay.py",
    "core/networks/allowance.py": "faces/replay/test_forged.py",
    "core/networks/given.py": "core/networks/test_anatomy.py",
    "core/networks/once.py": "core/networks/test_anatomy.py",
    "core/units/network_input.py": "core/units/test_inputs.py",
    "attribution/checks/completeness.py": "attribution/checks/test_checks.py",
    "attribution/checks/running.py": "attribution/checks/test_checks.py",
    "attribution/checks/showing.py": "attribution/checks/test_checks.py",
    "attribution/methods/propagation.py": "attribution/methods/test_lrp.py",  # layer by layer, and against zennit
    "core/optimization/parameterizations/colours.py": "core/optimization/parameterizations/test_fourier.py",
    "core/optimization/parameterizations/pixels.py": "core/optimization/parameterizations/test_fourier.py",
    "core/optimization/parameterizations/traced.py": "core/optimization/parameterizations/test_fourier.py",
    "faces/cli/training.py": "faces/cli/test_train.py",
    "features/filters.py": "features/test_weights.py",
    "models/digits.py": "models/test_embedded.py",
}
"""Modules without a test file of their name, and the file that tests them."""


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function, methods and inner ones too."""
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """From the first to the last line behind the docstring."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def parameter_count(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """All of them, `*args` and `**kwargs` as one each."""
    a = function.args
    return len(a.posonlyargs) + len(a.args) + len(a.kwonlyargs) + (a.vararg is not None) + (a.kwarg is not None)


def branch_count(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Conditions, loops, handlers, comprehensions and cases, inner functions included."""
    return sum(isinstance(node, FORKS) for node in ast.walk(function))


def too_large(path: str, text: str) -> Iterator[str]:
    """What is over the limits in one file."""
    lines = text.count("\n")
    if lines > FILE_LINES:
        yield f"{path} has {lines} lines; the limit is {FILE_LINES}"
    for function in functions(ast.parse(text)):
        counts = (
            (body_lines(function), BODY_LINES, "lines"), (parameter_count(function), PARAMETERS, "parameters"),
            (branch_count(function), BRANCHES, "branches"),
        )  # fmt: skip
        for count, limit, what in counts:
            if count > limit:
                yield f"{path}:{function.lineno} {function.name} has {count} {what}; the limit is {limit}"


def recipe_names_in(path: str, text: str, names: Iterable[str]) -> Iterator[str]:
    """Recipes that a file knows by name: as a word in a string, as an import, or as an attribute."""
    wanted = set(names)
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in wanted:
            yield f"{path}:{node.lineno} names the recipe '{node.value}'"
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if alias.name in wanted and (node.module or "").split(".")[1:2] != ["core"]:
                    yield f"{path}:{node.lineno} imports the recipe '{alias.name}'"


def imports(files: Mapping[str, str]) -> dict[str, set[str]]:
    """From each module to the modules of the project that it imports when it is loaded, from sources by module name."""
    found: dict[str, set[str]] = {}
    for module, text in files.items():
        found[module] = set()
        for node in _loaded(ast.parse(text)):
            if isinstance(node, ast.Import):
                found[module] |= {alias.name for alias in node.names if alias.name in files}
            elif node.module in files:
                inner = {f"{node.module}.{alias.name}" for alias in node.names}
                found[module] |= (inner & set(files)) or {node.module}
    return found


def _loaded(tree: ast.Module) -> Iterator[ast.Import | ast.ImportFrom]:
    """Imports outside of functions and of `if TYPE_CHECKING`."""
    waiting: list[ast.AST] = list(tree.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            waiting += ast.iter_child_nodes(node)


def circles(graph: Mapping[str, set[str]]) -> Iterator[str]:
    """The first circle of imports, if there is one."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as circle:
        yield f"modules import one another in a circle: {' > '.join(circle.args[1])}"


def users(graph: Mapping[str, set[str]], module: str) -> set[str]:
    """The families and other storeys that use a module of the core, directly or through the core."""
    found: set[str] = set()
    waiting, seen = [module], {module}
    while waiting:
        target = waiting.pop()
        for other in (name for name, imported in graph.items() if target in imported and name not in seen):
            seen.add(other)
            if other.startswith("phosphene.core."):
                waiting.append(other)
            else:
                found.add(other.split(".")[1])
    return found


def used_by_one(graph: Mapping[str, set[str]]) -> Iterator[str]:
    """Modules of the core that fewer than two families use and that nobody has given a reason for."""
    for module in graph:
        if module.startswith("phosphene.core.") and not graph_is_package(module):
            using = users(graph, module)
            if len(using) < 2 and module.removeprefix("phosphene.core.") not in ONE_FAMILY:
                yield f"{module} is used by {', '.join(using) or 'nobody'} alone; move it there, or say why not"


def graph_is_package(module: str) -> bool:
    """Whether a module is a package's own file."""
    return (ROOT / "src" / Path(*module.split("."))).is_dir()


def untyped(recipes: Iterable[Any]) -> Iterator[str]:
    """Options of recipes whose type says nothing, or that nothing is said about."""
    for recipe in recipes:
        for option in recipe.options:
            if option.hint is Any or not option.sentence:
                yield f"the option {option.name} of {recipe.name} has no type, or no sentence"


def undecided(path: str, text: str) -> Iterator[str]:
    """Assertions that hold either way, and tests that are timed."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Assert) and isinstance(node.test, ast.BoolOp) and isinstance(node.test.op, ast.Or):
            yield f"{path}:{node.lineno} asserts one thing or another; say which, and when"
        if isinstance(node, ast.keyword) and node.arg == "deadline":
            yield f"{path}:{node.lineno} has a deadline; tests/conftest.py says for all that there is none"


def untested(modules: Iterable[str], tests: Iterable[str]) -> Iterator[str]:
    """Modules that neither have a test file of their name at their place nor a line in `TESTED_IN`."""
    there = set(tests)
    for module in modules:
        folder, _, name = module.rpartition("/")
        own = f"{folder}/test_{name}".lstrip("/")
        other = TESTED_IN.get(module)
        if own not in there and other not in there:
            yield f"src/phosphene/{module} has no tests/{own}" + (f" and no tests/{other}" if other else "")


def complaints() -> Iterator[str]:
    """All of it."""
    from phosphene.catalogue import CATALOGUE, public

    files = {path: path.read_text() for path in sorted(SOURCE.rglob("*.py"))}
    names = {row.name for row in CATALOGUE if row.name} - set(WORDS_OF_THE_FIELD)
    ignores = 0
    for path, text in files.items():
        place = path.relative_to(SOURCE).as_posix()
        ignores += text.count("# type: ignore")
        yield from too_large(f"src/phosphene/{place}", text)
        if place.startswith("faces/cli/") and text.count("\n") > CLI_LINES:
            yield f"src/phosphene/{place} has {text.count(chr(10))} lines; the limit there is {CLI_LINES}"
        if place == "faces/cli/main.py" and text.count("\n") > MAIN_LINES:
            yield f"src/phosphene/{place} has {text.count(chr(10))} lines; the limit for it is {MAIN_LINES}"
        free = place == "faces/cli/commands.py" or place.startswith("faces/tour/stops/")
        if place.startswith(("faces/", "core/")) and not free:
            yield from recipe_names_in(f"src/phosphene/{place}", text, names)
    if ignores > IGNORES:
        yield f"'# type: ignore' stands {ignores} times; the limit is {IGNORES}"
    graph = imports({_module(path): text for path, text in files.items()})
    yield from circles(graph)
    yield from used_by_one(graph)
    yield from untyped(public(row.name) for row in CATALOGUE if row.name)
    modules = [p.relative_to(SOURCE).as_posix() for p in files if p.name not in ("__init__.py", "__main__.py")]
    for path in sorted(TESTS.rglob("test_*.py")):
        yield from undecided(path.relative_to(ROOT).as_posix(), path.read_text())
    yield from untested(modules, [p.relative_to(TESTS).as_posix() for p in TESTS.rglob("test_*.py")])


def _module(path: Path) -> str:
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def counts() -> str:
    """The largest of everything, for whoever wants to see how near the limits are."""
    trees = {path: ast.parse(path.read_text()) for path in SOURCE.rglob("*.py")}
    every = [function for tree in trees.values() for function in functions(tree)]
    lines = max(path.read_text().count("\n") for path in trees)
    return (
        f"{len(trees)} files of at most {lines} lines; {len(every)} functions of at most "
        f"{max(map(body_lines, every))} lines, {max(map(parameter_count, every))} parameters, "
        f"{max(map(branch_count, every))} branches"
    )


def main() -> None:
    """Print the counts and what is over; fail if anything is."""
    print(counts())
    found = list(complaints())
    print("\n".join(found) or "nothing is over its limit")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()

"""What phosphene's annotations say is checked while the tests run: types by beartype, and shapes as jaxtyping has them.

jaxtyping's own import hook says the same at three times the cost of all that is tested: it binds the arguments of every
call anew, checks them twice, and makes the checker of an inner function again whenever the outer one runs. Here one is
made for each piece of code, when it first runs; so an inner function's annotations have to say the same every time.
"""

import ast
import dataclasses
import hashlib
import importlib.util
import sys
import threading
from collections.abc import Callable, Sequence
from functools import wraps
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CellType, CodeType, FunctionType, ModuleType
from typing import Any, get_args, get_type_hints

from beartype import BeartypeConf, beartype
from jaxtyping import AbstractArray, jaxtyped

typed = beartype(conf=BeartypeConf(is_pep484_tower=True))
"""To it an int is a float, as to every static checker (PEP 484)."""

_CHECKERS: dict[CodeType, tuple[Callable[..., Any], bool]] = {}
_VERSION = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:8]


class _Called(threading.local):
    """The functions whose arguments are being checked; the last one is called by its checker."""

    def __init__(self) -> None:
        self.functions: list[Callable[..., Any]] = []


_CALLED = _Called()


def checked(made: Any) -> Any:
    """The function, or the dataclass, that refuses arguments and results that are not as its annotations say."""
    if isinstance(made, type):
        if dataclasses.is_dataclass(made) and "__init__" in vars(made) and not hasattr(made.__init__, "__wrapped__"):
            made.__init__ = checked(made.__init__)
        return made
    if not made.__annotations__:
        return made
    check, sized = None, False  # most of what a test imports is never called

    @wraps(made)
    def function(*args: Any, **kwargs: Any) -> Any:
        nonlocal check, sized
        if check is None:
            check, sized = _checker(made)
        functions = _CALLED.functions
        depth = len(functions)
        functions.append(made)
        try:
            if not sized:
                return check(*args, **kwargs)
            with jaxtyped("context"):  # a size has one name in one call
                return check(*args, **kwargs)
        finally:
            del functions[depth:]

    return function


def _checker(made: Callable[..., Any]) -> tuple[Callable[..., Any], bool]:
    """Check arguments, call the function that is being called, and check its result; and whether shapes are among them.

    One for each piece of code.
    """
    code = made.__code__
    if code in _CHECKERS:
        return _CHECKERS[code]
    nothing = tuple(CellType() for _ in code.co_freevars)  # so that no function's surroundings are kept alive
    bare = FunctionType(code, made.__globals__, made.__name__, made.__defaults__, nothing)
    bare.__kwdefaults__ = made.__kwdefaults__

    @wraps(bare)
    def call(*args: Any, **kwargs: Any) -> Any:
        return _CALLED.functions[-1](*args, **kwargs)

    call.__annotations__ = {name: _known(hint, made) for name, hint in made.__annotations__.items()}
    call.__qualname__ = made.__qualname__
    _CHECKERS[code] = typed(call), any(_has_shape(hint) for hint in call.__annotations__.values())
    return _CHECKERS[code]


def _has_shape(hint: Any) -> bool:
    if isinstance(hint, type) and issubclass(hint, AbstractArray):
        return True
    return any(_has_shape(part) for part in (hint if isinstance(hint, list) else get_args(hint)))


def _known(hint: Any, made: Callable[..., Any]) -> Any:
    """What an annotation means; what is imported only for static checkers may be anything."""

    def named() -> None: ...

    named.__annotations__ = {"hint": hint}
    try:
        return get_type_hints(named, made.__globals__, include_extras=True)["hint"]
    except NameError:
        return Any


# ------------------------------------------------------------------------------------------------------------ importing


class _Decorating(ast.NodeTransformer):
    """`@checked` nearest to every function, so that other decorators see what it makes, and farthest from a class."""

    decorator = "__import__('tests.annotations', fromlist=['checked']).checked"

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.decorator_list.append(self._at(node))
        return self.generic_visit(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        node.decorator_list.insert(0, self._at(node))
        return self.generic_visit(node)

    def _at(self, node: ast.AST) -> ast.expr:
        made = ast.parse(self.decorator, mode="eval").body
        for part in ast.walk(made):
            ast.copy_location(part, node)
        return made


class _Loader(SourceFileLoader):
    """Modules with `@checked` everywhere, whose bytecode lies beside the usual one and is not taken for it."""

    def source_to_code(self, data: Any, path: Any, *, _optimize: int = -1) -> CodeType:
        tree = _Decorating().visit(ast.parse(importlib.util.decode_source(data), path))
        return compile(ast.fix_missing_locations(tree), path, "exec", dont_inherit=True, optimize=_optimize)

    def get_data(self, path: Any) -> bytes:
        return super().get_data(_own(path))

    def set_data(self, path: Any, data: Any, **options: Any) -> None:
        super().set_data(_own(path), data, **options)


def _own(path: str) -> str:
    return f"{path.removesuffix('.pyc')}.{_VERSION}.pyc" if path.endswith(".pyc") else path


class _Finder(MetaPathFinder):
    def __init__(self, package: str) -> None:
        self.package = package

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname.partition(".")[0] != self.package:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _Loader(spec.loader.name, spec.loader.path)
        return spec


def check_annotations(package: str) -> None:
    """Check all that is imported of a package from now on, which has to be all of it."""
    assert package not in sys.modules, f"{package} is imported already, and not checked"
    sys.meta_path.insert(0, _Finder(package))

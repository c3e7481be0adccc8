"""What a recipe takes, as values: its photographs and its options, read once from a signature and its docstring.

An *input* is an argument that is annotated with `Photo` or `Photos`, whatever its name. Everything else beside the
network is an *option*: its type says which words and numbers are possible, `Bounds` and `Words` beside the type
(`core/options.py`) which of them are allowed and what they mean; without `Words` the docstring's `Args:` does.
"""

import inspect
import math
import types
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from numbers import Integral, Real
from typing import Annotated, Any, Literal, Union, Unpack, get_args, get_origin, get_type_hints

import numpy as np
from torch import Tensor

from phosphene.core.errors import Mistake, brief, check_choice
from phosphene.core.index.index import Index
from phosphene.core.index.photographs import Indexed
from phosphene.core.options import ANY, Bounds, Flag, Words, read_number
from phosphene.core.pictures.files import IN_ORDER, Photo

MISSING: Any = inspect.Parameter.empty
"""The default of what has to be given."""

PLAIN = (bool, int, float, str)
PHOTO = tuple(get_origin(one) or one for one in get_args(Photo))


@dataclass(frozen=True)
class Input:
    """Photographs that a recipe takes.

    Attributes:
        name: of the argument.
        sentence: what they are for.
        one, many: whether a single one may be given, and whether several may.
        required: whether the recipe can't do without.
        hint: their type.
        positional: whether they may be given without their name.
        in_order: whether each of several counts, in their order, as those that belong to others by their places do.
    """

    name: str
    sentence: str
    one: bool
    many: bool
    required: bool
    hint: Any
    positional: bool
    in_order: bool = False

    @property
    def indexed(self) -> bool:
        """Whether the photographs of an index may be given, which are many."""
        return self.many and not self.one and not self.in_order

    @property
    def default(self) -> Any:
        """None, where it may be left out."""
        return MISSING if self.required else None

    def taken(self, value: Any, recipe: str) -> Any:
        """What was given as the recipe takes it: several as a list, also where there is one; those of an index as such.

        Args:
            recipe: the recipe's name.
        Raises:
            Mistake: it is no photograph, or a list where one photograph is meant.
        """
        if value is None and not self.required:
            return None
        if isinstance(value, (Index, Indexed)) and self.indexed:
            return Indexed(value) if isinstance(value, Index) else value
        array = isinstance(value, (np.ndarray, Tensor)) and value.ndim == 4  # it may be several pictures
        if isinstance(value, PHOTO) or not isinstance(value, Iterable):
            _check_photo(value, self.name)
            return value if self.one or array else [value]
        several = list(value)
        if not self.many:
            raise Mistake(
                f"{recipe} takes one photograph as {self.name}, not {len(several)} in a {type(value).__name__}; "
                "give one at a time"
            )
        for one in several:
            _check_photo(one, self.name)
        return several


@dataclass(frozen=True)
class Option:
    """One option of a recipe.

    Attributes:
        name: of the argument.
        sentence: what it means.
        hint: its type, without bounds and sentence.
        kind: what a command line or a form makes of it: bool, int, float or str; object where it is for Python only.
        default: its value unless it is given.
        optional: whether None may be given, which leaves the choice to the recipe.
        several: whether it is a list.
        choices: the words that it may be, where they are few.
        bounds: of a number.
        flag: how the command line spells it.
        positional: whether it may be given without its name.
        setting: whether it is one of a family of settings, `**options`, and not an argument of its own.
    """

    name: str
    sentence: str
    hint: Any
    kind: type
    default: Any = MISSING
    optional: bool = False
    several: bool = False
    choices: tuple[str, ...] = ()
    bounds: Bounds = ANY
    flag: str = ""
    positional: bool = False
    setting: bool = False

    @property
    def required(self) -> bool:
        """Whether it has to be given."""
        return self.default is MISSING

    @property
    def bounded(self) -> bool:
        """Whether not every number will do."""
        return self.bounds != ANY

    def allows(self, value: Any) -> bool:
        """Whether a value out of a file has a type that this option may have."""
        return (value is None and self.optional) or _allows(self.hint, value)

    @property
    def numeric(self) -> bool:
        """Whether it is a number."""
        return self.kind in (int, float)

    def read(self, value: Any, called: str = "") -> Any:
        """A value as the recipe takes it: numbers may be given in words, such as "8/255", and words as numbers.

        Args:
            called: how the option is called where the value was given; by default as on the command line.
        Raises:
            Mistake: it is not one of the choices, no such number, out of bounds, or of another type.
        """
        called = called or self.called
        if self.kind is object and isinstance(value, PLAIN):
            raise Mistake(f"{brief(value)} is not a valid value for {called}: it takes an object, in Python alone")
        if self.kind is str and not self.choices:
            value = self._in_words(value)
        if self._in_python(value):
            return value
        if self.numeric:
            return read_number(value, called, self.bounds, whole=self.kind is int)
        if self.choices:
            check_choice(called, value, self.choices)
        elif self.kind is bool and value not in (True, False):
            raise Mistake(f"{brief(value)} is not a valid value for {called}: it must be True or False")
        elif self.kind is str:
            self._check_words(value, called)
        return value

    def _in_words(self, value: Any) -> Any:
        """Numbers as words, also those in a list; everything else as it is."""
        if self.several and isinstance(value, (list, tuple)):
            return [self._in_words(one) for one in value]
        if isinstance(value, bool) or not isinstance(value, Real):
            return value
        numbers = [Real if member is float else Integral for member in members(self.hint) if member in (int, float)]
        return value if isinstance(value, tuple(numbers)) else str(value)

    def _check_words(self, value: Any, called: str) -> None:
        """Raise a Mistake where something else than words was given, or none."""
        sequence = any(get_origin(member) is Sequence for member in members(self.hint))
        if not (isinstance(value, (str, Real)) or (sequence and isinstance(value, Iterable))):
            raise Mistake(f"{brief(value)} is not a valid value for {called}: it must be a word")
        if isinstance(value, str) and not value.strip():
            raise Mistake(f"what was given as {called} is empty; give a value, or leave it out")

    def _in_python(self, value: Any) -> bool:
        """Whether a value is None, where that is allowed, or an object that only Python can give."""
        if value is None:
            return self.optional
        objects = any(member not in PLAIN and get_origin(member) is not Literal for member in members(self.hint))
        return objects and not isinstance(value, PLAIN)

    @property
    def called(self) -> str:
        """Its name as an error says it: that of the command line, without the dashes."""
        return self.flag.removeprefix("--")

    def schema(self) -> dict[str, Any]:
        """It as plain data, ready for JSON: what a form needs to ask for it."""
        low, high = (None if math.isinf(end) else end for end in (self.bounds.low, self.bounds.high))
        return {
            "name": self.name, "flag": self.flag, "kind": self.kind.__name__, "several": self.several,
            "required": self.required, "default": None if self.required else plain(self.default),
            "low": low, "high": high, "choices": list(self.choices), "sentence": self.sentence,
        }  # fmt: skip


Argument = Input | Option


def _check_photo(value: Any, called: str) -> None:
    """Raise a Mistake where something is no photograph; whether it can be read is seen when it is opened."""
    if not isinstance(value, PHOTO):
        raise Mistake(
            f"{brief(value)} is not a photograph, as {called} wants; give a path, skimage:NAME, a PIL image, an array "
            "or a tensor"
        )


def arguments_of(function: Callable[..., Any], leave_out: int = 1) -> tuple[Argument, ...]:
    """The inputs and options of a function, in order.

    Args:
        leave_out: so many arguments at the beginning are neither, such as the network.
    """
    hints, notes, words = get_type_hints(function), get_type_hints(function, include_extras=True), sentences(function)
    arguments: list[Argument] = []
    for name, parameter in list(inspect.signature(function).parameters.items())[leave_out:]:
        if parameter.kind is parameter.VAR_KEYWORD:
            arguments += settings(get_args(hints[name])[0], words)
        else:
            arguments.append(_argument(parameter, hints[name], notes[name], words.get(name, "")))
    return tuple(arguments)


def sentences(function: Callable[..., Any]) -> dict[str, str]:
    """What the docstring's `Args:` says about each argument, without the full stop."""
    doc = inspect.getdoc(function) or ""
    meanings: dict[str, str] = {}
    name = ""
    for line in doc.partition("Args:\n")[2].splitlines():
        if not line.startswith("    "):
            break
        head, colon, rest = line.strip().partition(":")
        if colon and line[4] != " ":
            name, meanings[head] = head, rest.strip()
        elif name:
            meanings[name] += " " + line.strip()
    return {name: text.removesuffix(".") for name, text in meanings.items()}


def members(hint: Any) -> tuple[Any, ...]:
    """The types of a union, without None; of any other type itself."""
    every = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    return tuple(member for member in every if member is not type(None))


def plain(value: Any) -> Any:
    """A value as JSON has it."""
    return [plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def _argument(parameter: inspect.Parameter, hint: Any, note: Any, words: str) -> Argument:
    positional = parameter.kind is not parameter.KEYWORD_ONLY
    one, many = _is_photo(hint), any(get_origin(m) is Sequence and _is_photo(*get_args(m)) for m in members(hint))
    if one or many:
        sentence = next((n.text for n in _notes(note) if isinstance(n, Words)), words)
        in_order = IN_ORDER in list(_notes(note))
        return Input(parameter.name, sentence, one, many, parameter.default is MISSING, hint, positional, in_order)
    return _option(parameter.name, hint, note, words, parameter.default, positional=positional)


def _is_photo(hint: Any) -> bool:
    return set(get_args(Photo)) <= set(members(hint))


def _option(
    name: str, hint: Any, note: Any, words: str, default: Any, *, positional: bool = False, setting: bool = False
) -> Option:
    notes = list(_notes(note))
    several = any(get_origin(m) is Sequence and str in members(get_args(m)[0]) for m in members(hint))
    spelled = "--" + (name.removesuffix("s") if several else name).replace("_", "-")
    return Option(
        name, next((n.text for n in notes if isinstance(n, Words)), words), hint, _kind(hint), default,
        optional=setting or default is None or hint is type(None) or type(None) in get_args(hint), several=several,
        choices=tuple(choice for m in members(hint) if get_origin(m) is Literal for choice in get_args(m)),
        bounds=next((n for n in notes if isinstance(n, Bounds)), ANY),
        flag=next((n.text for n in notes if isinstance(n, Flag)), spelled), positional=positional, setting=setting,
    )  # fmt: skip


def _kind(hint: Any) -> type:
    """str where words are possible, else the first plain type."""
    kinds = [type(get_args(m)[0]) if get_origin(m) is Literal else m for m in members(hint)]
    kinds = [get_args(m)[0] if get_origin(m) is Sequence else m for m in kinds]
    every = [part for kind in kinds for part in members(kind) if part in PLAIN]
    return str if str in every else every[0] if every else object


def _notes(hint: Any) -> Iterator[Any]:
    """What stands beside a type, or beside a part of it."""
    if get_origin(hint) is Annotated:
        yield from hint.__metadata__
        yield from _notes(hint.__origin__)
    else:
        for part in members(hint) if get_origin(hint) in (Union, types.UnionType, Unpack) else ():
            yield from _notes(part)


def settings(typed: Any, words: Mapping[str, str] = {}) -> Iterator[Option]:
    """The fields of a typed dict; where a dataclass stands behind it, that says what they mean."""
    behind = getattr(typed, "__settings__", None)
    notes = get_type_hints(typed, include_extras=True)
    further = get_type_hints(behind, include_extras=True) if behind is not None else {}
    meanings = sentences(behind) if behind is not None else {}
    assert behind is None or is_dataclass(behind)
    known = {field.name for field in fields(behind)} if behind is not None else set()
    for name, hint in get_type_hints(typed).items():
        note = notes[name] if list(_notes(notes[name])) or name not in known else further[name]
        yield _option(name, hint, note, words.get(name) or meanings.get(name, ""), None, setting=True)


def _allows(hint: Any, value: Any) -> bool:
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Literal:
        return value in parts
    if origin in (Union, types.UnionType):
        return any(_allows(part, value) for part in parts)
    if origin is Sequence:
        if isinstance(value, str):  # one unit
            return _allows(parts[0], value)
        return isinstance(value, list) and all(_allows(parts[0], item) for item in value)
    if hint is float:
        return type(value) is int or (type(value) is float and math.isfinite(value))
    return value is None if hint is type(None) else hint in PLAIN and type(value) is hint

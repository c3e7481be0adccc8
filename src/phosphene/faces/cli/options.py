"""From a recipe's arguments to options of the command line.

Whatever a recipe says about an option (`core/results/signature.py`) is what its help says. Options are None until they
are given, so that the recipe's own defaults hold, and those of the method that is chosen.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from inspect import Parameter, Signature
from typing import Annotated, Any, Literal, get_args, get_origin

import typer

from phosphene.core.errors import Mistake, check_choice
from phosphene.core.options import ANY, Bounds, range_words, read_number, shown
from phosphene.core.results.recipes import Recipe
from phosphene.core.results.signature import Argument, Input, Option, members

DEFAULT_PHOTO = "skimage:coffee"
"""Ships with scikit-image, and both embedded networks name it rightly: an espresso."""

Recipes = Mapping[str, Recipe[..., Any]]
"""The methods of a command by name; of a command without methods its one recipe."""


@dataclass(frozen=True)
class Number:
    """Beside the words that typer hands on: the number that they are to be."""

    bounds: Bounds
    whole: bool


def option(name: str, kind: Any, default: Any, words: str, flag: str = "", bounds: Bounds = ANY) -> Parameter:
    """One option of a command; typer hands on a number as it is written, so that there is one reader of numbers.

    Args:
        kind: str, int, float, bool, list[str].
        flag: how it is spelled, where that is not its name.
        bounds: of a number.
    """
    flag = flag or "--" + name.rstrip("_").replace("_", "-")
    declared = [f"{flag}/--no-{flag[2:]}"] if kind is bool and default is not False else [flag]
    shows = default is not False and default not in (None, [], "")  # 0 is a default like any other
    extra, note, whole = _one_of(kind, declared[0].lstrip("-")), None, kind in (int, int | None)
    if whole or kind in (float, float | None):
        kind, extra, note = str | None, {"metavar": "INTEGER" if whole else "NUMBER"}, Number(bounds, whole)
        default = default if default is None else shown(default)
    given = typer.Option(*declared, help=words, show_default=shows, **extra)
    return Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, given, note])


def read(parameters: Iterable[Parameter], options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a command that is no recipe, its numbers read; a Mistake where one is none, or out of bounds."""
    found = dict(options)
    for one in parameters:
        note = next((note for note in get_args(one.annotation) if isinstance(note, Number)), None)
        if note is not None and (text := found[one.name]) is not None:
            found[one.name] = read_number(text, one.name.replace("_", "-"), note.bounds, whole=note.whole)
    return found


def _one_of(kind: Any, called: str) -> dict[str, Any]:
    """How typer reads one of a few words; it would say what is wrong with another in its own."""
    (first, *_) = members(kind)
    if get_origin(first) is not Literal:
        return {}
    choices = get_args(first)

    def parse(text: str) -> str:
        try:
            check_choice(called, text, choices)
        except Mistake as mistake:
            raise typer.BadParameter(str(mistake)) from mistake
        return text

    return {"parser": parse, "metavar": f"<{'|'.join(choices)}>"}


def argument(name: str, kind: Any, default: Any, words: str) -> Parameter:
    """What a command takes by its place."""
    several = kind == list[str]
    metavar = name.removesuffix("_name").removesuffix("s" if several else "").upper() + ("..." if several else "")
    given = typer.Argument(help=words, **{"metavar": metavar, **_one_of(kind, name)})
    return Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, given])


def called(parameter: Parameter) -> str:
    """What people know an option or an argument by."""
    (_, how, *_) = get_args(parameter.annotation)
    flags = (str(one) for one in (how.default, *(how.param_decls or ())))  # typer keeps the first one as the default
    return next((one.partition("/")[0] for one in flags if one.startswith("--")), how.metavar or parameter.name)


def check_given(options: Mapping[str, Any], parameters: Iterable[Parameter]) -> None:
    """Raise a Mistake where something was given that says nothing: an empty word."""
    for one in parameters:
        if any(isinstance(note, Number) for note in get_args(one.annotation)):
            continue  # which is no number, then
        value = options.get(one.name)
        words = value if isinstance(value, list) else [value]
        if any(isinstance(word, str) and not word.strip() for word in words):
            raise Mistake(f"what was given as {called(one)} is empty; give a value, or leave it out")


NETWORK = (
    option("net", str, "embedded:photo", "embedded:NAME, torchvision:NAME, timm:NAME or FILE.py:FACTORY"),
    option("weights_file", str | None, None, "a safetensors file or state dict to put into it", "--weights"),
    option("device", str, "auto", "auto, cpu, cuda or mps"),
    option("precision", str, "auto", "auto, float32, float64 or bfloat16"),
    option(
        "head",
        Literal["softmax", "sigmoid", "probabilities", "numbers"] | None,
        None,
        "what the network ends in, where trying can't tell: logits of a softmax or of sigmoids, or plain numbers",
    ),
    option("plan", str | None, None, "how the network is run: a file that `phosphene tune` wrote"),
    option("no_plan", bool, False, "run the network as anybody would call it: no faster ways to the same numbers"),
)
OUT = option("out", str | None, None, "NAME.png, or a folder for several pictures; by default named after the command")
FORCE = option("force", bool, False, "overwrite what is there")
QUIET = option("quiet", bool, False, "say nothing but where the picture is")
JSON = option("json", bool, False, "print the results as JSON")
ANONYMOUS = option("no_provenance", bool, False, "leave out of the files how they were made")
FILM = option("film", str | None, None, "also write the way there, NAME.gif or NAME.mp4; or the name of what is a film")
WATCH = option("watch", bool, False, "see it grow: rewrite the picture every few steps, and show it in the terminal")
LIKE = option(
    "like", str | None, None, "a PNG of this program whose recipe is followed; what is given besides wins over it"
)
PATIENT = option("patient", bool, False, "let that recipe read more than a million pictures")
JUDGE = option("judge", list[str], [], "another network, as --net, to say what it sees in each picture; repeatable")


def untyped(parameters: Iterable[Parameter]) -> list[Parameter]:
    """The same options, which say when they are not given."""
    return [one.replace(default=None) if isinstance(one.default, str) else one for one in parameters]


def names(parameters: Iterable[Parameter]) -> list[str]:
    """What they are called."""
    return [parameter.name for parameter in parameters]


def signed(function: Callable[..., None], parameters: Iterable[Parameter], doc: str) -> Callable[..., None]:
    """`function(**options)` with a signature that typer reads."""
    command: Any = function
    parameters = list(parameters)
    command.__signature__ = Signature(parameters)
    command.__annotations__ = {one.name: one.annotation for one in parameters}
    command.__doc__ = doc
    return command


# ------------------------------------------------------------------------------------------------------ of recipes


def open_ended(recipe: Recipe[..., Any]) -> Recipe[..., Any]:
    """A recipe as it is typed beside a picture's own: nothing but its photographs has to be, and they come first."""
    led = any(one.required for one in recipe.inputs)
    free = [
        replace(one, default=None, optional=True, positional=one.positional and not led)
        if isinstance(one, Option)
        else one
        for one in recipe.arguments
    ]
    return replace(recipe, arguments=tuple(sorted(free, key=lambda one: not one.positional)))


def of_recipes(recipes: Recipes, photo: Any = DEFAULT_PHOTO) -> list[Parameter]:
    """The arguments of a command's recipes, each once.

    Args:
        photo: the one that is taken where none is given; empty where one has to be.
    """
    by_name: dict[str, dict[str, Argument]] = {}
    for method, recipe in recipes.items():
        for one in recipe.arguments:
            if isinstance(one, Input) or one.kind is not object:
                by_name.setdefault(one.name, {})[method] = one
    return [_parameter(takers, len(recipes), photo) for takers in by_name.values()]


def _parameter(takers: Mapping[str, Argument], methods: int, photo: Any) -> Parameter:
    """An argument that some methods of a command take."""
    first = next(iter(takers.values()))
    if isinstance(first, Input):
        return _photographs(first, photo, every=len(takers) == methods)
    every = {method: one for method, one in takers.items() if isinstance(one, Option)}
    choices = tuple(dict.fromkeys(choice for one in every.values() for choice in one.choices))
    kind: Any = Literal[choices] if choices else list[str] if first.several else first.kind
    words = _words(every, methods)
    if first.required:
        return (argument if first.positional else option)(first.name, kind, Parameter.empty, words)
    if first.positional:
        return argument(first.name, kind if first.several else kind | None, [] if first.several else None, words)
    off = kind is bool and all(one.default is False for one in every.values())
    default: Any = [] if first.several else False if off else None
    unset = kind if default is not None else kind | None
    if kind is bool and default is None:  # --stretch and --no-stretch
        return option(first.name, bool | None, None, words, f"{first.flag}/--no-{first.called}")
    return option(first.name, unset, default, words, first.flag)


def _photographs(one: Input, photo: Any, *, every: bool) -> Parameter:
    if not one.required:
        return option(one.name, list[str] if one.many else str | None, [] if one.many else None, one.sentence)
    if not one.many:
        return argument(one.name, str, photo, "a picture, or skimage:NAME")
    if one.one:
        several = photo if photo is Parameter.empty else [photo]
        return argument(one.name, list[str], several, "pictures, folders of them, or skimage:NAME")
    return argument(one.name, list[str], Parameter.empty if every else [], "pictures, and folders of them")


def _words(takers: Mapping[str, Option], methods: int) -> str:
    """What an option means, for which methods, and what it is unless it is given."""
    meanings = grouped({method: one.sentence for method, one in takers.items()})
    few = 2 * len(takers) < methods
    if len(meanings) == 1 and not few:
        text = next(iter(meanings))
    else:
        text = "; ".join(
            meaning if 2 * len(of) >= methods else f"of {', '.join(of)}: {meaning}" for meaning, of in meanings.items()
        )
    first = next(iter(takers.values()))
    within = f" ({range_words(first.bounds)})" if first.bounded else ""
    return f"{text}{within}{_defaults(takers)}"


def _defaults(takers: Mapping[str, Option]) -> str:
    values = {
        method: "" if one.required or one.default is False or one.default in (None, ()) else shown(one.default)
        for method, one in takers.items()
    }
    groups = grouped(values)
    if len(groups) == 1:
        value = next(iter(groups))
        return f" [default: {value}]" if value else ""
    most = max(groups, key=lambda value: len(groups[value]))
    each = [most or "none"] if 2 * len(groups[most]) > len(takers) else []
    each += [f"{value or 'none'} ({', '.join(of)})" for value, of in groups.items() if not each or value != most]
    return f" [default: {'; '.join(each)}]"


def grouped(values: Mapping[str, str]) -> dict[str, list[str]]:
    """Each value, and the names that have it."""
    found: dict[str, list[str]] = {}
    for name, value in values.items():
        found.setdefault(value, []).append(name)
    return found

"""What a picture says about how it was made, read and checked.

A picture may come from a stranger, so its record is data: only recipes of this program run, with arguments that they
allow. No path in a record is ever opened.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from phosphene import catalogue, earlier
from phosphene.core.errors import Mistake, brief, did_you_mean
from phosphene.core.networks.head import HEADS
from phosphene.core.networks.plan import Plan, Purpose, parse_plans
from phosphene.core.paths import given_path
from phosphene.core.pictures.files import read_text, stored
from phosphene.core.results.provenance import FORMAT, IN_PYTHON
from phosphene.core.results.recipes import Recipe
from phosphene.core.results.reels import FRAME
from phosphene.core.results.results import Part, seal
from phosphene.core.units.spelling import names_file

MOST_VALUES = 10_000
"""Of one option, such as units; layers have fewer."""


@dataclass(frozen=True)
class Record:
    """What a picture says about how it was made, checked.

    Attributes:
        picture: the file that carries it.
        shown: its pixels.
        recipe: which recipe.
        arguments: of it, without network and photographs.
        network: spec, hashes and size.
        inputs: names and hashes of the photographs.
        plans: how the network was run.
        part: which picture of the result this one is.
        device: where it was computed.
        threads: how many worked at it.
        versions: of what the pixels depend on.
        frame: which one of a film it is.
        index: what indexes said, of which photographs were used, by the name of the input.
    """

    picture: Path
    shown: Image.Image
    recipe: Recipe[..., Any]
    arguments: dict[str, Any]
    network: dict[str, Any]
    inputs: list[dict[str, Any]]
    plans: dict[Purpose, Plan]
    part: Part
    device: str
    threads: int
    versions: dict[str, str]
    frame: int | None = None
    index: Mapping[str, Any] = field(default_factory=dict)


def read_record(picture: str | Path) -> Record:
    """The record that a PNG carries.

    Raises:
        Mistake: it carries none, was changed since, or asks for what no recipe of this program does.
    """
    path = given_path(picture, "picture")
    text = read_text(path).get("phosphene")
    if text is None:
        raise Mistake(f"{path.name} does not say how it was made; only PNGs of this program do")
    data = _parsed(text, path.name)
    shown = stored(path)
    if data.get("seal") != seal(data, shown):
        raise Mistake(f"{path.name} or its recipe was changed after it was made, so it can't be made again")
    if data.get("unfinished"):
        raise Mistake(f"{path.name} was stopped on its way, and its recipe makes the finished one")
    data = _upgraded(data, path.name)
    recipe, arguments = _called(data, path.name)
    try:
        if not _complete(data, recipe):
            raise incomplete(path)
        return Record(
            path, shown, recipe, arguments, data["network"], list(data["inputs"]), parse_plans(data["plan"]),
            tuple(data["part"]), data["device"], data["threads"], dict(data["versions"]), data.get(FRAME),
            dict(data.get("index", {})),
        )  # fmt: skip
    except (KeyError, TypeError, AttributeError):
        raise incomplete(path) from None


def incomplete(picture: Path) -> Mistake:
    """What is said about a record that lacks something."""
    return Mistake(f"the recipe in {picture.name} is incomplete: it was not written by this program")


def _complete(data: Mapping[str, Any], recipe: Recipe[..., Any]) -> bool:
    inputs, threads = {one.name for one in recipe.inputs}, data["threads"]
    known = all(
        isinstance(one, Mapping) and isinstance(one["name"], str) and one["as"] in inputs for one in data["inputs"]
    )
    words = [data["network"]["spec"], data["network"]["sha256"], data["device"]]
    return (
        known
        and all(isinstance(word, str) for word in words)
        and data["network"].get("head") in (None, *HEADS)
        and type(threads) is int
        and 1 <= threads <= 1024
        and isinstance(data["versions"], Mapping)
        and all(isinstance(word, str) for word in data["versions"].values())
        and isinstance(data["part"], list)
        and all(type(one) in (str, int) for one in data["part"])
        and type(data.get(FRAME)) in (int, type(None))
        and isinstance(data.get("index", {}), Mapping)
    )


def _parsed(text: str, name: str) -> dict[str, Any]:
    def refused(constant: str) -> None:
        raise ValueError(f"{constant} is not a number")

    try:
        data = json.loads(text, parse_constant=refused)
    except (ValueError, RecursionError) as error:
        raise Mistake(f"the recipe in {name} can't be read: {error}") from error
    if not isinstance(data, dict):
        raise Mistake(f"the recipe in {name} can't be read: it is not a JSON object")
    if isinstance(data.get("parts"), list):
        parts = ", ".join(str(part) for part in data["parts"][:3])
        raise Mistake(f"{name} is put together from other pictures; make those again: {parts}, ...")
    return data


def _upgraded(data: Mapping[str, Any], name: str) -> dict[str, Any]:
    version = data.get("format", 1)
    if type(version) is not int or not 1 <= version <= FORMAT:
        raise Mistake(f"{name} has format {version!r}; this program knows formats up to {FORMAT}: update it")
    try:
        return earlier.upgraded(data)
    except ValueError as error:
        raise Mistake(f"{name} can't be made again: {error}") from error


def _called(data: Mapping[str, Any], name: str) -> tuple[Recipe[..., Any], dict[str, Any]]:
    """The recipe, and arguments that it allows."""
    arguments, wanted = data.get("arguments"), data.get("recipe")
    if not isinstance(arguments, Mapping):
        raise Mistake(f"the recipe in {name} has no arguments")
    if not isinstance(wanted, str) or catalogue.row_of(wanted) is None:
        near = did_you_mean(str(wanted), catalogue.recipes())
        raise Mistake(f"{name} asks for '{wanted}', which is not a recipe{near}")
    recipe = catalogue.recipe(wanted)
    options = {option.name: option for option in recipe.options}
    for key, value in arguments.items():
        if isinstance(value, list) and len(value) > MOST_VALUES:
            raise Mistake(f"{name} says {len(value)} values for {key} of {wanted}; {MOST_VALUES} is the limit")
        if key not in options:
            near = did_you_mean(key, options)
            raise Mistake(f"{name} asks for an option '{key}', which {wanted} does not have{near}")
        if isinstance(value, Mapping) and IN_PYTHON in value:
            article = "an" if key[0] in "aeio" else "a"
            raise Mistake(f"{name} was made with {article} {key} {IN_PYTHON}, which is not in the file")
        if not options[key].allows(value):
            raise Mistake(f"{name} says {brief(value)} for {key} of {wanted}, which is not a valid value")
        if names_file(value):
            raise Mistake(f"{name} asks for a direction out of a file as {key}; a recipe carries the numbers instead")
    if any(option.required and option.name not in arguments for option in recipe.options):
        raise incomplete(Path(name))
    return recipe, dict(arguments)

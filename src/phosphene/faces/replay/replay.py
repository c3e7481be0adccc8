"""Make a picture again from the recipe that it carries, and say whether every pixel is the same.

A picture may come from a stranger, so its recipe is data: only recipes of this program run, with arguments that their
signatures allow; embedded networks and scikit-image's photographs are found by themselves, everything else (networks,
weights, photographs) has to be named by the person who asks, and must have the hashes that the recipe gives. No path in
a recipe is ever opened.
"""

import inspect
import json
import math
import types
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np
import torch
from PIL import Image

from phosphene import adversarial, attribution, dreaming, features, inversion
from phosphene.core.errors import Mistake, did_you_mean
from phosphene.core.networks.network import Network
from phosphene.core.networks.plan import Plan, Purpose, parse_plans
from phosphene.core.pictures.files import SAMPLES, read_text, stored
from phosphene.core.pictures.writing import png_bytes
from phosphene.core.results.provenance import INPUTS, file_sha256, network_record, pixels_record, versions
from phosphene.core.results.results import Part, Result, Run, seal
from phosphene.core.units.photographs import pictures_in
from phosphene.core.units.spelling import names_file

FAMILIES = (features, attribution, dreaming, inversion, adversarial)
RECIPES = attribution.Methods(
    {name: getattr(family, name) for family in FAMILIES for name in family.__all__ if name.islower()}
    | attribution.METHODS
)


@dataclass(frozen=True)
class Recipe:
    """What a picture says about how it was made, checked.

    Attributes:
        picture: the file that carries it.
        shown: its pixels.
        function: the name of the recipe.
        arguments: of it, without network and photograph.
        network: spec, hashes and size.
        inputs: names and hashes of the photographs.
        plans: how the network was run.
        part: which picture of the result this one is.
        device: where it was computed.
        threads: how many worked at it.
        versions: of what the pixels depend on.
    """

    picture: Path
    shown: Image.Image
    function: str
    arguments: dict[str, Any]
    network: dict[str, Any]
    inputs: list[dict[str, Any]]
    plans: dict[Purpose, Plan]
    part: Part
    device: str
    threads: int
    versions: dict[str, str]


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


# --------------------------------------------------------------------------------------------------- reading one


def read_recipe(picture: str | Path) -> Recipe:
    """The recipe that a PNG carries.

    Raises:
        Mistake: it carries none, was changed since, or asks for what no recipe of this program does.
    """
    path = Path(picture)
    text = read_text(path).get("phosphene")
    if text is None:
        raise Mistake(f"{path.name} does not say how it was made; only PNGs of this program do")
    found = _parsed(text, path.name)
    shown = stored(path)
    if found.get("seal") != seal(found, shown):
        raise Mistake(f"{path.name} or its recipe was changed after it was made, so it can't be made again")
    function, arguments = _call(found, path.name)
    try:
        part, inputs, network, device = tuple(found["part"]), found["inputs"], found["network"], found["device"]
        plans, threads = parse_plans(found["plan"]), found["threads"]
        known = all(
            isinstance(record, Mapping) and isinstance(record["name"], str) and record.get("as", "photo") in INPUTS
            for record in inputs
        )
        good = known and all(isinstance(network[key], str) for key in ("spec", "sha256"))
        good &= (
            isinstance(found["device"], str)
            and type(threads) is int
            and 1 <= threads <= 1024
            and isinstance(found["versions"], Mapping)
        )
    except (KeyError, TypeError, AttributeError):
        good = False
    if not good:
        raise Mistake(f"the recipe in {path.name} is incomplete: it was not written by this program")
    return Recipe(
        path, shown, function, arguments, network, list(inputs), plans, part, device, threads, dict(found["versions"])
    )


def _parsed(text: str, name: str) -> dict[str, Any]:
    def refused(constant: str) -> None:
        raise ValueError(f"{constant} is no number")

    try:
        found = json.loads(text, parse_constant=refused)
    except (ValueError, RecursionError) as error:
        raise Mistake(f"the recipe in {name} can't be read: {error}") from error
    if not isinstance(found, dict):
        raise Mistake(f"the recipe in {name} can't be read: it is no JSON object")
    if isinstance(found.get("parts"), list):
        parts = ", ".join(str(part) for part in found["parts"][:3])
        raise Mistake(f"{name} is put together from other pictures; make those again: {parts}, ...")
    return found


def _call(found: Mapping[str, Any], name: str) -> tuple[str, dict[str, Any]]:
    """The recipe's name, and arguments that its signature allows."""
    arguments = found.get("arguments")
    if not isinstance(arguments, Mapping):
        raise Mistake(f"the recipe in {name} has no arguments")
    arguments = dict(arguments)
    function = arguments.pop("method", None) or found.get("command")
    if not isinstance(function, str) or function not in RECIPES:
        raise Mistake(f"{name} asks for '{function}', which is no recipe{did_you_mean(str(function), RECIPES)}")
    hints = get_type_hints(RECIPES[function])
    parameters = inspect.signature(RECIPES[function]).parameters
    for key, value in arguments.items():
        if key not in parameters or key in ("network", *INPUTS):
            raise Mistake(f"{name} asks for an option '{key}', which {function} has not{did_you_mean(key, parameters)}")
        if names_file(value):
            raise Mistake(f"{name} asks for a direction out of a file as {key}; a recipe carries the numbers instead")
        if not _allowed(value, hints[key]):
            raise Mistake(f"{name} gives {value!r} as {key} of {function}, which is none")
    return function, arguments


def _allowed(value: Any, annotation: Any) -> bool:
    """Whether a value out of a file may be an argument of this type."""
    origin = get_origin(annotation)
    if origin is Literal:
        return value in get_args(annotation)
    if origin in (Union, types.UnionType):
        return any(_allowed(value, choice) for choice in get_args(annotation))
    if origin is not None and isinstance(value, str):  # one unit
        return _allowed(value, get_args(annotation)[0])
    if origin is not None:  # Sequence[str]
        return isinstance(value, list) and all(_allowed(item, get_args(annotation)[0]) for item in value)
    if annotation is float:
        return type(value) in (int, float) and math.isfinite(value)
    return value is None if annotation is type(None) else type(value) is annotation


# --------------------------------------------------------------------------------------------------- making it again


def embedded_spec(recipe: Recipe) -> str:
    """The spec of the embedded network that made a picture.

    Raises:
        Mistake: another network did, which has to be named.
    """
    from phosphene.models.embedded import EMBEDDED

    spec = recipe.network["spec"]
    if spec.partition(":")[0] != "embedded" or spec.partition(":")[2] not in EMBEDDED:
        raise Mistake(
            f"{recipe.picture.name} was made with {spec}, which is not inside this program: name it with --net "
            f"(its weights' SHA-256 begins with {recipe.network['sha256'][:12]})"
        )
    return spec


def begin(recipe: Recipe, network: Network, inputs: Sequence[str | Path] = ()) -> Run | Result:
    """Call the recipe again.

    Args:
        recipe: which.
        network: the one that made the picture; run by the recorded plans whatever its own are.
        inputs: files of the photographs, or folders with them, in any order.
    Raises:
        Mistake: network or photographs are not those that made the picture; says what differs.
    """
    _check_network(recipe, network)
    function, given = RECIPES[recipe.function], _Given(inputs)
    photos: dict[str, list[str]] = {}
    for record in recipe.inputs:
        photos.setdefault(record.get("as", "photo"), []).append(_found(recipe, record, given))
    parameters = inspect.signature(function).parameters
    asked = {name for name in INPUTS if name in parameters and parameters[name].default is inspect.Parameter.empty}
    single = all(len(files) == 1 for name, files in photos.items() if name != "photos")
    if not (asked <= set(photos) <= set(parameters) and single):
        raise Mistake(f"the recipe in {recipe.picture.name} is incomplete: it was not written by this program")
    named = {name: files if name == "photos" else files[0] for name, files in photos.items()}
    return function(network.following(recipe.plans), **named, **recipe.arguments)


def finished(recipe: Recipe, result: Result) -> Replayed:
    """Compare what came out with the picture."""
    try:
        image, text = result.shown(*recipe.part), result.text(*recipe.part)
    except (IndexError, TypeError) as error:
        raise Mistake(f"the recipe in {recipe.picture.name} makes no {' '.join(map(str, recipe.part))}") from error
    new, old = (np.asarray(picture.convert("RGBA")).astype(int) for picture in (image, recipe.shown))
    changes = tuple(
        f"{name} was {before}, is {now}"
        for name, now in versions(RECIPES[recipe.function].uses).items()
        if (before := recipe.versions.get(name)) != now
    )
    if new.shape != old.shape:
        return Replayed(image, text, image.width * image.height, 255, changes)
    apart = np.abs(new - old).max(2)
    return Replayed(image, text, int((apart > 0).sum()), int(apart.max()), changes)


@contextmanager
def as_many_threads(recipe: Recipe) -> Iterator[None]:
    """With as many threads as worked at the picture: the order of sums depends on it."""
    before = torch.get_num_threads()
    torch.set_num_threads(recipe.threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def replay(picture: str | Path, network: Network | None = None, inputs: Sequence[str | Path] = ()) -> Replayed:
    """Make a picture again: the same pixels on the same kind of machine.

    Args:
        picture: a PNG of this program.
        network: the one that made it, unless it is an embedded one.
        inputs: the photographs that it was made from, unless they are scikit-image's.
    Raises:
        Mistake: it carries no recipe or was changed; or network or photographs are not those that made it.
    """
    from phosphene.models.specs import load

    recipe = read_recipe(picture)
    with as_many_threads(recipe):
        if network is None:
            network = load(embedded_spec(recipe), precision=recipe_precision(recipe), device=recipe.device)
        made = begin(recipe, network, inputs)
        return finished(recipe, made.result if isinstance(made, Run) else made)


def recipe_precision(recipe: Recipe) -> str:
    """What the network itself is to be in."""
    return "float64" if any(plan.precision == "float64" for plan in recipe.plans.values()) else "float32"


def _check_network(recipe: Recipe, network: Network) -> None:
    own, name = network_record(network), recipe.picture.name
    for key, words in {"sha256": "weights", "code_sha256": "file"}.items():
        before, now = recipe.network.get(key), own.get(key)
        if before != now:
            raise Mistake(
                f"{network.name} is not the network that made {name}: the SHA-256 of its {words} begins with "
                f"{str(now)[:12]}, not {str(before)[:12]}"
            )
    if recipe.network.get("size") != own["size"]:
        raise Mistake(f"{network.name} is fed {own['size']} pixels; it was {recipe.network.get('size')} for {name}")


class _Given:
    """Files that somebody names, found by what is in them; each is read once."""

    def __init__(self, inputs: Sequence[str | Path]) -> None:
        self.files = pictures_in(inputs)
        self._named = {str(file) for file in inputs}

    @cached_property
    def of_file(self) -> dict[str, str]:
        """From the SHA-256 of a file to it."""
        found = {}
        for file in self.files:
            try:
                found[file_sha256(file)] = file
            except OSError as error:
                raise Mistake(f"{file} cannot be read: {(error.strerror or str(error)).lower()}") from error
        return found

    @cached_property
    def of_pixels(self) -> dict[str, str]:
        """From the SHA-256 of a picture's pixels and its shape to it; what can't be read in a folder is no picture."""
        found = {}
        for file in self.files:
            try:
                found[_pixels_key(pixels_record(file))] = file
            except Mistake:
                if file in self._named:
                    raise
        return found


def _pixels_key(record: Mapping[str, Any]) -> str:
    return f"{record.get('pixels_sha256')} {record.get('shape')}"


def _found(recipe: Recipe, record: Mapping[str, Any], given: _Given) -> str:
    """The photograph of this record: scikit-image's, or one of the given files.

    Raises:
        Mistake: none of them is; says what differs.
    """
    name, picture = record["name"], recipe.picture.name
    sample = name.removeprefix("skimage:")
    if name.startswith("skimage:") and sample in SAMPLES:
        if {"name": name, **pixels_record(name)} != {key: record[key] for key in record if key != "as"}:
            raise Mistake(
                f"{name} is another picture in this version of scikit-image than in the one that made {picture}"
            )
        return name
    key = "sha256" if "sha256" in record else "pixels_sha256"
    own = given.of_file if key == "sha256" else given.of_pixels
    wanted = str(record["sha256"]) if key == "sha256" else _pixels_key(record)
    if wanted in own:
        return own[wanted]
    if not given.files:
        raise Mistake(f"{picture} was made from the photograph {name!r}: name the file with --input")
    begins = f"the SHA-256 begins with {' and '.join(sha256[:12] for sha256 in own)}, not {str(record.get(key))[:12]}"
    if len(given.files) > 3:
        raise Mistake(
            f"none of these {len(given.files)} files is the photograph {name!r} that {picture} was made from: "
            f"the SHA-256 of none begins with {str(record.get(key))[:12]}"
        )
    files = " and ".join(Path(file).name for file in given.files)
    raise Mistake(f"{files} is not the photograph {name!r} that {picture} was made from: {begins}")

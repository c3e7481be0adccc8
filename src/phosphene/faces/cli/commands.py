"""The commands: one for each recipe, or for several as its methods; and those that are not recipes."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich.console import Console

from phosphene import catalogue
from phosphene.catalogue import Row
from phosphene.core.errors import Mistake, did_you_mean
from phosphene.core.options import Bounds
from phosphene.core.results.recipes import Recipe
from phosphene.core.results.signature import Option
from phosphene.faces.cli import options as cli
from phosphene.faces.cli import show, tree
from phosphene.faces.cli.guard import Ended, guarded
from phosphene.faces.cli.output import note, results_apart, tell
from phosphene.faces.running.claims import Claims
from phosphene.faces.running.indexes import usual_net, with_units
from phosphene.faces.running.job import Done, Job, Output, perform
from phosphene.faces.running.reels import Filming
from phosphene.faces.running.session import Session

Options = dict[str, Any]

OF_INDEX = (
    cli.option("net", str | None, None, "the network, as `phosphene networks` lists them; by default embedded:photo, "
               "or that of an index"),
    *cli.NETWORK[1:],
)  # fmt: skip
"""Of commands that may be about an index."""


def _command(run: Callable[..., None], parameters: Sequence[Any], doc: str) -> Callable[..., None]:
    """What typer calls: whatever goes wrong in `run(**options)` is one sentence, and only results are printed."""

    def command(**options: Any) -> None:
        with results_apart(), guarded():
            cli.check_given(options, parameters)
            run(**options)

    return cli.signed(command, parameters, doc)


def tool(*parameters: Any) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A command that is not a recipe, with these options."""
    return lambda function: _command(
        lambda **options: function(**cli.read(parameters, options)), parameters, function.__doc__ or ""
    )


def session(options: Options) -> Session:
    """The networks that are asked for; takes their options out of the others."""
    return Session(**{name: options.pop(name) for name in cli.names(cli.NETWORK)}, judges=options.pop("judge", ()))


# --------------------------------------------------------------------------------------------------------- recipes


def recipe_command(name: str, rows: tuple[Row, ...], *, like: bool = False) -> Callable[..., None]:
    """The command of one recipe, or of several that are its methods; or as it is typed beside a picture's recipe."""
    recipes: dict[str, Recipe[..., Any]] = {
        row.method: catalogue.method(name, row.method) if row.method else catalogue.recipe(row.name) for row in rows
    }
    indexes = _indexes(recipes)
    several, first, choice = len(rows) > 1, next(iter(recipes)), rows[0].choice
    if like:
        recipes = {method: cli.open_ended(one) for method, one in recipes.items()}

    parameters = cli.of_recipes(recipes, cli.Parameter.empty if like else cli.DEFAULT_PHOTO)
    if several:
        parameters.append(cli.option(choice, str | None, None, f"one of {', '.join(recipes)}; by default {first}"))
    if any(row.judge for row in rows):
        parameters.append(cli.JUDGE)
    film = [cli.FILM, cli.WATCH] if any(recipe.takes_steps for recipe in recipes.values()) else []
    network = [*cli.untyped(cli.NETWORK), cli.PATIENT] if like else OF_INDEX if indexes else cli.NETWORK
    parameters += [*network, *film, cli.LIKE, cli.OUT, cli.FORCE, cli.QUIET, cli.JSON, cli.ANONYMOUS]

    def run(**options: Any) -> None:
        method, picture = options.pop(choice, None), options.pop("like")
        if picture is None:
            options["net"] = options["net"] or usual_net(options[name] for name in indexes)
            method = _method_of_files(first, recipes, options) if method is None else method
            job = _job(name, rows, recipes, method, options)
            _check_inputs(job)
            return _run(job, options)
        from phosphene.faces.replay import like as liking

        record, patient = liking.read_record(picture), options.pop("patient")
        options |= {one.name: options[one.name] or "" for one in cli.NETWORK if isinstance(one.default, str)}
        method = liking.method_of(record, name, method)
        job, words = liking.followed(_job(name, rows, recipes, method, options), record, patient=patient)
        note(words, quiet=options["quiet"])
        return _run(job, options)

    return _command(run, parameters, _help(name, recipes))


def _indexes(recipes: cli.Recipes) -> set[str]:
    """The inputs of a command that may be an index."""
    return {one.name for recipe in recipes.values() for one in recipe.inputs if one.indexed}


def _help(name: str, recipes: cli.Recipes) -> str:
    if len(recipes) == 1:
        return next(iter(recipes.values())).head
    methods = "".join(f"\n\n{method}: {recipe.summary}" for method, recipe in recipes.items())
    return f"{catalogue.sentence(name)}\n\nMethods:{methods}"


def _job(name: str, rows: tuple[Row, ...], recipes: cli.Recipes, method: str, options: Options) -> Job:
    """What is asked for; takes everything but `quiet` and `json` out of the options.

    Raises:
        Mistake: there is no such method, or an option is not one of its.
    """
    try:
        recipe = catalogue.method(name, method) if method else next(iter(recipes.values()))
    except KeyError:
        there = f"{did_you_mean(method, recipes)} (there are {', '.join(recipes)})"
        what = f"no {rows[0].choice}" if rows[0].choice == "method" else f"nothing for --{rows[0].choice} called"
        raise Mistake(f"{what} '{method}'{there}") from None
    row = next(row for row in rows if row.method == method or (row.prefix and method.startswith(row.prefix)))
    film, watch = options.pop("film", None), options.pop("watch", False)
    if (film is not None or watch) and not recipe.takes_steps:
        others = [m for m, one in recipes.items() if one.takes_steps]
        flag = "--watch" if film is None else "--film"
        raise Mistake(f"{method} makes its picture at once; {flag} belongs to {', '.join(others)}")
    output = Output(
        options.pop("out"), options.pop("force"), options["quiet"], options.pop("no_provenance"), film, watch
    )  # fmt: skip
    asked = session(options)
    given = with_units(recipe, {key: value for key, value in options.items() if key not in ("quiet", "json")})
    named = None if method == catalogue.ITSELF else method or None
    return Job(row, recipe, named, _taken(given, recipe, method, recipes), asked, output)


def _method_of_files(method: str, recipes: cli.Recipes, options: Options) -> str:
    """The method that takes the files that are given, where the default one does not and a single other one does."""
    for name in (name for name, value in options.items() if value is not None and value != []):
        takers = [m for m, one in recipes.items() if name in {each.name for each in one.inputs}]
        if takers and method not in takers and len(takers) == 1:
            return takers[0]
    return method


def _check_inputs(job: Job) -> None:
    """Raise a Mistake where photographs are missing that only some methods of a command take."""
    for one in job.recipe.inputs:
        if one.required and one.name not in job.given:
            name = one.name.removesuffix("s")
            raise Mistake(f"{job.title} needs a {name}, and none is given; give {name.upper()}")


def _taken(given: Options, recipe: Recipe[..., Any], method: str, recipes: cli.Recipes) -> Options:
    """What was given, without what was not.

    Raises:
        Mistake: the method does not take it, or not like this.
    """
    takes = {one.name: one for one in recipe.arguments}
    found: dict[str, Any] = {}
    for key, value in given.items():
        takers = {m: one for m, r in recipes.items() for one in r.arguments if one.name == key}
        unset = (
            value is None or value == [] or (value is False and any(one.default is False for one in takers.values()))
        )
        if not unset and key not in takes:
            flag = next((one.flag for one in takers.values() if isinstance(one, Option)), f"--{key.rstrip('_')}")
            raise Mistake(f"{flag} is not an option of {method}; it belongs to {', '.join(takers)}")
        if not unset:
            found[key] = one.read(value, one.called) if isinstance(one := takes[key], Option) else value
    return found


def _run(job: Job, options: Options) -> None:
    quiet, as_json = options["quiet"], options["json"]

    def say(words: str) -> None:
        note(words, quiet=quiet)

    with Claims() as claims:
        for part in job.parts(say):
            what = perform(part, say, claims)
            if isinstance(what, Done):
                code, why = show.done(what, quiet=quiet, as_json=as_json), next(iter(what.ends), None)
            elif isinstance(what, Filming):
                code, why = show.filmed(what, part.title, quiet=quiet, as_json=as_json), what.stopped
            else:
                code, why = show.swept(what, part.row.command, quiet=quiet, as_json=as_json), what.stopped
            if code:
                raise Ended(code) from why


# ----------------------------------------------------------------------------------------------- others


@tool(cli.JSON)
def list_networks(**options: Any) -> None:
    """List what can be loaded: embedded networks, torchvision's, timm's, your own."""
    known: Mapping[str, str] = catalogue.public("networks")()
    if options["json"]:
        tell(json.dumps(known, indent=1))
    else:
        show.table(["network", "what it is"], [[spec, words] for spec, words in known.items()])


@tool(*cli.NETWORK, cli.option("classes", bool, False, "list its classes instead, by number and name"), cli.JSON)
def list_layers(**options: Any) -> None:
    """List a network's layers as a tree: kind, shape, receptive field, parameters."""
    shown = tree.list_classes if options["classes"] else tree.list_layers
    shown(session(options).network, as_json=options["json"])


@tool(
    cli.argument("photo", str, cli.DEFAULT_PHOTO, "a picture, or skimage:NAME"),
    *cli.NETWORK,
    cli.option("beside", str | None, None, "a second network to compare with, as --net; none for none"),
    cli.option("out", str | None, None, "the page's folder, by default tour; an unfinished tour in it goes on"),
    cli.option("fast", bool, False, "a smoke run: few steps, small pictures"),
    cli.option("seed", int, 0, "of all random numbers", bounds=Bounds(0, 2**32 - 1)),
    cli.option("force", bool, False, "begin anew, over what is there"),
    cli.ANONYMOUS,
    cli.option("quiet", bool, False, "say nothing but where the page is"),
)
def take_tour(**options: Any) -> None:
    """Walk through what a network sees in PHOTO and write one self-contained page."""
    from phosphene.faces.tour.page import beside_spec, tour

    net, beside = options["net"], beside_spec(options["net"], options.pop("beside"))
    second = options | {"net": beside, "weights_file": None, "plan": None}  # those are of the first
    made = tour(
        lambda: session(dict(options)).network, options["photo"], spec=net, out=options["out"] or "tour",
        open_beside=(lambda: session(dict(second)).network) if beside else None, beside_spec=beside,
        force=options["force"], fast=options["fast"], seed=options["seed"], anonymous=options["no_provenance"],
        console=Console(stderr=True, quiet=options["quiet"]),
    )  # fmt: skip
    if code := show.toured(made, force=options["force"]):
        raise Ended(code) from made.why

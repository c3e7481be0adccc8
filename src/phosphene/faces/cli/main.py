"""The command line: opens a network and a photograph, calls a recipe, shows and writes what comes of it.

A recipe's signature is its options. `phosphene --help` and `--version` import no torch: only the module of the command
that was chosen is loaded.
"""

import importlib
import inspect
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from importlib.metadata import version
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import typer
from rich.console import Console
from rich.markup import escape

COMMANDS = {
    "networks": ("phosphene.faces.cli.main:list_networks", "List what can be loaded."),
    "layers": ("phosphene.faces.cli.tree:list_layers", "List a network's layers, as a tree."),
    "architecture": ("phosphene.features:architecture", "Draw what a network is made of."),
    "predict": ("phosphene.features:predict", "Say what a network sees in a photograph."),
    "weights": ("phosphene.features:weights", "Show a layer's weights as pictures."),
    "visualize": ("phosphene.features:visualize", "Paint what units look for."),
    "interpolate": ("phosphene.features:interpolate", "Paint a strip from one unit to another."),
    "context": ("phosphene.features:context", "Paint a class several times: what else is in it?"),
    "gallery": ("phosphene.features:gallery", "Show a paper's figure on your network, beside ours."),
    "grid": ("phosphene.features:activation_grid", "Paint what a layer sees at each place of a photograph."),
    "caricature": ("phosphene.features:caricature", "Exaggerate what a layer sees in a photograph."),
    "accentuate": ("phosphene.features:accentuate", "Change a photograph a little towards a unit."),
    "attribute": ("phosphene.attribution:METHODS", "Show which pixels matter."),
    "patches": ("phosphene.attribution:patches", "Show the parts of photographs that excite a unit most."),
    "segment": ("phosphene.attribution:segment", "Cut out the object that a score depends on (GrabCut)."),
    "atlas": ("phosphene.features:atlas", "Map what a layer finds in many photographs."),
    "facets": ("phosphene.features:facets", "Paint a unit's facets, from the photographs that excite it."),
    "dream": ("phosphene.dreaming:dream", "Amplify what a layer sees in a photograph (DeepDream)."),
    "invert": ("phosphene.inversion:invert", "Find a picture that a layer can't tell from a photograph."),
    "attack": ("phosphene.adversarial:METHODS", "Fool a network with a change that nobody sees."),
    "replay": ("phosphene.faces.cli.main:replay_picture", "Make a picture again, from the recipe that it carries."),
    "tune": ("phosphene.faces.cli.main:tune_network", "Measure the fastest way to run a network here."),
    "tour": ("phosphene.faces.tour:tour", "Walk through all of it, on one photograph, into one page."),
}
DEFAULT_METHOD = {"attribute": "saliency", "attack": "pgd"}
DEFAULT_PHOTO = "skimage:chelsea"

NETWORK_OPTIONS: dict[str, tuple[Any, Any, str]] = {
    "net": (str, "embedded:photo", "embedded:NAME, torchvision:NAME, timm:NAME or FILE.py:FACTORY"),
    "weights_file": (str | None, None, "a safetensors file or state dict to put into it"),
    "device": (str, "auto", "auto, cpu, cuda or mps"),
    "precision": (str, "auto", "auto, float32, float64 or bfloat16"),
    "plan": (str | None, None, "how the network is run: a file that `phosphene tune` wrote"),
    "no_plan": (bool, False, "run the network as anybody would call it: no faster ways to the same numbers"),
}
OUTPUT_OPTIONS: dict[str, tuple[Any, Any, str]] = {
    "out": (str | None, None, "NAME.png, or a folder for several pictures; by default named after the command"),
    "force": (bool, False, "overwrite what is there"),
    "quiet": (bool, False, "say nothing but where the picture is"),
    "json": (bool, False, "print what was found as JSON"),
    "no_provenance": (bool, False, "leave out of the files how they were made"),
}
FILM_OPTION: tuple[Any, Any, str] = (
    str | None,
    None,
    "also write the way there: NAME.gif or NAME.mp4; a film does not replay; its last frame is the picture",
)
JUDGED = ("visualize", "gallery", "context")
JUDGE_OPTION: tuple[Any, Any, str] = (
    list[str],
    [],
    "another network, as --net, that says what it sees in each picture; may be given several times",
)
SPELLED = {"weights_file": "--weights", "top_k": "--top", "units": "--unit", "layers": "--layer"}
POSITIONAL = {
    "photo": (str, DEFAULT_PHOTO, "a picture, or skimage:NAME"),
    "units": (list[str], ..., "LAYER:UNIT"),
    "layer": (str | None, None, "a layer's name, as `phosphene layers` lists them"),
    "paper": (str, ..., "simonyan, yosinski or olah"),
    "class_name": (str, ..., "a class, by its name or number"),
    "unit": (str, ..., "LAYER:UNIT"),
    "photos": (list[str], ..., "pictures, and folders of them"),
    "picture": (str, ..., "a PNG that this program made"),
}


def number(text: str | float) -> float:
    """A number, which may be written as a fraction: 8/255 (typer also hands a default to its parser, as it is)."""
    try:
        return float(Fraction(text.replace(" ", ""))) if isinstance(text, str) else text
    except (ValueError, ArithmeticError) as error:
        raise typer.BadParameter(f"'{text}' is no number; write 0.03 or 8/255") from error


# ------------------------------------------------------------------------------------------ options from signatures


def _argument_help(function: Callable) -> dict[str, str]:
    """What the docstring says about each argument."""
    doc = inspect.getdoc(function) or ""
    found: dict[str, str] = {}
    name = ""
    for line in doc.partition("Args:\n")[2].splitlines():
        if not line.startswith("    "):
            break
        head, colon, rest = line.strip().partition(":")
        if colon and line[4] != " ":
            name, found[head] = head, rest.strip()
        elif name:
            found[name] += " " + line.strip()
    return found


def _plain(annotation: Any) -> Any:
    """What typer understands of a recipe's annotation."""
    if get_origin(annotation) is Literal or annotation in (bool, int, float, str):
        return annotation
    arguments = [a for a in get_args(annotation) if a is not type(None)]
    if any(get_origin(a) is Sequence and _plain(get_args(a)[0]) is str for a in (annotation, *arguments)):
        return list[str]
    optional = type(None) in get_args(annotation)
    kind = str if str in arguments else arguments[0] if arguments else str
    return kind | None if optional else kind


def _option(name: str, annotation: Any, default: Any, words: str) -> inspect.Parameter:
    flag = SPELLED.get(name, "--" + name.replace("_", "-"))
    switch = bool in (annotation, *get_args(annotation))
    declared = [f"{flag}/--no-{flag[2:]}"] if switch and default is not False else [flag]
    floats = float in (annotation, *get_args(annotation))
    extra: dict[str, Any] = {"parser": number, "metavar": "NUMBER"} if floats else {}
    option = typer.Option(*declared, help=words, **extra)
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[annotation, option]
    )


def _positional(name: str, hint: Any = None) -> inspect.Parameter:
    annotation, default, words = POSITIONAL[name]
    if name == "photos" and str in get_args(hint):  # one will do as well
        default, words = [DEFAULT_PHOTO], "pictures, folders of them, or skimage:NAME"
    names = {"units": "UNIT...", "photos": "PHOTO...", "layer": "LAYER", "class_name": "CLASS"}
    given = typer.Argument(help=words, metavar=names.get(name, name.upper()))
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=inspect.Parameter.empty if default is ... else default,
        annotation=Annotated[annotation, given],
    )


def _parameters(function: Callable, *, unset: bool = False) -> list[inspect.Parameter]:
    """A recipe's parameters as typer's; `unset` makes every option None until it is given."""
    hints, words = get_type_hints(function), _argument_help(function)
    found = []
    for name, parameter in inspect.signature(function).parameters.items():
        if name in POSITIONAL and parameter.kind is not parameter.KEYWORD_ONLY:
            found.append(_positional(name, hints[name]))
        elif name != "network":
            kind, default = _plain(hints[name]), parameter.default
            shown = words.get(name, "")
            switch = kind is bool and default is False
            if unset and default is not None and not switch:
                shown, default, kind = f"{shown} [default: {_shown(default)}]", None, kind | None
            found.append(_option(name, kind, default, shown))
    return found


def _of(parameter: inspect.Parameter, methods: Sequence[str]) -> inspect.Parameter:
    """An option of some methods, which its help names."""
    option = get_args(parameter.annotation)[1]
    option.help = f"of {', '.join(methods)}: {option.help}"
    return parameter


def _shown(value: Any) -> str:
    if isinstance(value, float):
        whole = value * 255
        return f"{whole:g}/255" if abs(whole - round(whole, 1)) < 1e-9 and value < 0.5 and value != 0 else f"{value:g}"
    return str(value)


def _shared(options: Mapping[str, tuple[Any, Any, str]]) -> list[inspect.Parameter]:
    return [_option(name, *row) for name, row in options.items()]


def _signed(function: Callable, parameters: Iterable[inspect.Parameter], doc: str) -> Callable:
    """`function(**options)` with a signature that typer can read."""
    parameters = list(parameters)
    function.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    function.__annotations__ = {p.name: p.annotation for p in parameters}
    function.__doc__ = doc
    return function


def _makes_a_run(function: Callable) -> bool:
    from phosphene.core.results.results import Run

    return get_type_hints(function)["return"] is Run


def _output_options(functions: Iterable[Callable]) -> list[inspect.Parameter]:
    """Where results go; a film, where one of these recipes takes steps."""
    film = [_option("film", *FILM_OPTION)] if any(map(_makes_a_run, functions)) else []
    return film + _shared(OUTPUT_OPTIONS)


# ------------------------------------------------------------------------------------------------------- commands


def _summary(doc: str | None) -> str:
    return inspect.cleandoc(doc or "").partition("\nArgs:")[0]


def _recipe_command(name: str, function: Callable) -> Callable:
    def command(**options: Any) -> None:
        _perform(name, function, options)

    judge = [_option("judge", *JUDGE_OPTION)] if name in JUDGED else []
    parameters = [*_parameters(function), *judge, *_shared(NETWORK_OPTIONS), *_output_options([function])]
    return _signed(command, parameters, _summary(function.__doc__))


def _methods_command(name: str, methods: Mapping[str, Callable]) -> Callable:
    """One command for several recipes; an option that the chosen one does not take is an error."""
    default = DEFAULT_METHOD[name]

    def command(**options: Any) -> None:
        from phosphene.core.errors import Mistake, did_you_mean

        def run() -> None:
            method = options.pop("method")
            if method not in methods:
                raise Mistake(f"no method '{method}'{did_you_mean(method, methods)} (there are {', '.join(methods)})")
            taken = set(inspect.signature(methods[method]).parameters)
            for option in [o for o in own if o not in taken]:
                if options.pop(option, None) not in (None, union[option].default):
                    others = [m for m, f in methods.items() if option in inspect.signature(f).parameters]
                    spelled = SPELLED.get(option, "--" + option.replace("_", "-"))
                    raise Mistake(f"{spelled} is no option of {method}; it belongs to {', '.join(others)}")
            if options.get("film") is not None and not _makes_a_run(methods[method]):
                others = [m for m, f in methods.items() if _makes_a_run(f)]
                raise Mistake(f"{method} makes its picture at once; --film belongs to {', '.join(others)}")
            given = {k: v for k, v in options.items() if not (k in own and v is None)}
            photos = given.get("photos", ())
            if photos and given.get("fit") == "whole" and not _one(photos):
                # each at its own size, so each alone
                for photo in _readable(photos, given["quiet"]):
                    _perform(name, methods[method], given | {"photos": [photo]}, method)
                return
            _perform(name, methods[method], given, method)

        _guarded(run)

    takes = {m: inspect.signature(function).parameters for m, function in methods.items()}
    own = {p.name for parameters in takes.values() for p in parameters.values() if p.kind is p.KEYWORD_ONLY}
    union: dict[str, inspect.Parameter] = {}
    for function in methods.values():
        for p in _parameters(function, unset=True):
            by = [m for m, parameters in takes.items() if p.name in parameters]
            union.setdefault(p.name, _of(p, by) if p.name in own and len(by) < len(takes) // 2 else p)
    words = "".join(f"\n\n{m}: {_summary(f.__doc__).splitlines()[0]}" for m, f in methods.items())
    method = _option("method", str, default, "one of " + ", ".join(methods))
    parameters = [*union.values(), method, *_shared(NETWORK_OPTIONS), *_output_options(methods.values())]
    return _signed(command, parameters, f"{COMMANDS[name][1]}\n\nMethods:{words}")


def _guarded(work: Callable[[], None]) -> None:
    """A user's mistake, or too little memory, is one sentence and exit code 2; an interruption is exit code 130."""
    from phosphene.core.errors import Mistake

    try:
        work()
    except Mistake as mistake:
        Console(stderr=True, soft_wrap=True).print(f"[bold red]error:[/] {escape(str(mistake))}", highlight=False)
        raise typer.Exit(2) from mistake
    except MemoryError as error:
        Console(stderr=True).print("[bold red]error:[/] there is not enough memory for this; make it smaller")
        raise typer.Exit(2) from error
    except KeyboardInterrupt as interruption:
        Console(stderr=True).print("interrupted")
        raise typer.Exit(130) from interruption


def _network(options: dict[str, Any]) -> Any:
    from phosphene.core.errors import Mistake
    from phosphene.models.specs import load

    plan, without = options.pop("plan"), options.pop("no_plan")
    if plan is not None and without:
        raise Mistake(f"--plan {plan} and --no-plan exclude each other; leave one out")
    return load(
        options.pop("net"), weights=options.pop("weights_file"), device=options.pop("device"),
        precision=options.pop("precision"), plan="none" if without else plan or "auto",
    )  # fmt: skip


def _perform(name: str, function: Callable, options: dict[str, Any], method: str | None = None) -> None:
    from phosphene.core.errors import Mistake
    from phosphene.core.results.results import Run
    from phosphene.faces.running.destination import Destination, photo_stem
    from phosphene.faces.running.sweep import PART

    def run() -> None:
        out, force, quiet, as_json, anonymous = (options.pop(key) for key in OUTPUT_OPTIONS)
        film = _film(options.pop("film", None), force)
        judges = options.pop("judge", [])
        to = Destination(name, out, force, options.get("photo") or _one(options.get("photos", ())), method)
        to.check_folder()
        if "photos" in options:
            single = _one(options["photos"]) if _takes_one(function) else None
            options["photos"] = single or _readable(options["photos"], quiet)
            if method and len(options["photos"]) == 1:  # the others can't be read
                to.photo = photo_stem(options["photos"][0])
        network = _network(options)
        judges = [_judge(spec, network) for spec in judges]
        if name == "visualize" and (many := _many(network, options["units"])):
            if film is not None or judges or anonymous or options["starts"] > 1:
                raise Mistake(
                    f"--film, --judge, --starts and --no-provenance are for at most {PART} units, not {len(many)}; "
                    "name some of them"
                )
            _sweep(lambda some: function(network, **options | {"units": list(some)}), many, to, force, quiet, as_json)
            return
        made = function(network, **options)
        if method:
            made.recipe |= {"command": name}
            made.recipe["arguments"] = {"method": method} | made.recipe["arguments"]
        to.check_files(made.names)
        console = Console(stderr=as_json, quiet=quiet, soft_wrap=True)
        stopped: BaseException | None = None
        if isinstance(made, Run):
            try:
                _watch(made, f"{name} {method or ''}".strip(), quiet, film)
            except (KeyboardInterrupt, Mistake) as error:
                if made.last is None:
                    raise
                stopped = error
        result = made.so_far() if isinstance(made, Run) else made
        if anonymous:
            result.recipe = {}
        unfilmed = _written_film(film)
        words = _judged(network, result, judges)
        written = to.write(result, [] if film is None or unfilmed else [film.path])
        _tell(console, result)
        for line in words:
            console.print(escape(line), highlight=False)
        if isinstance(stopped, KeyboardInterrupt):
            Console(stderr=True).print("interrupted: this is the best so far")
        elif stopped is not None:
            Console(stderr=True, soft_wrap=True).print(
                f"[bold red]error:[/] {escape(str(stopped))}; kept the last good picture"
            )
        for note in filter(None, (written.note, unfilmed)):
            Console(stderr=True, soft_wrap=True).print(escape(note))
        if as_json:
            print(json.dumps(written.record, indent=1))
            Console(stderr=True, soft_wrap=True).print(str(written.path), highlight=False)
        else:
            if film is not None and not unfilmed:
                console.print(escape(str(film.path)), highlight=False)
            print(written.path)
        if unfilmed and stopped is None:
            raise typer.Exit(2)
        if stopped is not None:
            raise typer.Exit(130 if isinstance(stopped, KeyboardInterrupt) else 2)

    _guarded(run)


def _takes_one(function: Callable) -> bool:
    """Whether its `photos` may be a single one; where they may not, letters of a path are no photographs."""
    return str in get_args(get_type_hints(function)["photos"])


def _one(photos: Sequence[str]) -> str | None:
    """The photograph, if it is a single one and no folder."""
    from pathlib import Path

    return photos[0] if len(photos) == 1 and not Path(photos[0]).is_dir() else None


def _judge(spec: str, network: Any) -> Any:
    """Another network, to look at what this one has made."""
    from phosphene.models.specs import load

    return load(spec, device=network.device.type)


def _judged(network: Any, result: Any, judges: Sequence[Any]) -> list[str]:
    """Put what each judge sees beside the numbers; the same in words."""
    from phosphene.features.judge import verdicts, words

    lines = []
    for judge in judges:
        found = verdicts(judge, network, result.image[:, :3], [numbers.get("class") for numbers in result.numbers])
        lines.append(words(found))
        for name, numbers, one in zip(result.names, result.numbers, found, strict=True):
            numbers.setdefault("judged", []).append(one)
            lines.append(f"  {name}: {one['top'][0]['label']}, {100 * one['top'][0]['p']:.1f} %")
    return lines


def _many(network: Any, units: Sequence[str]) -> dict[str, str]:
    """The units and their files, where they are too many for one batch."""
    from phosphene.core.units.spelling import parse_units
    from phosphene.core.units.units import stems
    from phosphene.faces.running.sweep import PART

    asked = parse_units(network, units)
    return dict(zip(map(str, asked), stems(asked), strict=True)) if len(asked) > PART else {}


def _sweep(begin: Callable, units: dict[str, str], to: Any, force: bool, quiet: bool, as_json: bool) -> None:
    """Paint many units part by part into a folder; what is there already is kept."""
    from phosphene.faces.running.sweep import Sweep

    folder = to.folder(list(units.values()))
    sweep = Sweep(begin, units, folder, force=force)
    console, before = Console(stderr=True, quiet=quiet, soft_wrap=True), len(units) - len(sweep.left)
    if before:
        console.print(f"{before} of {len(units)} are in {folder} already; going on with the others")
    try:
        with _bar(quiet) as progress:
            task = progress.add_task(f"visualize, {len(sweep.left)} units", total=sweep.total)
            for taken in sweep:
                progress.update(task, completed=taken)
    except KeyboardInterrupt:
        words = (
            f"interrupted: {len(sweep.there())} of {len(units)} are in {folder}; the same command goes on from there"
        )
        Console(stderr=True, soft_wrap=True).print(words)
        raise typer.Exit(130) from None
    sheet = sweep.write_sheet()
    print(json.dumps({"folder": str(folder), "sheet": str(sheet), "units": units}, indent=1) if as_json else sheet)


def _readable(given: Sequence[str], quiet: bool) -> list[str]:
    """The pictures in files and folders; what can't be read is left out, and said."""
    from phosphene.core.units.photographs import readable

    files, refused = readable(given)
    for words in refused:
        Console(stderr=True, quiet=quiet, soft_wrap=True).print(f"left out: {escape(words)}", highlight=False)
    return files


def _bar(quiet: bool) -> Any:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    return Progress(*columns, console=console, transient=True, disable=quiet or not console.is_terminal)


def _film(path: str | None, force: bool) -> Any:
    from phosphene.core.pictures.film import Film

    return None if path is None else Film(path, overwrite=force)


def _written_film(film: Any) -> str:
    """Write it; where that fails, what to say about it: the pictures are still to be written."""
    from phosphene.core.errors import Mistake

    try:
        if film is not None:
            film.write()
    except Mistake as mistake:
        return str(mistake)
    return ""


def _watch(run: Any, title: str, quiet: bool, film: Any = None) -> None:
    """Run to the end with a bar that tells the time left; every step goes into the film, if there is one."""
    with _bar(quiet) as progress:
        task = progress.add_task(title, total=run.total)
        for step in run:
            if film is not None:
                film.add(step.index, run.shown(step))
            progress.update(task, completed=step.index)


def _tell(console: Console, result: Any) -> None:
    """What was found, in words."""
    if result.title:
        console.print(f"[bold]{escape(result.title)}[/]", highlight=False)
    for numbers in result.numbers[:1]:
        for answer in numbers.get("top", ()):
            console.print(
                f"  {100 * answer['p']:6.2f} %  {escape(answer['label'])} ({answer['class']})", highlight=False
            )
    for panels in list(result.panels)[:8]:
        for caption, _ in panels:
            console.print(f"  {escape(caption)}", highlight=False, emoji=False)  # mixed3a:100: is a unit


def list_networks(*, as_json: bool = False) -> None:
    """List what can be loaded: embedded networks, torchvision's, timm's, your own."""
    from phosphene.models.specs import networks

    found = networks()
    if as_json:
        print(json.dumps(found, indent=1))
        return
    _table(["network", "what it is"], [[spec, words] for spec, words in found.items()])


def _table(heads: list[str], rows: list[list[str]]) -> None:
    from rich.table import Table

    table = Table(*heads, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*map(escape, row))
    width = None if sys.stdout.isatty() else 200
    Console(width=width).print(table)


def replay_picture(
    picture: str, inputs: Sequence[str], to: Any, network: Callable[[Any], Any], quiet: bool, as_json: bool
) -> bool:
    """Make PICTURE again from the recipe that it carries, and say whether every pixel is the same.

    Embedded networks and scikit-image's photographs are found by themselves; others have to be named with --net and
    --input, and must be those that made it. The exit code is 1 where pixels differ.
    """
    from phosphene.core.results.results import Run
    from phosphene.faces.replay.replay import as_many_threads, begin, finished, read_recipe

    recipe = read_recipe(picture)
    to.check_folder()
    to.check_files([recipe.function])
    with as_many_threads(recipe):
        made = begin(recipe, network(recipe), inputs)
        if isinstance(made, Run):
            _watch(made, f"replay {recipe.function}", quiet)
        again = finished(recipe, made.result if isinstance(made, Run) else made)
    path = to.keep(again.png(), recipe.function)
    if as_json:
        facts = {"identical": again.same, "differing": again.differing, "largest": again.largest}
        print(json.dumps(facts | {"changes": again.changes, "picture": str(path)}, indent=1))
    else:
        Console(quiet=quiet, soft_wrap=True).print(escape(again.words), highlight=False)
        print(path)
    return again.same


def _replay_command(name: str, function: Callable) -> Callable:
    def command(**options: Any) -> None:
        from phosphene.faces.replay.replay import embedded_spec, recipe_precision
        from phosphene.faces.running.destination import Destination
        from phosphene.models.specs import load

        same = []

        def network(recipe: Any) -> Any:
            spec = options["net"] or embedded_spec(recipe)
            return load(
                spec,
                weights=options["weights_file"],
                device=options["device"] or recipe.device,
                precision=recipe_precision(recipe),
            )

        def run() -> None:
            picture, quiet = options["picture"], options["quiet"]
            to = Destination(name, options["out"], options["force"], picture)
            same.append(function(picture, options["input"], to, network, quiet, options["json"]))

        _guarded(run)
        if not all(same):
            raise typer.Exit(1)

    shared = {"weights_file": NETWORK_OPTIONS["weights_file"]}
    parameters = [
        _positional("picture"),
        _option("input", list[str], [], "a photograph or folder that it was made from; may be given several times"),
        _option("net", str | None, None, "the network that made it, where it is not an embedded one"),
        *_shared(shared),
        _option("device", str | None, None, "cpu, cuda or mps; by default where it was made"),
        _option("out", str | None, None, "NAME.png or a folder; by default replay-NAME.png"),
        *_shared({key: OUTPUT_OPTIONS[key] for key in ("force", "quiet", "json")}),
    ]
    return _signed(command, parameters, _summary(function.__doc__))


def tune_network(network: Any, out: str | None, force: bool, quiet: bool, **options: Any) -> None:
    """Measure every way to run a network on this machine, and write the fastest into a file for --plan."""
    from pathlib import Path

    from phosphene.core.errors import Mistake
    from phosphene.models.tuning import candidates, chosen, measure, written

    file = Path(out or "plan-" + "".join(c if c.isalnum() else "-" for c in network.name).strip("-") + ".json")
    if file.exists() and not force:
        raise Mistake(f"{file} is there already; give --force to overwrite it, or another --out")
    every = candidates(network)
    with _bar(quiet) as progress:
        task = progress.add_task(f"tune {network.name}", total=options["repeats"] * len(every))
        for _ in measure(network, every, **options):
            progress.advance(task)
    plain = every[0].median
    rows = [
        [
            str(one.plan), one.refused or f"{1000 * one.median:.1f} ms", f"{plain / one.median:.2f}",
            f"{one.apart:.0e}", ", ".join(p for p, plan in chosen(every).items() if plan == one.plan),
        ]
        for one in sorted(every, key=lambda one: one.median)
    ]  # fmt: skip
    if not quiet:
        _table(["plan", "there and back", "times as fast", "apart", "fastest for"], rows)
    written(network, every, file)
    print(file)


def _tune_command(name: str, function: Callable) -> Callable:
    def command(**options: Any) -> None:
        def run() -> None:
            without = options | {"plan": None, "no_plan": False}
            network = _network(without)
            own = {key: options[key] for key in ("out", "force", "quiet", "size", "batch", "repeats")}
            function(network, **own)

        _guarded(run)

    shared = {key: value for key, value in NETWORK_OPTIONS.items() if key not in ("plan", "no_plan")}
    parameters = [
        *_shared(shared),
        _option("size", int | None, None, "side of the pictures in pixels; by default the network's own"),
        _option("batch", int, 1, "pictures at a time"),
        _option("repeats", int, 7, "how many turns each way has"),
        _option("out", str | None, None, "the file; by default plan-NETWORK.json"),
        *_shared({key: OUTPUT_OPTIONS[key] for key in ("force", "quiet")}),
    ]
    return _signed(command, parameters, _summary(function.__doc__))


def _listing_command(name: str, function: Callable) -> Callable:
    def command(**options: Any) -> None:
        as_json = options.pop("json")

        def run() -> None:
            function(*([_network(options)] if options else []), as_json=as_json)

        _guarded(run)

    network = _shared(NETWORK_OPTIONS) if name == "layers" else []
    return _signed(command, [*network, _option("json", *OUTPUT_OPTIONS["json"])], _summary(function.__doc__))


def _beside(net: str, given: str | None) -> str:
    """The spec of the tour's second network; the embedded one's is its robust twin, where there is one."""
    from phosphene.models.embedded import EMBEDDED

    if given is None:
        return f"{net}-robust" if net.removeprefix("embedded:") + "-robust" in EMBEDDED else ""
    return "" if given == "none" else given


def _tour_command(name: str, function: Callable) -> Callable:
    def command(**options: Any) -> None:
        def run() -> None:
            quiet, force, out = options.pop("quiet"), options.pop("force"), options.pop("out")
            net, beside = options["net"], _beside(options["net"], options.pop("beside"))
            second = options | {"net": beside, "weights_file": None, "plan": None}  # those are of the first
            page = function(
                lambda: _network(options), options.pop("photo"), spec=net, out=out or "tour", force=force,
                open_beside=(lambda: _network(second)) if beside else None, beside_spec=beside,
                fast=options.pop("fast"), seed=options.pop("seed"), anonymous=options.pop("no_provenance"),
                console=Console(stderr=True, quiet=quiet),
            )  # fmt: skip
            print(page)

        _guarded(run)

    parameters = [
        _positional("photo"),
        *_shared(NETWORK_OPTIONS),
        _option("beside", str | None, None, "a second network to compare with, as --net; none for none"),
        _option("out", str | None, None, "the page's folder; by default tour"),
        _option("fast", bool, False, "a smoke run: few steps, small pictures"),
        _option("seed", int, 0, "of all random numbers"),
        _option("force", bool, False, "overwrite a page that is there"),
        _option("no_provenance", *OUTPUT_OPTIONS["no_provenance"]),
        _option("quiet", bool, False, "say nothing but where the page is"),
    ]
    return _signed(command, parameters, _summary(function.__doc__))


def _loaded(name: str) -> Callable:
    """The command itself; imports what it needs."""
    module, _, attribute = COMMANDS[name][0].partition(":")
    found = getattr(importlib.import_module(module), attribute)
    if isinstance(found, Mapping):
        return _methods_command(name, found)
    special = {
        "networks": _listing_command, "layers": _listing_command, "tour": _tour_command,
        "replay": _replay_command, "tune": _tune_command,
    }  # fmt: skip
    return special.get(name, _recipe_command)(name, found)


def _stub(summary: str) -> Callable:
    return _signed(lambda: None, [], summary)


def application(chosen: str | None) -> typer.Typer:
    """The program, with the chosen command loaded and the others as lines of its help."""
    app = typer.Typer(
        add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None,
        help="See what a trained vision network sees, by optimizing its input.",
    )  # fmt: skip
    for name, (_, summary) in COMMANDS.items():
        app.command(name, help=summary if name != chosen else None)(_loaded(name) if name == chosen else _stub(summary))

    def say_version(wanted: bool) -> bool:
        if wanted:
            print(f"phosphene {version('phosphene')}")
            raise typer.Exit
        return wanted

    @app.callback()
    def common(
        shown: Annotated[
            bool, typer.Option("--version", help="Show the version.", callback=say_version, is_eager=True)
        ] = False,
    ) -> None:
        pass

    return app


def main(arguments: list[str] | None = None) -> None:
    """Run the command line."""
    given = sys.argv[1:] if arguments is None else arguments
    chosen = next((word for word in given if not word.startswith("-")), None)
    try:
        application(chosen if chosen in COMMANDS else None)(given)
    except KeyboardInterrupt:
        sys.exit(130)

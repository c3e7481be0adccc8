"""A recipe is a value: a function of a network that says what it takes, checks it, and records what it made.

`@recipe("picture")` makes one of a function. Command line, replay, the tour, notebooks and the reference read the
value; none of them reads a signature again. Called, it is the function itself:

    visualize(network, ["mixed4a:3"], steps=64)  ->  Run
    visualize.options                            ->  (Option("preset", ...), Option("size", ...), ...)
    visualize.schema()                           ->  plain data, from which a form or a reference page is made
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, ParamSpec, TypeVar, cast, get_type_hints

from torch import nn

from phosphene.core.errors import Mistake, brief, did_you_mean
from phosphene.core.networks.network import Network
from phosphene.core.networks.plan import Purpose
from phosphene.core.results.provenance import record
from phosphene.core.results.results import Result, Run
from phosphene.core.results.signature import Argument, Input, Option, arguments_of, sentences

P = ParamSpec("P")
R = TypeVar("R", covariant=True)

NETWORK = "the network to read"


@dataclass(frozen=True, eq=False, repr=False)
class Recipe(Generic[P, R]):
    """A function (network, inputs..., *, options) -> Result or Run, and what is to be known about it.

    Attributes:
        function: what it does.
        name: by which its pictures are made again.
        purpose: what the network is run for.
        uses: packages beside those of every recipe whose versions matter.
        arguments: what it takes beside the network, in order.
        returns: Result, or Run where it takes steps that can be watched.
        head: its docstring up to the arguments: a summary, and more where there is more.
        tail: its docstring after them.
        first: from the network and some of the options to the names of its pictures, as far as they are known before a
            photograph is read; raises a Mistake where something is wrong already.
    """

    function: Callable[P, R]
    name: str
    purpose: Purpose
    uses: tuple[str, ...]
    arguments: tuple[Argument, ...]
    returns: type
    head: str
    tail: str
    first: Callable[..., Sequence[str]] | None

    def __post_init__(self) -> None:
        own = {
            "__name__": self.function.__name__, "__qualname__": self.function.__qualname__,
            "__module__": self.function.__module__, "__wrapped__": self.function,
            "__doc__": self._doc(), "__signature__": self._signature(),
        }  # fmt: skip
        for name, value in own.items():  # so that help(), inspect and editors see a function
            object.__setattr__(self, name, value)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Check what is given, do it, and record how.

        Raises:
            TypeError: an argument is missing, or there is none of this name; the nearest is told.
            Mistake: an option is not one of its choices or out of bounds, something else is given as the network or a
                photograph; or what the function raises.
        """
        given = self._bound(args, kwargs)
        given["network"] = _network(given["network"], self.name).planned(self.purpose)
        given |= {option.name: option.read(given[option.name], option.name) for option in self.options}
        given |= {one.name: one.taken(given[one.name], self.name) for one in self.inputs}
        left_out = {option.name for option in self.options if option.setting and given[option.name] is None}
        function: Callable[..., Any] = self.function
        made: Result | Run = function(**{name: value for name, value in given.items() if name not in left_out})
        made.recipe = record(self.name, given, [one.name for one in self.inputs], self.uses)
        return cast(R, made)

    def promised(self, network: Network, given: Mapping[str, Any]) -> Sequence[str]:
        """The names of its pictures, as far as they are known before a photograph is read; none, where nothing is.

        Args:
            given: options by name.
        Raises:
            Mistake: an option is wrong, whatever the photographs are.
        """
        if self.first is None:
            return []
        wanted = inspect.signature(self.first).parameters
        options = [option for option in self.options if option.name in wanted]
        return self.first(network, **{one.name: one.read(given.get(one.name, one.default)) for one in options})

    def _bound(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Every argument by its name."""
        signature = inspect.signature(self)
        unknown = [name for name in kwargs if name not in signature.parameters]
        if unknown:
            near = did_you_mean(unknown[0], signature.parameters) or f"; help(phosphene.{self.name}) has them"
            raise TypeError(f"{self.name} has no option '{unknown[0]}'{near}")
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return dict(bound.arguments)

    @property
    def inputs(self) -> tuple[Input, ...]:
        """The photographs that it takes."""
        return tuple(one for one in self.arguments if isinstance(one, Input))

    @property
    def options(self) -> tuple[Option, ...]:
        """Everything else."""
        return tuple(one for one in self.arguments if isinstance(one, Option))

    @property
    def summary(self) -> str:
        """One line."""
        return self.head.partition("\n")[0]

    @property
    def takes_steps(self) -> bool:
        """Whether it can be watched, stopped and filmed."""
        return self.returns is Run

    def schema(self) -> dict[str, Any]:
        """All of it as plain data, ready for JSON."""
        inputs = [
            {"name": one.name, "several": one.many, "required": one.required, "sentence": one.sentence}
            for one in self.inputs
        ]
        return {
            "name": self.name, "summary": self.summary, "text": self.head, "inputs": inputs,
            "options": [one.schema() for one in self.options], "takes_steps": self.takes_steps,
        }  # fmt: skip

    def __repr__(self) -> str:
        return f"<recipe {self.name}({', '.join(['network', *(one.name for one in self.arguments)])})>"

    def _doc(self) -> str:
        network = sentences(self.function).get("network", NETWORK)
        lines = [f"    network: {network}."]
        lines += [f"    {one.name}: {one.sentence}." for one in self.arguments]
        return "\n".join([self.head, "", "Args:", *lines]) + (f"\n{self.tail}" if self.tail else "")

    def _signature(self) -> inspect.Signature:
        by_name, by_place = inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD
        parameters = [inspect.Parameter("network", by_place, annotation=Network)]
        for one in self.arguments:
            kind = by_place if one.positional else by_name
            parameters.append(inspect.Parameter(one.name, kind, default=one.default, annotation=one.hint))
        return inspect.Signature(parameters, return_annotation=self.returns)


def _network(given: Any, recipe: str) -> Network:
    """The network that was given.

    Raises:
        Mistake: it is something else; a model alone does not say how its pictures are to be prepared.
    """
    if isinstance(given, Network):
        return given
    if isinstance(given, nn.Module):
        raise Mistake(
            f"{recipe} takes a phosphene.Network, and {type(given).__name__} is a module alone; write "
            "phosphene.Network(model, mean=..., std=..., size=..., labels=...), which says how it wants its pictures"
        )
    spec = f"; write phosphene.load({given!r})" if isinstance(given, str) else ", as phosphene.load() gives one"
    raise Mistake(f"{recipe} takes a phosphene.Network first, not {brief(given)}{spec}")


def docstring(function: Callable[..., Any]) -> tuple[str, str]:
    """A docstring's beginning, up to `Args:`, and what comes after the arguments, from `Raises:` or `Returns:` on."""
    head, _, rest = (inspect.getdoc(function) or "").partition("\nArgs:\n")
    lines = rest.splitlines()
    end = next((i for i, line in enumerate(lines) if line and not line.startswith(" ")), len(lines))
    return head.strip(), "\n".join(lines[end:])


def recipe(
    purpose: Purpose, uses: Sequence[str] = (), first: Callable[..., Sequence[str]] | None = None
) -> Callable[[Callable[P, R]], Recipe[P, R]]:
    """Make a function of a network a recipe.

    Args:
        purpose: what the network is run for.
        uses: packages beside those of every recipe whose versions matter.
        first: as in `Recipe`.
    """

    def made(function: Callable[P, R]) -> Recipe[P, R]:
        head, tail = docstring(function)
        returns = get_type_hints(function)["return"]
        return Recipe(
            function, function.__name__, purpose, tuple(uses), arguments_of(function), returns, head, tail, first
        )  # fmt: skip

    return made

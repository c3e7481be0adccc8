"""A picture's recipe applied to other photographs: what it carries, and what somebody gives besides, which wins.

As safe as replaying it: `record.py` reads and checks what the picture says, its network is found by replay's rule, and
it asks for no more than a replay may, whatever the photographs are. Threads and device are those of this machine, and
the network is run as it was for the picture only where it is the same one.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, get_args

from phosphene import catalogue
from phosphene.core.errors import Mistake, brief, printable
from phosphene.core.networks.allowance import Meter
from phosphene.core.networks.network import Network
from phosphene.core.options import Side, shown
from phosphene.core.pictures.files import Photo, pixel_count
from phosphene.core.results.provenance import network_record
from phosphene.core.results.results import Result, Run
from phosphene.core.results.signature import PHOTO, Option, plain
from phosphene.core.units.photographs import pictures_in
from phosphene.faces.replay.record import Record, read_record
from phosphene.faces.replay.replay import allowance, embedded_spec, patience, record_precision
from phosphene.faces.running.job import Job
from phosphene.faces.running.session import Session

LONGEST_LINE = 600  # letters of what is told of a record


def like(picture: str | Path, network: Network | None = None, *, patient: bool = False, **given: Any) -> Run | Result:
    """Do what made a picture, with other photographs: `like("shared.png", photo="mine.jpg", steps=20)`.

    Args:
        picture: a PNG of this program.
        network: another one than the picture's; needed unless that is an embedded one.
        patient: whether it may take as long as its recipe says, as in `replay`.
        given: the recipe's photographs by their names, and options instead of the picture's.
    Raises:
        Mistake: the picture carries no recipe or was changed; a photograph is missing; or what the recipe raises.
    """
    record = read_record(picture)
    arguments = merged(record, given)
    asked = Following(record=record, given=arguments, typed=tuple(given), patient=patient)
    return record.recipe(asked.network if network is None else asked.bounded(network), **arguments)


def followed(job: Job, record: Record, *, patient: bool = False) -> tuple[Job, str]:
    """What somebody asks for, with a picture's recipe where they ask for nothing else; and what is taken from it.

    Args:
        job: with what was typed, by name; of its session what was not typed is empty.
    Raises:
        Mistake: a photograph is missing.
    """
    said, arguments = job.session, merged(record, job.given)
    if not said.net:
        embedded_spec(record)
    asked = Following(
        net=said.net, weights_file=said.weights_file, device=said.device or "auto", precision=said.precision or "auto",
        head=said.head, plan=said.plan, no_plan=said.no_plan, judges=said.judges, record=record, given=arguments,
        typed=tuple(job.given), patient=patient, own_plan=bool(said.precision or said.plan or said.no_plan),
    )  # fmt: skip
    many = job.row.many if job.row.many in job.given else ""  # a record's units are made together, or not at all
    whole = replace(job, row=replace(job.row, many=many), given=arguments, session=asked)
    return whole, words(record, job.given, asked.net)


def method_of(record: Record, command: str, method: str | None) -> str:
    """The method that made a picture, among those of its command.

    Raises:
        Mistake: it was made by another command or method than those that were typed.
    """
    row = catalogue.row_of(record.recipe.name)
    assert row is not None
    own, name = record.recipe.name if row.prefix else row.method, record.picture.name
    if row.command != command:
        raise Mistake(
            f"{name} was made by {row.command}, not by {command}; write phosphene {row.command} --like {name}"
        )
    if method not in (None, own):
        raise Mistake(f"{name} was made by {command} --{row.choice} {own}, not by {method}; leave --{row.choice} out")
    return own


def merged(record: Record, given: Mapping[str, Any]) -> dict[str, Any]:
    """A recipe's photographs, which are all given, and its options: what is given, and else the record's.

    Raises:
        Mistake: the picture was made with a photograph of a kind that is not given.
    """
    for one in record.recipe.inputs:
        was = [printable(photo["name"])[:60] for photo in record.inputs if photo["as"] == one.name]
        if was and given.get(one.name) is None:
            flag = one.name if one.required else f"--{one.name.strip('_').replace('_', '-')}"
            raise Mistake(f"{record.picture.name} was made with {was[0]} as {flag}; give one of yours as {flag}")
    return {**record.arguments, **given}


# ------------------------------------------------------------------------------------------------------- its network


@dataclass(frozen=True, kw_only=True)
class Following(Session):
    """The record's network where it is inside this program and no other is named, asked for no more than a replay may.

    Attributes:
        net: the spec of another one, or nothing.
        record: what the picture says.
        given: inputs and options of its recipe.
        typed: which of them were given, and are not the record's.
        patient: whether it may take as long as the recipe says.
        own_plan: whether something was said about how the network is to be run.
    """

    net: str = ""
    record: Record
    given: Mapping[str, Any]
    typed: Sequence[str] = ()
    patient: bool = False
    own_plan: bool = False

    @cached_property
    def network(self) -> Network:
        """The network.

        Raises:
            Mistake: it can't be loaded, or none was named and the record's is not inside this program.
        """
        precise = record_precision(self.record) == "float64" and not self.own_plan
        plain = Session(
            self.net or embedded_spec(self.record), self.weights_file, self.device,
            "float64" if precise else self.precision, self.head, self.plan, self.no_plan,
        )  # fmt: skip
        head, network = self.record.network.get("head"), plain.network
        if self.head is None and head not in (None, network.facts()["head"]) and self._made_by(network):
            network = replace(plain, head=head).network
        if not (self.net or self.weights_file or self._made_by(network)):
            network.tell(f"{network.name} has other weights today than when {self.record.picture.name} was made")
        return self.bounded(network)

    def bounded(self, network: Network) -> Network:
        """A network that is asked for no more than the record shows and what somebody gives; run by its plans if it is
        the one that made the picture.
        """
        if self._made_by(network) and not self.own_plan:
            network = network.following(self.record.plans)
        files, besides = list(self._photographs()), max(map(_square, self._sides()), default=0)
        anywhere = replace(self.record, part=())  # the new picture is as large as it is, whatever part the old one was
        return network.within(allowance(anywhere, network, files, self._meter, besides))

    @cached_property
    def _meter(self) -> Meter:
        return patience(self.patient)

    def _made_by(self, network: Network) -> bool:
        own = network_record(network)
        return all(own.get(key) == self.record.network.get(key) for key in ("sha256", "code_sha256", "size"))

    def _photographs(self) -> Iterator[Photo]:
        """Those that can be read."""
        for one in self.record.recipe.inputs:
            value = self.given.get(one.name)
            several = [] if value is None else [value] if isinstance(value, PHOTO) else list(value)
            for photo in several:
                for file in pictures_in([photo]) if isinstance(photo, (str, Path)) else [photo]:
                    with suppress(Mistake):
                        pixel_count(file)
                        yield file

    def _sides(self) -> Iterator[int]:
        """The sides of pictures that somebody asks for, and not the record."""
        (bounds,) = get_args(Side)[1:]
        return (
            self.given[one.name]
            for one in self.record.recipe.options
            if one.name in self.typed and one.bounds == bounds
        )


def _square(side: int) -> int:
    return int(side) ** 2


# -------------------------------------------------------------------------------------------------------- what is told


def words(record: Record, typed: Iterable[str], net: str = "") -> str:
    """What is taken from a record, in one line: as somebody would type it, without what is so by default.

    Args:
        typed: what is not taken from it.
        net: the network, where that is not.
    """
    row = catalogue.row_of(record.recipe.name)
    assert row is not None
    method = record.recipe.name if row.prefix else row.method
    said = [row.command, *([f"--{row.choice}", method] if method not in ("", catalogue.ITSELF) else [])]
    for option in record.recipe.options:
        value = record.arguments.get(option.name)
        if option.name not in typed and value is not None and value != plain(option.default):
            said += _typed(option, value)
    said += [] if net else ["--net", record.network["spec"]]
    line = printable(" ".join(said))
    return f"as {record.picture.name}: {line if len(line) <= LONGEST_LINE else line[:LONGEST_LINE] + ' ...'}"


def _typed(option: Option, value: Any) -> list[str]:
    """An option and its value, as somebody would type them."""
    if isinstance(value, bool):
        return [option.flag if value else f"--no-{option.called}"]
    several = value if isinstance(value, list) else [value]
    spelled = [
        one if isinstance(one, str) and len(one) <= 60 else brief(one) if isinstance(one, str) else shown(one)
        for one in several
    ]
    return spelled if option.positional else [word for one in spelled for word in (option.flag, one)]

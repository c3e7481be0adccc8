"""The networks of a command, each loaded once, when it is first needed."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

from phosphene.core.errors import Mistake, failed, out_of_memory
from phosphene.core.networks.head import HeadKind
from phosphene.core.networks.network import Network
from phosphene.models.files import without_folders
from phosphene.models.specs import load


@dataclass(frozen=True)
class Session:
    """Which network, and how it is run.

    Attributes:
        net: its spec.
        weights_file: to put into it.
        device, precision, head: as for `load`.
        plan: a file of plans.
        no_plan: without any.
        judges: the specs of other networks, to say what they see.
    """

    net: str = "embedded:photo"
    weights_file: str | None = None
    device: str = "auto"
    precision: str = "auto"
    head: HeadKind | None = None
    plan: str | None = None
    no_plan: bool = False
    judges: Sequence[str] = ()

    @cached_property
    def network(self) -> Network:
        """The network.

        Raises:
            Mistake: it can't be loaded, or both a plan and none are asked for.
        """
        if self.plan is not None and self.no_plan:
            raise Mistake(f"--plan {self.plan} and --no-plan exclude each other; leave one out")
        with named(without_folders(self.net)):
            return load(
                self.net, weights=self.weights_file, device=self.device, precision=self.precision,
                plan="none" if self.no_plan else self.plan or "auto", head=self.head,
            )  # fmt: skip

    @cached_property
    def others(self) -> list[Network]:
        """The judges, on the network's device."""
        return [self._judge(spec) for spec in self.judges]

    def _judge(self, spec: str) -> Network:
        with named(without_folders(spec)):
            return load(spec, device=self.network.device.type)


@contextmanager
def named(network: str) -> Iterator[None]:
    """Whatever goes wrong with a network is a mistake that names it."""
    try:
        yield
    except (Exception, SystemExit) as error:
        if isinstance(error, (Mistake, OSError)) and not out_of_memory(error):
            raise
        raise Mistake(failed(network, error)) from error

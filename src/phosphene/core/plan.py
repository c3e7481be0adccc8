"""The fastest way to the same numbers: a function of the network and the machine, never of a stopwatch.

The rules come from `benchmarks/`; every picture records the plan that it was computed with.
"""

from dataclasses import asdict, dataclass

import torch


@dataclass(frozen=True)
class Plan:
    """How a network is run.

    Attributes:
        precision: the dtype of the network's parameters, by name.
        channels_last: the input goes in as channels last, and every layer follows.
        rewrites: exact rewrites that are on (local response normalization as a banded 1x1 convolution).
    """

    precision: str
    channels_last: bool
    rewrites: tuple[str, ...]

    def record(self) -> dict:
        """As it is written down beside a picture."""
        return asdict(self)


def plan(dtype: torch.dtype, device: torch.device) -> Plan:
    """The plan for parameters of this dtype on this device.

    Channels last pays in float32 and below (GoogLeNet at 224 px: 94 to 77 ms on two cores); float64 convolutions have
    no kernels for it. The rewrite always pays.
    """
    return Plan(str(dtype).removeprefix("torch."), dtype != torch.float64, ("local_response_norm",))

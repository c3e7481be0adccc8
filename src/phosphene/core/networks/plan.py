"""The fastest way to the same numbers: a function of the network, the work and the machine, never of a stopwatch.

The rules come from `benchmarks/`; a plan file that `phosphene tune` has measured may replace them. Every picture
records the plan that it was computed with.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any, Literal

import torch

from phosphene.core.errors import Mistake, did_you_mean

Purpose = Literal["reading", "search", "picture"]
"""What a network is run for: for its activations and their gradient ("reading"); many times over, its answer being
verified by a reading ("search": attacks, occlusion); or to synthesize a picture that people look at ("picture")."""

PURPOSES: tuple[Purpose, ...] = ("reading", "search", "picture")
PRECISIONS = {"float32": torch.float32, "float64": torch.float64, "bfloat16": torch.bfloat16}
REWRITES = ("local_response_norm", "strided_convolution", "batch_norm")
"""Exact ones: local response normalization as a banded 1x1 convolution; the gradient of a strided convolution of few
channels as a convolution without strides; batch normalization folded into the convolution before it."""

_SHORT = dict(zip(REWRITES, ("banded", "unstrided", "folded"), strict=True))


@dataclass(frozen=True)
class Plan:
    """How a network is run.

    Attributes:
        precision: of convolutions and matrix products, by name.
        channels_last: the input goes in as channels last, and every layer follows.
        rewrites: which of `REWRITES` are on.
    """

    precision: str
    channels_last: bool
    rewrites: tuple[str, ...]

    def record(self) -> dict[str, Any]:
        """As it is written down beside a picture."""
        return asdict(self)

    def __str__(self) -> str:
        layout = "channels last" if self.channels_last else "channels first"
        return ", ".join([self.precision, layout, *(_SHORT[rewrite] for rewrite in self.rewrites)])


Plans = Mapping[Purpose, Plan]


@cache
def has_bfloat16(device: torch.device) -> bool:
    """Whether bfloat16 is faster there than float32: by instructions of the processor; elsewhere it is emulated."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu":
        can = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
        return any(can.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16"))
    return False


def plain(precision: str) -> dict[Purpose, Plan]:
    """No plan at all: the network as anybody would call it."""
    return dict.fromkeys(PURPOSES, Plan(precision, False, ()))


@cache
def plans(dtype: torch.dtype, device: torch.device, precision: str = "auto") -> dict[Purpose, Plan]:
    """The plan for each purpose, for parameters of this dtype on this device.

    - Channels last pays in float32 and below (GoogLeNet at 224 px: 94 to 77 ms on two cores); float64 convolutions have
      no kernels for it. The banded normalization and the unstrided
      gradient always pay.
    - Batch normalization is folded where a network is run many times: preparing it costs about one run.
    - bfloat16 is for synthesized pictures alone, where the device has instructions for it; a small error of a gradient
      is made good by the next step there, and nobody takes it for a measurement. From 1.2 to 1.75 times as fast as
      float32; slower on networks of squeeze-and-excitation (MobileNetV3), which `phosphene tune` finds.

    Args:
        precision: "auto", or one of `PRECISIONS` for every purpose.
    """
    every: dict[Purpose, Plan] = {}
    for purpose in PURPOSES:
        lower = precision == "bfloat16" or (precision == "auto" and purpose == "picture" and has_bfloat16(device))
        name = "bfloat16" if lower and dtype == torch.float32 else _name(dtype)
        rewrites = REWRITES[:2] if purpose == "reading" else REWRITES
        every[purpose] = Plan(name, dtype != torch.float64, rewrites)
    return every


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def parse_plan(given: Any) -> Plan:
    """A plan out of a record of one, from a file or a picture.

    Raises:
        Mistake: it is not a plan.
    """
    if not isinstance(given, Mapping) or set(given) != {"precision", "channels_last", "rewrites"}:
        raise Mistake(f"a plan has precision, channels_last and rewrites, not {_shortened(given)}")
    precision, rewrites = given["precision"], given["rewrites"]
    if not isinstance(precision, str) or precision not in PRECISIONS:
        raise Mistake(f"a plan's precision is one of {', '.join(PRECISIONS)}, not {_shortened(precision)}")
    if not isinstance(given["channels_last"], bool):
        raise Mistake(f"a plan's channels_last is true or false, not {_shortened(given['channels_last'])}")
    if not isinstance(rewrites, (list, tuple)):
        raise Mistake(f"a plan's rewrites are a list, not {_shortened(rewrites)}")
    for rewrite in rewrites:
        if rewrite not in REWRITES:
            raise Mistake(f"no rewrite '{_shortened(rewrite)}'{did_you_mean(str(rewrite), REWRITES)}")
    return Plan(precision, given["channels_last"], tuple(rewrites))


def parse_plans(given: Any) -> dict[Purpose, Plan]:
    """Plans by purpose, out of a record of them.

    Raises:
        Mistake: they are not plans.
    """
    if not isinstance(given, Mapping) or not given or not set(given) <= set(PURPOSES):
        raise Mistake(f"plans are for {', '.join(PURPOSES)}, not {_shortened(given)}")
    return {purpose: parse_plan(given[purpose]) for purpose in PURPOSES if purpose in given}


def _shortened(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else text[:57] + "..."

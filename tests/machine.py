"""What kind of processor this is: pictures are the same to the last bit only on the same kind."""

import platform
from pathlib import Path

import torch


def kind() -> dict[str, str]:
    """Vendor, family and model of the processor, what PyTorch uses of it, and PyTorch's version."""
    facts: dict[str, str] = {"machine": platform.machine(), "torch": torch.__version__.partition("+")[0]}
    facts["capability"] = torch.backends.cpu.get_cpu_capability()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        lines = dict(
            tuple(part.strip() for part in line.partition(":")[::2]) for line in cpuinfo.read_text().splitlines()
        )
        facts |= {key: lines[key] for key in ("vendor_id", "cpu family", "model") if key in lines}
    return facts

"""float32 that is float32: for convolutions on its GPUs PyTorch rounds what is multiplied to 10 bits (TF32) unasked.

Differences between nearly equal pictures, by which slopes, token grids and linearity are measured, drown in that.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from threading import Lock
from typing import Any

import torch

_lock = Lock()
_before: list[Callable[[], Any]] = []
_inside = 0


@contextmanager
def whole_float32(device: torch.device) -> Iterator[None]:
    """Products of float32 on this device as they are meant, until this ends; the settings are the whole process's.

    Contexts may lie in one another, and in several threads: the last one to end puts back what there was.
    """
    global _inside
    if device.type != "cuda":
        yield
        return
    with _lock:
        if not _inside:
            _before[:] = _whole()
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if not _inside:
                for put_back in _before:
                    put_back()


def _whole() -> list[Callable[[], Any]]:
    """Have products computed in whole float32; what puts back how they were.

    PyTorch 2.9 has new settings, and lets nobody read the old ones who has set the new.
    """
    cudnn: Any = torch.backends.cudnn
    back: list[Callable[[], Any]] = []
    try:
        convolutions, products = cudnn.allow_tf32, torch.get_float32_matmul_precision()
    except RuntimeError:
        settings: tuple[Any, ...] = cudnn.conv, cudnn.rnn, torch.backends.cuda.matmul
        for one in settings:
            back.append(partial(setattr, one, "fp32_precision", one.fp32_precision))
            one.fp32_precision = "ieee"
        return back
    if convolutions:
        back.append(partial(setattr, cudnn, "allow_tf32", True))
        cudnn.allow_tf32 = False
    if products != "highest":
        back.append(partial(torch.set_float32_matmul_precision, products))
        torch.set_float32_matmul_precision("highest")
    return back

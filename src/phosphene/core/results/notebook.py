"""A run in a notebook: its picture as it grows, over a line that tells how far it is, and at the end its figure.

IPython asks what stands on a cell's last line for `_ipython_display_`; one display is then drawn again and again.
IPython is imported here only, since whoever asks is IPython.
"""

import base64
import time
from typing import TYPE_CHECKING

from jaxtyping import Float
from torch import Tensor

from phosphene.core.pictures.fitting import resize
from phosphene.core.pictures.sheets import grid
from phosphene.core.pictures.writing import png_bytes

if TYPE_CHECKING:
    from phosphene.core.results.results import Result, Run

REDRAW = 0.5  # seconds from one drawing to the next: the eye has enough, and the work is hardly slowed down
LARGEST, SMALLEST = 640, 256  # px of a drawing's longer side


def show(result: "Result") -> None:
    """The labelled figure of all pictures, as a cell's output."""
    from IPython.display import display

    display(_figure(result), raw=True)


def watch(run: "Run") -> None:
    """Run to the end and draw on the way; an interruption keeps the best so far, and ends the run there."""
    from IPython.display import display

    drawing = display(_drawing(run), raw=True, display_id=True)
    start = drawn = time.monotonic()
    first = run.last.index if run.last else 0
    try:
        for step in run:
            now = time.monotonic()
            if now - drawn >= REDRAW:
                pace = (now - start) / max(1, step.index - first)
                drawing.update(_drawing(run, pace * (run.total - step.index)), raw=True)
                drawn = time.monotonic()
    except KeyboardInterrupt:
        if run.last is None:
            raise
        run.stop()
        print(f"interrupted at step {run.last.index} of {run.total}: this is the best so far")
    finally:
        if run.last is not None:
            drawing.update(_figure(run.so_far()), raw=True)


def _figure(result: "Result") -> dict[str, str]:
    """The labelled figure as what a notebook shows, as PNG alone (a PIL image would add a JPEG)."""
    return {"text/plain": result.title, "image/png": base64.b64encode(png_bytes(result.figures())).decode()}


def _drawing(run: "Run", left: float = 0.0) -> dict[str, str]:
    """The present step as what a notebook shows: HTML, and words where there is no HTML.

    Args:
        left: seconds to the end, as far as one can tell.
    """
    if run.last is None:
        return {"text/plain": f"step 0 of {run.total}"}
    losses = run.last.values.flatten().tolist()
    values = "  ".join(f"{loss:.4g}" for loss in losses[:4]) + (" ..." if len(losses) > 4 else "")
    minutes, seconds = divmod(round(left), 60)
    line = f"step {run.last.index} of {run.total}, {minutes}:{seconds:02d} left, loss {values}"
    return {"text/plain": line, "text/html": f"<div>{line}</div>{_img(run.so_far().image)}"}


def _img(pictures: Float[Tensor, "n c h w"]) -> str:
    """All pictures as one element; large ones scaled down, the pixels of small ones as squares."""
    sheet = (pictures if len(pictures) == 1 else grid(pictures)).float().cpu()
    height, width = sheet.shape[2:]
    scale = min(1.0, LARGEST / max(height, width))
    sheet = resize(sheet, (max(1, round(scale * height)), max(1, round(scale * width))))
    address = "data:image/png;base64," + base64.b64encode(png_bytes(sheet)).decode()
    shown = sheet.shape[3] * max(1, SMALLEST // max(height, width))
    return f'<img src="{address}" width="{shown}" style="image-rendering: pixelated">'

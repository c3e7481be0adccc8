"""The way of a run from start to end, as a film: GIF or MP4.

Most happens in the first steps, so frames lie evenly on a logarithmic scale of steps: dense at first, then rarer. How
long a run will be is not known (it may stop early, or be interrupted), so they are thinned out as it goes: whenever
there is one too many, the one whose neighbours lie closest together on that scale leaves. The first and the last stay.
"""

import math
import os
import tempfile
from fractions import Fraction
from io import BytesIO
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from phosphene.core.errors import Mistake, first_line
from phosphene.core.extras import needed
from phosphene.core.paths import check_length, given_path, is_folder, reason
from phosphene.core.pictures.eight_bit import to_uint8
from phosphene.core.pictures.fitting import resize
from phosphene.core.pictures.sheets import grid
from phosphene.core.saving import save

ENDINGS = {".gif": 480, ".mp4": 720}  # px of the longer side at most
SMALLEST = 256  # px: what is smaller is shown with its pixels as squares
MOST_BYTES = 10_000_000  # of a GIF; what would be larger is made smaller
LINEAR = 16  # steps: so far the scale is about linear, from there on logarithmic
SHORTEST, LONGEST, WHOLE, HOLD = 80, 500, 3000, 1500  # ms of a frame, of a short film, of the last frame

Frame = UInt8[np.ndarray, "h w 3"]


class Film:
    """Pictures on their way, fed one step at a time; several are shown in one sheet.

    Args:
        path: a name that ends in .gif or .mp4.
        most_frames: how many are kept, whatever the number of steps: the memory is bounded, and so is the film's
            length (8 seconds, and the last frame stands for 1.5).
        overwrite: whether a file that is there may be replaced.
    Raises:
        Mistake: another ending, a folder that is not there or can't be written to, a file that is there already, or
            an MP4 without PyAV.
    """

    def __init__(self, path: str | os.PathLike[str], *, most_frames: int = 100, overwrite: bool = True) -> None:
        self.path, self.most_frames = given_path(path, "film"), max(2, most_frames)
        self._frames: list[tuple[int, Frame]] = []
        if self.path.suffix.lower() not in ENDINGS:
            raise Mistake(f"{self.path.name} is not a film's name; give one that ends in .gif or .mp4")
        check_length(self.path)
        if is_folder(self.path):
            raise Mistake(f"{self.path} is a folder; give a film's name in it, such as {self.path / 'film.gif'}")
        if not is_folder(self.path.parent):
            raise Mistake(f"there is no folder {self.path.parent} for {self.path.name}; make it first")
        if os.path.lexists(self.path) and not overwrite:
            raise Mistake(f"{self.path} is there already; give --force to overwrite it, or another --film")
        try:
            with tempfile.TemporaryFile(dir=self.path.parent):
                pass
        except OSError as error:
            raise Mistake(f"{self.path.parent} can't be written to: {reason(error)}") from error
        if self.path.suffix.lower() == ".mp4":
            needed("av", f"{self.path.name}, unlike a GIF,", "PyAV", "film")

    def __len__(self) -> int:
        return len(self._frames)

    def add(self, index: int, pictures: Float[Tensor, "n 3 h w"]) -> None:
        """Keep these pictures as what step `index` shows, and let go of what is one too many."""
        sheet = (pictures if len(pictures) == 1 else grid(pictures)).detach().float().cpu()
        scale = min(1.0, ENDINGS[self.path.suffix.lower()] / max(sheet.shape[2:]))
        size = (max(1, round(scale * sheet.shape[2])), max(1, round(scale * sheet.shape[3])))
        self._frames.append((index, to_uint8(resize(sheet, size))[0]))
        if len(self._frames) > self.most_frames:
            at = [math.log(LINEAR + i) for i, _ in self._frames]
            del self._frames[min(range(1, len(at) - 1), key=lambda k: at[k + 1] - at[k - 1])]

    def write(self) -> Path:
        """Write the film of what was added so far, at once: there is the old file or the whole new one.

        The same frames have the same bytes.

        Raises:
            Mistake: nothing was added, or the file can't be written.
        """
        if not self._frames:
            raise Mistake("a film needs at least one step, and none was taken")
        frames = _alike([frame for _, frame in self._frames])
        duration = min(LONGEST, max(SHORTEST, WHOLE // len(frames) // 10 * 10))  # GIF counts in 10 ms
        try:
            data = _gif(frames, duration) if self.path.suffix.lower() == ".gif" else _mp4(frames, duration)
        except Exception as error:  # whatever an encoder raises
            why = reason(error) if isinstance(error, OSError) else first_line(error)
            raise Mistake(f"{self.path} cannot be written: {why}") from error
        save({self.path: data})
        return self.path


def _alike(frames: list[np.ndarray]) -> list[Image.Image]:
    """All at the size of the last one (a dream grows); small ones with their pixels as squares."""
    images = [Image.fromarray(frame) for frame in frames]
    width, height = images[-1].size
    times = max(1, SMALLEST // max(width, height))
    same = (i if i.size == (width, height) else i.resize((width, height), Image.Resampling.BICUBIC) for i in images)
    return [image.resize((times * width, times * height), Image.Resampling.NEAREST) for image in same]


def _gif(frames: list[Image.Image], duration: int) -> bytes:
    """For ever in a circle, each frame with 256 colours of its own."""
    durations = [duration] * (len(frames) - 1) + [HOLD]
    while True:
        first, *rest = (image.convert("P", palette=Image.Palette.ADAPTIVE, colors=256) for image in frames)
        data = BytesIO()
        first.save(data, "GIF", save_all=True, append_images=rest, duration=durations, loop=0)
        size = data.getbuffer().nbytes
        if size <= MOST_BYTES or max(first.size) <= SMALLEST:
            break
        scale = max(0.5, 0.95 * math.sqrt(MOST_BYTES / size))
        small = tuple(max(1, round(scale * side)) for side in first.size)
        frames = [image.resize((small[0], small[1]), Image.Resampling.LANCZOS) for image in frames]
    return data.getvalue()


def _mp4(frames: list[Image.Image], duration: int) -> bytes:
    """H.264 as every player knows it (yuv420p, which needs even sides); the last frame again and again."""
    import av

    width, height = (side + side % 2 for side in frames[0].size)
    shown = frames + [frames[-1]] * (HOLD // duration)
    with tempfile.TemporaryDirectory() as folder:  # `faststart` reads the file once more, and by its name
        path = Path(folder) / "film.mp4"
        with av.open(str(path), "w", format="mp4", options={"movflags": "faststart"}) as container:
            stream = container.add_stream("libx264", rate=Fraction(1000, duration), options={"crf": "18"})
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            for image in shown:
                odd = ((0, height - image.height), (0, width - image.width), (0, 0))
                pixels = np.pad(np.asarray(image), odd, mode="edge")
                container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
            container.mux(stream.encode())
        return path.read_bytes()

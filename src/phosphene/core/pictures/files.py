"""Pictures from files and arrays.

Inside, a picture is RGB in [0, 1], float32, (n, 3, h, w); what is made with holes has alpha as a fourth channel. What
comes from outside is guarded: a few formats, a limit on pixels that is read off the header before anything is decoded,
and one sentence for everything that can be wrong with a file.
"""

import math
import os
import warnings
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from phosphene.core.errors import Mistake, did_you_mean
from phosphene.core.paths import A_FOLDER, NO_FILE, Unreadable, given_path, opened, reason, textual
from phosphene.core.pictures.eight_bit import fraction, to_pil
from phosphene.core.pictures.samples import SAMPLES, is_sample, sample

Photo = str | os.PathLike[str] | Image.Image | np.ndarray | Tensor
Photos = Sequence[Photo]

IN_ORDER = "each counts, in this order"
PhotosInOrder = Annotated[Photos, IN_ORDER]
"""Photographs that belong to others by their places: none is left out, and one that is there twice counts twice."""

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF")
READABLE = "JPEG, PNG, WebP, TIFF, BMP and GIF work"
SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG", b"II*\0", b"MM\0*", b"BM", b"GIF8")
MOST_PIXELS = 100_000_000  # 1.2 GB as float32
MOST_BYTES = 2_000_000_000  # so many pixels as 16-bit RGBA take 800 MB
LEAST_SIDE = 8

FILMS = set(".mp4 .m4v .mov .3gp .mkv .webm .avi .mpg .mpeg .ts .mts .m2ts .ogv .wmv .flv".split())
MOST_FILM_BYTES = 100_000_000_000

CODES = ".safetensors"
"""Ending of a file of codes, which some recipes take in place of a photograph: what a network said about one."""

# EXIF tag 0x0112: what to do to the stored pixels so that the picture stands upright (CIPA DC-008, 4.6.4.A).
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


# Reading


def is_film(photo: Photo) -> bool:
    """Whether this is a film's name, by its ending; a GIF is a picture, its first."""
    return isinstance(photo, (str, os.PathLike)) and os.path.splitext(os.fsdecode(photo))[1].lower() in FILMS


def is_code(photo: Photo) -> bool:
    """Whether this is the name of a file of codes, by its ending."""
    return isinstance(photo, (str, os.PathLike)) and os.fsdecode(photo).lower().endswith(CODES)


def open_photo(photo: Photo, least: int | None = None) -> Float[Tensor, "1 3 h w"]:
    """A photograph, from wherever it is, upright, in RGB, in [0, 1].

    Orientation in EXIF is applied; transparency is laid over white; grey, palette, 1-bit, 16-bit (scaled, not
    clipped) and CMYK pictures become RGB; of several frames it is the first. Colour profiles are not applied: a
    network's training pictures were not corrected either.

    Args:
        photo: a path; "skimage:chelsea", "painting:night" and their like; a PIL image; or an array or tensor, (h, w),
            (h, w, 3), (3, h, w) or (1, 3, h, w), of whole numbers (uint8 to 255, uint16 to 65535), bool, or floats in
            [0, 1].
        least: of a JPEG, so many pixels a side are enough: a large one is decoded at a half, a quarter or an eighth.
    Raises:
        Mistake: it is not there, not a picture, damaged, under 8 px, over 100 million pixels, or out of range.
    """
    match photo:
        case Tensor():
            return _from_tensor(photo)
        case np.ndarray():
            return _from_array(photo)
        case Image.Image():
            return _from_pil(photo, "the picture")
        case str() if is_sample(photo):
            return _from_pil(sample(photo), photo)
    return as_fractions(file_pixels(photo, least=least))


def open_channels(pixels: Photo, channels: int) -> Float[Tensor, "1 c h w"]:
    """Pixels of many channels (satellites, depth), in [0, 1].

    Args:
        pixels: an array or tensor, (channels, h, w), (1, channels, h, w) or (h, w, channels), of the kinds of numbers
            that `open_photo` takes.
        channels: how many the network wants.
    Raises:
        Mistake: it is a photograph, or it has other channels.
    """
    if not isinstance(pixels, (np.ndarray, Tensor)):
        raise Mistake(
            f"the network takes pictures of {channels} channels, and a photograph has 3; in Python, give an array "
            f"({channels}, h, w) in [0, 1]"
        )
    values = torch.from_numpy(np.array(pixels, order="C")) if isinstance(pixels, np.ndarray) else pixels.detach()
    values = values[0] if values.dim() == 4 and len(values) == 1 else values
    if values.dim() == 3 and values.shape[2] == channels != values.shape[0]:
        values = values.permute(2, 0, 1).contiguous()
    if values.dim() != 3 or len(values) != channels:
        shape = " x ".join(map(str, pixels.shape))
        raise Mistake(f"an array of {shape} is not a picture of {channels} channels; ({channels}, h, w) is")
    return _in_unit_range(values[None])


def pixel_count(photo: Photo) -> int:
    """Of a file, as its header says, of a film's frames, or of a picture that needs no file; 0 of codes.

    Raises:
        Mistake: as `open_photo`.
    """
    if is_code(photo):
        return 0
    if not isinstance(photo, (str, os.PathLike)) or is_sample(photo):
        return open_photo(photo)[0, 0].numel()
    if is_film(photo):
        from phosphene.core.pictures.footage import Footage

        return math.prod(Footage(photo).size)
    with _opened(given_path(photo, "picture")) as image:
        return image.width * image.height


def stored(path: str | os.PathLike[str]) -> Image.Image:
    """The 8-bit pixels of a file: RGBA as they are stored where that is how, as `open_photo` sees them elsewhere.

    Raises:
        Mistake: as `open_photo`.
    """
    with _opened(given_path(path, "picture")) as image:
        check_size(image.size, str(path))
        _load(image, str(path))
        return image.copy() if image.mode == "RGBA" else to_pil(_from_pil(image, str(path)))


def read_text(path: str | os.PathLike[str]) -> dict[str, str]:
    """The text chunks of a PNG, by keyword; nothing for pictures in other formats.

    Raises:
        Mistake: as `open_photo`.
    """
    with _opened(given_path(path, "picture")) as image:
        check_size(image.size, str(path))
        _load(image, str(path))  # text may also follow the pixels
        return {key: str(value) for key, value in getattr(image, "text", {}).items()}


def file_pixels(
    file: str | os.PathLike[str] | bytes, what: str = "", least: int | None = None
) -> UInt8[np.ndarray, "h w 3"]:
    """The 8-bit pixels of a photograph's file, or of the bytes of one, of which `open_photo` makes fractions.

    Args:
        what: bytes are called, for messages.
        least: as for `open_photo`.
    Raises:
        Mistake: as `open_photo`.
    """
    if file == b"":
        raise Mistake(f"{what} is empty (0 bytes); {READABLE}")
    path = None if isinstance(file, bytes) else given_path(file, "picture")
    with _header(BytesIO(file), file[:512], what) if isinstance(file, bytes) else _opened(path or Path()) as image:
        if least is not None:
            check_size(image.size, what or str(path))
            image.draft(None, (least, least))
        return _pixels(image, what or str(path))


def size_in(path: Path) -> tuple[int, int]:
    """(width, height) as a picture's header says; it may lie on its side.

    Raises:
        Mistake: as `open_photo`.
    """
    with _opened(path) as image:
        return image.size


def _opened(path: Path) -> Image.Image:
    """The picture's header, read, and its pixels, not yet."""
    return _header(path, _head(path), str(path))


def _header(file: Path | BytesIO, head: bytes, what: str) -> Image.Image:
    try:
        with warnings.catch_warnings(action="ignore"):  # about size: our own limit is checked in `check_size`
            return Image.open(file, formats=FORMATS)
    except Image.DecompressionBombError as error:
        millions = MOST_PIXELS // 10**6
        raise Mistake(f"{what} has far more than {millions} million pixels; make it smaller first") from error
    except Exception as error:  # parsers of files from anywhere raise nearly anything
        raise Mistake(f"{what} is not a picture that can be read: {_beginning(head)}; {READABLE}") from error


def _head(path: Path) -> bytes:
    """The first bytes of a file that is there, is one, and may be read."""
    try:
        with opened(path, MOST_BYTES) as file:
            head = file.read(512)
    except OSError as error:
        raise Mistake(_unreadable(path, error)) from error
    if not head:
        raise Mistake(f"{path} is empty (0 bytes); {READABLE}")
    return head


def _unreadable(path: Path, error: OSError) -> str:
    """Why nothing can be read, and what could be."""
    why = reason(error)
    try:
        if why == A_FOLDER:
            return f"{path} is a folder, not a picture; {_example(path)}"
        if why == NO_FILE:
            return missing(path)
    except OSError as refused:  # one may not look into the folder
        return f"{path} cannot be read: {reason(refused)}"
    if not isinstance(error, Unreadable):
        return f"{path} cannot be read: {why}"
    return f"{path} {why.removeprefix('it ')}" + ("" if path.is_symlink() else f", not a picture; {READABLE}")


def _example(folder: Path) -> str:
    endings = {".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif"}
    inside = sorted(p.name for p in folder.iterdir() if p.suffix.lower() in endings)
    return f"name one in it, such as {folder / inside[0]}" if inside else "and there is no picture in it"


def missing(path: Path) -> str:
    """That there is no such file, and what it may have been."""
    if path.name in SAMPLES:
        return f"there is no file {path}; did you mean 'skimage:{path.name}'?"
    if not path.parent.is_dir():
        return f"there is no folder {path.parent}, and so no file {path}"
    return f"there is no file {path}{did_you_mean(path.name, sorted(p.name for p in path.parent.iterdir()))}"


def _beginning(head: bytes) -> str:
    """What a file that is no readable picture seems to be."""
    if head.startswith(b"%PDF"):
        return "it is a PDF"
    if words := textual(head):
        return words
    if head.startswith(SIGNATURES) or head[8:12] == b"WEBP":
        return "it begins as one, but is damaged or cut off"
    if head[4:8] == b"ftyp":
        return "it is HEIC, AVIF or a film"
    return f"it begins with the bytes {head[:4].hex(' ')}"


def check_size(size: tuple[int, int], what: str) -> None:
    """Raise a Mistake if a picture of (width, height) is too large or too small."""
    width, height = size
    if width * height > MOST_PIXELS:
        pixels = f"{width} x {height} pixels, {width * height / 1e6:.0f} million"
        raise Mistake(f"{what} has {pixels}; {MOST_PIXELS // 10**6} million is the limit, make it smaller first")
    if min(size) < LEAST_SIDE:
        raise Mistake(f"{what} is {width} x {height} pixels; a picture needs at least {LEAST_SIDE} x {LEAST_SIDE}")


def _from_pil(image: Image.Image, what: str) -> Float[Tensor, "1 3 h w"]:
    return as_fractions(_pixels(image, what))


def as_fractions(pixels: UInt8[np.ndarray, "h w 3"]) -> Float[Tensor, "1 3 h w"]:
    """8-bit pixels in [0, 1]."""
    return fraction(torch.from_numpy(pixels).permute(2, 0, 1)[None].contiguous(), 255)


def _pixels(image: Image.Image, what: str) -> UInt8[np.ndarray, "h w 3"]:
    check_size(image.size, what)
    _load(image, what)
    return np.array(_to_rgb(_stand_upright(image), what))


def _load(image: Image.Image, what: str) -> None:
    """Decode, once and in place."""
    try:
        with warnings.catch_warnings(action="ignore"):  # about notes beside the pixels
            image.load()
    except Exception as error:  # decoders of files from anywhere raise nearly anything
        size = f"{image.width} x {image.height}"
        if any(sign in str(error).lower() for sign in ("truncated", "eof", "end of file", "not enough")):
            raise Mistake(f"{what} is cut off: it ends before all of its {size} pixels; copy it again") from error
        raise Mistake(f"{what} is damaged: its {size} pixels cannot be decoded ({error}); copy it again") from error


def _stand_upright(image: Image.Image) -> Image.Image:
    try:
        with warnings.catch_warnings(action="ignore"):
            orientation = image.getexif().get(0x0112)
    except Exception:  # a damaged note about the pixels does not damage the pixels
        return image
    return image.transpose(UPRIGHT[orientation]) if orientation in UPRIGHT else image


def _to_rgb(image: Image.Image, what: str) -> Image.Image:
    if image.mode in ("1", "I", "F") or image.mode.startswith("I;16"):
        image = _to_grey(image, what)
    try:
        if image.has_transparency_data:
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        return image.convert("RGB")
    except ValueError as error:
        raise Mistake(f"{what} is in the colours {image.mode}, which cannot be made RGB; save it as RGB") from error


def _to_grey(image: Image.Image, what: str) -> Image.Image:
    """1-bit, 16-bit and float grey, scaled to 8 bits where `convert` would clip; a transparent value is white."""
    values, top = np.asarray(image, dtype=np.float32), 1 if image.mode in ("1", "F") else 65535
    if not (values.min() >= 0 and values.max() <= top):
        raise Mistake(f"{what} has grey values from {values.min():g} to {values.max():g}, not 0 to {top}")
    if (key := image.info.get("transparency")) is not None:
        values = np.where(values == key, top, values)
    return Image.fromarray(np.rint(values * (255 / top)).astype(np.uint8))


def _from_array(array: np.ndarray) -> Float[Tensor, "1 3 h w"]:
    try:
        copy = torch.from_numpy(np.array(array, order="C"))
    except (TypeError, ValueError) as error:
        raise Mistake(f"an array of {array.dtype} is not a picture; uint8 (0 to 255) or float (0 to 1) is") from error
    return _from_tensor(copy)


def _from_tensor(values: Tensor) -> Float[Tensor, "1 3 h w"]:
    return _in_unit_range(_planes(values.detach()))


def _in_unit_range(values: Tensor) -> Float[Tensor, "1 c h w"]:
    check_size((values.shape[3], values.shape[2]), "the array")
    tops = {torch.uint8: 255, torch.uint16: 65535, torch.bool: 1}
    if values.dtype in tops:
        return fraction(values, tops[values.dtype])
    if not values.is_floating_point():
        kind = str(values.dtype).removeprefix("torch.")
        raise Mistake(f"an array of {kind} is not a picture; uint8 (0 to 255) or float (0 to 1) is")
    low, high = (bound.item() for bound in values.aminmax())
    if not (low >= -1e-5 and high <= 1 + 1e-5):  # a rounding error is no mistake; nan is
        raise Mistake(f"the array has values from {low:g} to {high:g}; a picture of floats has 0 to 1")
    return values.to(torch.float32, copy=True).clamp_(0, 1)


def _planes(values: Tensor) -> Tensor:
    """(1, 3, h, w) of any of the layouts that people keep pictures in; no two of them can be confused from 8 px on."""
    match tuple(values.shape):
        case (1, 3, _, _):
            return values
        case (_, _, 3):
            return values.permute(2, 0, 1)[None].contiguous()
        case (3, _, _):
            return values[None]
        case (height, width):
            return values.expand(1, 3, height, width).contiguous()
    shape = " x ".join(map(str, values.shape)) or "a single number"
    raise Mistake(f"an array of {shape} is not a picture; (h, w), (h, w, 3), (3, h, w) and (1, 3, h, w) are")

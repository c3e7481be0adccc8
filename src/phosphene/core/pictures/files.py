"""Pictures: files in and out, and fitting to a network.

Inside, a picture is RGB in [0, 1], float32, (n, 3, h, w); what is made with holes has alpha as a fourth channel. What
comes from outside is guarded: a few formats, a limit on pixels that is read off the header before anything is decoded,
and one sentence for everything that can be wrong with a file. What goes out is PNG, whose 8-bit pixels come back as the
same bits.
"""

import codecs
import os
import secrets
import warnings
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from torch import Tensor
from torch.nn import functional as F

from phosphene.core.errors import Mistake, did_you_mean

Photo = str | os.PathLike[str] | Image.Image | np.ndarray | Tensor
Photos = Sequence[Photo]
How = Literal["crop", "squash", "whole"]  # the ways to `fit`, for whoever lists them

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF")
READABLE = "JPEG, PNG, WebP, TIFF, BMP and GIF work"
SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG", b"II*\0", b"MM\0*", b"BM", b"GIF8")
MOST_PIXELS = 100_000_000  # 1.2 GB as float32
LEAST_SIDE = 8
MID_GREY = 128 / 255  # the 8-bit value next to one half

# The photographs and drawings that come inside scikit-image's wheel; its other pictures are downloads.
SAMPLES = (
    "astronaut brick camera cat cell chelsea clock coffee coins grass gravel horse hubble_deep_field "
    "immunohistochemistry logo microaneurysms moon page retina rocket text"
).split()

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


def open_photo(photo: Photo) -> Float[Tensor, "1 3 h w"]:
    """A photograph, from wherever it is, upright, in RGB, in [0, 1].

    Orientation in EXIF is applied; transparency is laid over white; grey, palette, 1-bit, 16-bit (scaled, not
    clipped) and CMYK pictures become RGB; of several frames it is the first. Colour profiles are not applied: a
    network's training pictures were not corrected either.

    Args:
        photo: a path; "skimage:chelsea" and its like; a PIL image; or an array or tensor, (h, w), (h, w, 3),
            (3, h, w) or (1, 3, h, w), of whole numbers (uint8 to 255, uint16 to 65535), bool, or floats in [0, 1].
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
        case str() if photo.startswith("skimage:"):
            return sample(photo.removeprefix("skimage:"))
    with _opened(Path(photo)) as image:
        return _from_pil(image, str(photo))


def sample(name: str) -> Float[Tensor, "1 3 h w"]:
    """One of the pictures inside scikit-image: chelsea the cat, astronaut, coffee, rocket, ... (`SAMPLES`).

    Raises:
        Mistake: no such picture, or scikit-image is not installed.
    """
    if name not in SAMPLES:
        near = did_you_mean(name, SAMPLES) or f"; there are {', '.join(SAMPLES)}"
        raise Mistake(f"scikit-image brings no picture '{name}'{near}")
    try:
        from skimage import data
    except ImportError as error:
        raise Mistake(f"skimage:{name} needs scikit-image: pip install scikit-image") from error
    return _from_pil(Image.fromarray(getattr(data, name)()), f"skimage:{name}")


def stored(path: str | os.PathLike[str]) -> Image.Image:
    """The 8-bit pixels of a file: RGBA as they are stored where that is how, as `open_photo` sees them elsewhere.

    Raises:
        Mistake: as `open_photo`.
    """
    with _opened(Path(path)) as image:
        _check_size(image.size, str(path))
        _load(image, str(path))
        return image.copy() if image.mode == "RGBA" else to_pil(_from_pil(image, str(path)))


def read_text(path: str | os.PathLike[str]) -> dict[str, str]:
    """The text chunks of a PNG, by keyword; nothing for pictures in other formats.

    Raises:
        Mistake: as `open_photo`.
    """
    with _opened(Path(path)) as image:
        _check_size(image.size, str(path))
        _load(image, str(path))  # text may also follow the pixels
        return {key: str(value) for key, value in getattr(image, "text", {}).items()}


def _opened(path: Path) -> Image.Image:
    """The picture's header, read, and its pixels, not yet."""
    head = _head(path)
    try:
        with warnings.catch_warnings(action="ignore"):  # about size: our own limit is checked in `_check_size`
            return Image.open(path, formats=FORMATS)
    except Image.DecompressionBombError as error:
        millions = MOST_PIXELS // 10**6
        raise Mistake(f"{path} has far more than {millions} million pixels; make it smaller first") from error
    except Exception as error:  # parsers of files from anywhere raise nearly anything
        raise Mistake(f"{path} is not a picture that can be read: {_beginning(head)}; {READABLE}") from error


def _head(path: Path) -> bytes:
    """The first bytes of a file that is there, is one, and may be read."""
    try:
        if path.is_dir():
            raise Mistake(f"{path} is a folder, not a picture; {_example(path)}")
        if not path.exists():
            raise Mistake(_missing(path))
        if not path.is_file():
            raise Mistake(f"{path} is a device or a pipe, not a picture; {READABLE}")
        with path.open("rb") as file:
            head = file.read(512)
    except OSError as error:
        raise Mistake(f"{path} cannot be read: {(error.strerror or str(error)).lower()}") from error
    if not head:
        raise Mistake(f"{path} is empty (0 bytes); {READABLE}")
    return head


def _example(folder: Path) -> str:
    endings = {".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif"}
    inside = sorted(p.name for p in folder.iterdir() if p.suffix.lower() in endings)
    return f"name one in it, such as {folder / inside[0]}" if inside else "and there is no picture in it"


def _missing(path: Path) -> str:
    if str(path).startswith(("http:", "https:")):
        return f"{path} is an address, not a file; download it first"
    if path.name in SAMPLES:
        return f"there is no file {path}; did you mean 'skimage:{path.name}'?"
    if not path.parent.is_dir():
        return f"there is no folder {path.parent}, and so no file {path}"
    return f"there is no file {path}{did_you_mean(path.name, sorted(p.name for p in path.parent.iterdir()))}"


def _beginning(head: bytes) -> str:
    """What a file that is no readable picture seems to be."""
    if head.startswith(b"%PDF"):
        return "it is a PDF"
    if _is_text(head):
        return "it begins with text"
    if head.startswith(SIGNATURES) or head[8:12] == b"WEBP":
        return "it begins as one, but is damaged or cut off"
    if head[4:8] == b"ftyp":
        return "it is HEIC, AVIF or a film"
    return f"it begins with the bytes {head[:4].hex(' ')}"


def _is_text(head: bytes) -> bool:
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(head)  # the last letter may be cut in two
    except UnicodeDecodeError:
        return False
    return all(c.isprintable() or c.isspace() for c in text)


def _check_size(size: tuple[int, int], what: str) -> None:
    width, height = size
    if width * height > MOST_PIXELS:
        pixels = f"{width} x {height} pixels, {width * height / 1e6:.0f} million"
        raise Mistake(f"{what} has {pixels}; {MOST_PIXELS // 10**6} million is the limit, make it smaller first")
    if min(size) < LEAST_SIDE:
        raise Mistake(f"{what} is {width} x {height} pixels; a picture needs at least {LEAST_SIDE} x {LEAST_SIDE}")


def _from_pil(image: Image.Image, what: str) -> Float[Tensor, "1 3 h w"]:
    _check_size(image.size, what)
    _load(image, what)
    pixels = np.array(_to_rgb(_stand_upright(image), what))
    return _fraction(torch.from_numpy(pixels).permute(2, 0, 1)[None].contiguous(), 255)


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
    values = _planes(values.detach())
    _check_size((values.shape[3], values.shape[2]), "the array")
    tops = {torch.uint8: 255, torch.uint16: 65535, torch.bool: 1}
    if values.dtype in tops:
        return _fraction(values, tops[values.dtype])
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


def _fraction(whole: Tensor, top: int) -> Tensor:
    """whole / top as float32, to the last bit the same on every device.

    Dividing by a Python number would be multiplying by its reciprocal on a GPU, which rounds differently.
    """
    values = whole.to(torch.float32)
    return values / values.new_tensor(top)


# Sizes


def fit(photo: Float[Tensor, "n 3 h w"], size: tuple[int, int], how: str = "crop") -> Float[Tensor, "n 3 fh fw"]:
    """`photo` at a network's size, rounded to 8 bits, so that a PNG of it holds the very pixels that were fed.

    A picture that already fits is only rounded. Scaling is bilinear and antialiased.

    Args:
        size: (height, width) in px.
        how: "crop" cuts the largest centred part of the right shape out and scales it (to within a pixel: shorter
            side to size, centre crop; in this order, a long strip needs no memory); "squash" scales both sides;
            "whole" scales the longer side and fills the rest with mid grey.
    Raises:
        Mistake: `how` is none of these, or the size is not positive.
    """
    if min(size) < 1:
        raise Mistake(f"a picture cannot be fitted to {size[0]} x {size[1]} pixels")
    match how:
        case "crop":
            fitted = _scale(_centre(photo, size), size)
        case "squash":
            fitted = _scale(photo, size)
        case "whole":
            fitted = _pad(_scale(photo, _inside(photo, size)), size)
        case _:
            near = did_you_mean(how, get_args(How))
            raise Mistake(f"a picture can be fitted by crop, squash or whole, not by '{how}'{near}")
    return _fraction(_levels(fitted), 255)


def resize(pictures: Float[Tensor, "n c h w"], size: tuple[int, int]) -> Float[Tensor, "n c rh rw"]:
    """Pictures at (height, width) px, for showing: bicubic, antialiased, overshoot clipped to [0, 1].

    Colours count as much as they are opaque, so that what can't be seen does not bleed into what can.
    """
    if tuple(pictures.shape[2:]) == tuple(size):
        return pictures
    if pictures.shape[1] == 4:
        colour, alpha = pictures[:, :3], pictures[:, 3:]
        scaled = F.interpolate(torch.cat([colour * alpha, alpha], 1), size, mode="bicubic", antialias=True)
        weight = scaled[:, 3:]
        return torch.cat([torch.where(weight > 0, scaled[:, :3] / weight, 0.0), weight], 1).clamp(0, 1)
    return F.interpolate(pictures, size, mode="bicubic", antialias=True).clamp(0, 1)


def enlarge(pictures: Float[Tensor, "n c h w"], factor: int) -> Float[Tensor, "n c eh ew"]:
    """Every pixel as a square of `factor` x `factor` pixels."""
    return pictures.repeat_interleave(factor, 2).repeat_interleave(factor, 3)


def _centre(photo: Tensor, size: tuple[int, int]) -> Tensor:
    """The largest centred part with the proportions of `size`, in whole pixels."""
    (height, width), (h, w) = photo.shape[2:], size
    scale = min(height / h, width / w)
    rows, columns = (max(1, min(full, round(scale * part))) for full, part in ((height, h), (width, w)))
    top, left = (height - rows) // 2, (width - columns) // 2
    return photo[..., top : top + rows, left : left + columns]


def _inside(photo: Tensor, size: tuple[int, int]) -> tuple[int, int]:
    """The largest size with the proportions of the photo that `size` can hold."""
    (height, width), (h, w) = photo.shape[2:], size
    scale = min(h / height, w / width)
    return max(1, round(scale * height)), max(1, round(scale * width))


def _scale(photo: Tensor, size: tuple[int, int]) -> Tensor:
    if tuple(photo.shape[2:]) == tuple(size):
        return photo
    return F.interpolate(photo, size, mode="bilinear", antialias=True)


def _pad(photo: Tensor, size: tuple[int, int]) -> Tensor:
    rows, columns = size[0] - photo.shape[2], size[1] - photo.shape[3]
    sides = (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2)
    return F.pad(photo, sides, value=MID_GREY)


# Writing


def to_uint8(pictures: Float[Tensor, "n c h w"]) -> UInt8[np.ndarray, "n h w c"]:
    """Pixels 0 to 255, rounded to the nearest, clipped.

    Raises:
        Mistake: a value is nan or infinite, as after an optimization that has diverged.
    """
    pictures = pictures.detach().float()
    if not pictures.isfinite().all():
        raise Mistake("the picture has values that are not finite; the optimization has diverged, try smaller steps")
    return _levels(pictures).byte().permute(0, 2, 3, 1).cpu().numpy()


def to_pil(picture: Float[Tensor, "*one c h w"]) -> Image.Image:
    """One picture, (3, h, w) or (1, 3, h, w), as an RGB PIL image; with a fourth channel, alpha, as an RGBA one."""
    return Image.fromarray(np.ascontiguousarray(to_uint8(single(picture))[0]))


def png_bytes(picture: Float[Tensor, "*one c h w"] | Image.Image, text: Mapping[str, str] | None = None) -> bytes:
    """One picture as a PNG file's bytes: lossless for 8-bit pixels, with text chunks (keywords: latin-1, 1 to 79)."""
    info, buffer = PngInfo(), BytesIO()
    for key, value in (text or {}).items():
        info.add_text(key, value)  # tEXt where latin-1 is enough, iTXt elsewhere
    image = picture if isinstance(picture, Image.Image) else to_pil(picture)
    image.save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


def save_png(
    picture: Float[Tensor, "*one c h w"] | Image.Image,
    path: str | os.PathLike[str],
    text: Mapping[str, str] | None = None,
) -> None:
    """Write `png_bytes` to `path` at once: whatever happens, there is the old file or the whole new one.

    Raises:
        Mistake: the name does not end in .png, or its folder is not there or cannot be written to.
    """
    path, data = Path(path), png_bytes(picture, text)
    if path.suffix.lower() != ".png":
        raise Mistake(f"{path} does not end in .png, the format without loss; try {path.with_suffix('.png')}")
    if not path.parent.is_dir():
        raise Mistake(f"there is no folder {path.parent} to save {path.name} in; make it first")
    beside = path.with_name(f".{path.stem[:32]}-{secrets.token_hex(4)}.part")
    try:
        beside.write_bytes(data)
        os.replace(beside, path)
    except OSError as error:
        raise Mistake(f"{path} cannot be written: {(error.strerror or str(error)).lower()}") from error
    finally:
        beside.unlink(missing_ok=True)


def _levels(pictures: Tensor) -> Tensor:
    """[0, 1] to the nearest of 0, 1, ..., 255."""
    return (pictures.clamp(0, 1) * 255).round()


def single(picture: Tensor) -> Float[Tensor, "1 c h w"]:
    """One picture with its batch's axis.

    Raises:
        Mistake: it is none, or several.
    """
    if picture.ndim == 3:
        picture = picture[None]
    if picture.ndim != 4 or picture.shape[:2] not in ((1, 3), (1, 4)):
        raise Mistake(f"one picture is (3, h, w) or (1, 3, h, w), not {tuple(picture.shape)}; grid() joins several")
    return picture

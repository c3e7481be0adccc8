"""Pictures as PNG files, whose 8-bit pixels come back as the same bits."""

import os
from collections.abc import Mapping
from io import BytesIO

from jaxtyping import Float
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from phosphene.core.errors import Mistake
from phosphene.core.paths import given_path, is_folder
from phosphene.core.pictures.eight_bit import to_pil
from phosphene.core.saving import save


def png_bytes(
    picture: Float[Tensor, "*one c h w"] | Image.Image, text: Mapping[str, str] | None = None, *, quick: bool = False
) -> bytes:
    """One picture as a PNG file's bytes: lossless for 8-bit pixels, with text chunks (keywords: latin-1, 1 to 79).

    Args:
        quick: in less time, and more bytes.
    """
    info, buffer = PngInfo(), BytesIO()
    for key, value in (text or {}).items():
        info.add_text(key, value)  # tEXt where latin-1 is enough, iTXt elsewhere
    image = picture if isinstance(picture, Image.Image) else to_pil(picture)
    image.save(buffer, "PNG", pnginfo=info, **({"compress_level": 1} if quick else {}))
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
    path, data = given_path(path, "picture"), png_bytes(picture, text)
    if path.suffix.lower() != ".png":
        raise Mistake(f"{path} does not end in .png, the format without loss; try {path.with_suffix('.png')}")
    if not is_folder(path.parent):
        raise Mistake(f"there is no folder {path.parent} to save {path.name} in; make it first")
    save({path: data})

"""An atlas to walk in: one self-contained page with the map, and what fell into each cell."""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from io import BytesIO

import torch
from jaxtyping import Float
from torch import Tensor

from phosphene.core.pictures.eight_bit import to_pil
from phosphene.core.pictures.sheets import grid

THUMBNAIL = 64  # px
COLUMNS = 24  # of thumbnails in the picture that holds them all
QUALITY = 90  # of WebP, on the page only: the PNG beside it has every pixel


@dataclass(frozen=True)
class Tile:
    """A cell as the page tells it: its place, how many activations it averages, and the photographs nearest to it."""

    row: int
    column: int
    many: int
    names: tuple[str, ...]


def address(picture: Float[Tensor, "1 c h w"]) -> str:
    """A picture as an address that contains it."""
    buffer = BytesIO()
    to_pil(picture).save(buffer, "WEBP", quality=QUALITY)
    return "data:image/webp;base64," + b64encode(buffer.getvalue()).decode()


def page(
    title: str,
    words: str,
    side: int,
    sheet: Float[Tensor, "1 4 h w"],
    tiles: Sequence[Tile],
    thumbnails: Sequence[Float[Tensor, "1 3 _ _"]],
) -> str:
    """The page.

    Args:
        title, words: its heading.
        side: how many cells wide and high the map is.
        sheet: the map, with nothing where a cell is empty.
        tiles: its cells.
        thumbnails: for each tile one for each of its names, one tile after another.
    """
    from jinja2 import Environment, PackageLoader

    environment = Environment(loader=PackageLoader("phosphene", "features"), autoescape=True, trim_blocks=True)
    return environment.get_template("atlas.html").render(
        title=title, words=words, picture=address(sheet),
        thumbnails=address(grid(torch.cat(list(thumbnails)), COLUMNS, gap=0)),
        data={
            "side": side, "pixels": sheet.shape[3], "thumbnail": THUMBNAIL, "columns": COLUMNS,
            "tiles": [asdict(tile) for tile in tiles],
        },
    )  # fmt: skip

"""A map to walk in: one page that zooms, beside its tiles; plain files, without a server."""

from base64 import b64encode
from collections.abc import Sequence
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

from phosphene.dataset.map_drawing import class_name, colours, present, square
from phosphene.dataset.map_tiles import Tiling
from phosphene.dataset.maps import Map

DIGITS = 4  # of a place on the page: a ten-thousandth of the map


def address(picture: Image.Image) -> str:
    """A picture as an address that contains it."""
    buffer = BytesIO()
    picture.convert("RGB").save(buffer, "JPEG", quality=90)
    return "data:image/jpeg;base64," + b64encode(buffer.getvalue()).decode()


def page(shown: Map, tiling: Tiling, files: str, pictures: Sequence[Image.Image] = ()) -> str:
    """The page.

    Args:
        tiling: of its grid.
        files: the folder of its tiles, beside it.
        pictures: of the photographs that were placed on it.
    """
    from jinja2 import Environment, PackageLoader

    environment = Environment(loader=PackageLoader("phosphene", "dataset"), autoescape=True, trim_blocks=True)
    return environment.get_template("map.html").render(
        title=shown.title, words=shown.words, count=len(shown.ids), data=data(shown, tiling, files, pictures)
    )


def data(shown: Map, tiling: Tiling, files: str, pictures: Sequence[Image.Image]) -> dict[str, Any]:
    """What the page knows."""
    classes = present(shown.labels)
    by_class, numbers = colours(classes), {one: i for i, one in enumerate(classes)}
    at = square(shown.points, shown.points).round(DIGITS)
    return {
        "files": files, "tile": tiling.tile, "side": tiling.side, "levels": tiling.levels,
        "rows": shown.shape.rows, "columns": shown.shape.columns, "ids": list(shown.ids),
        "labels": [numbers.get(label, -1) for label in shown.labels.tolist()],
        "classes": [{"name": class_name(shown.classes, one), "colour": by_class[one]} for one in classes],
        "x": at[:, 0].tolist(), "y": at[:, 1].tolist(), "cells": shown.cells.tolist(), "near": shown.near.tolist(),
        "placed": [
            {
                "name": one.name, "near": one.near, "distances": [round(d, DIGITS) for d in one.distances],
                "at": square(np.array([one.point]), shown.points)[0].round(DIGITS).tolist(), "picture": address(small),
            }
            for one, small in zip(shown.placed, pictures, strict=True)
        ],
    }  # fmt: skip

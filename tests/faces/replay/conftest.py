"""In an empty folder with a network and photographs."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from phosphene.core.pictures.files import read_text
from tests.faces.replay.pictures import made
from tests.small import SOURCE


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("own.py").write_text(SOURCE)
    pixels = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    Image.fromarray(pixels).save("cat.png")
    Path("photos").mkdir()
    for i in range(4):
        Image.fromarray(np.roll(pixels, 8 * i, 1)[i : i + 20]).save(f"photos/{i}.png")


@pytest.fixture(scope="session")
def kept():
    """The files of a picture that many tests begin with, by name, once one of them has made it."""
    return {}


@pytest.fixture
def picture(run, kept):
    """made.png and its recipe: a gradient of cat.png."""
    if "made.png" not in kept:
        made(run, "attribute", "cat.png", "--method", "gradient")
        kept |= {file.name: file.read_bytes() for file in Path().glob("made*")}
    for name, content in kept.items():
        Path(name).write_bytes(content)
    return json.loads(read_text("made.png")["phosphene"])

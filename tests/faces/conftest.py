"""Commands run in an empty folder, on a small network and a photograph."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.small import SOURCE


@pytest.fixture
def here(tmp_path, monkeypatch):
    """In an empty folder with a network and a photograph."""
    monkeypatch.chdir(tmp_path)
    Path("own.py").write_text(SOURCE)
    pixels = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    Image.fromarray(pixels).save("cat.png")


@pytest.fixture
def small(here, run):
    """The command line on the small network, unless another one is given."""

    def call(*words, net="own.py"):
        return run(*words, "--net", net) if net else run(*words)

    return call

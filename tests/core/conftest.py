"""A photograph of a cat, as PIL opens it, as this program does, and in grey."""

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data

from phosphene.core.pictures.files import open_photo


@pytest.fixture(scope="session")
def cat() -> Image.Image:
    return Image.fromarray(data.chelsea())


@pytest.fixture(scope="session")
def plain(cat) -> torch.Tensor:
    return open_photo(cat)


@pytest.fixture(scope="session")
def grey(cat) -> np.ndarray:
    return np.asarray(cat.convert("L"))

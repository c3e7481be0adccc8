"""A user's own network as a file, and weights for it."""

import pytest
import torch

from phosphene.models.specs import load
from tests.small import SOURCE


@pytest.fixture
def own(tmp_path):
    """A file with a user's own network."""
    file = tmp_path / "own.py"
    file.write_text(SOURCE)
    return file


@pytest.fixture
def state(own):
    """A state dict for it that is not its own."""
    return {name: torch.full_like(value, 0.25) for name, value in load(str(own)).model.state_dict().items()}

"""The networks inside the package."""

import numpy as np
import pytest
import torch
from torch import nn

from phosphene.models.embedded import EMBEDDED, WEIGHTS
from phosphene.models.specs import load, state_sha256

# ---------------------------------------------------------------------------------------------------- spec forms


def test_the_default_is_the_embedded_photo_network():
    network = load()
    assert network.name == "embedded:photo"
    assert network.size == (64, 64)
    assert network.classes == len(network.labels) == 100
    assert network.sha256 == state_sha256(network.model)
    assert not network.fixed


def test_the_embedded_digits_network_is_grey_and_names_digits():
    network = load("embedded:digits")
    assert network.grey and network.fixed
    assert network.size == (28, 28)
    assert network.labels == "zero one two three four five six seven eight nine".split()
    assert network.classes == 10
    assert not any(isinstance(module, nn.BatchNorm2d) for module in network.model.modules())


def test_the_embedded_digits_network_reads_digits(data):
    mnist = np.load(data / "mnist.npz")
    digits, classes = (torch.from_numpy(mnist[name][:500]) for name in ("X_test", "y_test"))
    with torch.no_grad():
        logits = load("embedded:digits").read(digits[:, None].expand(-1, 3, -1, -1) / 255, ["logits"])["logits"]
    assert (logits.argmax(1) == classes).float().mean() >= 0.99


@pytest.mark.parametrize("name", EMBEDDED)
def test_every_embedded_network_has_a_card_with_its_terms_and_its_limits(name):
    card = (WEIGHTS / f"{name}.md").read_text(encoding="utf-8")
    assert card.startswith(f"# `embedded:{name}`\n")
    for part in ("| input |", "| top-1 |", "## Data and terms", "## Limits"):
        assert part in card


def test_what_is_embedded_is_small():
    assert sum(file.stat().st_size for file in WEIGHTS.iterdir()) <= 16 * 2**20

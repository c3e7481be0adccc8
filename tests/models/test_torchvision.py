"""torchvision's networks, untrained or with weights that can't be fetched here."""

import urllib.error

import pytest
import torch

from phosphene.core.errors import Mistake
from phosphene.models.specs import load
from phosphene.models.torchvision import import_torchvision


def test_torchvision_untrained_is_seeded_and_knows_how_to_be_fed():
    torch.manual_seed(5)
    one = load("torchvision:resnet18?weights=none")
    after = torch.rand(1)
    torch.manual_seed(6)
    two = load("torchvision:resnet18?weights=none")
    assert one.sha256 == two.sha256
    assert one.mean == (0.485, 0.456, 0.406)
    assert one.std == (0.229, 0.224, 0.225)
    assert one.size == (224, 224)
    assert one.labels[207] == "golden retriever"
    torch.manual_seed(5)
    assert torch.rand(1) == after  # the caller's random numbers are untouched


def test_a_transformer_has_the_size_that_it_was_made_for(monkeypatch):
    """Whatever the size of the weights is that its architecture could have: vit_h_14's are of 518 px."""
    models = import_torchvision().models

    def small(name, weights, image_size=48):
        return models.VisionTransformer(image_size, 16, num_layers=1, num_heads=2, hidden_dim=12, mlp_dim=12)

    monkeypatch.setattr(models, "get_model", small)
    assert load("torchvision:vit_h_14?weights=none").size == (48, 48)
    assert load("torchvision:vit_h_14?weights=none&image_size=32").size == (32, 32)


def test_weights_that_can_not_be_fetched_are_a_sentence(monkeypatch, tmp_path, capsys):
    def offline(*args, **kwargs):
        raise urllib.error.URLError("Name or service not known")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("torch.hub.download_url_to_file", offline)
    with pytest.raises(Mistake) as told:
        load("torchvision:squeezenet1_1")
    assert "could not be fetched" in str(told.value)
    assert "torchvision:squeezenet1_1?weights=none is the untrained network" in str(told.value)
    assert capsys.readouterr().out == ""  # it belongs to the program's own output
    assert "\n" not in str(told.value)

"""Captum's methods: asked about the same unit in the same pixels, and told apart from ours by their prefix."""

import numpy as np
import pytest
import torch
from torch import nn

from phosphene.catalogue import method
from phosphene.core.errors import Mistake
from tests.attribution.asked import photos
from tests.small import convnet, levels


class Normalized(nn.Module):
    def forward(self, x):
        return (x - 0.5) / 0.2


@pytest.mark.filterwarnings("ignore")
def test_methods_of_captum_are_asked_about_the_same_unit_in_the_same_pixels():
    attr = pytest.importorskip("captum.attr")
    network, picture = convnet(), photos(1)
    model = nn.Sequential(Normalized(), network.model).double()
    expected = attr.DeepLift(model).attribute(picture.clone(), baselines=torch.zeros_like(picture), target=2)
    found = method("attribute", "captum:DeepLift")(network, picture[0], target=2).result
    np.testing.assert_allclose(found.values, expected.detach().float().numpy(), rtol=1e-5, atol=1e-8)
    assert found.names == ["captum:DeepLift-logits-2"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["Saliency", "GradientShap", "FeatureAblation", "ShapleyValueSampling", "KernelShap"])
@pytest.mark.filterwarnings("ignore")
def test_methods_of_captum_run_whatever_they_need(name):
    pytest.importorskip("captum.attr")
    found = method("attribute", f"captum:{name}")(
        convnet(), [levels(3, 16, 16), levels(3, 16, 16, seed=1)], square=8
    ).result
    assert found.values.shape == (2, 3, 16, 16)
    assert found.values.any((1, 2, 3)).all()


def test_a_method_that_captum_has_not_is_one_sentence():
    pytest.importorskip("captum.attr")
    with pytest.raises(Mistake, match="Captum has no method 'DeepLif' for the input; did you mean 'DeepLift'"):
        method("attribute", "captum:DeepLif")(convnet(), levels(3, 16, 16))


def test_captum_that_is_not_there_is_told_with_its_extra(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "captum.attr", None)
    with pytest.raises(Mistake, match=r"pip install 'phosphene\[captum\]'"):
        method("attribute", "captum:DeepLift")(convnet(), levels(3, 16, 16))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["IntegratedGradients", "FeatureAblation", "Occlusion", "ShapleyValueSampling"])
@pytest.mark.filterwarnings("ignore")
def test_captum_takes_no_more_pictures_at_a_time_than_was_asked_for_and_finds_the_same(name):
    pytest.importorskip("captum.attr")
    sizes = []
    network = convnet()
    network.model.register_forward_pre_hook(lambda _, args: sizes.append(len(args[0])))
    recipe = method("attribute", f"captum:{name}")
    found = {batch: recipe(network, levels(3, 16, 16), target=1, square=4, batch=batch).result for batch in (3, 100)}
    np.testing.assert_allclose(found[3].values, found[100].values, rtol=1e-5, atol=1e-8)
    sizes.clear()
    assert recipe(network, levels(3, 16, 16), target=1, square=4, batch=3).result.values.any()
    assert max(sizes) == 3

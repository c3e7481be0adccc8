"""Score-CAM, Ablation-CAM and Eigen-CAM beside their formulas, written loop by loop from pytorch-grad-cam's code."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from phosphene.attribution import ablation_cam, eigen_cam, grad_cam, score_cam
from phosphene.attribution.question import question
from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from tests.attribution.asked import answer, photos
from tests.attribution.methods.test_cam import small_transformer
from tests.small import convnet, levels, linear, noise


def enlarged(maps, side=16):
    return F.interpolate(maps[None, None], (side, side), mode="bilinear", align_corners=False)[0, 0]


def activations(network, picture, upto):
    with torch.no_grad():
        return network.model[:upto]((picture[None] - 0.5) / 0.2)[0]


def slow_score_cam(network, picture, upto, target):
    """Score-CAM, channel by channel: the input as the network wants it is multiplied by each mask."""
    there, x = activations(network, picture, upto), (picture - 0.5) / 0.2
    said = []
    for channel in there:
        large = enlarged(channel)
        mask = torch.zeros_like(large)
        if large.max() > large.min():
            mask = (large - large.min()) / (large.max() - large.min())
        with torch.no_grad():
            said.append(network.model((x * mask)[None])[0, target])
    weights = torch.stack(said).exp() / torch.stack(said).exp().sum()
    return enlarged(sum(w * channel for w, channel in zip(weights, there, strict=True)).clamp(min=0))


def slow_ablation_cam(network, picture, upto, target):
    """Ablation-CAM, channel by channel: the rest of the network, without it."""
    there = activations(network, picture, upto)
    with torch.no_grad():
        score = network.model[upto:](there[None])[0, target]
        total = torch.zeros_like(there[0])
        for k, channel in enumerate(there):
            without = there.clone()
            without[k] = 0
            total += (score - network.model[upto:](without[None])[0, target]) / abs(score) * channel
    return enlarged(total.clamp(min=0))


def slow_eigen_cam(network, picture, upto, centred):
    """pytorch-grad-cam's `get_2d_projection`; the sign is the one with which strong places are positive."""
    there = activations(network, picture, upto)
    rows = there.reshape(len(there), -1).T
    lengths = rows.norm(dim=1)
    rows = rows - rows.mean(0) if centred else rows
    values, vectors = torch.linalg.eigh(rows.T @ rows)
    along = rows @ vectors[:, values.argmax()]
    along = along if (along * lengths).sum() > 0 else -along
    return enlarged(along.reshape(there.shape[1:]).clamp(min=0))


LAYERS = [("relu1", 2), ("conv2", 3), ("relu3", 6)]


@pytest.mark.parametrize(("layer", "upto"), LAYERS)
@pytest.mark.parametrize("batch", [1, 7, 64])
def test_score_cam_equals_its_formula_channel_by_channel(layer, upto, batch):
    network, pictures = convnet(), photos(2)
    found = answer(score_cam, network, pictures, target=2, layer=layer, batch=batch)
    for picture, own in zip(pictures, found.values, strict=True):
        torch.testing.assert_close(own, slow_score_cam(network, picture, upto, 2), rtol=1e-9, atol=1e-12)
    assert found.values.any()


@pytest.mark.parametrize(("layer", "upto"), LAYERS)
@pytest.mark.parametrize("batch", [1, 7, 64])
def test_ablation_cam_equals_its_formula_channel_by_channel(layer, upto, batch):
    network, pictures = convnet(), photos(2)
    found = answer(ablation_cam, network, pictures, target=2, layer=layer, batch=batch)
    for picture, own in zip(pictures, found.values, strict=True):
        torch.testing.assert_close(own, slow_ablation_cam(network, picture, upto, 2), rtol=1e-8, atol=1e-12)
    assert found.values.any()


@pytest.mark.parametrize(("layer", "upto"), LAYERS)
@pytest.mark.parametrize("centred", [True, False])
def test_eigen_cam_is_the_first_principal_component_of_the_places(layer, upto, centred):
    network, pictures = convnet(), photos(2)
    found = answer(eigen_cam, network, pictures, layer=layer, centred=centred)
    for picture, own in zip(pictures, found.values, strict=True):
        torch.testing.assert_close(own, slow_eigen_cam(network, picture, upto, centred), rtol=1e-8, atol=1e-10)
    assert found.values.any()


def test_where_all_is_linear_behind_a_layer_a_channel_is_missed_for_its_weight_times_its_mean():
    network, pictures = convnet(), photos(2)
    found = answer(ablation_cam, network, pictures, target=1, layer="relu3")
    there = network.read(pictures, ["relu3"])["relu3"]
    missed = network.model.fc.weight[1].detach() * there.mean((2, 3))
    for i, facts in enumerate(found.facts):
        expected = enlarged((missed[i, :, None, None] * there[i]).sum(0).clamp(min=0)) / abs(facts["value"])
        torch.testing.assert_close(found.values[i], expected, rtol=1e-7, atol=1e-12)


@pytest.mark.parametrize("recipe", [score_cam, ablation_cam, eigen_cam])
def test_without_a_layer_it_is_that_of_grad_cam(recipe):
    network, pictures = convnet(), photos(1)
    assert answer(recipe, network, pictures, target=1).facts[0]["layer"] == "relu3"
    assert answer(recipe, network, pictures, unit="relu2:3").facts[0]["layer"] == "conv2"


@pytest.mark.parametrize("recipe", [score_cam, ablation_cam, eigen_cam])
def test_a_network_or_a_layer_without_places_is_told(recipe):
    with pytest.raises(Mistake, match="comes from no layer with places; take gradient or occlusion"):
        recipe(linear(noise(2, 3, 8, 8), [0.0, 0.0]), levels(3, 8, 8))
    with pytest.raises(Mistake, match="without places that a map could show"):
        recipe(convnet(), levels(3, 16, 16), layer="fc")


def test_channels_that_are_zero_are_not_asked_about():
    network = convnet()
    with torch.no_grad():
        network.model.conv3.bias[:3] = -1e3  # closes their rectifiers
    for recipe in (score_cam, ablation_cam):
        run = recipe(network, levels(3, 16, 16), target=1, layer="relu3", batch=1)
        assert [step.index for step in run] == [1, 2]
        assert run.total == 2


@pytest.mark.parametrize("recipe", [score_cam, ablation_cam, eigen_cam])
def test_the_places_of_a_vision_transformer_are_its_patches(recipe):
    network = Network(small_transformer(), size=32)
    pictures = photos(2, 32)
    options = {} if recipe is eigen_cam else {"batch": 64}
    found = answer(recipe, network, pictures, layer="encoder.layers.encoder_layer_0", **options)
    assert found.values.shape == (2, 32, 32)
    assert found.values.any()


def test_the_patches_of_a_last_block_that_nobody_reads_are_not_taken():
    network = Network(LastBlockUnread().double(), size=16)
    asked = question(network, photos(1), target=0)
    assert asked.network.layers["second"].shape == network.layers["first"].shape
    for recipe in (score_cam, ablation_cam, grad_cam):
        assert answer(recipe, network, photos(1), target=0).facts[0]["layer"] == "first"


class LastBlockUnread(nn.Module):
    """Two convolutions one beside the other, the later of which is computed and thrown away."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second, self.fc = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 3), nn.Linear(4, 2)

    def forward(self, x):
        kept = self.first(x)
        self.second(x)
        return self.fc(kept.mean((2, 3)))

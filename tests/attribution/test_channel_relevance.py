"""Relevance of channels: the formula in loops, what adds up, and what of the photograph it is of."""

import numpy as np
import pytest
import torch
from torch import nn

from phosphene.attribution import lrp
from phosphene.attribution.channel_relevance import layer_relevance, relevance_peaks, summed
from phosphene.attribution.methods.lrp import folding
from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from phosphene.core.units.inputs import feed
from tests.small import convnet, levels, noise

X = noise(2, 3, 16, 16)
PHOTOS = [levels(1, 3, 18, 16, seed=i) for i in range(5)]


def slow(network, x, target):
    """Relevance of relu3 and of relu2, neuron by neuron: epsilon for fc, shares of the mean, z-plus for conv3."""
    model, e = network.model, 1e-6
    read = {name: y.numpy() for name, y in network.read(x, ["relu2", "conv3", "relu3", "flat", "logits"]).items()}
    upper, lower = np.zeros_like(read["relu3"]), np.zeros_like(read["relu2"])
    weight, fc = (part.weight.detach().numpy() for part in (model.conv3, model.fc))
    bias = model.conv3.bias.detach().numpy()
    for n in range(len(x)):
        said = read["logits"][n, target]
        for k, mean in enumerate(read["flat"][n]):
            share = fc[target, k] * mean * said / (said + np.copysign(e, said))
            for (i, j), a in np.ndenumerate(read["relu3"][n, k]):
                upper[n, k, i, j] = share * (a / 64) / (mean + np.copysign(e, mean))
        padded = np.pad(read["relu2"][n], ((0, 0), (1, 1), (1, 1)))
        back = np.zeros_like(padded)
        for (k, i, j), r in np.ndenumerate(upper[n]):
            own = padded[:, i : i + 3, j : j + 3] * weight[k].clip(0)
            z = own.sum() + max(bias[k], 0)
            back[:, i : i + 3, j : j + 3] += own * r / (z + np.copysign(e, z))
        lower[n] = back[:, 1:-1, 1:-1]
    return upper, lower


def test_it_equals_the_papers_formula_in_loops():
    network = convnet()
    for name, found in zip(("relu3", "relu2"), slow(network, X, 2), strict=True):
        relevance, _ = layer_relevance(folding(network), X, name, 2)
        np.testing.assert_allclose(relevance.numpy(), found, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("inplace", [False, True])
def test_without_biases_every_layer_has_the_logit_as_the_sum_of_its_channels(inplace):
    network = convnet(relu=lambda: nn.ReLU(inplace=inplace))
    for name, parameter in network.model.named_parameters():
        if name.endswith("bias"):
            parameter.data.zero_()
    said = network.read(X, ["logits"])["logits"][:, 1]
    for layer in ("conv1", "relu1", "conv2", "relu2", "conv3", "relu3", "mean", "flat"):
        relevance, pixels = layer_relevance(folding(network), X, layer, 1, channel=2)
        torch.testing.assert_close(relevance.flatten(1).sum(1), said, rtol=1e-3, atol=1e-6)
        own = relevance[:, 2].flatten(1).sum(1) if relevance.dim() > 2 else relevance[:, 2]
        torch.testing.assert_close(pixels.flatten(1).sum(1), own, rtol=1e-3, atol=1e-6)


def test_what_all_channels_hand_on_is_the_relevance_of_the_class():
    network = convnet()
    whole = torch.from_numpy(lrp(network, PHOTOS[0].double(), target=3).values)
    fed = feed(network, PHOTOS[0].double())
    parts = [layer_relevance(folding(network), fed, "conv2", 3, channel=k)[1] for k in range(8)]
    torch.testing.assert_close(torch.stack(parts).sum(0), whole.to(parts[0]), rtol=1e-4, atol=1e-8)


def test_photographs_are_found_by_a_channels_sum_and_cut_where_most_of_it_is():
    network = convnet()
    (found,) = relevance_peaks(network, PHOTOS, ["conv2"], 2, batch=2).values()
    for i, photo in enumerate(PHOTOS):
        (relevance,), _ = layer_relevance(folding(network), feed(network, photo), "conv2", 2)
        for k, own in enumerate(relevance):
            assert found.values[i, k].item() == pytest.approx(float(own.sum()), rel=1e-5, abs=1e-8)
            assert found.places[i, k].tolist() == list(divmod(int(own.float().argmax()), 8))
            assert found.below.places[i, k].tolist() == list(divmod(int(own.float().argmin()), 8))
    flat = summed(torch.tensor([[1.0, -2.0]]))
    assert flat.values.tolist() == [[1.0, -2.0]] and flat.places.shape == (1, 2, 0)


def one_logit():
    """Is it a zebra?"""
    layers = list(convnet().model)
    return Network(nn.Sequential(*layers[:-1], nn.Linear(5, 1).double()), size=16, labels=["zebra"], head="sigmoid")


def test_no_is_as_relevant_as_yes_with_the_other_sign():
    network = one_logit()
    (no, _), (yes, _) = (layer_relevance(folding(network), X, "3", target) for target in (0, 1))
    torch.testing.assert_close(no, -yes)
    assert yes.abs().max() > 0


class Aside(nn.Module):
    """A layer that its answer does not depend on."""

    def __init__(self):
        super().__init__()
        self.main, self.aside = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 3)

    def forward(self, x):
        self.aside(x)
        return self.main(x).mean((2, 3))


def test_what_has_no_relevance_is_told():
    network = Network(Aside().double(), size=8)
    with pytest.raises(Mistake, match="no class of Aside depends on aside; give a layer that comes before them"):
        layer_relevance(network, noise(1, 3, 8, 8), "aside", 0)
    with pytest.raises(Mistake, match="a class has relevance for itself alone; give units of a layer below"):
        relevance_peaks(convnet(), PHOTOS, ["logits"], 0)

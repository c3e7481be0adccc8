"""How much a code leaves free: exact of linear layers, a rank elsewhere, and a bound that never says too much."""

import pytest
import torch
from torch import nn

from phosphene.core.networks.network import Network
from phosphene.inversion import freedom as counting
from phosphene.inversion.codes import read_codes
from phosphene.inversion.freedom import Freedom
from tests.small import convnet, noise, normal

PICTURE = noise(1, 3, 4, 4)


def freedom(network, picture, layer):
    return counting.freedom(network, picture, *read_codes(network, picture, [layer], check=False))


def projection(rank=7, outputs=10, then=nn.Identity, bias=None):
    """A network whose first layer is a known map of 48 values, of this rank."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(48, outputs), then(), nn.Linear(outputs, 2)).double()
    with torch.no_grad():
        model[1].weight.copy_(normal(outputs, rank) @ normal(rank, 48, seed=1))
        if bias is not None:
            model[1].bias.copy_(bias(model[1].weight @ PICTURE.flatten()))
    return Network(model, size=4, channels=3)


@pytest.mark.parametrize("rank", [1, 7, 10])
def test_a_projection_leaves_its_null_space_free(rank):
    found = freedom(projection(rank), PICTURE, "1")
    assert found == Freedom(48, rank, "exact")
    assert str(found) == f"exactly {48 - rank} of 48 dimensions are free: the layer is linear"


def test_an_invertible_layer_leaves_nothing_free():
    found = freedom(projection(48, 60), PICTURE, "1")
    assert (found.free, found.kind) == (0, "exact")


def test_grey_networks_leave_the_colours_free():
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, 16)).double()
    assert freedom(Network(model, size=4, channels=1), PICTURE, "1") == Freedom(48, 16, "exact")


def test_behind_rectifiers_the_open_ones_hold_the_picture():
    network = projection(9, 20, nn.ReLU)
    weight = network.model[1].weight[network.model[1](PICTURE.flatten()) > 0]
    assert 3 < len(weight) < 17
    assert freedom(network, PICTURE, "2") == Freedom(48, min(9, len(weight)), "here")


def test_the_rank_is_that_of_the_jacobian():
    network = convnet()
    picture = noise(1, 3, 8, 8)
    jacobian = torch.autograd.functional.jacobian(lambda x: network.read(x, ["conv2"])["conv2"].flatten(), picture)
    rank = int(torch.linalg.matrix_rank(jacobian.flatten(1)))
    assert freedom(network, picture, "conv2") == Freedom(192, rank, "here")


def test_what_is_too_much_for_a_rank_is_counted(monkeypatch):
    network = projection(9, 20, nn.ReLU)
    exact = freedom(network, PICTURE, "2")
    responding = int((network.model[1](PICTURE.flatten()) > 0).sum())
    monkeypatch.setattr(counting, "PASSES", 3)
    found = freedom(network, PICTURE, "2")
    assert found == Freedom(48, responding, "at least")
    assert found.free <= exact.free
    assert str(found) == f"at least {48 - responding} of 48 dimensions are free: {responding} outputs respond"


def test_an_output_of_zero_that_responds_is_counted():
    network = projection(5, 6, bias=lambda said: -said)  # every output is 0 at this picture
    assert freedom(network, PICTURE, "1").held == 5


def test_more_outputs_than_values_leave_no_less_than_nothing(monkeypatch):
    monkeypatch.setattr(counting, "PASSES", 3)
    assert freedom(projection(5, 60), PICTURE, "1").free == 0


def test_what_depends_on_no_picture_leaves_all_of_it():
    class Constant(nn.Module):
        def forward(self, x):
            return x.new_ones(len(x), 3)

    model = nn.Sequential(nn.Conv2d(3, 2, 1), Constant()).double()
    assert freedom(Network(model, size=4), PICTURE, "1").free == 48


def test_probabilities_hold_one_dimension_less_than_logits():
    network = projection(10)
    network.model[3].weight.data.mul_(0.1)
    logits, probabilities = (freedom(network, PICTURE, name) for name in ("logits", "probabilities"))
    assert (logits.held, logits.kind) == (2, "exact")
    assert (probabilities.held, probabilities.kind) == (1, "here")

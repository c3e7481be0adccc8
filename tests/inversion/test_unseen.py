"""What a code can't see of a change: exact where the layer is a known projection."""

from collections import OrderedDict

import pytest
import torch
from torch import nn

from phosphene.core.networks.network import Network
from phosphene.inversion.unseen import unseen
from tests.small import convnet, noise, normal


def projecting(rows):
    """A network whose first layer is the product with these rows, (k, 48), of 3 x 4 x 4 pictures."""
    model = nn.Sequential(OrderedDict(flat=nn.Flatten(), code=nn.Linear(48, len(rows)), fc=nn.Linear(len(rows), 2)))
    with torch.no_grad():
        model.code.weight.copy_(rows)
    return Network(model.double(), size=4)


@pytest.mark.parametrize("rank", [1, 5, 20, 47])
def test_of_a_projection_it_is_what_the_null_space_holds_of_the_change(rank):
    basis = torch.linalg.qr(normal(48, 48))[0]
    network, changes = projecting(basis[:, :rank].T), normal(3, 3, 4, 4, seed=1)
    inside = changes.flatten(1) @ basis[:, rank:]
    expected = inside.square().sum(1) / changes.flatten(1).square().sum(1)
    torch.testing.assert_close(unseen(network, "code", noise(1, 3, 4, 4), changes), expected)


def test_directions_of_unlike_strength_count_alike_in_the_end():
    basis = torch.linalg.qr(normal(48, 48))[0]
    weights = torch.tensor([5.0, 1.0, 0.3, 0.1], dtype=torch.float64)
    network, changes = projecting(weights[:, None] * basis[:, :4].T), normal(2, 3, 4, 4, seed=1)
    inside = changes.flatten(1) @ basis[:, 4:]
    expected = inside.square().sum(1) / changes.flatten(1).square().sum(1)
    torch.testing.assert_close(unseen(network, "code", noise(1, 3, 4, 4), changes), expected)


def test_a_change_along_the_code_is_seen_whole_and_one_in_its_null_space_not_at_all():
    basis = torch.linalg.qr(normal(48, 48))[0]
    network = projecting(basis[:, :5].T)
    changes = torch.stack([basis[:, 2], basis[:, 30], basis[:, 2] + basis[:, 30], 0 * basis[:, 0]])
    found = unseen(network, "code", noise(1, 3, 4, 4), changes.view(4, 3, 4, 4))
    torch.testing.assert_close(found, torch.tensor([0, 1, 0.5, 0], dtype=torch.float64))


def test_more_iterations_see_more_and_in_a_network_it_is_the_pseudoinverse_of_its_jacobian():
    network, x, d = convnet(size=8), noise(1, 3, 8, 8), normal(2, 3, 8, 8)
    jacobian = torch.autograd.functional.jacobian(lambda x: network.read(x, ["conv3"])["conv3"], x).reshape(80, 192)
    seen = torch.linalg.pinv(jacobian) @ jacobian
    flat = d.flatten(1)
    expected = (flat - flat @ seen.T).square().sum(1) / flat.square().sum(1)
    few, many = unseen(network, "conv3", x, d, 5), unseen(network, "conv3", x, d, 400)
    assert (few > many).all()
    torch.testing.assert_close(many, expected, rtol=1e-4, atol=1e-4)


def test_each_change_is_judged_as_it_would_be_alone():
    network, x, d = convnet(size=8), noise(1, 3, 8, 8), normal(2, 3, 8, 8)
    alone = torch.cat([unseen(network, "conv2", x, one[None], 8) for one in d])
    torch.testing.assert_close(unseen(network, "conv2", x, d, 8), alone)


class Attention(nn.Module):
    """Patches that look at one another by torch's own product, whose fast kernels have no second derivative."""

    def __init__(self):
        super().__init__()
        self.patches, self.fc = nn.Conv2d(3, 8, 4, 4), nn.Linear(8, 2)

    def forward(self, x):
        tokens = self.patches(x).flatten(2).transpose(1, 2)[:, None]
        return self.fc(nn.functional.scaled_dot_product_attention(tokens, tokens, tokens)[:, 0].mean(1))


def test_networks_with_attention_can_be_asked():
    torch.manual_seed(0)
    network = Network(Attention(), size=16)
    found = unseen(network, "logits", noise(1, 3, 16, 16).float(), normal(2, 3, 16, 16, seed=1).float())
    assert ((found > 0.5) & (found <= 1)).all()

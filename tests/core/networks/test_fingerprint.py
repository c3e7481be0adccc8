import torch

from phosphene.core.networks.fingerprint import network_sha256, state_sha256
from tests.small import convnet


def test_a_hash_is_of_every_weight():
    one, other = convnet(), convnet()
    assert network_sha256(one) == state_sha256(other.model) and len(network_sha256(one)) == 64
    with torch.no_grad():
        other.model[0].weight[0, 0, 0, 0] += 1e-12
    assert network_sha256(other) != network_sha256(one)


def test_what_was_found_when_it_was_loaded_is_believed():
    assert network_sha256(convnet().loaded_from("abc")) == "abc"

"""Which layers a pass shows."""

import torch


def test_a_functional_layer_is_named_after_its_module_and_call(shared_network):
    layers = shared_network("inception5h", torch.float64).layers
    assert layers["mixed3b.relu#2"].shape == layers["mixed3b.conv_3x3_reduce"].shape
    assert {"relu", "relu#2", "relu#3", "mixed3a.cat", "local_response_norm#2", "max_pool2d#4", "mean"} <= set(layers)
    assert list(layers)[-1] == "logits"

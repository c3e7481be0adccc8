"""Which layers a pass shows."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from phosphene.core.networks.layer_recorder import LayerRecorder
from phosphene.core.networks.recorder import record
from tests.core.networks.models import Around, conv, mean, of, pictures


@pytest.mark.slow
def test_a_functional_layer_is_named_after_its_module_and_call(shared_network):
    layers = shared_network("inception5h", torch.float64).layers
    assert layers["mixed3b.relu#2"].shape == layers["mixed3b.conv_3x3_reduce"].shape
    assert {"relu", "relu#2", "relu#3", "mixed3a.cat", "local_response_norm#2", "max_pool2d#4", "mean"} <= set(layers)
    assert list(layers)[-1] == "logits"


def recorded(model, x):
    """What one pass shows: name, kind, shape and whether it is hidden."""
    recorder = LayerRecorder(model, x)
    record(model, x, [recorder])
    return [(layer.name, layer.kind, layer.shape, layer.hidden) for layer in recorder.layers]


def test_a_pass_shows_modules_and_functions_and_hides_what_leaves_of_torch_call_themselves():
    model = Around(lambda m, x: mean(F.relu(m.act(m.a(x)))), a=conv(), act=nn.ReLU()).double().eval()
    assert recorded(model, pictures(8, 8, n=2).detach()) == [
        ("a", "Conv2d", (4, 8, 8), False),
        ("act.relu", "activation", (4, 8, 8), True),
        ("act", "ReLU", (4, 8, 8), False),
        ("relu", "activation", (4, 8, 8), False),
        ("mean", "pooling", (4,), False),
        ("", "Around", (4,), True),
    ]


def test_what_has_no_row_for_each_picture_or_no_fractions_is_hidden():
    def run(m, x):
        y = m.a(x)
        m.whole(y), m.counted(y)
        return mean(y)

    model = Around(run, a=conv(), whole=Around(lambda m, x: x.sum(0)), counted=Around(lambda m, x: x.argmax(1)))
    hidden = {name: hidden for name, *_, hidden in recorded(model.double().eval(), pictures(8, 8, n=2).detach())}
    assert hidden["whole"] and hidden["counted"] and not hidden["a"]


def test_a_module_that_returned_nothing_first_is_counted_all_the_same():
    """Its second call is the one that has a tensor, and that is how a reading counts."""

    def sometimes(m, x):
        m.calls += 1
        return m.a(x) if m.calls % 2 == 0 else None

    def run(m, x):
        m.part(x)
        return mean(m.part(x))

    part = Around(sometimes, a=conv())
    part.calls = 0
    network = of(Around(run, part=part))
    assert "part#2" in network.layers and "part" not in network.layers
    x = pictures(16, 16)
    torch.testing.assert_close(network.read(x, ["part#2"])["part#2"], part.a(x))

"""What is found out about a model by running it."""

from collections import namedtuple

import pytest
import torch
from torch import nn

from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from tests.core.networks.models import Around, Plain, conv, mean, of, pictures


def test_the_size_of_a_network_is_found_by_trying():
    model = nn.Sequential(conv(), nn.Flatten(), nn.Linear(4 * 28 * 28, 3))
    assert Network(model).size == (28, 28)
    assert Network(Plain()).size == (224, 224)
    with pytest.raises(Mistake, match=r"takes none of the usual picture sizes; give it: Network\(model, size="):
        _ = Network(nn.Linear(5, 5)).size
    with pytest.raises(Mistake, match="can't take a picture of 30 x 30 pixels"):
        _ = Network(model, size=30).layers


Pair = namedtuple("Pair", "logits aux")


@pytest.mark.parametrize("output", ["second", lambda out: out["second"]], ids=["a key", "a function"])
def test_output_says_which_part_holds_the_logits(output):
    model = Around(lambda m, x: {"first": x, "second": mean(m.a(x))}, a=conv())
    network = of(model, output=output)
    x = pictures(16, 16)
    torch.testing.assert_close(network.read(x, ["logits"])["logits"], mean(model.a(x)))
    assert network.classes == 4


def test_output_may_be_an_index_or_an_attribute():
    x = pictures(16, 16)
    model = Around(lambda m, x: Pair(x, mean(m.a(x))), a=conv())
    for output in (1, "aux"):
        torch.testing.assert_close(of(model, output=output).read(x, ["logits"])["logits"], mean(model.a(x)))
    with pytest.raises(Mistake, match="returns str, not a tensor; say which part with output="):
        _ = of(Around(lambda m, x: "cat")).layers

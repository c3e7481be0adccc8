"""Functions are intercepted in every call of a pass."""

import inspect
from contextlib import nullcontext

from torch import nn
from torch.nn import functional as F

from phosphene.core.networks.calls import plain_name
from phosphene.core.networks.interception import forward_within
from tests.core.networks.models import Around, conv, mean, of, pictures
from tests.core.witness import apart, state


def test_a_propagation_decides_what_becomes_of_every_call_of_one_pass():
    network = of(Around(lambda m, x: m.head(mean(F.relu(m.a(x)))), a=conv(), head=nn.Linear(4, 2)))
    x = pictures(16, 16)
    seen = []

    def doubled(fed):
        assert apart(fed, network.preprocess(x)) == 0
        seen.append([])

        def handle(owner, function, args, kwargs):
            seen[-1].append((owner, plain_name(function)))
            return 2 * function(*args, **kwargs) if plain_name(function) == "linear" else NotImplemented

        return handle

    before = state(network.model)
    ours = network.read(x, ["logits"], doubled)["logits"]
    assert apart(ours, 2 * network.read(x, ["logits"])["logits"]) < 1e-12
    calls = [("a", "conv2d"), ("", "relu"), ("", "mean"), ("head", "linear")]
    assert [call for call in seen[0] if call in calls] == calls
    network.read(x, ["a"], doubled)
    assert [call for call in seen[1] if call in calls] == calls[:1]
    assert state(network.model) == before


def test_a_forward_that_is_watched_still_says_what_it_takes():
    model = nn.Linear(2, 2)
    with forward_within(model, nullcontext):
        assert list(inspect.signature(model.forward).parameters) == ["input"]
    assert "forward" not in vars(model)

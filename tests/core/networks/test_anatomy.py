"""What is found out about a model by running it."""

from collections import namedtuple

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from phosphene.core.errors import Mistake
from phosphene.core.networks.anatomy import Anatomy
from phosphene.core.networks.network import Network
from phosphene.core.networks.plan import Plan
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


# ------------------------------------------------------------------------------------------------------ found out once


def test_what_is_known_is_found_out_once_and_only_when_needed():
    anatomy = Anatomy(Plain().double().eval(), "plain", (16, 16))
    runs = []
    anatomy.model.register_forward_pre_hook(lambda *_: runs.append(None))
    assert anatomy.size == (16, 16) and not anatomy.grey and runs == []
    assert anatomy.native is anatomy.native and len(runs) == 1
    assert list(anatomy.layers) == list(anatomy.layers) and len(runs) == 2  # and once more at another size
    assert anatomy.native.pairs == [("conv1", "bn")] and anatomy.native.logits == (6,)


def test_a_size_that_is_tried_is_recorded_there():
    model = nn.Sequential(conv(), nn.Flatten(), nn.Linear(4 * 28 * 28, 3)).double()
    anatomy = Anatomy(model, "small")
    assert anatomy.size == (28, 28)
    assert anatomy.larger is None
    assert anatomy.layers["0"].shape == (4, 28, 28)


def test_modules_that_call_a_function_themselves_are_its_callers():
    block = Around(lambda m, x: F.relu(m.a(x)), a=conv())
    model = Around(lambda m, x: mean(torch.sigmoid(m.block(x))), block=block).double().eval()
    anatomy = Anatomy(model, "small", (16, 16))
    assert anatomy.callers(["relu"]) == {"block": block}
    assert anatomy.callers(["sigmoid", "mean"]) == {"": model}
    assert anatomy.callers(["gelu"]) == {}


def test_a_model_that_overflows_in_bfloat16_or_has_no_kernel_for_it_is_found_out():
    fine = Anatomy(Plain().eval(), "fine", (16, 16))
    assert fine.runs_in_bfloat16

    def mixed(m, x):
        y = mean(m.a(x))
        return torch.zeros(len(y), 4).index_add_(0, torch.arange(len(y)), y)

    assert not Anatomy(Around(mixed, a=conv()).eval(), "mixed", (16, 16)).runs_in_bfloat16
    endless = Anatomy(Around(lambda m, x: mean(m.a(x)) / 0, a=conv()).eval(), "endless", (16, 16))
    assert not endless.runs_in_bfloat16


def test_overrides_are_kept_by_how_it_is_run_until_the_weights_change():
    anatomy = Anatomy(Plain().eval(), "plain", (16, 16))
    plans = [Plan("float32", True, ("batch_norm",)), Plan("bfloat16", True, ()), Plan("float32", True, ())]
    modules = list(anatomy.model.modules())
    made = [anatomy._overridden_by(plan, anatomy.lowered(plan), modules) for plan in plans]
    assert [len(overrides) for overrides in made] == [1, 3, 0]
    again = [anatomy._overridden_by(plan, anatomy.lowered(plan), modules) for plan in plans]
    assert again[0] is made[0] and again[1] is made[1]
    with torch.no_grad():
        anatomy.model.conv1.weight.mul_(2)
    assert anatomy._overridden_by(plans[0], False, modules) is not made[0]

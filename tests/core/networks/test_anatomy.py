"""What is found out about a model by running it."""

from collections import namedtuple

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from phosphene.core.errors import Mistake, Note
from phosphene.core.networks.anatomy import Anatomy
from phosphene.core.networks.given import Given
from phosphene.core.networks.network import Network
from phosphene.core.networks.plan import Plan
from phosphene.core.networks.trials import Company
from tests.core.networks.models import Around, Plain, conv, mean, of, pictures


def test_the_size_of_a_network_is_found_by_trying():
    model = nn.Sequential(conv(), nn.Flatten(), nn.Linear(4 * 28 * 28, 3))
    assert Network(model).size == (28, 28)
    assert Network(Plain()).size == (224, 224)
    with pytest.raises(
        Mistake,
        match=r"none of the usual picture sizes \(224 px: mat1 and .*\); give it: Network\(model",
    ):
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
    anatomy = Anatomy(Plain().double().eval(), Given("plain", (16, 16), 3))
    runs = []
    anatomy.model.register_forward_pre_hook(lambda *_: runs.append(None))
    assert anatomy.size == (16, 16) and not anatomy.grey and runs == []
    assert anatomy.native is anatomy.native and len(runs) == 1
    assert list(anatomy.layers) == list(anatomy.layers)
    assert anatomy.company == Company(True, True) and len(runs) == 3  # and at another size, and with one picture alone
    assert anatomy.native.pairs == [("conv1", "bn")] and anatomy.layers["logits"].shape == (6,)


def test_a_size_that_is_tried_is_recorded_there():
    model = nn.Sequential(conv(), nn.Flatten(), nn.Linear(4 * 28 * 28, 3)).double()
    anatomy = Anatomy(model, Given("small"))
    assert anatomy.size == (28, 28)
    assert anatomy.larger is None
    assert anatomy.layers["0"].shape == (4, 28, 28)


def test_modules_that_call_a_function_themselves_are_its_callers():
    block = Around(lambda m, x: F.relu(m.a(x)), a=conv())
    model = Around(lambda m, x: mean(torch.sigmoid(m.block(x))), block=block).double().eval()
    anatomy = Anatomy(model, Given("small", (16, 16)))
    assert anatomy.callers(["relu"]) == {"block": block}
    assert anatomy.callers(["sigmoid", "mean"]) == {"": model}
    assert anatomy.callers(["gelu"]) == {}


def test_overrides_are_kept_by_how_it_is_run_until_the_weights_change():
    anatomy = Anatomy(Plain().eval(), Given("plain", (16, 16)))
    plans = [Plan("float32", True, ("batch_norm",)), Plan("bfloat16", True, ()), Plan("float32", True, ())]
    modules = list(anatomy.model.modules())
    made = [anatomy._overridden_by(plan, anatomy.lowered(plan), modules) for plan in plans]
    assert [len(overrides) for overrides in made] == [2, 3, 0]  # the other convolution is only laid out anew
    again = [anatomy._overridden_by(plan, anatomy.lowered(plan), modules) for plan in plans]
    assert again[0] is made[0] and again[1] is made[1]
    with torch.no_grad():
        anatomy.model.conv1.weight.mul_(2)
    assert anatomy._overridden_by(plans[0], False, modules) is not made[0]


# ------------------------------------------------------------------------------------------------------ what it wants


@pytest.mark.parametrize("channels", [1, 3, 4, 2, 7, 12])
def test_channels_are_found_by_trying(channels):
    torch.manual_seed(0)
    model = Around(lambda m, x: mean(m.b(x * m.a(x.mean(1, keepdim=True)))), a=conv(1, 1), b=conv(channels, 4))
    network = Network(model, size=16)
    assert network.anatomy.channels == channels
    assert network.channels == (3 if channels == 1 else channels) and network.grey == (channels == 1)


def test_channels_are_as_many_as_the_mean_has_or_as_a_person_says():
    assert Network(Plain(), size=16, mean=(0.5, 0.5, 0.5)).anatomy.given.channels == 3
    with pytest.raises(Mistake, match="Plain takes 3 channels, not 4: give mean, std or channels accordingly"):
        _ = Network(Plain(), size=16, channels=4).layers


def test_pictures_that_influence_each_other_are_read_one_at_a_time():
    torch.manual_seed(0)
    model = nn.Sequential(
        conv(), nn.BatchNorm2d(4, track_running_stats=False), nn.ReLU(), nn.Flatten(), nn.Linear(1024, 3)
    )
    network = Network(model.double(), size=16)
    x = torch.cat([pictures(16, 16), 0.2 * pictures(16, 16, seed=1)])
    with pytest.warns(Note, match="influence each other in Sequential"):
        together = network.read(x, ["2", "logits"])
    assert not network.independent and network.deterministic
    for name, y in together.items():
        alone = torch.cat([network.read(one, [name])[name] for one in x.split(1)])
        torch.testing.assert_close(y, alone, rtol=1e-12, atol=0)
    torch.testing.assert_close(together["logits"][:1], model.eval()(x[:1]))


def test_a_network_that_answers_differently_each_time_is_read_with_the_same_random_numbers():
    model = Around(lambda m, x: mean(F.dropout(m.a(x), 0.5, training=True)), a=conv()).double()
    network, x = Network(model, size=16), pictures(16, 16, n=2)
    with pytest.warns(Note, match="answers differently each time"):
        first = network.read(x, ["logits"])["logits"]
    assert not network.deterministic
    assert torch.equal(first, network.read(x, ["logits"])["logits"])
    assert torch.equal(first[1:], network.read(x[1:], ["logits"])["logits"])


def test_a_network_that_takes_one_picture_alone_gets_one_at_a_time():
    model = Around(lambda m, x: m.fc(m.a(x).view(1, -1)), a=conv(), fc=nn.Linear(1024, 3)).double()
    network, x = Network(model, size=16), pictures(16, 16, n=3)
    assert network.classes == 3 and not network.independent
    torch.testing.assert_close(network.read(x, ["logits"])["logits"], torch.cat([model(one) for one in x.split(1)]))


@pytest.mark.parametrize("ends", ["squeeze", "transpose", "map", "whole"])
def test_outputs_are_counted_on_axis_1_however_they_come(ends):
    ways = {
        "squeeze": lambda y: mean(y).squeeze(),
        "transpose": lambda y: y.flatten(2).transpose(1, 2),
        "map": lambda y: y.permute(0, 2, 3, 1),
        "whole": lambda y: mean(y)[:, None],
    }
    model = Around(lambda m, x: ways[ends](m.a(x)), a=conv()).double()
    network = Network(model, size=16)
    for n in (1, 3):
        x = pictures(16, 16, n=n)
        y = network.head.flat(network.read(x, ["logits"])["logits"])
        torch.testing.assert_close(y, mean(model.a(x)))
    assert network.classes == 4


def test_loading_takes_at_most_five_forwards():
    runs = []
    model = Plain()
    model.register_forward_pre_hook(lambda module, given: runs.append(len(given[0])))
    network = Network(model, size=16, mean=(0.5,) * 3)
    _ = network.layers, network.classes, network.head, network.independent, network.fixed
    assert len(runs) <= 5


def test_other_inputs_are_held_fixed():
    class Conditioned(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = conv(), nn.Linear(2, 4)

        def forward(self, pixel_values, meta):
            return {"logits": mean(self.a(pixel_values)) + self.b(meta)}

    model, meta = Conditioned().double(), torch.tensor([[0.3, -1.0]], dtype=torch.float64)
    network = Network(model, size=16, input="pixel_values", inputs={"meta": meta})
    x = pictures(16, 16, n=3)
    torch.testing.assert_close(network.read(x, ["logits"])["logits"], mean(model.a(x)) + model.b(meta))
    with pytest.raises(Mistake, match=r"required positional argument.*give what it takes beside pictures: Network"):
        _ = Network(Conditioned(), size=16).layers


def test_what_a_model_writes_into_itself_is_not_kept():
    class Counting(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.calls = conv(), 0
            self.register_buffer("seen", torch.zeros(()))

        def forward(self, x):
            self.calls += 1
            self.seen += 1
            return mean(self.a(x)) + 0 * self.seen

    model = Counting()
    network = Network(model, size=16)
    for _ in range(2):
        network.read(torch.rand(2, 3, 16, 16), ["logits"])
    assert model.calls == 0 and model.seen == 0 and not model.seen._version


@pytest.mark.parametrize("size", [(64, 64), (96, 64), (65, 40), (70, 95), (8, 200)])
def test_pictures_that_a_network_of_multiples_cant_take_are_resized_to_the_nearest_that_it_can(size):
    def strict(m, x):
        assert not (x.shape[2] % 32 or x.shape[3] % 32), "multiples of 32 only"
        return mean(m.a(x))

    network = Network(Around(strict, a=conv()).double(), size=64)
    height, width = network.anatomy.taken(size)
    assert height % 32 == width % 32 == 0 and abs(height - max(size[0], 32)) <= 16 and abs(width - size[1]) <= 16
    x = pictures(*size)
    whole = F.interpolate(x, (height, width), mode="bilinear", antialias=True) if (height, width) != size else x
    torch.testing.assert_close(network.read(x, ["logits"])["logits"], mean(network.model.a(whole)))


def test_a_network_of_any_size_takes_every_picture_as_it_is():
    network = Network(Plain(), size=16)
    assert network.anatomy.taken((33, 17)) == (33, 17)


def test_channels_that_a_person_says_wrongly_are_told_with_the_right_ones():
    model = Around(lambda m, x: mean(m.a(x)), a=conv(1, 4))
    with pytest.raises(Mistake, match="Around takes 1 channels, not 3: give mean, std or channels accordingly"):
        _ = Network(model, size=16, mean=(0.5, 0.5, 0.5)).layers

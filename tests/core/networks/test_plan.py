"""Which way a network is run, and that it is a way to the same numbers."""

import itertools

import pytest
import torch
from torch import nn

import phosphene
from phosphene.core.errors import Mistake, Note
from phosphene.core.networks import plan as rules
from phosphene.core.networks.network import Network
from phosphene.core.networks.plan import PURPOSES, Plan, parse_plan, parse_plans, plain, plans
from phosphene.core.networks.verification import rewritable
from tests.small import convnet, noise

CPU = torch.device("cpu")


@pytest.fixture(params=[True, False])
def instructions(request, monkeypatch):
    """A processor with, and one without, instructions for bfloat16."""
    monkeypatch.setattr(rules, "has_bfloat16", lambda device: request.param)
    plans.cache_clear()
    yield request.param
    plans.cache_clear()


def test_only_synthesized_pictures_are_bfloat16_and_only_with_instructions_for_it(instructions):
    found = plans(torch.float32, CPU)
    assert found["picture"].precision == ("bfloat16" if instructions else "float32")
    assert found["reading"].precision == found["search"].precision == "float32"
    assert {p.precision for p in plans(torch.float64, CPU).values()} == {"float64"}
    assert {p.precision for p in plans(torch.float32, CPU, "float32").values()} == {"float32"}
    assert {p.precision for p in plans(torch.float32, CPU, "bfloat16").values()} == {"bfloat16"}


def test_normalization_is_folded_where_a_network_is_run_many_times():
    folds = {purpose: "batch_norm" in plan.rewrites for purpose, plan in plans(torch.float32, CPU).items()}
    assert folds == {"reading": False, "search": True, "picture": True}


def test_devices_without_instructions_keep_float32():
    assert not rules.has_bfloat16(torch.device("mps"))
    assert not rules.has_bfloat16(torch.device("meta"))


def test_no_plan_is_the_network_as_anybody_would_call_it():
    assert plain("float32") == dict.fromkeys(PURPOSES, Plan("float32", False, ()))


def test_a_plan_is_read_as_it_is_written():
    for precision, last, rewrites in itertools.product(
        rules.PRECISIONS, (True, False), [(), ("batch_norm",), rules.REWRITES]
    ):
        one = Plan(precision, last, rewrites)
        assert parse_plan(one.record()) == one
    assert parse_plans({"picture": plain("float64")["picture"].record()}) == {"picture": Plan("float64", False, ())}


GOOD = Plan("float32", True, ()).record()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (None, "a plan has precision, channels_last and rewrites, not None"),
        ({"precision": "float32"}, "a plan has"),
        (GOOD | {"precision": "float8"}, "one of float32, float64, bfloat16, not float8"),
        (GOOD | {"precision": ["float32"]}, r"not \['float32'\]"),
        (GOOD | {"channels_last": 1}, "true or false, not 1"),
        (GOOD | {"rewrites": "batch_norm"}, "a list"),
        (GOOD | {"rewrites": ["batchnorm"]}, "no rewrite 'batchnorm'; did you mean 'batch_norm'"),
        (GOOD | {"rewrites": [["batch_norm"]]}, "no rewrite"),
    ],
)
def test_a_plan_that_is_none_is_refused(given, said):
    with pytest.raises(Mistake, match=said):
        parse_plan(given)


@pytest.mark.parametrize("given", [None, {}, [], {"dreaming": GOOD}])
def test_plans_that_are_none_are_refused(given):
    with pytest.raises(Mistake, match="plans are for reading, search, picture"):
        parse_plans(given)


class Normed(nn.Sequential):
    def __init__(self):
        torch.manual_seed(0)
        super().__init__(
            nn.Conv2d(3, 8, 3, 2, 2, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.LocalResponseNorm(3),
            nn.Conv2d(8, 6, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 4),
        )  # fmt: skip


def read(network):
    x = noise(2, 3, 16, 16, dtype=torch.float32).requires_grad_()
    y = network.read(x, ["4", "logits"])
    return [*y.values(), *torch.autograd.grad(y["logits"].square().sum() + y["4"].sum(), x)]


@pytest.mark.parametrize(
    "plan", [Plan(p, c, r) for p in ("float32", "bfloat16") for c in (True, False) for r in ((), rules.REWRITES)]
)
def test_every_plan_finds_the_same_numbers_in_float32(plan):
    network = Network(Normed(), size=16)
    assert rewritable(network.anatomy) == rules.REWRITES
    planned = network.following(dict.fromkeys(PURPOSES, plan))
    near = 0.15 if plan.precision == "bfloat16" else 1e-5
    for found, wanted in zip(read(planned), read(network), strict=True):
        assert found.dtype == torch.float32
        assert (found - wanted).norm() < near * wanted.norm()
        if plan.precision == "bfloat16":
            assert not torch.equal(found, wanted)


def test_a_grey_network_is_shown_in_grey():
    grey = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    image = phosphene.visualize(Network(grey, size=16), ["0:1"], steps=3, size=16).image
    assert torch.equal(image[:, 0], image[:, 1])
    assert torch.equal(image[:, 0], image[:, 2])


class Stubborn(nn.Module):
    """A model that can't be run in bfloat16: it adds to float32 what it is sure to be float32."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x):
        y = self.conv(x).mean((2, 3))
        return torch.zeros(len(y), 4).index_add_(0, torch.arange(len(y)), y)


def test_a_network_that_cannot_do_bfloat16_is_run_in_float32(instructions):
    network = Network(Stubborn(), size=12)
    assert network.planned("picture").plan.precision == "float32"
    made = phosphene.visualize(network, ["conv:1"], steps=1, size=16)
    assert made.recipe["plan"]["picture"]["precision"] == "float32"
    assert made.image.isfinite().all()


def test_asking_for_what_it_cannot_do_is_said_and_left_out():
    network = Network(Stubborn(), size=12, precision="bfloat16", name="stubborn")
    with pytest.warns(Note, match="stubborn is run without bfloat16, because it would fail"):
        network.read(noise(1, 3, 12, 12, dtype=torch.float32), ["logits"])
    assert {plan.precision for plan in network.plans.values()} == {"float32"}


def test_what_is_said_about_a_picture_is_read_and_not_searched(monkeypatch):
    network, purposes = convnet(torch.float32), []
    original = Network.read

    def spy(self, pictures, layers, rule="gradient", until=None):
        purposes.append((self.purpose, tuple(layers)))
        return original(self, pictures, layers, rule, until)

    monkeypatch.setattr(Network, "read", spy)
    assert phosphene.fgsm(network, noise(1, 3, 16, 16, dtype=torch.float32)).image.shape == (1, 3, 16, 16)
    assert {layers for purpose, layers in purposes if purpose == "reading"} == {("logits",)}
    assert [purpose for purpose, _ in purposes].count("search") == 2  # before the step, and after it


def test_a_plan_of_ones_own_replaces_the_rules():
    own = {"picture": Plan("float32", False, ())}
    network = Network(Normed(), size=16).following(own)
    assert network.plans["picture"] == own["picture"]
    assert network.plans["reading"] == plans(torch.float32, CPU)["reading"]
    assert network.planned("picture").plan == own["picture"]

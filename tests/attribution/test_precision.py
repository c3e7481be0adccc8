"""Attribution is a measurement: it is never computed in bfloat16 unless that was asked for."""

import pytest
import torch

import phosphene
from phosphene import catalogue
from phosphene.core.networks import plan
from phosphene.core.networks.network import Network
from tests.small import LABELS, convnet, levels

MEASURED = [row.name for row in catalogue.CATALOGUE if row.name and row.home.startswith("attribution.")]
OPTIONS = {"occlusion": {"window": 8, "stride": 8}, "integrated": {"steps": 2}, "guided": {}, "rise": {"masks": 4}}


@pytest.fixture
def quick_bfloat16(monkeypatch):
    """A machine on which bfloat16 is the faster one."""
    monkeypatch.setattr(plan, "has_bfloat16", lambda device: True)
    plan.plans.cache_clear()
    yield
    plan.plans.cache_clear()


@pytest.mark.usefixtures("quick_bfloat16")
def test_what_is_measured_or_searched_for_is_float32_and_what_is_painted_is_not():
    made = plan.plans(torch.float32, torch.device("cpu"))
    assert {purpose: one.precision for purpose, one in made.items()} == {
        "reading": "float32", "search": "float32", "picture": "bfloat16",
    }  # fmt: skip


@pytest.mark.parametrize("name", MEASURED)
def test_no_attribution_is_painted(name):
    recipe = catalogue.recipe(name)
    assert recipe.purpose in ("reading", "search")
    assert getattr(recipe, "about", recipe).purpose == recipe.purpose


def test_there_are_all_methods_among_them():
    assert len(MEASURED) >= 20 and {"occlusion", "lrp", "rise", "compare", "segment", "exemplars"} <= set(MEASURED)


@pytest.mark.usefixtures("quick_bfloat16")
@pytest.mark.parametrize("name", OPTIONS)
def test_every_number_of_a_method_is_computed_in_float32_or_as_it_was_asked_for(name, monkeypatch):
    seen, read = set(), Network.read
    monkeypatch.setattr(Network, "read", lambda self, *a, **k: seen.add(self.plan.precision) or read(self, *a, **k))
    facts = {"size": 16, "labels": LABELS, "mean": (0.5,) * 3, "std": (0.2,) * 3}
    for precision, expected in (("auto", {"float32"}), ("bfloat16", {"bfloat16"})):
        seen.clear()
        network = Network(convnet(torch.float32).model, precision=precision, **facts)
        getattr(phosphene, name)(network, levels(3, 16, 16), target=1, **OPTIONS[name]).result  # noqa: B018
        assert expected <= seen <= expected | {"float32"}

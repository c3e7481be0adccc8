"""timm's networks, untrained or with weights that can't be fetched here."""

import urllib.error

import pytest

from phosphene.core.errors import Mistake
from phosphene.models.specs import load


def test_timm_untrained_is_seeded_and_knows_how_to_be_fed():
    pytest.importorskip("timm")
    one, two = (load("timm:resnet10t?weights=none") for _ in range(2))
    assert one.sha256 == two.sha256
    assert one.size == (176, 176)
    assert len(one.mean) == len(one.std) == 3
    assert "golden retriever" in one.labels[207]


def test_timm_names_are_answered_too():
    pytest.importorskip("timm")
    with pytest.raises(Mistake, match="timm has no network 'resnet19'; did you mean 'resnet1"):
        load("timm:resnet19?weights=none")
    with pytest.raises(Mistake, match="colour"):
        load("timm:resnet18?weights=none&colour=3")


def test_timms_weights_that_can_not_be_fetched_are_a_sentence(monkeypatch, tmp_path):
    builder = pytest.importorskip("timm.models._builder")

    def offline(*args, **kwargs):
        raise urllib.error.URLError("Name or service not known")

    monkeypatch.setattr(builder, "load_pretrained", offline)
    with pytest.raises(Mistake, match=r"could not be fetched .*timm:resnet10t\?weights=none is the untrained") as told:
        load("timm:resnet10t")
    assert "\n" not in str(told.value)

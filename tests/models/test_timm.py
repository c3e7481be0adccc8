"""timm's networks, untrained or with weights that can't be fetched here."""

import urllib.error

import pytest

from phosphene.core.errors import Mistake
from phosphene.models.specs import load
from tests.foreign import foreign


def test_timm_untrained_is_seeded_and_knows_how_to_be_fed():
    foreign("timm")
    one, two = (load("timm:resnet10t?weights=none") for _ in range(2))
    assert one.sha256 == two.sha256
    assert one.size == (176, 176)
    assert len(one.mean) == len(one.std) == 3
    assert "golden retriever" in one.labels[207]


def test_timm_names_are_answered_too():
    foreign("timm")
    with pytest.raises(Mistake, match="timm has no network 'resnet19'; did you mean 'resnet1"):
        load("timm:resnet19?weights=none")
    with pytest.raises(Mistake, match="colour"):
        load("timm:resnet18?weights=none&colour=3")


def test_timms_weights_that_can_not_be_fetched_are_a_sentence(monkeypatch, tmp_path):
    builder = foreign("timm.models._builder")

    def offline(*args, **kwargs):
        raise urllib.error.URLError("Name or service not known")

    monkeypatch.setattr(builder, "load_pretrained", offline)
    monkeypatch.setattr("phosphene.models.timm._unreachable", lambda: None)
    with pytest.raises(Mistake, match=r"could not be fetched .*timm:resnet10t\?weights=none is the untrained") as told:
        load("timm:resnet10t")
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("cached", [False, True])
def test_hugging_face_is_asked_once_and_then_only_what_was_fetched_before_is_used(cached, monkeypatch):
    hub, builder = pytest.importorskip("huggingface_hub"), foreign("timm.models._builder")
    asked = []

    class Session:
        def head(self, url, timeout):
            asked.append((url, timeout))
            raise OSError("nobody is there")

    def cache(model, *args, **kwargs):
        assert hub.constants.HF_HUB_OFFLINE
        if not cached:
            raise RuntimeError("offline mode is enabled")

    monkeypatch.setattr(hub, "get_session", Session)
    monkeypatch.setattr(hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(builder, "load_pretrained", cache)
    if cached:
        load("timm:resnet10t")
    else:
        with pytest.raises(Mistake, match=r"not in the cache and could not be fetched \(https://.*: nobody is there\)"):
            load("timm:resnet10t")
    assert [timeout for _, timeout in asked] == [5.0] and not hub.constants.HF_HUB_OFFLINE

"""Files of trained networks: they say what they are, and what they say is never run."""

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from phosphene.core.errors import Mistake
from phosphene.models.specs import load
from phosphene.models.trained import trained_bytes, trained_network, trained_record
from tests.adversarial.tiny import Tiny, tiny
from tests.small import noise, stirred

FACTS = {"mean": [0.5, 0.4, 0.3], "std": [0.2, 0.3, 0.4], "input_size": 32, "labels": ["cat", "zebra", "crane"]}


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    tiny(monkeypatch)
    monkeypatch.chdir(tmp_path)


def written(name="robust.safetensors", **record):
    """A network in a file of this name, whose header says this."""
    torch.manual_seed(0)
    model = stirred(Tiny(3))
    Path(name).write_bytes(trained_bytes(model.state_dict(), FACTS | {"architecture": "photo"} | record))
    return model


def test_a_file_is_loaded_as_the_network_that_was_put_into_it():
    model = written("some robust.safetensors")
    network = load("some robust.safetensors", precision="float32", plan="none")
    assert network.name == "some robust.safetensors" and network.labels == FACTS["labels"]
    assert network.size == (32, 32) and network.mean == (0.5, 0.4, 0.3)
    x = noise(2, 3, 32, 32, dtype=torch.float32)
    mean, std = (torch.tensor(FACTS[name]).view(3, 1, 1) for name in ("mean", "std"))
    with torch.no_grad():
        torch.testing.assert_close(network.read(x, ["logits"])["logits"], model((x - mean) / std))


def test_its_folder_is_not_in_its_name():
    Path("of mine").mkdir()
    written("of mine/robust.safetensors")
    assert load("of mine/robust.safetensors").name == "robust.safetensors"


def test_the_same_network_gives_the_same_bytes_also_where_weights_are_shared():
    one = torch.rand(3, 4)
    state = {"b": one, "a": one, "c": one.t()}
    assert trained_bytes(state, FACTS) == trained_bytes(state, FACTS)
    Path("shared.safetensors").write_bytes(trained_bytes(state, FACTS))
    with safe_open("shared.safetensors", "pt") as held:
        assert all(torch.equal(held.get_tensor(name), value) for name, value in state.items())
        assert json.loads(held.metadata()["spec"]) == FACTS


def refusal(spec):
    with pytest.raises(Mistake) as refused:
        load(spec)
    return str(refused.value)


def test_weights_for_a_network_of_ones_own_tell_what_to_give():
    save_file({"w": torch.zeros(1)}, "w.safetensors", {"spec": json.dumps({"net": "own.py:build?classes=4"})})
    assert refusal("w.safetensors") == (
        "w.safetensors holds weights for own.py:build?classes=4; "
        "give --net 'own.py:build?classes=4' --weights w.safetensors"
    )


def test_an_architecture_that_is_not_known_is_told():
    written(architecture="other")
    assert refusal("robust.safetensors") == (
        "robust.safetensors is a network 'other', which is not known here; there is photo"
    )


@pytest.mark.parametrize(
    "record",
    [
        {"labels": ["cat"]},
        {"labels": None},
        {"labels": 3},
        {"labels": []},
        {"mean": "red"},
        {"architecture": ["photo"]},
    ],
)
def test_a_header_that_does_not_fit_is_one_sentence(record):
    written(**record)
    assert "\n" not in refusal("robust.safetensors")


@pytest.mark.parametrize("metadata", [None, {"spec": "no JSON"}, {"spec": "3"}, {"spec": "{}"}, {"format": "pt"}])
def test_other_peoples_weights_are_weights_alone(metadata):
    save_file({"w": torch.zeros(1)}, "w.safetensors", metadata)
    assert trained_record(Path("w.safetensors")) is None
    assert "weights alone don't tell what the network is" in refusal("w.safetensors")


def test_what_is_no_file_of_weights_is_none():
    Path("folder.safetensors").mkdir()
    Path("text.safetensors").write_text("hello")
    assert [trained_network(name) for name in ("folder.safetensors", "text.safetensors", "no.safetensors", "a.py")] == [
        None, None, None, None
    ]  # fmt: skip
    assert "text.safetensors" in refusal("text.safetensors")

"""The network of an index: its own where that runs nobody's code, and no other."""

from pathlib import Path

import pytest

from phosphene.core.errors import Mistake
from phosphene.faces.cli import options as cli
from phosphene.faces.cli.indexed import layer_of, network_of
from tests.small_index import small_index

NOTHING = dict.fromkeys(cli.names(cli.NETWORK))


@pytest.fixture
def index(here):
    return small_index(Path(), ("relu1", "relu2"), many=8, k=3)


def test_the_layer_is_the_last_one_unless_one_is_named(index):
    assert layer_of(index, None) == "relu2" and layer_of(index, "relu1") == "relu1"
    with pytest.raises(Mistake, match="no layer 'conv1'"):
        layer_of(index, "conv1")


def test_a_network_of_a_file_has_to_be_named_and_be_the_same(index):
    with pytest.raises(Mistake, match="which is not inside this program: name it with --net"):
        network_of(index, dict(NOTHING))
    with pytest.raises(Mistake, match=r"the index photos\.index is of "):
        network_of(index, NOTHING | {"net": "embedded:digits"})


def test_its_own_is_loaded_where_the_index_says_how(index, monkeypatch):
    asked = []
    monkeypatch.setattr(type(index), "network_spec", "embedded:digits")
    monkeypatch.setattr(type(index), "open", lambda *given: asked.append(given))
    options = NOTHING | {"device": "cpu", "other": 3}
    assert network_of(index, options).name == "embedded:digits" and options == {"other": 3}
    assert asked[0][0] == index.folder

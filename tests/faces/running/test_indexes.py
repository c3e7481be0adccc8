"""An index among what a command is given: its network, its photographs, and units behind it."""

from pathlib import Path

import pytest

from phosphene import catalogue
from phosphene.core.errors import Mistake
from phosphene.core.index.photographs import Indexed
from phosphene.faces.running.indexes import indexed, usual_net, with_units
from tests.small_index import small_index, small_network


@pytest.fixture
def index(tmp_path, monkeypatch):
    pytest.importorskip("pyarrow")
    monkeypatch.chdir(tmp_path)
    return small_index(tmp_path)


def test_a_network_that_is_a_file_has_to_be_named_and_an_embedded_one_is_taken(index):
    assert usual_net([["photos"], None, "x.png"]) == "embedded:photo"
    with pytest.raises(Mistake, match="is not inside this program: name it with --net"):
        usual_net([["photos.index"]])
    facts = Path("photos.index/index.json")
    facts.write_text(
        facts.read_text()
        .replace('"loads": false', '"loads": true')
        .replace('"spec": "Sequential"', '"spec": "embedded:digits"')
    )
    assert usual_net([["photos.index"]]) == "embedded:digits"


def test_an_index_stands_alone(index):
    (one,) = (one for one in catalogue.recipe("atlas").inputs if one.many)
    assert indexed(one, ["photos"], small_network()) is None and indexed(one, None, small_network()) is None
    found = indexed(one, ["photos.index"], small_network())
    assert isinstance(found, Indexed) and len(found) == 60
    with pytest.raises(Mistake, match="is an index, and 2 things were given as photos; give the index alone"):
        indexed(one, ["photos.index", "photos"], small_network())


def test_units_may_stand_behind_photographs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("a:b").write_text("")
    recipe = catalogue.recipe("exemplars")
    given = {"photos": ["photos", "conv2:3", "skimage:cat", "a:b", "logits:zebra"], "units": ["conv1:0"], "count": 3}
    assert with_units(recipe, given) == {
        "photos": ["photos", "skimage:cat", "a:b"], "units": ["conv2:3", "logits:zebra", "conv1:0"], "count": 3
    }  # fmt: skip
    alone = {"photos": ["conv2:3"]}
    assert with_units(recipe, alone) == alone  # no photographs are left: what is said is that there is no such file
    assert with_units(catalogue.recipe("atlas"), given) == given

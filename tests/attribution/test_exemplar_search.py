"""Relevance is looked for in the photographs of the class alone, and an index remembers what was found."""

import numpy as np
import pytest

from phosphene.attribution.exemplar_search import Search
from phosphene.core.errors import Mistake
from phosphene.core.index.photographs import Indexed, recalled
from phosphene.core.units.units import Unit
from tests.small_index import small_index, small_network

UNITS = [Unit("relu2", 3), Unit("relu1", 2)]


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    pytest.importorskip("pyarrow")
    return small_index(tmp_path_factory.mktemp("index"))


@pytest.mark.slow
def test_relevance_for_a_class_is_that_of_its_photographs_in_the_index(index):
    photos, network = Indexed(index), small_network()
    own = [int(i) for i in np.flatnonzero(index.labels == 1)]
    found = Search(network, photos, 4, target=1).of(UNITS, ["relu2"], 2)
    alone = Search(network, [photos[i] for i in own], 4, target=1).of(UNITS, ["relu2"], 2)
    assert list(found) == list(alone) and len(found) >= 3
    for unit, best in alone.items():
        assert [one.photo for one in found[unit]] == [own[one.photo] for one in best]
        assert [(one.value, one.position) for one in found[unit]] == [(one.value, one.position) for one in best]
    again = recalled(photos.record(), {number: photos[number] for number in photos.used})
    assert Search(network, again, 4, target=1).of(UNITS, ["relu2"], 2) == found


def test_too_few_photographs_of_a_class_and_a_band_without_any_are_told(index):
    network = small_network()
    with pytest.raises(Mistake, match="has 15 photographs of zebra, and 16 are to be shown"):
        Search(network, Indexed(index), 16, target=1).of(UNITS, [], 0)
    logits = [int(unit) for unit in range(4) if index.peaks("logits")[:, unit].max() <= 0]
    assert logits
    with pytest.raises(Mistake, match=f"no photograph excites logits:{logits[0]} above 0, where it begins to answer"):
        Search(network, Indexed(index), 3, "threshold").of([Unit("logits", logits[0])], [], 0)

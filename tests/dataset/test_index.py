import numpy as np
import pytest

import phosphene
from phosphene.core.errors import Mistake
from phosphene.dataset.index import default_layers
from tests.small_index import small_network


def test_pictures_of_python_become_an_index_that_still_has_them(tmp_path):
    pictures = np.random.default_rng(0).integers(0, 255, (7, 20, 20, 3), np.uint8)
    data = ((picture, f"p{i}", i % 2) for i, picture in enumerate(pictures))
    index = phosphene.index(small_network(), data, tmp_path / "x", layers=["relu2"], limit=4)
    assert index.ids == ["p0", "p1", "p3", "p5"] and index.labels.tolist() == [0, 1, 1, 1]
    np.testing.assert_array_equal(index.photo(2), pictures[3])
    with pytest.raises(Mistake, match="was given in Python, and an index keeps none"):
        phosphene.Index.open(tmp_path / "x").photo(2)


def test_by_default_the_ends_of_blocks_are_read():
    network = small_network()
    layers = default_layers(network)
    assert layers and all(len(network.layer(name).shape) == 3 for name in layers)


def test_a_npz_file_becomes_an_index(tmp_path):
    x = np.random.default_rng(0).integers(0, 255, (6, 18, 18), np.uint8)
    np.savez(tmp_path / "x.npz", X=x, y=np.arange(6) % 3)
    index = phosphene.index(small_network(), tmp_path / "x.npz", tmp_path / "x", layers=["relu2"], shard=4)
    np.testing.assert_array_equal(index.photo(5), x[5])
    assert index.labels.tolist() == [0, 1, 2, 0, 1, 2]

"""A small index, as recipes take it."""

import pytest

from phosphene.core.index.photographs import Indexed
from tests.small_index import small_index, small_network


@pytest.fixture
def small_indexed(tmp_path):
    """A network, the photographs of an index of it, and their files in the same order."""
    pytest.importorskip("pyarrow")
    index = small_index(tmp_path)
    return small_network(), Indexed(index), [str(tmp_path / "photos" / one) for one in index.ids]

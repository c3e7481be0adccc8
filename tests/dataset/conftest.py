"""A small index, made once; and its pictures."""

import pytest

from tests.small_index import small_index


@pytest.fixture(scope="session")
def small(tmp_path_factory):
    """The folder with `photos` and `photos.index`, and a reader of it."""
    folder = tmp_path_factory.mktemp("small")
    return folder, small_index(folder)

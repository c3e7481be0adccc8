import numpy as np
import pytest

from phosphene.core.errors import Mistake
from phosphene.dataset.passing import shard
from phosphene.dataset.shards import Stored, about, finished, shard_path
from tests.dataset.asked import asked


@pytest.fixture
def written(tmp_path):
    """A question, and a folder with shards 0 and 2 of 3."""
    network, question = asked(tmp_path / "photos")
    (tmp_path / "index" / "shards").mkdir(parents=True)
    for number in (0, 2):
        shard_path(tmp_path / "index", number).write_bytes(shard(question, number, network))
    return tmp_path / "index", question


def test_shards_that_are_there_are_known_by_their_question(written, tmp_path):
    folder, question = written
    assert finished(folder, question) == [0, 2]
    assert finished(folder, asked(tmp_path / "photos", threshold=1.0)[1]) == []


def test_a_damaged_shard_is_not_there(written):
    folder, question = written
    shard_path(folder, 2).write_bytes(shard_path(folder, 2).read_bytes()[:-9])
    assert about(shard_path(folder, 2)) is None and finished(folder, question) == [0]
    with pytest.raises(Mistake, match=r"00002\.parquet is gone or damaged"):
        Stored(folder, 2)


def test_layers_whose_names_have_dots_are_read(tmp_path):
    from torch import nn

    from phosphene.core.networks.network import Network

    inner = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    network = Network(nn.Sequential(inner, nn.AdaptiveAvgPool2d(1), nn.Flatten()), size=16)
    _, question = asked(tmp_path / "photos", layers=["0.1"], network=network)
    (tmp_path / "shards").mkdir()
    shard_path(tmp_path, 0).write_bytes(shard(question, 0, network))
    found = Stored(tmp_path, 0)
    assert found.units("0.1", "peak").shape == (8, 4) and found.units("0.1", "code").dtype == np.float16

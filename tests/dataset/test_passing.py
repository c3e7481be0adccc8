from contextlib import closing

import numpy as np
import pytest
import torch
from torch import nn

from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from phosphene.core.units.inputs import feed
from phosphene.dataset.passing import Lanes, shard
from phosphene.dataset.shards import Stored, shard_path
from tests.core.witness import state
from tests.dataset.asked import asked
from tests.small_index import small_network


def stored(folder, question, network, number=0):
    path = shard_path(folder, number)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(shard(question, number, network))
    return Stored(folder, number)


def test_a_shard_holds_what_each_picture_says_alone(tmp_path):
    network, question = asked(tmp_path / "photos")
    found = stored(tmp_path, question, network, 1)
    for i, row in enumerate(question.rows(1)):
        with torch.no_grad():
            y = network.planned("reading").read(feed(network, question.listing.item(row)), ["relu1"])["relu1"][0]
        np.testing.assert_allclose(found.units("relu1", "peak")[i], y.amax((1, 2)), rtol=1e-5)
        np.testing.assert_allclose(found.units("relu1", "code")[i], y.mean((1, 2)), rtol=2e-3)
        assert y.flatten(1).argmax(1).tolist() == found.units("relu1", "place")[i].tolist()


@pytest.mark.slow
def test_the_size_of_a_batch_changes_no_place_and_hardly_a_value(tmp_path):
    network, _question = asked(tmp_path / "photos")
    one, other = (stored(tmp_path / str(b), asked(tmp_path / "photos", batch=b)[1], network) for b in (1, 8))
    np.testing.assert_allclose(one.units("logits", "peak"), other.units("logits", "peak"), rtol=1e-4, atol=1e-6)
    assert one.units("relu1", "place").tolist() == other.units("relu1", "place").tolist()


def test_broken_pictures_are_listed_and_the_others_are_read(tmp_path):
    network, question = asked(tmp_path / "photos")
    (tmp_path / "photos" / "0" / "004.png").write_bytes(b"no picture")
    found = stored(tmp_path, question, network)
    assert len(found) == 7 and found.values("number").tolist() == [0, 2, 3, 4, 5, 6, 7]
    ((number, name, why),) = found.broken
    assert (number, name) == (1, "0/004.png") and "is not a picture that can be read: it begins with text" in why


def test_a_shard_without_a_readable_picture_is_empty(tmp_path):
    network, question = asked(tmp_path / "photos", 3)
    for file in (tmp_path / "photos").rglob("*.png"):
        file.write_bytes(b"")
    found = stored(tmp_path, question, network)
    assert len(found) == 0 and len(found.broken) == 3


def test_whole_photographs_of_several_sizes_are_read_each_at_its_own(tmp_path):
    from tests.small_index import small_pictures

    for i, size in enumerate([(20, 24), (18, 30), (18, 30)]):
        small_pictures(tmp_path / "photos" / str(i), 1, size)
    network, question = asked(tmp_path / "photos", fit="whole")
    found = stored(tmp_path, question, network)
    assert found.values("fed_width").tolist() == [24, 30, 30]
    assert found.values("relu1/columns").tolist() == [24, 30, 30]


def test_a_picture_that_a_network_cannot_take_whole_is_named(tmp_path):
    from tests.small_index import small_pictures

    small_pictures(tmp_path / "photos", 1, (8, 8))
    network = Network(nn.Sequential(nn.Conv2d(3, 4, 9), nn.AdaptiveAvgPool2d(1), nn.Flatten()), size=16)
    _, question = asked(tmp_path / "photos", network=network, fit="whole", layers=["0"])
    with pytest.raises(Mistake, match=r"picture 0/000\.png: .* can't take a picture of 8 x 8 .*; leave it out"):
        shard(question, 0, network)


def test_a_network_that_says_nan_is_told_with_the_picture(tmp_path):
    network = small_network()
    with torch.no_grad():
        network.model[0].weight[0, 0, 0, 0] = torch.nan
    _, question = asked(tmp_path / "photos", network=network)
    with pytest.raises(Mistake, match=r"values that are not finite about 0/000\.png"):
        shard(question, 0, network)


def test_it_says_how_far_it_is(tmp_path):
    network, question = asked(tmp_path / "photos")
    seen = []
    shard(question, 0, network, seen=seen.append)
    assert seen == [3, 3, 2]


@pytest.mark.parametrize("many", [1, 2, 3, 7])
def test_lanes_say_the_same_to_the_byte_and_leave_the_network_as_it_was(tmp_path, many):
    network, question = asked(tmp_path / "photos")
    (tmp_path / "photos" / "0" / "004.png").write_bytes(b"no picture")
    alone, before, seen = shard(question, 0, network), state(network.model), []
    with closing(Lanes(network, many)) as lanes:
        assert [shard(question, n, lanes, seen=seen.append) for n in (0, 0)] == [alone, alone]
    assert state(network.model) == before and sorted(seen) == [1, 1, 1, 1, 3, 3, 3, 3]
    assert torch.get_num_threads() == 1


def test_lanes_share_the_weights(tmp_path):
    network = small_network()
    with closing(Lanes(network, 3)) as lanes:
        all_of_them = [lanes._free.get() for _ in range(3)]
    assert len({id(one.model) for one in all_of_them}) == 3
    assert len({one.model[0].weight.data_ptr() for one in all_of_them}) == 1


def test_what_fails_in_a_lane_is_told_and_the_others_end(tmp_path):
    network = small_network()
    with torch.no_grad():
        network.model[0].weight[0, 0, 0, 0] = torch.nan
    _, question = asked(tmp_path / "photos", network=network)
    with closing(Lanes(network, 2)) as lanes, pytest.raises(Mistake, match="values that are not finite"):
        shard(question, 0, lanes)
    assert lanes._free.qsize() == 2


def test_small_pictures_take_a_thread_each_and_whole_ones_all(tmp_path):
    torch.set_num_threads(2)
    small, large = small_network(), Network(small_network().model, size=128)
    assert [asked(tmp_path / "photos", network=one)[1].threads for one in (small, large)] == [1, 2]
    assert asked(tmp_path / "photos", network=small, fit="whole")[1].threads == 2


class Holding(nn.Module):
    """Calls what it holds on to, which a copy of it calls as well."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3)
        self.held = lambda x: self.first(x)

    def forward(self, x):
        return self.held(x).mean((2, 3))


class Uncopied(Holding):
    def __deepcopy__(self, memo):
        raise TypeError("there is one of me")


@pytest.mark.parametrize("kind", [Holding, Uncopied])
def test_what_has_no_twin_is_read_by_one_lane(tmp_path, kind):
    network = Network(kind(), size=16)
    _, question = asked(tmp_path / "photos", network=network, layers=["first"])
    with closing(Lanes(network, 3)) as lanes:
        assert lanes._free.qsize() == 1
        assert shard(question, 0, lanes) == shard(question, 0, network)

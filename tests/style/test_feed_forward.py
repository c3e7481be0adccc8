"""Style networks in files, and pictures tile by tile: the same as undivided, by the same statistics."""

import json

import pytest
import torch
from safetensors.torch import load, save

from phosphene.core.errors import Mistake
from phosphene.style.feed_forward import applied, loaded, net_bytes, painted, statistics_of, tiles
from phosphene.style.style_net import Shape
from tests.small import noise
from tests.style.test_style_net import SHAPE, net


@pytest.mark.parametrize("size", [(40, 52), (67, 41), (24, 24)])
@pytest.mark.parametrize("shape", [SHAPE, Shape(8, 1, 0, 1)])
def test_tiles_are_the_undivided_picture_by_the_same_statistics(shape, size):
    made, x = net(shape), noise(1, 3, *size)
    fixed = statistics_of(made, x, 20)
    assert len(tiles(shape, size, 16)) > 3
    torch.testing.assert_close(applied(made, x, fixed, tile=16), made(x, fixed), rtol=0, atol=1e-10)


def test_a_picture_no_larger_than_the_thumbnail_has_its_own_statistics():
    made, x = net(), noise(1, 3, 40, 52)
    torch.testing.assert_close(applied(made, x, tile=16), made(x), rtol=0, atol=1e-10)


def test_tiles_cover_every_pixel_once():
    seen = torch.zeros(50, 37, dtype=torch.long)
    for one in tiles(SHAPE, (50, 37), 18):  # rounded down to 16
        seen[one.kept] += 1
        assert one.read[0].start % 4 == one.read[1].start % 4 == 0
    assert (seen == 1).all()


def test_a_picture_comes_tile_by_tile():
    made, x = net(), noise(1, 3, 16, 32)
    first, last = (one.clone() for one in painted(made, x, tile=16))
    assert torch.equal(first[..., 16:], x[..., 16:]) and torch.equal(first[..., :16], last[..., :16])
    assert not torch.equal(last[..., 16:], x[..., 16:])


@pytest.fixture
def file(tmp_path):
    made = tmp_path / "waves.safetensors"
    made.write_bytes(net_bytes(net(), {"about": "waves"}))
    return made


def test_a_network_comes_out_of_its_file_as_it_went_in(file):
    one = loaded(file)
    assert one.name == "waves" and one.record["about"] == "waves" and one.net.shape == SHAPE
    for name, value in net().state_dict().items():
        torch.testing.assert_close(one.net.state_dict()[name], value.half().float(), rtol=0, atol=0)


def rewritten(file, **changes):
    record = loaded(file).record
    file.write_bytes(save(load(file.read_bytes()), {"style": json.dumps({**record, **changes})}))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"architecture": "transformer"}, "of architecture 'transformer', format 1, and here they are of architecture"),
        ({"format": 2}, r"format 2, and here they are of architecture 'residual', format 1; train it anew"),
        ({"shape": {"width": 8}}, "describes no network of this architecture: its shape is"),
        ({"shape": Shape(8, 1, 3, 2)._asdict()}, "describes no network of this architecture"),
        ({"shape": Shape(8, 1, 2, 2)._asdict() | {"width": True}}, "describes no network of this architecture"),
        ({"shape": Shape(10**6, 1, 2, 2)._asdict()}, "describes no network of this architecture"),
        ({"shape": Shape(16, 1, 2, 2)._asdict()}, "holds other weights than its header says"),
    ],
)
def test_a_file_of_another_network_is_refused_in_a_sentence(file, changes, why):
    rewritten(file, **changes)
    with pytest.raises(Mistake, match=why):
        loaded(file)


def test_what_is_no_style_network_is_refused_in_a_sentence(file, tmp_path):
    whole = file.read_bytes()
    broken = load(whole)
    broken["colours.bias"][0] = float("nan")
    record = {"style": json.dumps(dict(loaded(file).record))}
    for data, why in (
        (b"no tensors", "its header does not say that it is one"), (whole[:-7], "its header does not say"),
        (save(load(whole)), "its header does not say that it is one"),
        (save(broken, record), "holds values that are not finite"),
    ):  # fmt: skip
        file.write_bytes(data)
        with pytest.raises(Mistake, match=why):
            loaded(file)
    with pytest.raises(Mistake, match=r"is no style network .there is no such file"):
        loaded(tmp_path / "none.safetensors")

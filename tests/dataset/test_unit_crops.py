"""Crops of a page: each is what the recipe cuts out, only small, and a photograph that is gone has its thumbnail."""

import numpy as np
import pytest
import torch

from phosphene.core.pictures.eight_bit import to_uint8
from phosphene.core.pictures.fitting import MID_GREY
from phosphene.core.units.exemplars import Peak, cut_out
from phosphene.core.units.units import Unit
from phosphene.dataset.unit_crops import crops, squared
from tests.small import levels
from tests.small_index import small_index, small_network


@pytest.fixture
def index(tmp_path):
    pytest.importorskip("pyarrow")
    return small_index(tmp_path)


def test_each_crop_is_what_is_cut_out_for_the_unit_alone(index):
    network, told = small_network(), []
    made = crops(index, network, "relu2", 3, 10, lambda every: told.extend(every) or every)
    assert made.pixels.shape == (8, 10, 30, 3) and made.gone == []
    for unit in range(8):
        found = index.exemplars("relu2", unit, count=3)
        assert made.found[unit] == found
        peaks = [Peak(0, one.position, one.value) for one in found]
        for rank, (one, peak) in enumerate(zip(found, peaks, strict=True)):
            photos = [index.photo(one.image)]
            (own,) = cut_out(network, photos, Unit("relu2", unit), [peak], [], resolution="own")
            part = made.pixels[unit, :, 10 * rank : 10 * rank + 10]
            np.testing.assert_array_equal(part, to_uint8(squared(own.crop, 10))[0])
    assert told == sorted({one.image for own in made.found for one in own})


def test_what_is_gone_is_cut_out_of_its_thumbnail(index):
    network = small_network()
    before = crops(index, network, "logits", 2, 16)
    gone = before.found[1][0].image
    (index.folder.parent / "photos" / index.ids[gone]).unlink()
    after = crops(index, network, "logits", 2, 16)
    assert after.gone == [gone]
    own, thumbnail = after.pixels[1, :, :16], to_uint8(index.thumbnail(gone)[None])[0]
    np.testing.assert_array_equal(own, thumbnail)  # which is of 16 px, as the network's input
    np.testing.assert_array_equal(after.pixels[1, :, 16:], before.pixels[1, :, 16:])


def test_a_square_keeps_proportions_with_grey_around():
    wide = levels(1, 3, 4, 8)
    made = squared(wide, 16)
    assert torch.equal(made[..., 4:12, :], wide.repeat_interleave(2, 2).repeat_interleave(2, 3))
    assert made[..., :4, :].eq(MID_GREY).all() and made[..., 12:, :].eq(MID_GREY).all()

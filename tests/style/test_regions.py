import pytest
import torch

from phosphene.core.errors import Mistake
from phosphene.style.regions import at_positions, bands, completed


def mask(*values):
    return torch.tensor([values])[None, None]


def test_pixels_of_one_blend_are_one_region_and_each_pixel_is_in_one():
    masks = completed([mask(1.0, 1.0, 0.5, 0.0)], 2)
    found = {band.shares: band.where.flatten().tolist() for band in bands(masks, [1, 1])}
    assert found == {(1.0, 0.0): [1, 1, 0, 0], (0.5, 0.5): [0, 0, 1, 0], (0.0, 1.0): [0, 0, 0, 1]}


def test_shares_weigh_masks_and_a_half_covered_pixel_counts_half():
    masks = torch.cat([mask(1.0, 0.5, 0.0)[0], mask(1.0, 0.0, 0.0)[0]])
    found = {band.shares: band.where.flatten().tolist() for band in bands(masks, [3, 1])}
    assert found == {(0.75, 0.25): [1, 0, 0], (1.0, 0.0): [0, 0.5, 0]}


def test_blends_are_in_eighths():
    found = bands(completed([mask(*torch.linspace(0, 1, 101).tolist())], 2), [1, 1])
    assert len(found) == 9
    torch.testing.assert_close(sum(band.where for band in found), torch.ones(1, 101))


def test_of_very_many_styles_everywhere_there_is_a_region():
    (found,) = bands(torch.ones(20, 2, 2), [1] * 20)
    assert sum(found.shares) == 1 and found.where.tolist() == [[1, 1], [1, 1]]


def test_positions_count_as_much_as_their_pixels():
    where = torch.zeros(8, 8)
    where[:, :3] = 1
    assert at_positions(where, 2, 2).tolist() == [0.75, 0, 0.75, 0]


@pytest.mark.parametrize(
    ("masks", "said"),
    [([mask(1.0)], "1 masks for 3 styles; give one for each"), ([mask(1.0), mask(1.0, 0.0)], "not 1 x 1, 2 x 1")],
)
def test_masks_that_do_not_fit_are_told(masks, said):
    with pytest.raises(Mistake, match=said):
        completed(masks, 3)


def test_masks_that_are_black_are_told():
    with pytest.raises(Mistake, match="black all over"):
        bands(torch.zeros(2, 4, 4), [1, 1])

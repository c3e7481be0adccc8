import pytest

from phosphene.core.errors import Mistake
from phosphene.core.optimization.footprint import bytes_a_pixel
from phosphene.core.optimization.objectives import gradient
from phosphene.core.optimization.terms import energy
from phosphene.style import cuts
from phosphene.style.cuts import COPIES, FREE, PER_BYTE, Margins, affordable, blocks_of, margins_of
from tests.small import convnet

MARGINS = Margins((20, 20), (8, 8))


def area(block):
    (tile, _), (other, _) = block
    return (tile.stop - tile.start) * (other.stop - other.start)


def test_blocks_cover_the_picture_once_begin_at_multiples_of_the_unit_and_see_their_margins():
    seen = [[0] * 211 for _ in range(150)]
    for (down, rows), (across, columns) in blocks_of((150, 211), MARGINS, 9000):
        for tile, square, side in ((down, rows, 150), (across, columns, 211)):
            assert tile.start % 8 == 0 and tile.start <= max(0, square.start - 20)
            assert tile.stop >= min(side, square.stop + 20) and (side - tile.stop) % 8 == 0
        for row in seen[rows]:
            row[columns] = [n + 1 for n in row[columns]]
    assert all(n == 1 for row in seen for n in row)


def test_of_all_grids_the_one_that_reads_least_is_taken():
    strips = blocks_of((100, 1600), MARGINS, 30_000)
    assert all(rows == slice(0, 100) for (_, rows), _ in strips)
    assert sum(map(area, strips)) < 1.2 * 100 * 1600 and max(map(area, strips)) <= 30_000


def test_where_none_is_small_enough_a_sentence_says_what_is_needed():
    with pytest.raises(Mistake, match=r"the smallest block of a picture of 300 x 200 px has .* memory for 500; take"):
        blocks_of((200, 300), MARGINS, 500)


def test_margins_are_what_the_layers_see():
    assert margins_of(convnet(), ["conv1", "conv3"]) == ((4, 4), (2, 2))


def test_a_block_takes_what_the_budget_or_free_memory_leaves_beside_copies_of_the_picture(monkeypatch):
    network, size = convnet(), (200, 200)
    each, copies = bytes_a_pixel(network, gradient(network, energy("conv3"))), 12 * COPIES * 200 * 200
    assert affordable(network, ["conv3"], 1, size) == float("inf")
    monkeypatch.setattr(cuts, "BUDGET", 1000 * each * PER_BYTE + copies)
    assert affordable(network, ["conv3"], 1, size) == pytest.approx(1000)
    monkeypatch.setattr(cuts, "free_memory", lambda device: (500 * each * PER_BYTE + copies) / FREE)
    assert affordable(network, ["conv3"], 1, size) == pytest.approx(500)
    assert affordable(network, ["conv3"], 4, size) == 0

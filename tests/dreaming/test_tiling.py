"""By which tiles a dream is read: of bounded memory, and smaller ones where it runs out."""

import pytest
import torch

from phosphene.core.errors import Note
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.terms import channel, energy
from phosphene.core.optimization.tiles import _cut
from phosphene.core.pictures.files import open_photo
from phosphene.core.pictures.fitting import fit
from phosphene.dreaming import dream, tiling
from phosphene.dreaming.tiling import MARGIN, SHARE, Tiling
from tests.small import convnet, levels

HOW = {"layer": "conv3", "octaves": 1, "steps": 2, "rate": 0.02, "jitter": 9, "seed": 2}


def test_what_takes_little_memory_is_read_as_a_whole_and_what_takes_more_by_tiles_of_bounded_memory(monkeypatch):
    network, term, tiles = convnet(), energy("conv3"), Tiling()
    each = tiles._each(network, term)
    monkeypatch.setattr(tiling, "WHOLE", 500 * 500 * each)
    monkeypatch.setattr(tiling, "PART", 300 * 300 * each)
    assert tiles.side_for(network, term, 1, (500, 500)) is None
    assert tiles.side_for(network, term, 1, (500, 501)) == 256
    assert tiles.side_for(network, term, 2, (500, 500)) == 192
    assert Tiling("none").side_for(network, term, 1, (5000, 5000)) is None
    assert Tiling(700).side_for(network, term, 1, (500, 701)) == 700
    assert Tiling(700).side_for(network, term, 1, (500, 700)) is None


def test_where_less_memory_is_free_tiles_are_smaller(monkeypatch):
    network, term, tiles = convnet(), energy("conv3"), Tiling()
    monkeypatch.setattr(tiling, "free_memory", lambda device: 2 * 200 * 200 * tiles._each(network, term))
    assert tiles.side_for(network, term, 1, (200, 200)) is None
    assert tiles.side_for(network, term, 1, (300, 300)) == 192
    monkeypatch.setattr(tiling, "free_memory", lambda device: 1.0)
    assert tiles.side_for(network, term, 1, (300, 300)) == 128


def test_what_has_no_places_is_read_as_a_whole(monkeypatch):
    monkeypatch.setattr(tiling, "WHOLE", 1.0)
    network = convnet()
    assert Tiling().side_for(network, channel("logits", [1]), 1, (500, 500)) is None
    assert dream(network, levels(3, 64, 60), layer="logits:1", octaves=1, steps=1).numbers[0]["tiles"] == [None]
    assert dream(network, levels(3, 64, 60), layer="conv3:1@2,2", octaves=1, steps=1).numbers[0]["tiles"] == [None]


class Short:
    """A reading that runs out of memory with pictures of more than so many pixels."""

    def __init__(self, monkeypatch, network, most):
        read = type(network).read

        def reading(it, pictures, *rest, **how):
            if pictures.shape[2] * pictures.shape[3] > most:
                raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate")
            return read(it, pictures, *rest, **how)

        monkeypatch.setattr(type(network), "read", reading)


def test_where_memory_runs_out_tiles_get_smaller_which_is_said_and_the_dream_is_the_same(monkeypatch):
    network, photo = convnet(), levels(3, 290, 260)
    whole = dream(network, photo, **HOW)
    assert whole.numbers[0]["tiles"] == [None]
    Short(monkeypatch, network, 200 * 200)
    with pytest.warns(Note, match="memory ran out, so the dream goes on by tiles of 128 px"):
        found = dream(network, photo, **HOW).result
    torch.testing.assert_close(found.image, whole.image, rtol=0, atol=1e-6)
    assert found.numbers[0]["tiles"] == [128]


def test_where_the_smallest_tiles_are_too_large_too_the_shortage_is_told(monkeypatch):
    network, photo = convnet(), levels(3, 290, 260)
    assert dream(network, photo, **HOW).result.numbers[0]["tiles"] == [None]
    Short(monkeypatch, network, 99 * 99)
    with pytest.warns(Note), pytest.raises(RuntimeError, match="can't allocate memory"):
        list(dream(network, photo, **HOW))


@pytest.mark.parametrize("layer", ["conv3:1@2,2", "logits:1"])
def test_what_no_tile_can_say_runs_out_of_memory_as_a_whole(layer, monkeypatch):
    """A unit at one place, which each tile would have of its own, and a class, which has no places."""
    network, photo = convnet(), levels(3, 290, 260)
    how = HOW | {"layer": layer}
    assert dream(network, photo, **how).result.numbers[0]["tiles"] == [None]
    Short(monkeypatch, network, 200 * 200)
    with pytest.raises(RuntimeError, match="can't allocate memory"):
        list(dream(network, photo, **how))


def test_tiles_do_not_change_on_the_way_when_free_memory_does(monkeypatch):
    network, photo, free = convnet(), levels(3, 290, 260), iter([1e12] + [1.0] * 99)
    monkeypatch.setattr(tiling, "free_memory", lambda device: next(free))
    assert dream(network, photo, **HOW).result.numbers[0]["tiles"] == [None]
    assert next(free) == 1.0


@pytest.mark.slow
def test_where_more_is_seen_than_a_margin_holds_no_seam_is_left():
    """Differences across the borders of tiles, of all steps, beside those elsewhere, and beside the untiled dream's."""
    import phosphene

    network, tile, steps, jitter, (height, width) = phosphene.load(), 128, 10, 32, (240, 336)
    photo = fit(open_photo("skimage:coffee").float(), (height, width), "squash")[0]
    margin = min(MARGIN, tile // SHARE)
    field = network.receptive_field("mixed4b").columns
    assert -field.offset > margin
    cut, borders = _cut(network, energy("mixed4b"), tile, margin), set()
    for step in range(steps):
        (_, across) = Key(0, [0], 0, step=step).integers(torch.zeros(1).long(), 2, 2 * jitter + 1)[0] - jitter
        borders |= {(square.start - int(across)) % width for _, square in cut.along(1, width) if square.start}
    here = torch.zeros(width - 1, dtype=torch.bool)
    here[[border - 1 for border in borders if border]] = True

    def ratio(picture):
        differences = picture.diff(dim=2).abs().mean((0, 1))
        return (differences[here].mean() / differences[~here].mean()).item()

    how = {"layer": "mixed4b", "octaves": 1, "steps": steps, "jitter": jitter}
    tiled, whole = (dream(network, photo, tile=side, **how).image[0] for side in (tile, "none"))
    assert 10 < here.sum() < width / 4
    assert ratio(tiled) == pytest.approx(ratio(whole), rel=0.1)

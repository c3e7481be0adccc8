"""Photographs as squares in memory: which are taken, and what is said of the others."""

import numpy as np
import pytest
import torch
from PIL import Image

from phosphene.core.errors import Mistake
from phosphene.core.optimization.training.pictures import Examples
from phosphene.core.units.squares import apart, read_pictures, read_squares


def test_the_square_in_the_middle_is_taken(tmp_path):
    pixels = np.zeros((16, 32, 3), np.uint8)
    pixels[:, 8:24] = (10, 200, 30)
    Image.fromarray(pixels).save(tmp_path / "wide.png")
    pictures, files, refused = read_squares([str(tmp_path / "wide.png")], 16)
    assert pictures.shape == (1, 3, 16, 16) and files == [str(tmp_path / "wide.png")] and not refused
    assert pictures[0, :, 8, 8].tolist() == [10, 200, 30] and pictures[0, 1].float().mean() == 200


def test_what_can_not_be_read_and_what_comes_twice_is_left_out_in_a_sentence(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (12, 12, 3), dtype=np.uint8)
    names = [str(tmp_path / name) for name in ("one.png", "text.png", "two.png")]
    for name in names:
        Image.fromarray(pixels).save(name)
    (tmp_path / "text.png").write_text("no picture")
    seen = []
    pictures, files, refused = read_squares(names, 8, lambda every: (seen.append(one) or one for one in every))
    assert len(pictures) == 1 and files == names[:1] and seen == names
    assert refused[0].startswith("left out: ") and "text.png" in refused[0]
    assert refused[1] == f"{names[2]} is left out, as it shows what {names[0]} shows, pixel by pixel"


def test_of_nothing_there_are_no_pictures():
    pictures, files, refused = read_squares([], 8)
    assert pictures.shape == (0, 3, 8, 8) and files == refused == []


@pytest.fixture
def folder(tmp_path):
    for index in range(6):
        path = tmp_path / ("cats" if index < 2 else "dogs") / f"{index}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(np.random.default_rng(index).integers(0, 256, (12, 12, 3), dtype=np.uint8)).save(path)
    return tmp_path


def test_pictures_are_read_from_all_folders_but_those_that_are_left_out(folder):
    examples, refused = read_pictures(folder, 8)
    assert examples.pictures.shape == (6, 3, 8, 8) and not refused
    without, _ = read_pictures(folder, 8, ["cats"])
    assert torch.equal(without.pictures, examples.pictures[2:])


def test_what_makes_no_sense_is_refused_in_a_sentence(folder):
    with pytest.raises(Mistake, match=r"there is no folder 'cat' with pictures in .*; did you mean 'cats'"):
        read_pictures(folder, 8, ["cat"])
    with pytest.raises(Mistake, match="has 2 pictures that can be used, and 4 or more are needed"):
        read_pictures(folder, 8, ["dogs"])
    with pytest.raises(Mistake, match="is not a folder; give one with pictures in it"):
        read_pictures(folder / "cats" / "0.png", 8)


def test_every_picture_is_trained_on_or_held_out():
    learned, held = apart(
        Examples(torch.arange(40, dtype=torch.uint8).view(40, 1, 1, 1).expand(40, 3, 4, 4), torch.zeros(40).long())
    )
    both = {one.numpy().tobytes() for one in (*learned.pictures, *held.pictures)}
    assert len(held.labels) == 10 and len(learned.labels) == 30 and len(both) == 40

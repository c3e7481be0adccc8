"""Photographs as squares in memory: which are taken, and what is said of the others."""

import numpy as np
from PIL import Image

from phosphene.core.units.squares import read_squares


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

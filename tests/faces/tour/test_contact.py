"""The contact sheet: at most so many of a section's pictures, from the first to the last, pairs together."""

import json

import pytest

from phosphene.core.pictures.files import open_photo, read_text
from phosphene.core.pictures.writing import png_bytes
from phosphene.faces.tour.contact import MOST_IN_A_STRIP, _chosen, contact_sheet
from phosphene.faces.tour.guide import Guide, Section, Shown
from tests.small import convnet, levels


def shown(i, file=""):
    return Shown(f"picture {i}", file or f"pictures/{i}.png", png_bytes(levels(3, 20, 20, seed=i)))


@pytest.mark.parametrize("many", [1, 6, 7, 8, 30])
@pytest.mark.parametrize("pairs", [False, True])
def test_few_are_all_chosen_and_many_evenly_from_the_first_to_the_last(many, pairs):
    section = Section("title", "teaching", "source", pictures=[shown(i) for i in range(many)], pairs=pairs)
    chosen = [int(one.caption.split()[1]) for one in _chosen(section)]
    assert chosen == sorted(set(chosen)) and chosen[0] == 0
    assert len(chosen) <= MOST_IN_A_STRIP
    if many <= 6:
        assert chosen == list(range(many))
    elif not pairs or many % 2 == 0:
        assert chosen[-1] == many - 1
    if pairs and many % 2 == 0:
        assert all(second == first + 1 for first, second in zip(chosen[::2], chosen[1::2], strict=True))


@pytest.mark.parametrize("anonymous", [False, True])
def test_the_sheet_names_the_files_that_it_is_made_of(tmp_path, anonymous):
    guide = Guide(convnet(), "skimage:cat", "own.py", True, 0, lambda title, run: run.result, anonymous)
    hero = [shown(0, "pictures/photograph.png"), shown(1, "pictures/dream.png")]
    guide.made = {
        "one": Section("first", "", "", pictures=[*hero, shown(2)], shared=True),
        "none": None,
        "two": Section("hidden", "", "", pictures=[shown(3)]),
    }
    made = contact_sheet(guide)
    (tmp_path / made.file).write_bytes(made.png)
    assert made.file == "contact.png" and open_photo(tmp_path / made.file).shape[:1:-1] == made.size
    text = read_text(tmp_path / made.file)
    if anonymous:
        assert text == {}
    else:
        assert json.loads(text["phosphene"])["parts"] == [*(one.file for one in hero), "pictures/2.png"]

"""A method of attribution is one file and one row of the catalogue."""

import shutil

import pytest

from tests.house.house import ADDED, House

pytestmark = pytest.mark.slow  # a copy of the program is changed, and started again

ROW = 'Row("attribute", "flat", "attribution.methods.flat:flat", "Show the same everywhere.", "flat")'


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    house = House(tmp_path_factory.mktemp("house"))
    shutil.copy(ADDED / "flat.py", house.package / "attribution" / "methods")
    house.row(ROW)
    return house


def test_no_other_file_is_touched(house):
    assert house.touched() == {"src/phosphene/attribution/methods/flat.py", "src/phosphene/catalogue.py"}


@pytest.fixture(scope="module")
def said(house):
    """What the program says to each of these."""
    asked = {
        "help": "attribute --help",
        "wrong": "attribute cat.png --net own.py --tilt 1",
        "made": "attribute cat.png --net own.py --method flat --tilt 0.5 --target zebra --show overlay",
        "again": "replay attribute-cat-flat-logits-1.png --net own.py --input cat.png",
        "python": "> import phosphene; print([one.name for one in phosphene.flat.options][:7])",
    }
    return dict(zip(asked, house.run(*asked.values()), strict=True))


def test_it_is_a_method_of_the_command_with_its_options(said):
    shown = " ".join(said["help"].split())
    assert "flat: Show every pixel as important as the next." in shown
    assert "of flat: how much more at the right (-1 to 1)" in shown
    assert said["wrong"] == "error: --tilt is not an option of saliency; it belongs to flat\nexit code 2"


def test_it_takes_what_every_method_takes_and_its_pictures_are_made_again(said):
    assert said["made"].splitlines()[-1] == "attribute-cat-flat-logits-1.png"
    assert "identical: all 16 x 16 pixels" in said["again"]
    assert said["python"] == "['target', 'against', 'unit', 'region', 'score', 'tilt', 'fit']\n"

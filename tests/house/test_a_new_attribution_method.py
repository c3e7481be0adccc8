"""A method of attribution is one file and one row of the catalogue."""

import shutil

import pytest

from tests.house.house import ADDED, House

ROW = 'Row("attribute", "flat", "attribution.methods.flat:flat", "Show the same everywhere.", "flat")'


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    house = House(tmp_path_factory.mktemp("house"))
    shutil.copy(ADDED / "flat.py", house.package / "attribution" / "methods")
    house.row(ROW)
    return house


def test_no_other_file_is_touched(house):
    assert house.touched() == {"src/phosphene/attribution/methods/flat.py", "src/phosphene/catalogue.py"}


def test_it_is_a_method_of_the_command_with_its_options(house):
    shown = " ".join(house.phosphene("attribute", "--help").split())
    assert "flat: Show every pixel as important as the next." in shown
    assert "of flat: how much more at the right (-1 to 1)" in shown
    wrong = house.phosphene("attribute", "cat.png", "--net", "own.py", "--tilt", "1", code=2)
    assert wrong == "error: --tilt is not an option of saliency; it belongs to flat\n"


def test_it_takes_what_every_method_takes_and_its_pictures_are_made_again(house):
    words = ["attribute", "cat.png", "--net", "own.py", "--method", "flat", "--tilt", "0.5", "--target", "zebra"]
    assert house.phosphene(*words, "--show", "overlay").splitlines()[-1] == "attribute-cat-flat-logits-1.png"
    again = house.phosphene("replay", "attribute-cat-flat-logits-1.png", "--net", "own.py", "--input", "cat.png")
    assert "identical: all 16 x 16 pixels" in again
    name = "import phosphene; print(phosphene.flat.about.name, [one.name for one in phosphene.flat.options][:6])"
    assert house.python(name) == "flat ['target', 'against', 'unit', 'score', 'tilt', 'fit']\n"

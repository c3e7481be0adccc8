"""A family is its folder, its rows of the catalogue, and one word for import-linter: then it has everything."""

import json
import re
import shutil

import pytest

from phosphene.core.pictures.files import read_text
from tests.house.house import ADDED, House

pytestmark = pytest.mark.slow  # a copy of the program is changed, and started again

ROW = 'Row("mirror", "mirror", "mirroring.mirroring:mirror", "Mirror a photograph.")'


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    house = House(tmp_path_factory.mktemp("house"))
    (house.package / "mirroring").mkdir()
    (house.package / "mirroring" / "__init__.py").write_text('"""Mirrors."""\n')
    shutil.copy(ADDED / "mirroring.py", house.package / "mirroring")
    house.row(ROW)
    linter = house.folder / "pyproject.toml"
    linter.write_text(linter.read_text().replace('"features | ', '"features | mirroring | '))
    return house


def test_no_other_file_is_touched(house):
    own = {"src/phosphene/mirroring/__init__.py", "src/phosphene/mirroring/mirroring.py"}
    assert house.touched() == own | {"src/phosphene/catalogue.py", "pyproject.toml"}


@pytest.fixture(scope="module")
def said(house):
    """What the program says to each of these."""
    make = "mirror cat.png --net own.py --axis y --grain 0.1 --seed 3"
    python = "phosphene.mirror(phosphene.load('own.py'), 'cat.png', axis='y', grain=0.1, seed=3).save('python.png')"
    asked = {
        "there": "> import phosphene; print('mirror' in dir(phosphene))",
        "schema": "> import json, phosphene; print(json.dumps(phosphene.mirror.schema()))",
        "help": "--help",
        "options": "mirror --help",
        "wrong": "mirror cat.png --net own.py --share 2",
        "made": make,
        "again": "replay mirror-cat-mirror-y.png --net own.py --input cat.png",
        "python": f"> import phosphene; {python}",
    }
    return dict(zip(asked, house.run(*asked.values()), strict=True))


def test_it_has_a_python_name_and_a_schema(said):
    assert said["there"] == "True\n"
    schema = json.loads(said["schema"])
    assert schema["inputs"][0]["name"] == "scene"
    assert [one["name"] for one in schema["options"]] == ["axis", "share", "grain", "seed"]
    assert schema["options"][1]["high"] == 1


def test_it_has_a_command_with_options_and_help(said):
    assert re.search(r"mirror +Mirror a photograph\.", said["help"])
    shown = " ".join(said["options"].split())
    for words in ("Mirror SCENE, and say how much", "--axis <x|y>", "mixed in (0 to 1) [default: 1]", "--net", "--out"):
        assert words in shown
    assert "--film" not in shown  # it takes no steps
    assert said["wrong"] == "error: 2 is not a valid value for share: it must be 0 to 1\nexit code 2"


def test_its_pictures_are_made_again_to_the_pixel_whether_a_command_or_python_made_them(said, house):
    assert said["made"].splitlines()[-1] == "mirror-cat-mirror-y.png"
    assert "identical: all 40 x 30 pixels" in said["again"]
    one, two = (read_text(house.folder / name)["phosphene"] for name in ("python.png", "mirror-cat-mirror-y.png"))
    assert one == two


def test_import_linter_knows_its_storey(house):
    assert "0 broken" in house.lint()
    (house.package / "mirroring" / "reaching.py").write_text("from phosphene.dreaming import dream\n")
    try:
        with pytest.raises(AssertionError, match="mirroring is not allowed to import phosphene"):
            house.lint()
    finally:
        (house.package / "mirroring" / "reaching.py").unlink()

"""A family is its folder, its rows of the catalogue, and one word for import-linter: then it has everything."""

import json
import shutil

import pytest

from tests.house.house import ADDED, House

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


def test_it_has_a_python_name_and_a_schema(house):
    code = "import json, phosphene; print('mirror' in dir(phosphene), json.dumps(phosphene.mirror.schema()))"
    there, _, schema = house.python(code).partition(" ")
    assert there == "True"
    assert json.loads(schema)["inputs"][0]["name"] == "scene"
    assert [one["name"] for one in json.loads(schema)["options"]] == ["axis", "share", "grain", "seed"]
    assert json.loads(schema)["options"][1]["high"] == 1


def test_it_has_a_command_with_options_and_help(house):
    assert "mirror" in house.phosphene("--help") and "Mirror a photograph." in house.phosphene("--help")
    shown = " ".join(house.phosphene("mirror", "--help").split())
    for words in ("Mirror SCENE, and say how much", "--axis <x|y>", "mixed in (0 to 1) [default: 1]", "--net", "--out"):
        assert words in shown
    assert "--film" not in shown  # it takes no steps
    wrong = house.phosphene("mirror", "cat.png", "--net", "own.py", "--share", "2", code=2)
    assert wrong == "error: 2 is not a valid value for share: it must be 0 to 1\n"


def test_its_pictures_are_made_again_to_the_pixel_from_the_command_line_and_from_python(house):
    words = ["mirror", "cat.png", "--net", "own.py", "--axis", "y", "--grain", "0.1", "--seed", "3", "--force"]
    assert house.phosphene(*words).splitlines()[-1] == "mirror-cat-mirror-y.png"
    again = ["replay", "mirror-cat-mirror-y.png", "--net", "own.py", "--input", "cat.png", "--force"]
    assert "identical: all 40 x 30 pixels" in house.phosphene(*again)
    same = house.python(
        "import json, phosphene\n"
        "from phosphene.core.pictures.files import read_text\n"
        "network = phosphene.load('own.py')\n"
        "phosphene.mirror(network, 'cat.png', axis='y', grain=0.1, seed=3).save('python.png')\n"
        "one, two = (read_text(f)['phosphene'] for f in ('python.png', 'mirror-cat-mirror-y.png'))\n"
        "print(one == two)"
    )
    assert same == "True\n"


def test_import_linter_knows_its_storey(house):
    assert "0 broken" in house.lint()
    (house.package / "mirroring" / "reaching.py").write_text("from phosphene.dreaming import dream\n")
    try:
        with pytest.raises(AssertionError, match="mirroring is not allowed to import phosphene"):
            house.lint()
    finally:
        (house.package / "mirroring" / "reaching.py").unlink()

"""An attack is one file and one row of the catalogue: a function over tensors, and a recipe for photographs."""

import shutil

import pytest

from tests.house.house import ADDED, House

pytestmark = pytest.mark.slow  # a copy of the program is changed, and started again

ROW = 'Row("attack", "undecided", "adversarial.attacks.undecided:undecided", "Add noise and hope.", "undecided")'


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    house = House(tmp_path_factory.mktemp("house"))
    shutil.copy(ADDED / "undecided.py", house.package / "adversarial" / "attacks")
    house.row(ROW)
    return house


@pytest.fixture(scope="module")
def said(house):
    """What the program says to each of these."""
    batch = "torch.full((2, 3, 16, 16), 0.5), torch.tensor([0, 1]), eps=0.25"
    asked = {
        "help": "attack --help",
        "wrong": "attack cat.png --net own.py --method undecided --steps 101",
        "made": "attack cat.png --net own.py --method undecided --eps 9/255 --steps 2",
        "again": "replay attack-cat-undecided.png --net own.py --input cat.png",
        "tensors": "> import phosphene, torch\n"
        f"*_, last = phosphene.attacks.undecided(phosphene.load('own.py'), {batch}, steps=5)\n"
        "print(last.index, float((last.pictures - 0.5).abs().amax()) <= 0.25)",
    }
    return dict(zip(asked, house.run(*asked.values()), strict=True))


def test_no_other_file_is_touched(house):
    assert house.touched() == {"src/phosphene/adversarial/attacks/undecided.py", "src/phosphene/catalogue.py"}


def test_it_is_a_method_of_the_command_with_its_options(said):
    shown = " ".join(said["help"].split())
    assert "undecided: Add noise and hope." in shown
    assert "how many times noise is added" in shown
    assert said["wrong"] == "error: 101 is not a valid value for steps: it must be 1 to 100\nexit code 2"


def test_its_pictures_are_made_again_and_it_takes_batches_of_tensors(said):
    assert said["made"].splitlines()[-1] == "attack-cat-undecided.png"
    assert "identical: all 16 x 16 pixels" in said["again"]
    assert said["tensors"] == "5 True\n"

"""A prior is a function and a field in one file: at once an option of every command that ascends."""

import pytest

from tests.house.house import House

pytestmark = pytest.mark.slow  # a copy of the program is changed, and started again

PRIOR = '''def saturation() -> Term:
    """Mean over pixels of the largest colour less the smallest: nothing in a grey picture."""

    def of(reading: Reading) -> Float[Tensor, " n"]:
        x = reading.pictures[:, :3]
        return (x.amax(1) - x.amin(1)).mean((1, 2))

    return Term(of, name="saturation")


'''
FIELD = "    grey: Annotated[float, Weighs(lambda center: saturation()), Words('weight of the saturation')] = 0.0\n"
ASCENDING = ("visualize", "dream", "invert", "interpolate", "context", "gallery", "grid", "caricature", "accentuate",
             "facets", "atlas")  # fmt: skip


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    house = House(tmp_path_factory.mktemp("house"))
    priors = house.package / "core" / "optimization" / "priors.py"
    before, weights = priors.read_text().split("@dataclass(frozen=True)\nclass PriorWeights", 1)
    fields, after = weights.split("\n\n\n", 1)
    priors.write_text(f"{before}{PRIOR}@dataclass(frozen=True)\nclass PriorWeights{fields}\n{FIELD}\n\n{after}")
    return house


@pytest.fixture(scope="module")
def said(house):
    """What the program says to each of these."""
    paint = "visualize conv2:1 --net own.py --size 24 --steps 40 --precision float32"
    spread = (
        "> import json\n"
        "from phosphene.core.pictures.files import open_photo\n"
        "pictures = (open_photo(name)[0] for name in ('grey.png', 'colourful.png'))\n"
        "print([float((x.amax(0) - x.amin(0)).mean()) for x in pictures])"
    )
    asked = {name: f"{name} --help" for name in ASCENDING} | {
        "grey": f"{paint} --grey 1000 --out grey.png",
        "again": "replay grey.png --net own.py",
        "colourful": f"{paint} --out colourful.png",
        "spread": spread,
    }
    return dict(zip(asked, house.run(*asked.values()), strict=True))


def test_no_other_file_is_touched(house):
    assert house.touched() == {"src/phosphene/core/optimization/priors.py"}


@pytest.mark.parametrize("command", ASCENDING)
def test_every_command_that_ascends_has_it_as_an_option(command, said):
    assert "--grey NUMBER weight of the saturation" in " ".join(said[command].split())


def test_it_does_what_it_says_and_its_pictures_are_made_again(said):
    assert "identical: all 24 x 24 pixels" in said["again"]
    grey, colourful = (float(number) for number in said["spread"].strip("[]\n").split(","))
    assert grey < 0.3 * colourful

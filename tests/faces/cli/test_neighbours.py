"""`phosphene neighbours`, as it is typed: a figure and its numbers, the count over a whole index, and mistakes."""

import json
import shutil
from pathlib import Path

import pytest

from phosphene.dataset.index import index
from phosphene.models.specs import load
from tests.faces.commands import is_one_sentence
from tests.small import SOURCE
from tests.small_index import small_index, small_pictures


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with an index of twenty pictures, and these."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "own.py").write_text(SOURCE)
    small_pictures(folder / "photos", 20)
    network = load(str(folder / "own.py"), device="cpu")
    index(network, folder / "photos", folder / "photos.index", layers=["relu2", "logits"], count=3)
    return folder


@pytest.fixture
def indexed(small, made):
    """The command line on the small network, with a copy of that."""
    for name in ("photos", "photos.index"):
        shutil.copytree(made / name, name)
    return small


def test_a_figure_and_its_numbers_are_written_and_an_image_is_most_like_itself(indexed):
    code, out, err = indexed(
        "neighbours", "photos.index", "photos/1/001.png", "cat.png", "--layer", "relu2", "--count", 4
    )
    assert (code, err) == (0, "")
    *said, path = out.splitlines()
    assert path == "neighbours-001-relu2.png" and Path(path).is_file()
    assert [line.partition(":")[0] for line in said] == ["001", "cat"]
    record = json.loads(Path("neighbours-001-relu2.json").read_text())
    first, second = record["photos"]
    assert first["photo"] == "001" and len(first["neighbours"]) == len(second["neighbours"]) == 4
    assert first["neighbours"][0]["id"] == "1/001.png" and first["neighbours"][0]["distance"] < 1e-5
    assert (record["layer"], record["metric"], record["images"]) == ("relu2", "cosine", 20)
    assert "is there already" in is_one_sentence(
        *indexed("neighbours", "photos.index", "photos/1/001.png", "--layer", "relu2")
    )


def test_without_photographs_it_counts_neighbours_of_one_class(indexed):
    code, out, _ = indexed("neighbours", "photos.index", "--count", 3, net=None)
    assert code == 0 and out.startswith("Of the 3 nearest of 20 images, ")
    assert out.splitlines()[-1] == "neighbours-photos-logits.json"
    words = ["neighbours", "photos.index", "--count", 3, "--json", "--limit", 5, "--out", "there/"]
    said = json.loads(indexed(*words, net=None)[1])
    assert json.loads(Path("there/neighbours-photos-logits.json").read_text()) == said
    assert (said["neighbours"], said["asked"], said["layer"]) == (3, 5, "logits")
    assert said["chance"] == pytest.approx(4 / 19) and said["ratio"] == pytest.approx(said["share"] / said["chance"])
    assert indexed("neighbours", "photos.index", "--out", "all.json", net=None)[1].splitlines()[-1] == "all.json"
    assert json.loads(Path("all.json").read_text())["asked"] == 20


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere", "cat.png"], "there is no index nowhere"),
        (["photos.index", "cat.png", "--layer", "relu"], "has no layer 'relu'; did you mean 'relu2'"),
        (["photos.index", "none.png"], "none.png"),
        (["photos.index", "cat.png", "--count", "21"], "21 neighbours were asked for, and the index has 20"),
        (["photos.index", "cat.png", "--count", "0"], "0 is not a valid value for count"),
        (["photos.index", "cat.png", "--limit", "3"], "--limit belongs to neighbours without photographs"),
        (["photos.index", "cat.png", "--out", "a.jpg"], "a.jpg does not end in .png"),
        (["photos.index", "cat.png", "--net", "embedded:digits"], "the index photos.index is of own.py"),
    ],
)
def test_what_can_not_be_done_is_one_sentence(indexed, words, said):
    net = None if "--net" in words else "own.py"
    assert said in is_one_sentence(*indexed("neighbours", *words, net=net))
    assert not list(Path().glob("neighbours-*"))


def test_an_index_without_classes_is_told(small):
    small_index(Path(), ("relu2",), many=12, k=3)
    Path("flat").mkdir()
    for i, file in enumerate(Path("photos").rglob("*.png")):
        file.rename(Path("flat") / f"x{i}.png")
    assert small("index", "flat", "--layer", "relu2", "--count", 3, "--workers", 0)[0] == 0
    assert "have no classes" in is_one_sentence(*small("neighbours", "flat.index"))

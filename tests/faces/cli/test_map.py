"""`phosphene map`, as it is typed: its folder, a photograph on it, and what can't be done."""

import json
import shutil
from pathlib import Path

import pytest

from phosphene.dataset import map_folder
from tests.faces.commands import is_one_sentence
from tests.small_index import small_index, small_network, small_pictures

WORDS = ["map", "photos.index", "--method", "pca"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with an index of twenty pictures, and these."""
    folder = tmp_path_factory.mktemp("made")
    small_index(folder, ("relu1", "relu2"), many=20, k=3)
    return folder


@pytest.fixture
def indexed(here, run, made):
    """The command line in a folder with a copy of that."""
    for name in ("photos", "photos.index"):
        shutil.copytree(made / name, name)
    return run


def numbers(folder):
    return json.loads(Path(folder, "map.json").read_text())


@pytest.mark.slow
def test_the_folder_is_named_after_index_and_layer_and_the_last_line_is_the_page(indexed):
    code, out, err = indexed(*WORDS)
    assert (code, err) == (0, "")
    said, page = out.splitlines()
    assert page == "map-photos-relu2/index.html" and Path(page).is_file()
    assert said.startswith("20 images as relu2 of ") and "two main axes (PCA); trustworthiness" in said
    assert indexed(*WORDS, "--layer", "relu1", "--quiet")[1].splitlines() == ["map-photos-relu1/index.html"]


def test_json_says_what_it_is(indexed):
    said = json.loads(indexed(*WORDS, "--json", "--out", "there", "--limit", 12, "--seed", 3, "--side", 32)[1])
    assert said["page"] == "there/index.html" and said["asked"]["seed"] == 3
    assert said["facts"]["images"] == 12 and said["facts"]["of"] == 20 and said["grid"]["side"] == 32
    assert len(numbers("there")["ids"]) == 12


@pytest.mark.slow
def test_a_map_that_is_there_stays_unless_it_is_to_be_made_anew(indexed):
    indexed(*WORDS)
    assert "has a map already; give --force" in is_one_sentence(*indexed(*WORDS))
    assert indexed(*WORDS, "--force")[0] == 0
    assert "is there already and has no map in it" in is_one_sentence(*indexed(*WORDS, "--out", "photos", "--force"))


@pytest.mark.slow
def test_a_photograph_is_placed_on_a_finished_map_and_nobody_moves(small):
    small_pictures(Path("photos"), 20)
    assert small("index", "photos", "--layer", "relu2", "--count", 3, "--workers", 0)[0] == 0
    assert small(*WORDS)[0] == 0
    before = numbers("map-photos-relu2")
    code, out, _ = small(*WORDS, "--photo", "cat.png", "--photo", "photos/1/001.png")
    after = numbers("map-photos-relu2")
    assert code == 0 and "001 is nearest to 1/001.png" in out
    assert after["points"] == before["points"] and after["cells"] == before["cells"]
    assert [one["name"] for one in after["placed"]] == ["cat", "001"]
    i = after["ids"].index("1/001.png")
    assert after["placed"][1]["point"] == pytest.approx(after["points"][i], abs=1e-3)
    other = is_one_sentence(*small(*WORDS[:2], "--method", "tsne", "--photo", "cat.png", "--out", "map-photos-relu2"))
    assert "has a map of another method; give --force" in other


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["map", "nowhere"], "there is no index nowhere"),
        (["map", "photos"], "is no index"),
        ([*WORDS, "--layer", "relu3"], "has no layer 'relu3'; did you mean 'relu"),
        ([*WORDS, "--limit", "5"], "5 images are too few for a map, it needs 8"),
        ([*WORDS, "--method", "mds"], "'mds' is not a valid value for method"),
        ([*WORDS, "--photo", "cat.png"], "which is not inside this program: name it with --net"),
        ([*WORDS, "--photo", "cat.png", "--net", "embedded:digits"], "the index photos.index is of "),
        ([*WORDS, "--out", "cat.png"], "cat.png is a file; give another --out"),
    ],
)
def test_what_can_not_be_done_is_one_sentence(indexed, words, said):
    assert said in is_one_sentence(*indexed(*words))
    assert not list(Path().glob("map-*"))


def test_a_photograph_that_is_none_is_told_before_anything_is_laid_out(small, monkeypatch):
    small_index(Path(), ("relu2",), many=20, k=3)
    Path("words.png").write_text("words")
    monkeypatch.setattr("phosphene.faces.cli.indexed.session", lambda _: type("S", (), {"network": small_network()}))
    assert "words.png is not a picture" in is_one_sentence(*small(*WORDS, "--photo", "words.png"))


def test_ctrl_c_leaves_nothing_and_says_so(indexed, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(map_folder, "picture", stop)
    before = sorted(p.name for p in Path().iterdir())
    code, out, err = indexed(*WORDS)
    assert (code, out) == (130, "")
    assert err.startswith("interrupted: nothing of the map was written")
    assert sorted(p.name for p in Path().iterdir()) == before


def test_a_full_disk_is_one_sentence(indexed, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(map_folder, "png_bytes", full)
    assert "map-photos-relu2 cannot be written: no space left" in is_one_sentence(*indexed(*WORDS))


@pytest.mark.slow
def test_by_tsne_it_is_the_same_twice(indexed):
    pytest.importorskip("openTSNE")
    assert indexed("map", "photos.index", "--out", "a")[0] == indexed("map", "photos.index", "--out", "b")[0] == 0
    one, other = ({p.relative_to(f): p.read_bytes() for p in Path(f).rglob("*.*")} for f in ("a", "b"))
    assert one == other


@pytest.mark.slow
@pytest.mark.parametrize(("method", "module"), [("tsne", "openTSNE"), ("umap", "umap")])
def test_a_missing_package_is_one_sentence(indexed, monkeypatch, method, module):
    monkeypatch.setitem(__import__("sys").modules, module, None)
    said = is_one_sentence(*indexed("map", "photos.index", "--method", method))
    assert "pip install 'phosphene[" in said

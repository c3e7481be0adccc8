"""A map's folder: whole or not at all, and never in the place of something else."""

import os

import pytest

from phosphene.core.errors import Mistake
from phosphene.dataset import map_folder
from phosphene.dataset.map_folder import FILES, PAGE, check_folder, write, write_placed
from phosphene.dataset.map_tiles import Tiling
from phosphene.dataset.maps import Placed, laid_out
from tests.dataset.test_maps import PCA

NAMES = ["index.html", "map.dzi", "map.json", "map.png", "map_files", "scatter.png"]


@pytest.fixture(scope="module")
def made(small):
    _, index = small
    return index, laid_out(index, "relu2", PCA, 20)


def inside(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.mark.slow
def test_all_of_it_is_there_and_the_same_twice(made, tmp_path):
    index, shown = made
    told = []
    assert write(shown, index, tmp_path / "a", report=lambda *one: told.append(one)) == tmp_path / "a" / PAGE
    write(shown, index, tmp_path / "b")
    assert sorted(os.listdir(tmp_path / "a")) == NAMES and inside(tmp_path / "a") == inside(tmp_path / "b")
    total = Tiling.of(shown.shape, 64, 256).total
    assert told[-1] == ("tiles", total, total) and len(inside(tmp_path / "a" / FILES)) == total
    assert sorted(os.listdir(tmp_path)) == ["a", "b"]


def test_a_map_may_be_made_anew_and_anything_else_is_left_alone(made, tmp_path):
    index, shown = made
    (tmp_path / "empty").mkdir()
    check_folder(tmp_path / "empty", force=False)
    check_folder(tmp_path / "none", force=False)
    write(shown, index, tmp_path / "empty")
    with pytest.raises(Mistake, match="has a map already; give --force"):
        check_folder(tmp_path / "empty", force=False)
    check_folder(tmp_path / "empty", force=True)
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "dear.txt").write_text("dear")
    with pytest.raises(Mistake, match="there already and has no map in it"):
        check_folder(tmp_path / "letters", force=True)
    with pytest.raises(Mistake, match="is a file"):
        check_folder(tmp_path / "letters" / "dear.txt", force=True)


@pytest.mark.parametrize("why", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_what_stops_it_leaves_what_was_there(made, tmp_path, monkeypatch, why):
    index, shown = made
    write(shown, index, tmp_path / "map")
    before = inside(tmp_path / "map")

    def full(*_):
        raise why

    monkeypatch.setattr(map_folder, "scatter", full)
    with pytest.raises(Mistake if isinstance(why, OSError) else KeyboardInterrupt):
        write(shown, index, tmp_path / "map")
    assert inside(tmp_path / "map") == before and os.listdir(tmp_path) == ["map"]


def test_a_photograph_changes_page_scatter_and_numbers_and_no_tile(made, tmp_path):
    index, shown = made
    write(shown, index, tmp_path / "map")
    before = inside(tmp_path / "map")
    placed = shown.__class__(**{**vars(shown), "placed": [Placed("new", (0.0, 0.0), (1,), (0.5,))]})
    write_placed(placed, tmp_path / "map", [map_folder.Image.new("RGB", (8, 8))])
    after = inside(tmp_path / "map")
    assert {name for name in after if after[name] != before.get(name)} == {"index.html", "map.json", "scatter.png"}

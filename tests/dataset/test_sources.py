from collections.abc import Sequence

import numpy as np
import pytest
import torch

from phosphene.attribution import exemplars
from phosphene.core.errors import Mistake
from phosphene.core.pictures.files import open_photo
from phosphene.dataset.index import index
from phosphene.dataset.listing import Encoded
from phosphene.dataset.sources import listed
from tests.small_index import CLASSES, small_network, small_pictures

NETWORK = small_network()


def test_a_folder_of_folders_has_classes(tmp_path):
    small_pictures(tmp_path, 8)
    listing = listed(tmp_path, NETWORK)
    assert list(listing.ids) == sorted(f"{n % 4}/{n:03d}.png" for n in range(8))
    assert listing.labels.tolist() == [0, 0, 1, 1, 2, 2, 3, 3] and listing.classes == CLASSES
    assert listing.item(3) == str(tmp_path / listing.ids[3])


def test_folders_that_are_no_classes_of_the_network_are_numbered_in_order(tmp_path):
    small_pictures(tmp_path / "all", 8)
    for i, name in enumerate(("pears", "apples")):
        (tmp_path / "all" / str(i)).rename(tmp_path / "all" / name)
    listing = listed(tmp_path / "all", NETWORK)
    assert listing.classes == {0: "2", 1: "3", 2: "apples", 3: "pears"}
    assert listing.labels.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]


def test_loose_pictures_have_no_labels_unless_numbers_stand_in_front(tmp_path):
    files = small_pictures(tmp_path / "sorted", 4)
    loose, numbered = tmp_path / "loose", tmp_path / "numbered"
    for folder, names in ((loose, "abcd"), (numbered, ["3_x", "0_y", "2_z", "0_w"])):
        folder.mkdir()
        for file, name in zip(files, names, strict=True):
            (folder / f"{name}.png").write_bytes(file.read_bytes())
    assert listed(loose, NETWORK).labels.tolist() == [-1] * 4 and listed(loose, NETWORK).classes == {}
    assert listed(numbered, NETWORK).labels.tolist() == [0, 0, 2, 3]
    assert listed(numbered, NETWORK).classes == {c: CLASSES[c] for c in (0, 2, 3)}
    (numbered / "3_x.png").rename(numbered / "4_x.png")  # of another network, then, are all of them
    assert listed(numbered, NETWORK).classes == {0: "", 2: "", 4: ""}


def test_a_list_keeps_its_order_and_its_labels(tmp_path):
    (tmp_path / "list.txt").write_text("b.png\tpear\n\na.png\tapple\r\nsub/c.png\n")
    listing = listed(tmp_path / "list.txt", NETWORK)
    assert list(listing.ids) == ["b.png", "a.png", "sub/c.png"]
    assert listing.labels.tolist() == [1, 0, -1] and listing.classes == {0: "apple", 1: "pear"}
    assert listing.item(2) == str(tmp_path / "sub" / "c.png")


def test_arrays_are_read_by_number(tmp_path):
    x = np.random.default_rng(0).integers(0, 255, (5, 12, 12, 3), np.uint8)
    np.savez(tmp_path / "x.npz", X=x, y=np.array([4, 4, 1, 0, 1]))
    listing = listed(tmp_path / "x.npz", NETWORK).evenly(2)
    assert list(listing.ids) == ["0", "2"] and listing.labels.tolist() == [4, 1]
    np.testing.assert_array_equal(np.moveaxis(np.asarray(listing.item(1)), 0, 2), x[2])


def test_pairs_in_python_are_a_data_set():
    pictures = [np.zeros((9, 9)), np.ones((9, 9))]
    listing = listed(((p, f"p{i}", "dark" if i else "light") for i, p in enumerate(pictures)), NETWORK)
    assert list(listing.ids) == ["p0", "p1"] and listing.classes == {0: "dark", 1: "light"}
    assert listing.item(1) is pictures[1]
    with pytest.raises(Mistake, match=r"\(picture, id\) or \(picture, id, label\); number 1 is 'x'"):
        listed([(pictures[0], "a"), "x"], NETWORK)


def test_labels_in_python_may_be_none_and_numbers_of_any_kind():
    labels = [np.int64(4), torch.tensor(1), None, -1, "-1", np.array(4)]
    listing = listed([(np.zeros((9, 9)), i, label) for i, label in enumerate(labels)], NETWORK)
    assert listing.labels.tolist() == [4, 1, -1, -1, -1, 4] and listing.classes == {1: "", 4: ""}


def test_several_paths_are_named_from_what_they_share(tmp_path):
    files = small_pictures(tmp_path / "a", 3)
    listing = listed([files[2], tmp_path / "a" / "0"], NETWORK)
    assert list(listing.ids) == ["2/002.png", "0/000.png"]


@pytest.mark.slow
def test_a_data_set_of_hugging_face_is_read_undecoded(tmp_path):
    datasets = pytest.importorskip("datasets")
    files = small_pictures(tmp_path, 4)
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["x", "y"])})
    data = datasets.Dataset.from_dict({"image": list(map(str, files)), "label": [1, 0, 1, 1]}, features=features)
    listing = listed(data, NETWORK)
    assert listing.labels.tolist() == [1, 0, 1, 1] and listing.classes == {0: "x", 1: "y"}
    item = listing.item(2)
    assert item.data == files[2].read_bytes() if isinstance(item, Encoded) else item == str(files[2])
    words = datasets.Features({"image": datasets.Image(), "label": datasets.Value("string")})
    inside = [{"bytes": file.read_bytes(), "path": None} for file in files[:3]]
    data = datasets.Dataset.from_dict({"image": [*inside, None], "label": ["b", "a", None, "b"]}, features=words)
    listing = listed(data, NETWORK)
    assert listing.labels.tolist() == [1, 0, -1, 1] and listing.classes == {0: "a", 1: "b"}
    made = index(NETWORK, data, tmp_path / "index", layers="relu1", count=1)
    assert not isinstance(made.given, Sequence)  # else annotations open one of them, now and then the broken one
    assert [one.id for one in made.broken] == ["3"] and open_photo(made.photo(2)).shape == (1, 3, 20, 24)
    assert len(exemplars(NETWORK, made, units="relu1:0", count=1).image) == 1


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda at: at, "there is no picture in"),
        (lambda at: at / "none", "can't be read: there is no such file"),
        (lambda at: [], "there is no picture in what was given"),
        (lambda at: ["x.bin"], "can't be read"),
        (lambda at: [(np.zeros((9, 9)), "a"), (np.zeros((9, 9)), "a")], "two pictures are called 'a'"),
    ],
)
def test_what_is_no_data_set_is_one_sentence(tmp_path, make, words):
    with pytest.raises(Mistake, match=words):
        listed(make(tmp_path), NETWORK)


def test_a_binary_file_is_no_list(tmp_path):
    (tmp_path / "weights.bin").write_bytes(bytes(range(256)))
    with pytest.raises(Mistake, match=r"weights.bin is no data set; give a folder"):
        listed(tmp_path / "weights.bin", NETWORK)

"""Labelled pictures: folders and arrays give the same pixels, and whatever is wrong with them is one sentence."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from phosphene.core.units.inputs import feed
from phosphene.core.units.labelled import numbered_folders, read_labelled
from tests.small import convnet


def photographs(many=3, height=12, width=10):
    return np.random.default_rng(0).integers(0, 256, (many, height, width, 3), dtype=np.uint8)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def save(name, pixels):
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(name)


def npz(**arrays):
    np.savez_compressed("some.npz", **arrays)
    return "some.npz"


def test_a_folder_of_folders_has_its_classes_in_the_order_of_their_names(here):
    a, b, c = photographs()
    save("data/zebra/1.png", a)
    save("data/cat/2.png", b)
    save("data/cat/1.png", c)
    read = read_labelled("data")
    assert read.names == ["cat/1.png", "cat/2.png", "zebra/1.png"]
    assert read.labels.tolist() == [0, 0, 1]
    assert read.classes == {0: "cat", 1: "zebra"}
    assert len(read) == 3
    assert np.array_equal(read.pictures.permute(0, 2, 3, 1).numpy(), np.stack([c, b, a]))
    assert torch.equal(read.pixels([1]), torch.from_numpy(b).permute(2, 0, 1)[None] / 255)


def test_folders_that_are_numbers_are_the_numbers_of_classes(here):
    for name, pixels in zip(("9", "10", "2"), photographs(), strict=True):
        save(f"data/{name}/x.png", pixels)
    read = read_labelled("data")
    assert dict(zip(read.names, read.labels.tolist(), strict=True)) == {"10/x.png": 10, "2/x.png": 2, "9/x.png": 9}
    assert read.classes == {2: "", 9: "", 10: ""}


def test_a_file_may_begin_with_the_number_of_its_class(here):
    for name, pixels in zip(("0002_n01.png", "0011-cat.png"), photographs(2), strict=True):
        save(f"data/{name}", pixels)
    read = read_labelled("data")
    assert (read.labels.tolist(), read.classes) == ([2, 11], {2: "", 11: ""})


def test_arrays_are_read_in_every_usual_layout(here):
    x, y = photographs(), np.array([4, 0, 4])
    planes = torch.from_numpy(x).permute(0, 3, 1, 2)
    for given in (x, x.transpose(0, 3, 1, 2)):
        read = read_labelled(npz(X=given, y=y))
        assert torch.equal(read.pictures, planes)
        assert (read.labels.tolist(), read.names, read.classes) == ([4, 0, 4], ["0", "1", "2"], {0: "", 4: ""})
    for given in (x[..., 0], x[..., :1]):
        assert torch.equal(read_labelled(npz(X=given, y=y)).pictures, planes[:, :1].expand(3, 3, 12, 10))


def test_the_test_half_of_a_file_with_two_is_read_and_the_names_of_its_classes(here):
    x = photographs()
    file = npz(X_train=x[:0], y_train=np.zeros(0, int), X_test=x, y_test=np.array([[1], [0], [1]], np.uint8),
               classes=np.array(["cat", "dog"]))  # fmt: skip
    read = read_labelled(file)
    assert read.labels.tolist() == [1, 0, 1]
    assert read.classes == {0: "cat", 1: "dog"}


@pytest.mark.parametrize("how", ["crop", "squash", "whole"])
def test_a_network_gets_the_pixels_that_it_is_fed_otherwise(here, how):
    network, x = convnet(), photographs()
    for i, pixels in enumerate(x):
        save(f"data/zebra/{i}.png", pixels)
    read, file = read_labelled("data", network, how), read_labelled(npz(X=x, y=np.array([1, 1, 1])), network, how)
    for i in range(3):
        assert torch.equal(read.pixels([i]).double(), feed(network, f"data/zebra/{i}.png", how).float().double())
    assert torch.equal(read.pictures, file.pictures)
    assert read.labels.tolist() == [1, 1, 1]
    assert read.classes == file.classes == {1: "zebra"}


def test_of_one_channel_are_the_pictures_of_a_network_that_takes_one(here):
    digits = np.random.default_rng(0).integers(0, 256, (2, 16, 16), dtype=np.uint8)
    network = Network(nn.Sequential(nn.Flatten(), nn.Linear(256, 2)), size=16, channels=1)
    assert torch.equal(read_labelled(npz(X=digits, y=np.array([0, 1])), network).pictures[:, 0], torch.tensor(digits))


def test_pictures_are_brought_to_a_size(here):
    read = read_labelled(npz(X=photographs(2, 40, 60), y=np.array([0, 1])), size=(8, 9))
    assert read.pictures.shape == (2, 3, 8, 9)


def test_folders_may_be_as_many_as_the_classes_of_a_network_and_be_called_otherwise(here):
    for name, pixels in zip("abcd", photographs(4), strict=True):
        save(f"data/{name}/x.png", pixels)
    assert read_labelled("data", convnet()).labels.tolist() == [0, 1, 2, 3]


def test_a_folder_of_a_class_that_the_network_does_not_have_is_told(here):
    for name, pixels in zip(("zebra", "unicorn"), photographs(2), strict=True):
        save(f"data/{name}/x.png", pixels)
    with pytest.raises(
        Mistake, match=r"data has 2 folders of classes and .* has 4 classes, none of which is called un"
    ):
        read_labelled("data", convnet())


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"a": [1]}, "some.npz has a in it, and no X and y; a .npz file with X and y, or a folder"),
        ({"X": photographs() / 255, "y": [0, 1, 1]}, "the pictures in some.npz are float64, 3 x 12 x 10 x 3; they"),
        ({"X": photographs()[0, 0], "y": [0, 1, 1]}, "the pictures in some.npz are uint8, 10 x 3; they have"),
        ({"X": photographs(), "y": [0.0, 1.5, 1]}, "the labels in some.npz are float64, 3; a whole number for each"),
        ({"X": photographs(), "y": [0, 1]}, "the labels in some.npz are int64, 2; a whole number for each"),
        ({"X": photographs(), "y": [0, 1, -1]}, "some.npz has the label -1; classes are counted from 0"),
        ({"X": photographs(0), "y": np.zeros(0, int)}, "there is no picture in some.npz"),
        ({"X": photographs(), "y": [0, 2, 1], "classes": ["a", "b"]}, "the names of classes in some.npz are 2 of <U1"),
        ({"X": photographs(3, 4, 4), "y": [0, 2, 1]}, "the array is 4 x 4 pixels"),
        ({"X": np.array([{}]), "y": [0]}, "X.npy in some.npz holds Python objects, which are not read"),
    ],
)  # fmt: skip
def test_arrays_that_make_no_sense_are_told_in_a_sentence(here, arrays, words):
    file = npz(**{name: np.array(array) for name, array in arrays.items()})
    with pytest.raises(Mistake, match=words):
        read_labelled(file)


def test_a_label_that_is_no_class_of_the_network_is_told(here):
    with pytest.raises(Mistake, match=r"picture 2 is of class 4, and .* has 0 to 3"):
        read_labelled(npz(X=photographs(), y=np.array([0, 1, 4])), convnet())


def test_a_header_that_claims_more_than_is_there_allocates_nothing(here):
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"shape": (10**12, 32, 32, 3), "fortran_order": False, "descr": "|u1"})
    with zipfile.ZipFile("some.npz", "w") as packed:
        for name in ("X.npy", "y.npy"):
            packed.writestr(name, buffer.getvalue())
    with pytest.raises(Mistake, match=r"X.npy in some.npz claims .* more than is there"):
        read_labelled("some.npz")


@pytest.mark.parametrize("content", [b"", b"hello", b"PK" * 40])
def test_a_file_that_is_no_npz_is_told(here, content):
    Path("some.npz").write_bytes(content)
    with pytest.raises(Mistake, match=r"some.npz can't be read as a .npz file: .*; a .npz file with X and y"):
        read_labelled("some.npz")


def test_a_damaged_file_is_told(here):
    content = bytearray(Path(npz(X=photographs(), y=np.array([0, 1, 1]))).read_bytes())
    content[200:300] = bytes(100)
    Path("some.npz").write_bytes(content)
    with pytest.raises(Mistake, match=r"some.npz can't be read as a .npz file"):
        read_labelled("some.npz")


def test_what_is_not_there_is_told(here):
    with pytest.raises(Mistake, match=r"there is no file nowhere.npz; a .npz file with X and y, or a folder"):
        read_labelled("nowhere.npz")
    Path("empty").mkdir()
    with pytest.raises(Mistake, match=r"there is no picture in empty; one folder for each class"):
        read_labelled("empty")


def test_pictures_whose_class_nobody_knows_are_told(here):
    a, b, _ = photographs()
    save("data/x.png", a)
    with pytest.raises(Mistake, match=r"the class of data/x.png is not known: give a folder"):
        read_labelled("data")
    save("data/cat/y.png", b)
    with pytest.raises(Mistake, match=r"data has folders of classes, and x.png beside them"):
        read_labelled("data")


def test_pictures_of_several_sizes_are_told(here):
    save("data/a/x.png", photographs(1, 12, 10)[0])
    save("data/b/y.png", photographs(1, 9, 20)[0])
    with pytest.raises(Mistake, match=r"a/x.png has 10 x 12 pixels and b/y.png has 20 x 9; pictures of one size"):
        read_labelled("data")


def test_a_picture_that_cannot_be_read_is_told_and_not_left_out(here):
    save("data/a/x.png", photographs(1)[0])
    Path("data/a/y.png").write_bytes(Path("data/a/x.png").read_bytes()[:60])
    with pytest.raises(Mistake, match=r"y.png"):
        read_labelled("data")


def test_folders_of_a_data_set_are_numbered_whether_they_are_the_networks_classes_or_not():
    network = convnet()
    assert numbered_folders(["3", "zebra"], network) == ({"3": 3, "zebra": 1}, {1: "zebra", 3: network.labels[3]})
    assert numbered_folders(["12", "7"], network) == ({"12": 12, "7": 7}, {7: "", 12: ""})
    assert numbered_folders(["pears", "plums"], network) == ({"pears": 0, "plums": 1}, {0: "pears", 1: "plums"})

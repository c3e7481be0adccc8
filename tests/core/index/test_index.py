import json
import shutil

import numpy as np
import pytest
import torch

from phosphene.core.errors import Mistake
from phosphene.core.index.index import Index, is_index
from phosphene.core.units.inputs import feed
from tests.small import convnet
from tests.small_index import CLASSES, small_network


def test_an_index_says_what_it_is_of(small):
    folder, index = small
    assert index.count == 60 and len(index.ids) == 60 and index.ids[0] == "0/000.png"
    assert index.labels.tolist() == sorted(list(range(4)) * 15)
    assert index.classes == CLASSES
    assert index.layers == ["relu1", "relu2", "logits"] and index.units("relu2") == 8
    assert index.sizes.tolist() == [[20, 24]] * 60
    assert (index.fit, index.network_name, index.network_spec) == ("crop", "Sequential", None)
    assert index.broken == []
    assert is_index(folder / "photos.index") and not is_index(folder / "photos")


def test_a_photo_is_its_file_and_a_thumbnail_what_was_fed(small):
    folder, index = small
    for image in (0, 17, 59):
        photo = index.photo(image)
        assert photo == str(folder / "photos" / index.ids[image])
        fed = feed(small_network(), photo)[0]
        assert (index.thumbnail(image) - fed).abs().mean() < 0.05  # a JPEG of 16 px


def test_a_value_is_had_again_from_the_photo(small):
    _folder, index = small
    network = small_network().planned("reading")
    for found in index.exemplars("relu2", 3):
        with torch.no_grad():
            y = network.read(feed(network, index.photo(found.image)), ["relu2"])["relu2"]
        assert float(y[(0, 3, *found.position)]) == pytest.approx(found.value, rel=1e-5)


def test_what_is_not_there_is_one_sentence(small, tmp_path):
    folder, index = small
    for call, words in (
        (lambda: index.exemplars("relu", 0), "no layer 'relu'; did you mean 'relu1'"),
        (lambda: index.exemplars("relu1", 6), "relu1 has units 0 to 5, not 6"),
        (lambda: index.exemplars("relu1", 0, "strongest", 10), "index again with --count 10"),
        (lambda: index.peaks("relu1", [0, -1]), "not -1"),
        (lambda: index.thumbnail(60), "images 0 to 59, not 60"),
        (lambda: Index.open(folder / "photos"), "is no index: there is no index.json"),
        (lambda: Index.open(tmp_path / "none"), "there is no index"),
        (lambda: Index.open(index.folder, convnet(torch.float32, relu=torch.nn.Sigmoid, size=16).of(torch.nn.Sequential(
            torch.nn.Conv2d(3, 4, 3), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()))),
            "of Sequential with other weights"),
    ):  # fmt: skip
        with pytest.raises(Mistake, match=words.replace("(", r"\(")):
            call()
    assert Index.open(index.folder, small_network()).count == 60


def test_an_unfinished_a_newer_and_a_damaged_index_are_refused(small, tmp_path):
    folder, _ = small
    copy = tmp_path / "copy"
    shutil.copytree(folder / "photos.index", copy)
    facts = json.loads((copy / "index.json").read_text())
    (copy / "index.json").write_text(json.dumps({**facts, "format": 99}))
    with pytest.raises(Mistake, match="has format 99, and this version reads format 1"):
        Index.open(copy)
    (copy / "index.json").write_text("{")
    with pytest.raises(Mistake, match="is damaged"):
        Index.open(copy)
    (copy / "index.json").unlink()
    with pytest.raises(Mistake, match="is unfinished; the command that began it goes on"):
        Index.open(copy)


def test_damaged_and_missing_files_are_told_by_name(small, tmp_path):
    folder, _ = small
    copy = tmp_path / "copy"
    shutil.copytree(folder / "photos.index", copy)
    (copy / "relu1.units.parquet").write_bytes(b"PAR1")
    (copy / "relu1.codes.npy").write_bytes(b"\x93NUMPY")
    (copy / "images.parquet").unlink()
    index = Index.open(copy)
    for call, name in (
        (lambda: index.statistics("relu1"), "relu1.units.parquet"), (lambda: index.codes("relu1"), "relu1.codes.npy"),
        (lambda: index.ids, "images.parquet"), (lambda: index.photo(3), "images.parquet"),
    ):  # fmt: skip
        with pytest.raises(Mistake, match=name):
            call()


def test_arrays_are_memory_maps(small):
    _, index = small
    assert isinstance(index.codes("relu1"), np.memmap) and index.codes("relu1").dtype == np.float16
    assert index.peaks("relu1").shape == (60, 6)

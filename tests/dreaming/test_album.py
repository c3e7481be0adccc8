"""An album: what is read, what is left out and said, clusters, and the network that the training begins with."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data

from phosphene.core.errors import Mistake
from phosphene.dreaming import album
from phosphene.dreaming.album import Album, beginning, course, evened, nearest_mean, read_album, remarks
from tests.dreaming.stripes import stripes
from tests.small import normal


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def put(folder, many=2, across=False, seed=0, side=40):
    """Pictures of stripes in a folder."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    for i in range(many):
        Image.fromarray(stripes(across, seed + i, side)).save(Path(folder, f"{seed + i}.png"))


def test_each_folder_is_a_class_and_pictures_in_its_folders_belong_to_it(here):
    put("a/upright"), put("a/across", 3, across=True), put("a/across/of last year", 1, across=True, seed=9)
    put("a/.hidden")
    found = read_album("a")
    assert found.classes == ["across", "upright"] and found.labels.tolist() == [0, 0, 0, 0, 1, 1]
    assert found.files == [
        "across/0.png", "across/1.png", "across/2.png", "across/of last year/9.png", "upright/0.png", "upright/1.png",
    ]  # fmt: skip
    assert found.pictures.shape == (6, 3, 96, 96) and not found.clusters and found.notes == []


def test_a_picture_is_the_square_in_its_middle_of_eight_bits(here):
    put("a/x"), put("a/y", across=True)
    wide = np.zeros((96, 200, 3), np.uint8)
    wide[:, 52:148] = 77
    Image.fromarray(wide).save("a/x/0.png")
    assert read_album("a").pictures[0].unique().tolist() == [77]


def test_a_large_jpeg_is_decoded_small_and_looks_the_same(here):
    put("a/x"), put("a/y", across=True)
    picture = Image.fromarray(data.chelsea()).resize((1200, 800))
    picture.save("a/x/00.jpg", quality=95), picture.save("a/x/01.png", compress_level=1)
    found = read_album("a")
    jpeg, png = (found.pictures[found.files.index(f"x/{name}")].int() for name in ("00.jpg", "01.png"))
    assert 0 < (jpeg - png).abs().float().mean() < 1.5


def test_what_can_not_be_used_is_left_out_and_named(here):
    put("a/x"), put("a/y", across=True), put("a/y", 1, across=True, seed=5, side=7), put("a/lonely", 1, seed=3)
    Path("a/empty").mkdir()
    Path("a/x/torn.jpg").write_bytes(b"\xff\xd8\xff nothing more")
    Path("a/x/copy.png").write_bytes(Path("a/x/0.png").read_bytes())
    Path("a/x/words.txt").write_text("no picture, and none by its name")
    put("a", 1, seed=8)
    found = read_album("a")
    assert found.classes == ["x", "y"] and found.files == ["x/0.png", "x/1.png", "y/0.png", "y/1.png"]
    assert found.notes == [
        "a/8.png is left out, as it is in no folder of a class",
        "a/x/copy.png is left out, as it shows what a/x/0.png shows, pixel by pixel",
        "left out: a/x/torn.jpg is not a picture that can be read: it begins as one, but is damaged or cut off; "
        "JPEG, PNG, WebP, TIFF, BMP and GIF work",
        "left out: a/y/5.png is 7 x 7 pixels; a picture needs at least 8 x 8",
        "folder empty is left out, as it has no pictures",
        "folder lonely is left out, as it has 1 picture",
    ]


@pytest.mark.parametrize(
    ("folders", "said"),
    [
        ({}, "a has no pictures that can be used, and 4 or more are needed"),
        ({"x": 1, "y": 1}, "a has 2 pictures that can be used, and 4 or more are needed"),
        ({"x": 5}, "the folders in a are its classes, 2 or more with 2 pictures or more each, and there is one folder "
                   "that has 2 pictures or more, 'x'; give --clusters 2"),
        ({"v": 1, "x": 1, "y": 1, "z": 1}, "and there is no such folder; give --clusters 2"),
    ],
)  # fmt: skip
def test_too_few_are_one_sentence(folders, said, here):
    Path("a").mkdir()
    for index, (name, many) in enumerate(folders.items()):
        put(f"a/{name}", many, seed=10 * index)
    with pytest.raises(Mistake) as mistake:
        read_album("a")
    assert said in str(mistake.value)


def test_what_is_no_folder_is_said(here):
    put(".", 1)
    for name in ("0.png", "nowhere"):
        with pytest.raises(Mistake, match=f"{name} is not a folder; give one with a folder of pictures for each"):
            read_album(name)


@pytest.mark.slow
def test_without_folders_clusters_find_the_two_kinds(here):
    for i in range(8):
        put("a", 1, across=i % 2 == 1, seed=i)
    found = read_album("a")
    assert found.clusters and found.classes == ["cluster 1", "cluster 2"]
    kinds = torch.tensor([int(Path(file).stem) % 2 for file in found.files])
    assert torch.equal(found.labels, kinds) == torch.equal(found.labels[:1], kinds[:1])
    assert len({(int(a), int(b)) for a, b in zip(found.labels, kinds, strict=True)}) == 2


def test_clusters_that_are_asked_for_go_before_folders(here):
    put("a/x", 4), put("a/y", 4, across=True)
    found = read_album("a", clusters=2)
    assert found.classes == ["cluster 1", "cluster 2"] and found.labels.bincount().tolist() == [4, 4]
    assert found.files[0] == "x/0.png"


def test_a_picture_that_is_a_cluster_alone_goes_to_the_nearest(monkeypatch):
    codes = torch.tensor([[1.0, 0.0], [1.0, 0.01], [0.0, 1.0], [0.01, 1.0], [0.7, 0.5]])
    monkeypatch.setattr(album, "_codes", lambda pictures: codes)
    assert album._clusters(torch.zeros(5, 3, 96, 96).byte(), None, 0).tolist() == [0, 0, 1, 1, 0]


def test_more_clusters_than_half_the_pictures_are_refused():
    with pytest.raises(Mistake, match="9 pictures are too few for 5 clusters; give --clusters 4 or fewer"):
        album._clusters(torch.zeros(9, 3, 96, 96).byte(), 5, 0)


def test_alike_pictures_are_no_clusters(monkeypatch):
    monkeypatch.setattr(album, "_codes", lambda pictures: torch.ones(5, 2))
    with pytest.raises(Mistake, match="the 5 pictures do not fall into 2 clusters or more; give them in folders"):
        album._clusters(torch.zeros(5, 3, 96, 96).byte(), None, 0)


def test_the_last_layer_begins_with_the_nearest_mean():
    codes, labels = normal(30, 5), torch.arange(30) % 3
    codes = codes + labels[:, None]
    layer = nearest_mean(codes.float(), labels, 3)
    means = torch.stack([codes[labels == one].mean(0) for one in range(3)])
    nearest = torch.stack([torch.stack([(x - m).square().sum() for m in means]) for x in codes]).argmin(1)
    assert torch.equal(layer(codes.float()).argmax(1), nearest)


@pytest.mark.slow
def test_the_network_begins_as_the_embedded_one_with_other_classes():
    pictures = torch.stack([torch.from_numpy(stripes(i % 2 == 1, i, 96)).permute(2, 0, 1) for i in range(8)])
    labels = torch.arange(8) % 2
    network = beginning(pictures, labels, ["upright", "across"], "cpu", "float32")
    assert network.labels == ["upright", "across"] and network.size == (64, 64)
    model = network.model.eval()
    with torch.no_grad():
        assert torch.equal(model(album._shown(network, pictures)).argmax(1), labels)
        model.classifier = torch.nn.Identity()
        torch.testing.assert_close(model(album._shown(network, pictures)), album._codes(pictures), atol=2e-3, rtol=1e-3)


def test_small_classes_are_shown_several_times():
    labels = torch.tensor([0] * 100 + [1] * 10 + [2] * 60 + [3])
    assert evened(labels).bincount(minlength=171)[[0, 100, 110, 170]].tolist() == [1, 5, 1, 8]


def test_few_pictures_are_shown_more_often():
    assert [len(course(many, None, 32, 64)["sides"]) for many in (100, 450, 1800, 9000)] == [60, 40, 10, 5]
    assert course(2000, 2, 32, 64)["sides"] == (64, 64)


def said_of(*many):
    labels = torch.arange(len(many)).repeat_interleave(torch.tensor(many))
    return remarks(
        Album(torch.zeros(len(labels), 3, 96, 96).byte(), labels, [f"c{i}" for i in range(len(many))], [], False, [])
    )


def test_few_pictures_and_unequal_classes_are_remarked_upon():
    assert said_of(20, 20) == []
    assert said_of(5, 4) == ["9 pictures are few for 2 classes; of 20 or more each, dreams show more"]
    assert said_of(300, 20) == [
        "class c0 has 300 pictures and c1 20; those of small classes are shown several times an epoch"
    ]

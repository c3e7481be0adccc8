from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image

from phosphene.core.pictures.eight_bit import levels
from phosphene.core.pictures.files import open_photo
from phosphene.core.units.network_input import Entrance, feed
from phosphene.dataset.decoding import Broken, Decoder, Door, decode, decoder
from phosphene.dataset.listing import Encoded
from tests.small_index import small_network, small_pictures

NETWORK = small_network()
DOOR = Door(Entrance.of(NETWORK), thumbnail=8)


def jpeg(path, size=(640, 480)):
    y, x = np.mgrid[: size[1], : size[0]]
    pixels = np.stack([127 + 120 * np.sin(x / 40), 127 + 120 * np.cos(y / 30), (x + y) % 256], 2)
    Image.fromarray(pixels.astype(np.uint8)).save(path, quality=95)
    return str(path)


@pytest.mark.parametrize("how", ["crop", "squash", "whole"])
def test_what_is_fed_is_what_feed_says_to_the_bit(tmp_path, how):
    for photo in (jpeg(tmp_path / "a.jpg", (90, 60)), str(small_pictures(tmp_path, 1)[0])):
        found = decode(photo, Door(Entrance.of(NETWORK, how)))
        assert torch.equal(torch.from_numpy(found.pixels), levels(feed(NETWORK, photo, how)).byte()[0])
        assert found.size == tuple(open_photo(photo).shape[2:])


def test_a_thumbnail_has_its_side(tmp_path):
    found = decode(jpeg(tmp_path / "a.jpg"), Door(Entrance((40, 80), False, 3), thumbnail=20))
    with Image.open(BytesIO(found.thumbnail)) as picture:
        assert (picture.format, picture.size) == ("JPEG", (20, 10))


def test_a_draft_is_nearly_the_same_and_knows_the_size(tmp_path):
    photo = jpeg(tmp_path / "a.jpg")
    entrance = Entrance((64, 64), False, 3)
    whole, draft = (decode(photo, Door(entrance, draft=draft)) for draft in (False, True))
    assert whole.size == draft.size == (480, 640)
    difference = np.abs(whole.pixels.astype(int) - draft.pixels)
    assert 0 < difference.max() <= 16 and difference.mean() < 3


@pytest.mark.parametrize(
    ("data", "words"),
    [(b"", "is empty"), (b"hello there", "begins with text"), (b"\xff\xd8\xff\xe0 cut", "damaged or cut off")],
)
def test_what_cannot_be_read_is_a_sentence(tmp_path, data, words):
    (tmp_path / "x.jpg").write_bytes(data)
    for item in (str(tmp_path / "x.jpg"), Encoded(data, "x.jpg")):
        found = decode(item, DOOR)
        assert isinstance(found, Broken) and words in found.why and "x.jpg" in found.why


def test_a_file_of_a_name_that_no_index_can_keep_is_not_read():
    why = decode("latin\udce9.jpg", DOOR).why
    assert why.startswith("the name of latin") and "is not UTF-8, by which an index finds it again" in why
    assert why.isprintable()


def test_of_a_film_in_a_gif_the_first_picture_counts(tmp_path):
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert decode(str(tmp_path / "a.gif"), DOOR).pixels[:, 5, 5].tolist() == [255, 0, 0]


def test_a_picture_of_too_many_pixels_is_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr("phosphene.core.pictures.files.MOST_PIXELS", 100)
    found = decode(str(small_pictures(tmp_path, 1)[0]), DOOR)
    assert isinstance(found, Broken) and "is the limit, make it smaller first" in found.why


def test_pixels_of_many_channels_are_read_as_arrays():
    array = np.random.default_rng(0).integers(0, 255, (5, 16, 16), np.uint8)
    found = decode(array, Door(Entrance((16, 16), False, 5), shown=(4, 2, 0)))
    np.testing.assert_array_equal(found.pixels, array)


@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_threads_and_processes_say_the_same_in_order(tmp_path, workers):
    files = [str(file) for file in small_pictures(tmp_path, 30)]
    files.insert(7, str(tmp_path / "none.png"))
    alone = list(Decoder(DOOR).decoded(files))
    threads = torch.get_num_threads()
    with decoder(DOOR, workers) as pool:
        together = list(pool.decoded(files))
    assert torch.get_num_threads() == threads
    assert isinstance(together[7], Broken) and len(together) == 31
    for one, other in zip(alone, together, strict=True):
        if isinstance(one, Broken):
            assert one == other
        else:
            assert np.array_equal(one.pixels, other.pixels) and one.thumbnail == other.thumbnail

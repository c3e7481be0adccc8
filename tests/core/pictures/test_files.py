"""Pictures: every kind of file reads as the plain copy of it, every wrong one is told in one sentence."""

import contextlib
import os
import struct
import tempfile
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image
from skimage import data

from phosphene.core.errors import Mistake
from phosphene.core.pictures import files as pictures
from phosphene.core.pictures.eight_bit import to_pil
from phosphene.core.pictures.files import as_fractions, file_pixels, is_film, open_photo, pixel_count, read_text, stored
from phosphene.core.pictures.samples import SAMPLES
from tests.core.photographs import as_picture, close, noise
from tests.films import film, moving


def mode_of(path: Path) -> str:
    with Image.open(path) as image:
        return image.mode


def raw_png(colour: int, depth: int, rows: list[bytes], size: tuple[int, int], key: bytes = b"") -> bytes:
    """A PNG written by hand, for what Pillow reads and does not write; `key` is the transparent colour."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", *size, depth, colour, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    transparent = chunk(b"tRNS", key) if key else b""
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + transparent + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


# Reading what is right


def test_a_photo_is_one_float_picture_of_its_pixels(plain):
    assert plain.shape == (1, 3, 300, 451) and plain.dtype == torch.float32
    assert torch.equal(plain[0, :, 7, 5], torch.tensor(data.chelsea()[7, 5]) / 255)


@pytest.mark.parametrize("ending", ["png", "bmp", "tif"])
def test_lossless_files_have_the_same_bits(ending, cat, plain, tmp_path):
    cat.save(tmp_path / f"cat.{ending}")
    assert torch.equal(open_photo(tmp_path / f"cat.{ending}"), plain)
    assert torch.equal(open_photo(str(tmp_path / f"cat.{ending}")), plain)


@pytest.mark.parametrize(
    ("name", "mode", "options", "levels"),
    [
        ("cat.jpg", "RGB", {"quality": 95}, 2),
        ("cat.jpg", "RGB", {"quality": 95, "progressive": True}, 2),
        ("cat.webp", "RGB", {"quality": 95}, 3),
        ("cat.jpg", "CMYK", {"quality": 95}, 3),
        ("cat.tif", "CMYK", {}, 0.01),
        ("cat.png", "RGBA", {}, 0),
        ("cat.gif", "P", {}, 12),
        ("cat.png", "P", {}, 12),
    ],
)
def test_a_photo_in_another_mode_stays_close_to_the_plain_copy(name, mode, options, levels, cat, plain, tmp_path):
    cat.convert(mode, palette=Image.Palette.ADAPTIVE).save(tmp_path / name, **options)
    assert close(open_photo(tmp_path / name), plain, levels)


def test_grey_is_grey_in_all_three_channels(grey, tmp_path):
    Image.fromarray(grey).save(tmp_path / "grey.png")
    assert torch.equal(open_photo(tmp_path / "grey.png"), as_picture(grey))


@pytest.mark.parametrize("kind", [np.uint16, np.int32])
def test_sixteen_bit_grey_is_scaled_and_not_clipped(kind, grey, tmp_path):
    Image.fromarray((grey.astype(np.uint16) * 257).astype(kind)).save(tmp_path / "grey.tif")
    assert mode_of(tmp_path / "grey.tif") == {np.uint16: "I;16", np.int32: "I"}[kind]
    assert torch.equal(open_photo(tmp_path / "grey.tif"), as_picture(grey))


def test_sixteen_bit_png_grey_is_scaled(grey, tmp_path):
    Image.fromarray(grey.astype(np.uint16) * 257).save(tmp_path / "grey.png")
    assert torch.equal(open_photo(tmp_path / "grey.png"), as_picture(grey))


def test_sixteen_bit_colour_keeps_its_upper_eight(tmp_path):
    wide = np.array(data.chelsea(), dtype=">u2") * 257
    (tmp_path / "wide.png").write_bytes(raw_png(2, 16, [row.astype(">u2").tobytes() for row in wide], (451, 300)))
    assert torch.equal(open_photo(tmp_path / "wide.png"), open_photo(data.chelsea()))


def test_one_bit_is_black_and_white(tmp_path):
    horse = data.horse()
    Image.fromarray(horse).save(tmp_path / "horse.png")
    assert mode_of(tmp_path / "horse.png") == "1"
    assert torch.equal(open_photo(tmp_path / "horse.png"), as_picture(horse.astype(np.uint8) * 255))


def test_float_tiff_is_read_as_fractions(grey, tmp_path):
    Image.fromarray((grey / 255).astype(np.float32)).save(tmp_path / "float.tif")
    assert torch.equal(open_photo(tmp_path / "float.tif"), as_picture(grey))


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_is_laid_over_white(mode, tmp_path):
    picture = Image.new(mode, (9, 8), (0,) * (len(mode) - 1) + (51,))  # black, 20 % opaque
    picture.save(tmp_path / "glass.png")
    torch.testing.assert_close(open_photo(tmp_path / "glass.png"), torch.full((1, 3, 8, 9), 0.8))


@pytest.mark.parametrize("name", ["clear.gif", "clear.png"])
def test_a_transparent_palette_entry_is_white(name, tmp_path):
    picture = Image.new("P", (16, 8))
    picture.putpalette([0, 0, 0, 255, 0, 0])
    picture.paste(1, (8, 0, 16, 8))
    picture.save(tmp_path / name, transparency=0)
    left, right = open_photo(tmp_path / name).split(8, dim=3)
    assert torch.equal(left, torch.ones(1, 3, 8, 8))
    assert torch.equal(right, torch.tensor([1.0, 0, 0]).reshape(1, 3, 1, 1).expand(1, 3, 8, 8))


@pytest.mark.parametrize(
    ("depth", "row", "key"),
    [(1, b"\xaa", struct.pack(">H", 0)), (16, struct.pack(">8H", *[0x1234, 0xFFFF] * 4), struct.pack(">H", 0x1234))],
)
def test_a_transparent_grey_value_is_white_at_every_depth(depth, row, key, tmp_path):
    (tmp_path / "keyed.png").write_bytes(raw_png(0, depth, [row] * 8, (8, 8), key))
    assert torch.equal(open_photo(tmp_path / "keyed.png"), torch.ones(1, 3, 8, 8))
    (tmp_path / "plain.png").write_bytes(raw_png(0, depth, [row] * 8, (8, 8)))
    assert open_photo(tmp_path / "plain.png").min() < 0.1


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_comes_upright(orientation, cat, plain, tmp_path):
    stored_as = {1: None, 2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}[orientation]  # the inverse of what puts it right
    stored = cat if stored_as is None else cat.transpose(Image.Transpose(stored_as))
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(tmp_path / "cat.png", exif=exif)
    assert torch.equal(open_photo(tmp_path / "cat.png"), plain)


def test_a_phone_jpeg_on_its_side_comes_upright(cat, plain, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    cat.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "phone.jpg", quality=95, exif=exif)
    assert close(open_photo(tmp_path / "phone.jpg"), plain, 2)


def test_a_large_jpeg_may_be_decoded_small_and_is_refused_by_its_own_size(tmp_path, monkeypatch):
    file = tmp_path / "large.jpg"
    Image.fromarray(data.chelsea()).resize((800, 600)).save(file, quality=95)
    small, whole = open_photo(file, least=140), open_photo(file)
    assert small.shape == (1, 3, 150, 200) and whole.shape == (1, 3, 600, 800)
    assert (small - torch.nn.functional.avg_pool2d(whole, 4)).abs().mean() < 0.01
    monkeypatch.setattr(pictures, "MOST_PIXELS", 100_000)
    with pytest.raises(Mistake, match="800 x 600 pixels"):
        open_photo(file, least=140)


def test_damaged_exif_does_not_cost_the_picture(cat, plain, tmp_path):
    cat.save(tmp_path / "cat.jpg", quality=95, exif=b"Exif\0\0MM\0*\xff\xff\xff\xff\xff")
    assert close(open_photo(tmp_path / "cat.jpg"), plain, 2)


@pytest.mark.parametrize("ending", ["gif", "tif", "webp", "png"])
def test_of_several_frames_it_is_the_first(ending, tmp_path):
    frames = [Image.new("RGB", (10, 10), colour) for colour in ("red", "lime", "blue")]
    frames[0].save(tmp_path / f"film.{ending}", save_all=True, append_images=frames[1:])
    red = open_photo(tmp_path / f"film.{ending}").mean((0, 2, 3))
    assert red[0] > 0.9 and red[1:].max() < 0.1


@pytest.mark.parametrize("photo", ["skimage:chelsea", data.chelsea(), torch.from_numpy(data.chelsea())])
def test_names_arrays_and_tensors_are_the_same_photo(photo, plain):
    assert torch.equal(open_photo(photo), plain)


@pytest.mark.parametrize("name", SAMPLES)
def test_every_sample_opens(name):
    assert open_photo(f"skimage:{name}").shape[1] == 3


def test_all_layouts_of_an_array_are_the_same_picture():
    x = noise(1, 3, 9, 11)
    for layout in (x, x[0], x[0].permute(1, 2, 0), x.numpy(), x.double(), x[0].permute(1, 2, 0).numpy()[::-1][::-1]):
        assert torch.equal(open_photo(layout), x)


def test_whole_numbers_are_scaled_by_their_kind():
    ones = np.ones((8, 8))
    for array in (ones.astype(bool), (255 * ones).astype(np.uint8), (65535 * ones).astype(np.uint16), ones):
        assert torch.equal(open_photo(array), torch.ones(1, 3, 8, 8))


def test_the_callers_tensor_is_not_shared():
    x = noise(1, 3, 8, 8)
    open_photo(x).zero_()
    assert x.max() > 0


# Reading what is wrong


def sentence(photo) -> str:
    with pytest.raises(Mistake) as mistake:
        open_photo(photo)
    assert "\n" not in str(mistake.value)
    return str(mistake.value)


def test_a_missing_file_is_answered_with_its_neighbours(tmp_path):
    (tmp_path / "chelsea.jpg").touch()
    assert sentence(tmp_path / "chelsae.jpg") == f"there is no file {tmp_path}/chelsae.jpg; did you mean 'chelsea.jpg'?"
    assert sentence(tmp_path / "zzz") == f"there is no file {tmp_path}/zzz"
    assert sentence(tmp_path / "no/x") == f"there is no folder {tmp_path}/no, and so no file {tmp_path}/no/x"


def test_a_sample_without_its_prefix_is_recognized(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert sentence("chelsea") == "there is no file chelsea; did you mean 'skimage:chelsea'?"
    assert sentence("skimage:chelsae") == "scikit-image brings no picture 'chelsae'; did you mean 'chelsea'?"
    assert sentence("skimage:zzzz").startswith("scikit-image brings no picture 'zzzz'; there are astronaut, brick,")


def test_scikit_image_may_be_missing(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "skimage", None)
    assert sentence("skimage:coffee") == "skimage:coffee needs scikit-image: pip install scikit-image"


def test_an_address_is_no_file():
    address = "https://example.org/a.jpg"
    assert sentence(address) == f"addresses are not opened, and {address} is an address, not a file; download it first"


def test_no_name_is_no_picture(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert sentence("") == "the name of the picture is empty; give a file"


@pytest.mark.parametrize("letters", [240, 255, 256, 300])
def test_a_long_name_is_read_or_refused(letters, cat, plain, tmp_path):
    path = tmp_path / ("a" * (letters - 4) + ".png")
    if letters <= 255:
        cat.save(path)
        assert torch.equal(open_photo(path), plain)
    else:
        assert sentence(path) == f"{path} cannot be read: file name too long"


def test_links_that_lead_nowhere_are_told(tmp_path):
    (tmp_path / "dangling.png").symlink_to("nowhere.png")
    (tmp_path / "circle.png").symlink_to("circle.png")
    assert sentence(tmp_path / "dangling.png").endswith("dangling.png is a link to nowhere.png, which is not there")
    assert sentence(tmp_path / "circle.png").endswith("circle.png is a link that leads in a circle")


def test_a_folder_that_may_not_be_looked_into(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)
    for path in (tmp_path, tmp_path / "none.png"):
        assert sentence(path) == f"{path} cannot be read: permission denied"
    monkeypatch.setattr(os, "stat", refuse)
    assert sentence(tmp_path / "cat.png") == f"{tmp_path}/cat.png cannot be read: permission denied"


def test_a_folder_names_a_picture_in_it(tmp_path):
    assert sentence(tmp_path) == f"{tmp_path} is a folder, not a picture; and there is no picture in it"
    (tmp_path / "b.PNG").touch()
    assert sentence(tmp_path) == f"{tmp_path} is a folder, not a picture; name one in it, such as {tmp_path}/b.PNG"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert "is a device or a pipe, not a picture" in sentence(tmp_path / "pipe")


def test_a_file_that_may_not_be_read(tmp_path, monkeypatch):
    (tmp_path / "secret.png").write_bytes(b"x")

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    assert sentence(tmp_path / "secret.png") == f"{tmp_path}/secret.png cannot be read: permission denied"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty (0 bytes)"),
        (b"BMW, a car", "is not a picture that can be read: it begins with text"),
        (b"RIFF\0\1\2\3WEBP\0", "is not a picture that can be read: it begins as one, but is damaged or cut off"),
        (b"dear diary,\n", "is not a picture that can be read: it begins with text"),
        ("ä".encode() * 256 + b"<", "is not a picture that can be read: it begins with text"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "is not a picture that can be read: it begins with text"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "is not a picture that can be read: it is HEIC, AVIF or a film"),
        (b"<!doctype html>", "is not a picture that can be read: it is a web page"),
        (b"%PDF-1.7\n", "is not a picture that can be read: it is a PDF"),
        (b"\x00\x01\xfe\xff12345", "is not a picture that can be read: it begins with the bytes 00 01 fe ff"),
        (b"\xff\xd8\xff\xe0\0", "is not a picture that can be read: it begins as one, but is damaged or cut off"),
    ],
)
def test_other_files_are_named_for_what_they_are(content, said, tmp_path):
    path = tmp_path / "photo.jpg"
    path.write_bytes(content)
    assert sentence(path) == f"{path} {said}; JPEG, PNG, WebP, TIFF, BMP and GIF work"


def test_formats_outside_the_list_are_not_even_tried(cat, tmp_path):
    cat.save(tmp_path / "cat.ppm")
    assert "is not a picture that can be read" in sentence(tmp_path / "cat.ppm")


@pytest.mark.parametrize("ending", ["jpg", "png", "gif", "bmp", "tif"])
def test_half_a_file_is_cut_off(ending, cat, tmp_path):
    path = tmp_path / f"cat.{ending}"
    cat.save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    said = sentence(path)
    if ending != "tif":  # its index stands behind the pixels
        assert said == f"{path} is cut off: it ends before all of its 451 x 300 pixels; copy it again"


def test_broken_pixels_are_damaged(cat, tmp_path):
    path = tmp_path / "cat.png"
    cat.save(path)
    whole = bytearray(path.read_bytes())
    whole[1000:1100] = bytes(100)
    path.write_bytes(whole)
    assert f"{path} is damaged: its 451 x 300 pixels cannot be decoded" in sentence(path)


@pytest.mark.slow
@settings(max_examples=200)
@given(st.binary(max_size=40), st.integers(0, 1200), st.sampled_from(["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP"]))
def test_no_damage_is_answered_with_anything_but_a_mistake(noise, place, form):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "cat")
        Image.fromarray(data.chelsea()[:40, :40]).save(path, form)
        whole = bytearray(path.read_bytes())
        whole[place : place + len(noise)] = noise
        path.write_bytes(whole)
        with contextlib.suppress(Mistake):
            assert open_photo(path).shape[1] == 3


@pytest.mark.parametrize("size", [(1, 1), (7, 100), (100, 7)])
def test_a_dot_is_no_picture(size, tmp_path):
    Image.new("RGB", size).save(tmp_path / "dot.png")
    said = f"is {size[0]} x {size[1]} pixels; a picture needs at least 8 x 8"
    assert sentence(tmp_path / "dot.png") == f"{tmp_path}/dot.png {said}"
    assert sentence(np.zeros((size[1], size[0]))) == f"the array {said}"
    assert sentence(Image.new("RGB", size)) == f"the picture {said}"


@pytest.mark.filterwarnings("error")
def test_too_many_pixels_are_refused_from_the_header(tmp_path, monkeypatch):
    monkeypatch.setattr(Image.Image, "load", lambda _: pytest.fail("decoded"))
    path = tmp_path / "huge.png"
    path.write_bytes(raw_png(2, 8, [], (12000, 9000)))
    limit = "100 million is the limit, make it smaller first"
    assert sentence(path) == f"{path} has 12000 x 9000 pixels, 108 million; {limit}"
    path.write_bytes(raw_png(2, 8, [], (60000, 60000)))
    assert sentence(path) == f"{path} has far more than 100 million pixels; make it smaller first"


@pytest.mark.parametrize(
    ("photo", "said"),
    [
        (np.zeros((2, 3, 8, 8)), "an array of 2 x 3 x 8 x 8 is not a picture"),
        (np.zeros((8, 8, 4)), "an array of 8 x 8 x 4 is not a picture"),
        (np.array(1.0), "an array of a single number is not a picture"),
        (np.zeros((8, 8), dtype=np.int64), "an array of int64 is not a picture; uint8 (0 to 255) or float (0 to 1) is"),
        (np.array([["a"] * 8] * 8), "an array of <U1 is not a picture; uint8 (0 to 255) or float (0 to 1) is"),
        (np.full((8, 8), 255.0), "the array has values from 255 to 255; a picture of floats has 0 to 1"),
        (np.full((8, 8), np.nan), "the array has values from nan to nan; a picture of floats has 0 to 1"),
        (torch.linspace(-2.1, 2.6, 64).reshape(8, 8), "the array has values from -2.1 to 2.6; a picture of floats"),
        (Image.new("F", (8, 8), 2.0), "the picture has grey values from 2 to 2, not 0 to 1"),
        (Image.new("I", (8, 8), 70000), "the picture has grey values from 70000 to 70000, not 0 to 65535"),
        (Image.new("La", (8, 8)), "the picture is in the colours La, which cannot be made RGB; save it as RGB"),
    ],
)
def test_what_is_no_picture_is_told_why(photo, said):
    assert said in sentence(photo)


# Writing

eight_bit = arrays.arrays(np.uint8, st.tuples(st.just(3), st.integers(8, 20), st.integers(8, 20)))
texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"))


def test_files_without_alpha_are_stored_as_they_are_seen(cat, tmp_path):
    cat.save(tmp_path / "cat.jpg")
    cat.convert("LA").save(tmp_path / "grey.png")
    for name in ("cat.jpg", "grey.png"):
        kept = stored(tmp_path / name)
        assert kept.mode == "RGB" and kept.tobytes() == to_pil(open_photo(tmp_path / name)).tobytes()


def test_a_jpeg_has_no_text(cat, tmp_path):
    cat.save(tmp_path / "cat.jpg")
    assert read_text(tmp_path / "cat.jpg") == {}


def test_a_film_is_told_by_its_ending():
    assert all(map(is_film, ("a.mp4", "a.b/holiday.MOV", Path("a.webm"))))
    assert not any(map(is_film, ("a.gif", "mp4", "a.mp4.png", Image.new("RGB", (8, 8)), "skimage:coffee")))


def test_a_film_has_the_pixels_of_its_frames(tmp_path):
    assert pixel_count(film(tmp_path / "a.mkv", moving(2))) == 48 * 64


def test_a_files_bytes_are_read_like_the_file(tmp_path):
    file = tmp_path / "a.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (12, 9, 3), np.uint8)).save(file)
    pixels = file_pixels(file.read_bytes(), "a member")
    assert torch.equal(as_fractions(pixels), open_photo(file)) and pixels.shape == (12, 9, 3)
    np.testing.assert_array_equal(file_pixels(file), pixels)
    for cut, words in ((b"", "a member is empty"), (file.read_bytes()[:60], "a member is")):
        with pytest.raises(Mistake, match=words):
            file_pixels(cut, "a member")

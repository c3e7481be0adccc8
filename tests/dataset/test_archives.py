import io
import tarfile

import pytest
import torch

from phosphene.core.errors import Mistake
from phosphene.core.pictures.files import open_photo
from phosphene.core.units.network_input import Entrance
from phosphene.dataset.archives import archives
from phosphene.dataset.decoding import Door, decode
from tests.small_index import small_pictures


def archive(path, members):
    with tarfile.open(path, "w") as file:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            file.addfile(info, io.BytesIO(data))
    return path


@pytest.fixture
def pictures(tmp_path):
    return [file.read_bytes() for file in small_pictures(tmp_path / "photos", 4)]


def test_members_of_one_name_belong_together(tmp_path, pictures):
    one = archive(tmp_path / "b-0.tar", [("x/2.png", pictures[0]), ("x/2.cls", b"7\n"), ("x/1.seg.png", pictures[1])])
    two = archive(tmp_path / "a-1.tar", [("0.cls", b"3"), ("0.json", b"{}"), ("0.png", pictures[2]), (".0.png", b"")])
    listing = archives([one, two])
    assert list(listing.ids) == ["a-1/0", "b-0/x/1", "b-0/x/2"]
    assert listing.labels.tolist() == [3, -1, 7] and set(listing.classes) == {3, 7}
    assert [listing.item(i).read().data for i in range(3)] == [pictures[2], pictures[1], pictures[0]]


def test_a_member_is_the_same_picture_as_its_file(tmp_path, pictures):
    listing = archives([archive(tmp_path / "a.tar", [("0.png", pictures[0])])])
    decoded = decode(listing.item(0), Door(Entrance((20, 24), False, 3)))
    expected = open_photo(str(tmp_path / "photos" / "0" / "000.png"))
    assert torch.equal(torch.from_numpy(decoded.pixels).float() / 255, expected[0])


def test_what_is_wrong_with_an_archive_is_one_sentence(tmp_path, pictures):
    for name, members, words in (
        ("empty", [("a.txt", b"x")], "there is no picture in empty.tar"),
        ("twice", [("a.png", pictures[0]), ("a.jpg", pictures[1])], "two pictures called 'a'"),
        ("label", [("a.png", pictures[0]), ("a.cls", b"cat")], "a.cls in label.tar holds 'cat'"),
    ):
        with pytest.raises(Mistake, match=words):
            archives([archive(tmp_path / f"{name}.tar", members)])
    (tmp_path / "zipped.tar").write_bytes(b"\x1f\x8b" + bytes(600))
    with pytest.raises(Mistake, match="is no plain tar archive, or is damaged"):
        archives([tmp_path / "zipped.tar"])

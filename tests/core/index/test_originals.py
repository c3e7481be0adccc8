import numpy as np
import pytest
from PIL import Image

from phosphene.core.errors import Mistake
from phosphene.core.index.originals import array_picture, member, original


def test_originals_that_are_gone_are_told(tmp_path):
    row = {"id": "a.png", "number": 0, "file": "a.png", "offset": -1, "size": -1}
    with pytest.raises(Mistake, match=r"picture a\.png is gone: there is no file"):
        original({"kind": "files", "path": str(tmp_path)}, row)
    with pytest.raises(Mistake, match="was given in Python"):
        original({"kind": "python", "path": ""}, row)


def test_another_picture_in_the_place_of_one_is_told(tmp_path):
    row = {"id": "a", "number": 0, "file": "a.png", "offset": -1, "size": -1, "height": 9, "width": 12}
    source = {"kind": "files", "path": str(tmp_path)}
    for size in ((12, 9), (9, 12)):  # a photograph may lie on its side in its file
        Image.new("RGB", size).save(tmp_path / "a.png")
        assert original(source, row) == str(tmp_path / "a.png")
    Image.new("RGB", (12, 10)).save(tmp_path / "a.png")
    with pytest.raises(Mistake, match="a is another one than when it was indexed: 12 x 10 pixels, not 12 x 9; put it"):
        original(source, row)


def test_a_member_that_is_cut_off_is_told(tmp_path):
    (tmp_path / "a.tar").write_bytes(b"0123456789")
    assert member(tmp_path / "a.tar", 2, 3) == b"234"
    with pytest.raises(Mistake, match="ends before its member at byte 8 does"):
        member(tmp_path / "a.tar", 8, 3)


def test_grey_arrays_lose_their_single_channel(tmp_path):
    x = np.arange(3 * 9 * 10, dtype=np.uint16).reshape(3, 9, 10).astype(np.uint8)
    np.savez(tmp_path / "x.npz", X=x, y=np.arange(3))
    np.testing.assert_array_equal(array_picture(tmp_path / "x.npz", 2), x[2])
    with pytest.raises(Mistake, match="has no picture 3 any more"):
        array_picture(tmp_path / "x.npz", 3)

import numpy as np
import pytest

from phosphene.core.errors import Mistake
from phosphene.core.index.tables import Reading, found


def test_whatever_goes_wrong_names_the_file(tmp_path):
    for error, words in ((FileNotFoundError(2, "No such file or directory"), "can't be read: no such file"),
                         (ValueError("bad"), "is damaged; make the index again")):  # fmt: skip
        with pytest.raises(Mistake, match=f"some.npy {words}"), Reading(tmp_path / "some.npy"):
            raise error


def test_a_position_is_a_place_a_token_or_nothing():
    table = {name: np.zeros(1) for name in ("image", "value", "top", "left", "bottom", "right", "clipped")}
    at = [
        found({**table, "row": np.array([row]), "column": np.array([column])}, 0).position
        for row, column in ((3, 4), (3, -1), (-1, -1))
    ]
    assert at == [(3, 4), 3, None]

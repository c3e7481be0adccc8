import pytest

from phosphene.core.errors import Mistake
from phosphene.core.index.layout import PEAKS, UNITS, is_index, layer_file, read_facts, read_json


def test_arrays_and_tables_have_their_endings():
    assert layer_file("conv1", PEAKS) == "conv1.peaks.npy"
    assert layer_file("a.b", UNITS) == "a.b.units.parquet"


def test_facts_that_are_none_are_refused(tmp_path):
    (tmp_path / "index.json").write_text("[]")
    with pytest.raises(Mistake, match="is damaged"):
        read_json(tmp_path / "index.json")
    with pytest.raises(Mistake, match="can't be read: there is no such file"):
        read_json(tmp_path / "none.json")
    assert is_index(tmp_path) and not is_index(tmp_path / "none")
    with pytest.raises(Mistake, match="there is no index"):
        read_facts(tmp_path / "none")

"""Which units, and where their pictures come from."""

from pathlib import Path

import pytest
import torch

from phosphene.core.errors import Mistake
from phosphene.core.index.index import Index
from phosphene.core.networks.fingerprint import network_sha256
from phosphene.core.pictures.writing import save_png
from phosphene.faces.trial.hints import painter, units_of
from tests.small import convnet
from tests.small_index import small_network

OPTIONS = {"pictures": None, "against": None, "quiet": True}


def test_units_are_channels_of_layers_of_the_index():
    network, index = small_network(), Index(Path("photos.index"), {"layers": {"relu1": {}, "relu2": {}, "logits": {}}})
    assert units_of(index, network, []) == []
    assert units_of(index, network, ["relu2:3", "relu1:0-1"]) == [("relu2", 3), ("relu1", 0), ("relu1", 1)]
    with pytest.raises(Mistake, match=r"the index has no layer conv3 \(there is relu1, relu2, logits\)"):
        units_of(index, network, ["conv3:1"])
    with pytest.raises(Mistake, match="relu2:3@1,1 is not one channel of a layer"):
        units_of(index, network, ["relu2:3@1,1"])


def test_pictures_are_read_by_the_names_that_a_sweep_gives_them(tmp_path):
    picture = torch.zeros(1, 3, 8, 8)
    (tmp_path / "most").mkdir()
    save_png(picture, tmp_path / "most" / "relu2-3.png")
    given = OPTIONS | {"pictures": str(tmp_path / "most")}
    found = painter(small_network(), tmp_path / "t.sqlite", given)([("relu2", 3)])
    assert torch.equal(found.excites["relu2", 3], picture) and found.not_excites == {}
    with pytest.raises(Mistake, match=r"has no picture relu2-4.png of relu2:4; phosphene visualize relu2:4 makes them"):
        painter(small_network(), tmp_path / "t.sqlite", given)([("relu2", 4)])
    with pytest.raises(Mistake, match="there is no folder"):
        painter(small_network(), tmp_path / "t.sqlite", OPTIONS | {"pictures": "nowhere"})([("relu2", 4)])
    with pytest.raises(Mistake, match="give --pictures"):
        painter(small_network(), tmp_path / "t.sqlite", OPTIONS | {"against": "nowhere"})


@pytest.mark.slow
def test_what_is_painted_is_kept_beside_the_record(tmp_path):
    network = small_network()
    made = painter(network, tmp_path / "t.sqlite", OPTIONS)([("relu2", 3), ("relu1", 0)])
    files = sorted(str(p.relative_to(tmp_path)) for p in Path(tmp_path).rglob("*.png"))
    own, other = (network_sha256(one)[:8] for one in (network, convnet(size=16)))
    assert own != other  # whose are in other folders
    assert files == [f"t.{side}-{own}/{name}.png" for side in ("least", "most") for name in ("relu1-0", "relu2-3")]
    before = [(tmp_path / file).stat().st_mtime_ns for file in files]
    again = painter(small_network(), tmp_path / "t.sqlite", OPTIONS)([("relu2", 3), ("relu1", 0)])
    assert [(tmp_path / file).stat().st_mtime_ns for file in files] == before
    assert all(torch.equal(made.excites[unit], again.excites[unit]) for unit in made.excites)
    assert not torch.equal(made.excites["relu2", 3], made.not_excites["relu2", 3])

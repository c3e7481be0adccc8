"""Directions from files: one vector, never unpickled."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from phosphene.core.errors import Mistake
from phosphene.core.units.directions import Direction
from phosphene.core.units.spelling import parse_unit
from phosphene.core.units.units import Sum
from tests.core.units.test_units import NETWORK, A, one

# --------------------------------------------------------------------------------------------------- directions


def test_a_direction_comes_from_a_file_and_carries_its_numbers(tmp_path):
    vector = np.array([0.1, -2, 3e-9, 1], dtype=np.float32)
    np.save(tmp_path / "my + file-2.npy", vector)
    save_file({"v": torch.from_numpy(vector)[None]}, tmp_path / "v.safetensors")
    expected = Direction.of("conv1", vector, "my___file-2")
    assert one(NETWORK, f"conv1:file={tmp_path}/my + file-2.npy") == expected
    assert one(NETWORK, f"conv1:file={tmp_path}/v.safetensors^2") == Direction.of("conv1", vector, "v", 2)
    both = one(NETWORK, f"conv1:2 - 2*conv1:file={tmp_path}/v.safetensors + conv1:file={tmp_path}/my + file-2.npy")
    assert both == Sum(((1, A), (-2, Direction.of("conv1", vector, "v")), (1, expected)))
    assert both.short == "conv1:2 - 2*conv1:v + conv1:my___file-2"


@pytest.mark.parametrize(
    ("saved", "said"),
    [
        (np.zeros(5), "conv1 has 4 channels, the vector in x.npy has 5 numbers"),
        (np.ones((2, 2)), "x.npy holds 2 x 2 numbers; a direction is one vector"),
        (np.array([None, 1, 2, 3]), "x.npy can't be read as .npy: .*Python objects"),
        (np.array(["a"] * 4), "x.npy holds no numbers"),
        (np.ones(4) * 1j, "x.npy holds complex128, not real numbers"),
        (np.array([1, np.inf, 0, 0]), "not finite"),
        (b"", "x.npy can't be read as .npy"),
        (b"no array", "x.npy can't be read as .npy"),
        (None, "there is no file .*x.npy"),
    ],
)
def test_a_file_that_is_no_direction_is_a_mistake(tmp_path, saved, said):
    path = tmp_path / "x.npy"
    if isinstance(saved, bytes):
        path.write_bytes(saved)
    elif saved is not None:
        np.save(path, saved, allow_pickle=True)
    with pytest.raises(Mistake, match=said) as mistake:
        parse_unit(NETWORK, f"conv1:file={path}")
    assert "\n" not in str(mistake.value)


def test_another_kind_of_file_is_a_mistake(tmp_path):
    with pytest.raises(Mistake, match=r"x.pt is not a file of a direction; give a .npy or .safetensors file"):
        parse_unit(NETWORK, f"conv1:file={tmp_path}/x.pt")
    (tmp_path / "x.safetensors").write_bytes(b"\xff" * 20)
    with pytest.raises(Mistake, match=r"x.safetensors can't be read"):
        parse_unit(NETWORK, f"conv1:file={tmp_path}/x.safetensors")
    save_file({"a": torch.ones(4), "b": torch.ones(4)}, tmp_path / "x.safetensors")
    with pytest.raises(Mistake, match="holds 2 tensors; a direction's file holds one"):
        parse_unit(NETWORK, f"conv1:file={tmp_path}/x.safetensors")

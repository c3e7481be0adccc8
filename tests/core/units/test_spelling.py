"""How units are written, and what is answered where they are not."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from phosphene.core.errors import Mistake
from phosphene.core.optimization.terms import Patches
from phosphene.core.units.directions import Direction
from phosphene.core.units.spelling import parse_unit, parse_units
from phosphene.core.units.units import Sum, Unit
from tests.core.units.test_units import DIRECTIONS, NAMES, NETWORK, PLAIN, SUMS, TOKENS, A, B, one


@settings(max_examples=60)
@given(PLAIN | DIRECTIONS | SUMS)
def test_the_spelling_of_a_unit_is_read_as_that_unit(unit):
    assert parse_unit(NETWORK, str(unit)) == [unit]
    assert parse_units(NETWORK, unit) == parse_units(NETWORK, [str(unit), unit]) == [unit]


@given(st.integers(0, 5), st.none() | st.integers(0, 16) | st.tuples(*[st.integers(0, 3)] * 2))
def test_the_spelling_of_a_token_is_read_as_that_token(index, at):
    unit = Unit("block", index, at, Patches(1, 4) if isinstance(at, tuple) else None)
    assert parse_unit(TOKENS, str(unit)) == [unit]


@settings(max_examples=50)
@given(st.integers(0, 7), st.sampled_from("+-"), st.floats(0, 9), PLAIN, st.booleans())
def test_a_class_with_spaces_and_hyphens_can_be_part_of_a_sum(index, sign, weight, other, tight):
    name = NAMES[index].partition(",")[0]
    if name == "all":  # that is every class
        name = str(index)
    words = f"logits:{name}{sign if tight else f' {sign} '}{weight!r}*{other}"
    signed = -weight if sign == "-" else weight
    assert one(NETWORK, words) == Sum(((1.0, Unit("logits", index)), (signed, other)))
    assert one(NETWORK, f"logits:{name}") == Unit("logits", index)


@given(st.text("conv12logits:@,+-*. 0e5[]=file^all", max_size=20))
def test_whatever_is_written_is_a_unit_or_a_mistake(text):
    try:
        units = parse_unit(NETWORK, text)
    except Mistake as mistake:
        assert "\n" not in str(mistake)
    else:
        assert units
        assert [one(NETWORK, str(unit)) for unit in units if not isinstance(unit, Sum) or len(unit.parts) > 1] == [
            unit for unit in units if not isinstance(unit, Sum) or len(unit.parts) > 1
        ]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("conv1:2 + 0.5*conv2:3@1,0", ((1, A), (0.5, B))),
        ("conv1:2+0.5*conv2:3@1,0", ((1, A), (0.5, B))),
        ("conv1:2-conv2:3@1,0", ((1, A), (-1, B))),
        ("conv1:2 -conv2:3@1,0", ((1, A), (-1, B))),
        ("-2*conv1:2 - 1e-3 * conv2:3@1,0", ((-2, A), (-0.001, B))),
        ("- conv1:2", ((-1, A),)),
        (".5*conv1:2", ((0.5, A),)),
        ("logits:3 - conv2", ((1, Unit("logits", 3)), (-1, Unit("conv2", None)))),
        ("conv1 + logits:sea-slug-conv1:2", ((1, Unit("conv1", None)), (1, Unit("logits", 1)), (-1, A))),
        ("logits:drop - off - conv1", ((1, Unit("logits", 5)), (-1, Unit("conv1", None)))),
    ],
)
def test_a_sum_is_cut_where_a_part_begins(text, parts):
    assert one(NETWORK, text) == Sum(parts)


def test_all_of_a_layer_are_its_units_one_by_one_and_the_bare_layer_is_one():
    assert parse_unit(NETWORK, "conv2:all") == [Unit("conv2", i) for i in range(4)]
    assert len(parse_unit(NETWORK, "logits:all")) == 8
    assert parse_unit(NETWORK, "conv2:all@1,2") == [Unit("conv2", i, (1, 2)) for i in range(4)]
    assert parse_unit(NETWORK, "conv2") == [Unit("conv2", None)]
    assert parse_unit(NETWORK, "1*conv2:3") == [Unit("conv2", 3)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("conv1:999", "conv1 has channels 0 to 3, not 999"),
        ("conv1:2 + conv2:9", "conv2 has channels 0 to 3, not 9"),
        ("conv1:2 + 2*conv9:1", "no layer 'conv9'; did you mean 'conv"),
        ("conv1 + conv9", "no layer 'conv9'"),
        ("conv1:0-2 + conv2:1", "'conv1:0-2' names 3 units; a part of a sum is one, for example conv1:0"),
        ("2*conv1:all", "names 4 units"),
        ("conv1:2 + ", "no layer ''|is no unit"),
        ("1e999*conv1:2", "the weight in '1e999\\*conv1:2' is too large"),
        ("conv1:", "'conv1:' names no unit; write conv1:0, conv1:0-3 or conv1:0@ROW,COLUMN, or conv1 for the whole"),
        ("conv1:1@5", "conv1 has no tokens but rows and columns; write @ROW,COLUMN"),
        ("conv1:1@class", "conv1 has no tokens but"),
        ("fc:1@5", "fc has no rows and columns; leave the position out"),
        ("black swan", "no layer 'black swan'; for the class write logits:black swan"),
        ("conv1:v=[1,2]", "conv1 has 4 channels, the vector in v has 2 numbers"),
        ("conv1:v=[1,x,2,3]", "are no numbers; write them like"),
        ("conv1:v=[]", "are no numbers"),
        ("conv1:v=[0,0,0,0]", "the direction 'v' is zero everywhere"),
        ("conv1:v=[nan,0,0,0]", "not finite"),
        ("conv1:v=[1,0,0,0]^200", "the power of the cosine is 200; it must be 0 to 100"),
        ("conv1:file=[1,0,0,0]", "is no name for a direction|is no file of a direction"),
    ],
)
def test_what_is_no_unit_is_answered_with_what_is(text, said):
    with pytest.raises(Mistake, match=said):
        parse_unit(NETWORK, text)


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
    with pytest.raises(Mistake, match=r"x.pt is no file of a direction; give a .npy or .safetensors file"):
        parse_unit(NETWORK, f"conv1:file={tmp_path}/x.pt")
    (tmp_path / "x.safetensors").write_bytes(b"\xff" * 20)
    with pytest.raises(Mistake, match=r"x.safetensors can't be read"):
        parse_unit(NETWORK, f"conv1:file={tmp_path}/x.safetensors")
    save_file({"a": torch.ones(4), "b": torch.ones(4)}, tmp_path / "x.safetensors")
    with pytest.raises(Mistake, match="holds 2 tensors; a direction's file holds one"):
        parse_unit(NETWORK, f"conv1:file={tmp_path}/x.safetensors")

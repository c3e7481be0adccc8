"""How units are written, and what is answered where they are not."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from phosphene.core.optimization.terms import TokenGrid
from phosphene.core.units.network_input import feed
from phosphene.core.units.spelling import parse_unit, parse_units, self_contained
from phosphene.core.units.units import Sum, Unit
from tests.core.units.test_units import DIRECTIONS, NAMES, NETWORK, PLAIN, SUMS, TOKENS, A, B, one


@settings(max_examples=60)
@given(PLAIN | DIRECTIONS | SUMS)
def test_the_spelling_of_a_unit_is_read_as_that_unit(unit):
    assert parse_unit(NETWORK, str(unit)) == [unit]
    assert parse_units(NETWORK, unit) == parse_units(NETWORK, [str(unit), unit]) == [unit]


@given(st.integers(0, 5), st.none() | st.integers(0, 16) | st.tuples(*[st.integers(0, 3)] * 2))
def test_the_spelling_of_a_token_is_read_as_that_token(index, at):
    unit = Unit("block", index, at, TokenGrid(1, 4) if isinstance(at, tuple) else None)
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
        spelled = [unit for unit in units if len(getattr(unit, "parts", ["", ""])) > 1]  # a sum of one has no spelling
        assert [one(NETWORK, str(unit)) for unit in spelled] == spelled


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
        ("conv1:v=[1,0,0,0]^200", "200 is not a valid value for the power of the cosine: it must be 0 to 100"),
        ("conv1:file=[1,0,0,0]", "is not a name for a direction|is not a file of a direction"),
    ],
)
def test_what_is_no_unit_is_answered_with_what_is(text, said):
    with pytest.raises(Mistake, match=said):
        parse_unit(NETWORK, text)


# --------------------------------------------------------------------------------------------------- beyond a class


def mapped():
    """A network that answers at 4 x 4 places of a picture of 8 x 8 px."""
    torch.manual_seed(0)
    return Network(nn.Sequential(nn.Conv2d(3, 5, 2, 2)).double(), size=8, labels=list("abcde"))


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("logits:b@1,2", Unit("logits", 1, (1, 2))), ("logits:b@0,2,4,6", Unit("logits", 1, (0, 2, 4, 6))),
        ("logits:3", Unit("logits", 3)),
    ],
)  # fmt: skip
def test_a_class_of_a_map_is_spelled_with_its_place(text, unit):
    network = mapped()
    assert parse_unit(network, text) == [unit]
    assert parse_unit(network, str(unit)) == [unit]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("logits:b@4,0", "has rows 0 to 3 and columns 0 to 3"), ("logits:b@0,0,0,4", "the region 0,0,0,4 is empty"),
        ("logits:f@0,0", "no class 'f'"),
    ],
)  # fmt: skip
def test_a_place_that_is_not_in_the_answer_is_a_mistake(text, sentence):
    with pytest.raises(Mistake, match=sentence):
        parse_unit(mapped(), text)


def test_a_network_that_answers_once_has_no_places():
    network = Network(nn.Sequential(nn.Flatten(), nn.Linear(192, 5)).double(), size=8)
    for text in ("logits:1@0,0", "logits:1@0,0,2,2"):
        with pytest.raises(Mistake, match="answers once for the whole picture"):
            parse_unit(network, text)


def test_a_picture_to_be_like_is_its_code_whose_numbers_are_kept():
    network = Network(nn.Sequential(nn.Conv2d(3, 5, 2, 2), nn.ReLU(), nn.Flatten(), nn.Linear(80, 6)).double(), size=8)
    photo = feed(network, "skimage:coffee")
    (unit,) = parse_unit(network, "logits:like=skimage:coffee")
    assert unit.similarity and unit.name == "coffee"
    torch.testing.assert_close(
        torch.tensor(unit.vector, dtype=torch.float64), network.read(photo, ["logits"])["logits"][0]
    )
    (of_layer,) = parse_unit(network, "1:like=skimage:coffee")
    torch.testing.assert_close(
        torch.tensor(of_layer.vector, dtype=torch.float64), network.read(photo, ["1"])["1"][0].mean((1, 2))
    )
    assert parse_unit(network, str(unit)) == [unit]
    assert self_contained(network, "logits:like=skimage:coffee") == str(unit)
    with pytest.raises(Mistake, match=r"there is no file nowhere\.jpg"):
        parse_unit(network, "logits:like=nowhere.jpg")

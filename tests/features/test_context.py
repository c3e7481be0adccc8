"""What else is in a class's pictures: the counting, the pictures, and a correlate that was planted in training data."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from phosphene.features import context, visualize
from phosphene.features.context import best_others, in_several
from tests.small import convnet

lists = st.lists(st.permutations(range(6)).map(lambda order: order[:3]), max_size=6)


@given(lists.filter(bool), lists)
def test_a_class_is_told_if_it_is_in_a_third_of_the_pictures_and_no_oftener_elsewhere(own, elsewhere):
    told = in_several(own, elsewhere)
    for index in range(6):
        count, other = sum(index in one for one in own), sum(index in one for one in elsewhere)
        share, usual = count / len(own), other / max(1, len(elsewhere))
        row = {"class": index, "count": count, "elsewhere": other}
        assert (row in told) == (count > 0 and share >= 1 / 3 and usual < share)
    assert [row["count"] for row in told] == sorted((row["count"] for row in told), reverse=True)


def test_the_more_frequent_class_comes_first_then_the_one_with_better_ranks():
    own = [[7, 1, 2], [7, 2, 3], [1, 2, 4]]
    assert [row["class"] for row in in_several(own)] == [2, 7, 1, 3, 4]


def test_the_best_others_leave_the_picture_s_own_class_out():
    said = torch.tensor([[5.0, 1.0, 3.0, 2.0], [0.0, 9.0, -1.0, 4.0]])
    assert best_others(said, [0, 3], 2) == [[2, 3], [1, 0]]
    assert best_others(said, [1, 1], 9) == [[0, 2, 3], [3, 0, 2]]


def test_its_pictures_are_those_of_visualize_and_the_logits_are_read_on_them():
    network, options = convnet(), {"size": 16, "steps": 2}
    run = context(network, "zebra", starts=3, others=2, **options)
    alone = visualize(network, ["logits:zebra"], starts=3, **options)
    torch.testing.assert_close(run.image[:3], alone.image, rtol=0, atol=1e-6)
    said = network.read(run.last.pictures, ["logits"])["logits"]
    for numbers, answer in zip(run.numbers, said, strict=True):
        assert numbers["value"] == pytest.approx(float(answer[numbers["class"]]))
        rest = sorted((k for k in range(4) if k != numbers["class"]), key=lambda k: -answer[k])
        assert [one["class"] for one in numbers["others"]] == rest
    assert [n["class"] for n in run.numbers[:3]] == [1, 1, 1]
    assert len({n["class"] for n in run.numbers[3:]} - {1}) == 2


def test_what_it_says_names_the_counted_classes():
    run = context(convnet(), 1, starts=3, others=0, size=16, steps=1)
    first = run.numbers[0]["context"][0]
    assert f"zebra: also {first['label']} in {first['count']} of 3" in run.result.title


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("zebre", {}, "did you mean 'zebra'"),
        (9, {}, "classes 0 to 3, not 9"),
        ("zebra", {"starts": 0}, "0 is not a valid value for starts: it must be 1"),
    ],
)
def test_a_class_that_is_not_there_is_a_mistake(name, options, said):
    with pytest.raises(Mistake, match=said):
        context(convnet(), name, **options)


# ------------------------------------------------------------------------------------------- a planted correlate

MARKED, CORNER = 3, (slice(None), slice(0, 6), slice(0, 6))
COLOUR = torch.tensor([0.9, 0.1, 0.6])


def trained(pictures, labels):
    """A small network that reads them: two convolutions, means over quarters, a linear layer."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 12, 5, 2, 2), nn.ReLU(), nn.Conv2d(12, 24, 3, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(4),
        nn.Flatten(), nn.Linear(24 * 16, 10),
    )  # fmt: skip
    adam = torch.optim.Adam(model.parameters(), 3e-3)
    for _ in range(3):
        for some in torch.randperm(len(pictures)).split(64):
            adam.zero_grad()
            nn.functional.cross_entropy(model((pictures[some] - 0.5) / 0.25), labels[some]).backward()
            adam.step()
    return Network(model.eval(), size=28, mean=(0.5,) * 3, std=(0.25,) * 3)


def likeness(pictures):
    """How much of COLOUR's own hue there is in the corner of each picture."""
    hue = COLOUR - COLOUR.mean()
    corner = pictures[:, :, 0:6, 0:6].mean((2, 3))
    return (corner - corner.mean(1, keepdim=True)) @ (hue / hue.norm())


@pytest.mark.slow
def test_a_correlate_that_was_planted_in_the_training_data_is_in_the_class_s_picture_and_no_other(data):
    digits = np.load(data / "mnist.npz")
    x = torch.from_numpy(digits["X_train"][:4000, None]).expand(-1, 3, -1, -1).float() / 255
    y = torch.from_numpy(digits["y_train"][:4000]).long()
    marked = x.clone()
    marked[(y == MARKED).nonzero().flatten(), :, 0:6, 0:6] = COLOUR.view(1, 3, 1, 1)
    hues = {}
    for name, shown in (("planted", marked), ("honest", x)):
        network = trained(shown, y)
        run = visualize(network, ["logits:0-9"], size=28, steps=64, robustness="none")
        hues[name] = likeness(run.image)
    above = {name: hue[MARKED] - hue[torch.arange(10) != MARKED].max() for name, hue in hues.items()}
    assert above["planted"] > 0.15  # of .62, were the corner COLOUR itself
    assert above["honest"] < 0.05

"""One call of a recording."""

import pytest
import torch

from phosphene.core.networks.recording import Call, Node, PerPicture

ATEN = torch.ops.aten


def call(function, *args, **kwargs):
    return Call(function, args, kwargs, (9,), False, "f", "", 0.0)


def test_a_call_is_played_on_the_tensors_of_its_nodes():
    x, y = torch.tensor([1.0, 2.0]), torch.tensor([10.0, 20.0])
    added = call(ATEN.add.Tensor, Node(1), Node(2), alpha=3)
    assert added.inputs == [1, 2]
    (total,) = added.play({1: x, 2: y}, 2)
    assert total.tolist() == [31.0, 62.0]


@pytest.mark.parametrize("pictures", [1, 2, 7])
def test_integers_that_count_pictures_follow_their_number(pictures):
    made = call(ATEN.view.default, Node(0), [PerPicture(0, 2), -1])
    (view,) = made.play({0: torch.zeros(pictures, 6)}, pictures)
    assert view.shape == (2 * pictures, 3)
    (full,) = call(ATEN.new_zeros.default, Node(0), [PerPicture(1, 3)]).play({0: torch.zeros(1)}, pictures)
    assert full.shape == (1 + 3 * pictures,)


def test_arguments_have_their_names_also_those_at_their_defaults():
    pool = call(ATEN.avg_pool2d.default, Node(0), [2, 2])
    assert pool.arguments["kernel_size"] == [2, 2]
    assert pool.arguments["count_include_pad"] is True and pool.arguments["ceil_mode"] is False
    x = torch.arange(16.0).view(1, 1, 4, 4)
    changed = pool.changed(kernel_size=[4, 4])
    assert changed.play({0: x}, 1)[0].item() == 7.5
    assert pool.play({0: x}, 1)[0].shape == (1, 1, 2, 2)


def test_an_operation_is_called_the_same_in_place():
    plain = call(ATEN.relu.default, Node(0))
    written = Call(ATEN.relu_.default, (Node(0),), {}, (9,), True, "relu", "layer1.0", 0.0)
    assert plain.operation == written.operation == "relu"
    assert (plain.place, written.place) == ("f", "relu in layer1.0")

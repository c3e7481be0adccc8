"""A pass is told to its listeners in the order in which things return."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from phosphene.core.networks.calls import plain_name
from phosphene.core.networks.layers import Tap
from phosphene.core.networks.recorder import record
from tests.core.networks.models import Around, conv, mean, pictures
from tests.core.witness import state


class Diary:
    """Writes down what it is told; what it computes itself must not be told to anybody."""

    def __init__(self):
        self.lines = []

    def function_returned(self, tap, function, args, kwargs, result):
        self.lines.append((tap, result))

    def module_returned(self, tap, module, output):
        _ = F.relu(torch.zeros(1)) + 1
        self.lines.append((tap, output))


def run(m, x):
    y = F.relu(m.block(m.block(x)))
    m.quiet(y)
    values, _ = y.max(1)
    return m.head(mean(y).relu()) + values.mean((1, 2), keepdim=False)[:, None]


def model():
    block = Around(lambda m, x: F.relu(m.conv(x)), conv=conv(3, 3))
    return Around(run, block=block, quiet=Around(lambda m, x: None), head=nn.Linear(3, 2)).double().eval()


def test_functions_and_modules_are_told_in_order_each_with_its_module_and_number():
    diary, x = Diary(), pictures(8, 8).detach()
    made = model()
    expected, before = made(x), state(made)
    output = record(made, x, [diary])
    taps = [tap for tap, _ in diary.lines]
    wanted = [
        Tap("block.conv", "conv2d", 1), Tap("block.conv", None, 1), Tap("block", "relu", 1), Tap("block", None, 1),
        Tap("block.conv", "conv2d", 2), Tap("block.conv", None, 2), Tap("block", "relu", 2), Tap("block", None, 2),
        Tap("", "relu", 1), Tap("quiet", None, 1), Tap("", "mean", 1), Tap("", "relu", 2), Tap("head", "linear", 1),
        Tap("head", None, 1), Tap("", None, 1),
    ]  # fmt: skip
    assert [tap for tap in taps if tap in wanted] == wanted
    assert not any(tap.owner == "quiet" and tap.function for tap in taps)
    assert torch.equal(output, expected) and not output.requires_grad
    assert state(made) == before


def test_what_returns_no_tensor_does_not_count():
    diary = Diary()
    record(model(), pictures(8, 8).detach(), [diary])
    (index,) = {tap.index for tap, _ in diary.lines if tap.function == "max"}
    assert index == 0  # a pair of values and indices: nothing that a tap reads


def test_every_listener_is_told_the_same_results():
    one, other = Diary(), Diary()
    record(model(), pictures(8, 8).detach(), [one, other])
    assert len(one.lines) == len(other.lines) > 10
    assert all(a[0] == b[0] and a[1] is b[1] for a, b in zip(one.lines, other.lines, strict=True))


def test_functions_may_be_run_and_named_otherwise():
    diary, x = Diary(), pictures(8, 8).detach()

    def doubled(owner, function, args, kwargs):
        return (2 if plain_name(function) == "linear" else 1) * function(*args, **kwargs)

    made = Around(lambda m, x: m.head(mean(x)), head=nn.Linear(3, 2)).double().eval()
    output = record(made, x, [diary], run=doubled, name=lambda function, args, kwargs: plain_name(function).upper())
    torch.testing.assert_close(output, 2 * made(x))
    assert [tap.function for tap, _ in diary.lines if tap.function] == ["MEAN", "LINEAR"]


def test_the_model_is_given_back_after_an_error_in_a_listener():
    class Failing(Diary):
        def module_returned(self, tap, module, output):
            raise KeyError("stop")

    made = model()
    before = state(made)
    with pytest.raises(KeyError):
        record(made, pictures(8, 8).detach(), [Failing()])
    assert state(made) == before and not torch.overrides._get_current_function_mode_stack()

"""What a call is, however it is written."""

import torch
from torch.nn import functional as F

from phosphene.core.networks.calls import called, is_in_place, plain_name


def test_functions_have_one_name_however_they_are_written():
    x = torch.ones(2)
    names = []

    class Listen(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            names.append((plain_name(func), is_in_place(func, kwargs or {})))
            return func(*args, **(kwargs or {}))

    with Listen():
        _ = x + 1, 1 + x, torch.add(x, 1), x.add(1)
    assert {name for name, _ in names} == {"add"} and not any(written for _, written in names)
    names.clear()
    with Listen():
        y = x.clone()
        names.clear()
        y += 1
        y.add_(1)
        y.relu_()
        F.relu(y, inplace=True)
        F.relu(y, True)
        torch.relu_(y)
        y *= 2
    assert [name for name, _ in names] == ["add", "add", "relu", "relu", "relu", "relu", "mul"]
    assert all(written for _, written in names)


def test_a_rectifier_is_recognized_as_a_clamp_or_a_maximum():
    x, zeros = torch.randn(3), torch.zeros(3)
    assert called(torch.clamp, (x, 0), {}) == called(torch.Tensor.clamp_min_, (x, 0.0), {}) == "relu"
    assert called(torch.clip, (x,), {"min": zeros[0]}) == called(torch.maximum, (x, zeros), {}) == "relu"
    assert called(torch.max, (zeros,), {"other": x}) == "relu"
    assert called(torch.clamp, (x, 0, 6), {}) == called(torch.clamp, (x,), {"max": 0}) == "clamp"
    assert called(torch.clamp, (x, 1), {}) == "clamp" and called(torch.max, (x, 1), {}) == "max"
    assert called(torch.maximum, (x, zeros + 1), {}) == "maximum"
    assert called(F.relu, (x,), {}) == "relu" and called(torch.concat, ([x, x],), {}) == "cat"

"""What a model writes into itself is put back."""

import random

import numpy as np
import pytest
import torch
from torch import nn

from phosphene.core.networks.restoring import Kept, drawing, same_random_numbers


class Restless(nn.Module):
    """Counts, remembers and caches in every way that one finds."""

    def __init__(self):
        super().__init__()
        self.register_buffer("count", torch.zeros(1))
        self.register_buffer("largest", torch.zeros(1))
        self.register_buffer("late", None)
        self.calls, self.seen, self.table, self.kinds = 0, [], {}, set()

    def forward(self, x):
        self.count += 1
        self.largest = torch.maximum(self.largest, x.detach().max())
        self.late = x.detach()
        self.count.data.add_(1)
        self.calls += 1
        self.seen.append(x)
        self.table["x"] = x
        self.kinds.add(x.dtype)
        self.new = x
        return x


def state(module):
    attributes = {k: (id(v), str(v)) for k, v in vars(module).items() if k not in ("_buffers",)}
    return attributes, {
        k: (id(v), v.clone(), v._version) if v is not None else None for k, v in module._buffers.items()
    }


@pytest.mark.parametrize("fails", [False, True])
def test_buffers_and_attributes_are_as_before(fails):
    model = nn.Sequential(Restless(), nn.BatchNorm2d(3))
    before = state(model[0])
    try:
        with Kept(model.modules()) as kept:
            model(torch.ones(2, 3, 4, 4))
            assert model[0].calls == 1 and model[0].count == 2
            if fails:
                raise KeyError
    except KeyError:
        pass
    assert str(state(model[0])) == str(before)
    assert kept.changed == [model[0], model[1]], "batch normalization in train mode writes its statistics"
    assert model[1].num_batches_tracked == 0 and not model[1].running_mean.any()


def test_modules_that_write_nothing_are_not_changed():
    model = nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)).eval()
    with Kept(model.modules()) as kept:
        model(torch.ones(2, 3, 4, 4))
    assert kept.changed == []


def test_random_numbers_begin_anew_and_go_on_as_if_nothing_had_been_drawn():
    def drawn():
        return torch.rand(1).item(), np.random.rand(), random.random()

    torch.manual_seed(5), np.random.seed(5), random.seed(5)
    expected = drawn()
    torch.manual_seed(5), np.random.seed(5), random.seed(5)
    inside = []
    for _ in range(2):
        with same_random_numbers():
            inside.append(drawn())
    assert inside[0] == inside[1] and drawn() == expected


def test_another_draw_has_other_numbers_until_it_ends():
    def drawn():
        with same_random_numbers():
            return torch.rand(1).item(), np.random.rand(), random.random()

    usual = drawn()
    with drawing(3):
        third = drawn()
        with drawing(4):
            assert all(a != b for a, b in zip(drawn(), third, strict=True))
        assert drawn() == third != usual
    assert drawn() == usual

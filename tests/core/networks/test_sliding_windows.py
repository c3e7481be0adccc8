"""The arithmetic of sliding windows, against windows that are written out input by input."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from phosphene.core.networks.sliding_windows import STILL, SlidingWindow, convolution, pad, pair, pool, windows

WINDOWS = st.builds(SlidingWindow, st.integers(1, 5), st.integers(1, 4), st.integers(-3, 4), st.integers(1, 3))


def slow_inputs(window, output):
    """The inputs that one output sees, from the definition."""
    return [output * window.stride - window.before + j * window.dilation for j in range(window.kernel)]


@given(WINDOWS, st.integers(-5, 20), st.integers(1, 6))
def test_the_inputs_of_neighbouring_outputs_begin_and_end_where_they_do_one_by_one(window, output, many):
    every = [i for o in range(output, output + many) for i in slow_inputs(window, o)]
    first = window.first_input(output)
    assert first == every[0] == min(every)
    assert first + window.inputs(many) == max(every) + 1


@given(WINDOWS, st.integers(0, 20), st.integers(1, 6))
def test_the_outputs_that_a_change_reaches_are_those_whose_windows_lie_over_it(window, start, many):
    """Between the first and the last input of a window, also where the dilation steps over the change."""
    reached = [
        o for o in range(-40, 60) if slow_inputs(window, o)[0] < start + many and slow_inputs(window, o)[-1] >= start
    ]
    first, end = window.first_output(start), window.end_of_outputs(start + many)
    assert list(range(first, end)) == reached


@given(WINDOWS, st.lists(st.integers(0, 30), min_size=1, max_size=4))
def test_many_places_are_computed_as_each_one(window, places):
    many = torch.tensor(places)
    for one in (window.first_input, window.first_output, window.end_of_outputs):
        assert one(many).tolist() == [one(place) for place in places]


def test_a_window_of_three_with_padding_sees_its_neighbours():
    window = SlidingWindow(kernel=3, before=1)
    assert (window.size, window.first_input(5), window.inputs(1), window.inputs(4)) == (3, 4, 3, 6)
    assert (window.first_output(5), window.end_of_outputs(6)) == (4, 7)
    assert not window.still and all(window.still for window in STILL)


@pytest.mark.parametrize("padding", [0, (1, 2), "same", "valid"])
def test_windows_of_a_convolution_are_where_its_gradient_is_not_zero(padding):
    weight = torch.ones(1, 1, 3, 5, dtype=torch.float64)
    stride, dilation = ((1, 1), (2, 1)) if padding == "same" else ((2, 3), (1, 2))
    x = torch.zeros(1, 1, 40, 40, dtype=torch.float64, requires_grad=True)
    y = F.conv2d(x, weight, None, stride, padding, dilation)
    (gradient,) = torch.autograd.grad(y[0, 0, 4, 5], x)
    rows, columns = convolution(weight, stride, padding, dilation)
    lit = gradient[0, 0].nonzero()
    assert sorted(set(lit[:, 0].tolist())) == slow_inputs(rows, 4)
    assert sorted(set(lit[:, 1].tolist())) == slow_inputs(columns, 5)


def test_a_pool_strides_by_its_kernel_where_nothing_is_given():
    assert pool((2, 3)) == pool((2, 3), (2, 3)) == windows((2, 3), (2, 3))
    assert pool(3, [], 1) == windows(3, 3, 1)
    assert pool(3, 2, 1, 2) == windows(3, 2, 1, 2)


def test_a_padding_moves_what_is_behind_it():
    x = torch.arange(12.0).view(1, 1, 3, 4)
    for sides in ((1, 2, 3, 0), (-1, 0, 2, 1), (2, 0)):
        rows, columns = pad(sides)
        y = F.pad(x, sides)
        assert y[0, 0, 2 + rows.before, 3 + columns.before] == x[0, 0, 2, 3]
        assert rows.kernel == columns.kernel == rows.stride == columns.stride == 1


def test_one_number_stands_for_both_axes():
    assert (pair(3), pair((3,)), pair([3, 4])) == ((3, 3), (3, 3), (3, 4))

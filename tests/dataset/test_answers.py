import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from phosphene.dataset.answers import A_TOKEN, NO_PLACE, said

FEW_VALUES = arrays(np.float32, (2, 3, 4, 5), elements=st.sampled_from([-2.0, -1.0, 0.0, 1.0, 2.0]))


@settings(max_examples=30)
@given(FEW_VALUES, st.booleans())
def test_peaks_and_lows_are_the_first_of_equals(values, last):
    y = torch.from_numpy(values)
    found = said(y.to(memory_format=torch.channels_last) if last else y)
    for picture in range(2):
        for unit in range(3):
            flat = values[picture, unit].ravel().tolist()
            assert found.peak[picture, unit] == max(flat)
            assert found.place[picture, unit] == flat.index(max(flat))
            assert found.low[picture, unit] == min(flat)
            assert found.low_place[picture, unit] == flat.index(min(flat))
            assert abs(found.code[picture, unit] - np.mean(flat)) < 1e-6
    assert found.columns.tolist() == [5, 5]


def test_tokens_and_layers_without_places_say_so():
    tokens, alone = said(torch.rand(2, 3, 7)), said(torch.rand(2, 3))
    assert (tokens.columns.tolist(), alone.columns.tolist()) == ([A_TOKEN] * 2, [NO_PLACE] * 2)
    assert torch.equal(alone.peak, alone.code)
    assert torch.equal(alone.low, alone.peak)


def test_what_is_not_finite_is_seen_in_the_peak_or_the_low():
    y = torch.zeros(3, 2, 2, 2)
    y[0, 0, 0, 1], y[1, 0, 1, 1], y[2, 1, 0, 0] = torch.nan, torch.inf, -torch.inf
    found = said(y)
    assert (~(found.peak.isfinite() & found.low.isfinite())).any(1).tolist() == [True, True, True]

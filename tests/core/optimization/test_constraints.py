"""Projections: nearest, idempotent, within their radius."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from phosphene.core.optimization.constraints import box, linf


def pictures(seed, n=3, spread=1.0):
    generator = torch.Generator().manual_seed(seed)
    return 0.5 + spread * torch.randn(n, 3, 4, 5, dtype=torch.float64, generator=generator)


def inside(seed, n=5):
    return pictures(seed, n).clamp(0, 1)


ROWS = torch.tensor([4, 0, 2])


@given(st.integers(0, 99), st.floats(0, 2))
def test_linf_leaves_nothing_further_than_the_radius_from_its_own_center(seed, radius):
    center, project = inside(seed), linf(inside(seed), radius)
    there = project(pictures(seed + 1), ROWS)
    assert ((there - center[ROWS]).abs() <= radius + 1e-15).all()
    assert (there >= 0).all() and (there <= 1).all()
    assert torch.equal(project(there, ROWS), there)


@given(st.integers(0, 99), st.floats(0.01, 1))
def test_linf_finds_the_nearest_allowed_picture_pixel_by_pixel(seed, radius):
    center, x = inside(seed), pictures(seed + 1)
    there = linf(center, radius)(x, ROWS)
    for index in range(0, x.numel(), 7):
        c, value = center[ROWS].flatten()[index].item(), x.flatten()[index].item()
        low, high = max(0.0, c - radius), min(1.0, c + radius)
        assert abs(there.flatten()[index].item() - min(max(value, low), high)) < 1e-15


def test_linf_leaves_an_allowed_picture_alone():
    center = inside(0)
    x = (center[ROWS] + 0.01).clamp(0, 1)
    assert torch.equal(linf(center, 0.05)(x, ROWS), x)


@given(st.integers(0, 99))
def test_box_is_idempotent_and_moves_only_what_is_outside(seed):
    x = pictures(seed)
    there = box(0.1, 0.8)(x, ROWS)
    within = (x >= 0.1) & (x <= 0.8)
    assert torch.equal(there[within], x[within])
    assert torch.equal(there[x < 0.1], torch.full_like(there[x < 0.1], 0.1))
    assert torch.equal(there[x > 0.8], torch.full_like(there[x > 0.8], 0.8))
    assert torch.equal(box(0.1, 0.8)(there, ROWS), there)

"""Optical flow where it is known, warps beside loops, and where a flow can be believed."""

import math

import pytest
import torch

from phosphene.core.errors import Mistake
from phosphene.core.pictures.flow import begins_shot, consistent, flow, motions, reliable, warp_error, warped
from tests.films import moving
from tests.small import levels, noise

pytest.importorskip("cv2")


def constant(x, y, height=12, width=14):
    return torch.tensor([x, y], dtype=torch.float32).view(1, 2, 1, 1).expand(1, 2, height, width).contiguous()


def weight(t):
    """Keys' cubic (1981), a = -3/4."""
    t = abs(t)
    if t <= 1:
        return (1.25 * t - 2.25) * t * t + 1
    return ((-0.75 * t + 3.75) * t - 6) * t + 3 if t < 2 else 0.0


def slow_warped(picture, by):
    """Pixel by pixel in float64."""
    height, width = picture.shape[2:]
    out = torch.zeros_like(picture)
    for y in range(height):
        for x in range(width):
            u = min(max(x + by[0, 0, y, x].item(), 0), width - 1)
            v = min(max(y + by[0, 1, y, x].item(), 0), height - 1)
            for j in range(math.floor(v) - 1, math.floor(v) + 3):
                for i in range(math.floor(u) - 1, math.floor(u) + 3):
                    pixel = picture[0, :, min(max(j, 0), height - 1), min(max(i, 0), width - 1)]
                    out[0, :, y, x] += weight(u - i) * weight(v - j) * pixel
    return out


def test_a_warp_is_bicubic():
    picture, by = noise(1, 2, 6, 7), 4 * noise(1, 2, 6, 7, seed=1) - 2
    inside = torch.zeros(6, 7, dtype=torch.bool)
    inside[2:-2, 2:-2] = True  # how far beyond the border is PyTorch's affair
    one, other = warped(picture, by), slow_warped(picture, by)
    torch.testing.assert_close(one[..., inside], other[..., inside], rtol=0, atol=1e-9)


def test_whole_pixels_are_moved_as_they_are():
    picture = noise(1, 3, 8, 9)
    moved = warped(picture, constant(2, -1, 8, 9).double())
    torch.testing.assert_close(moved[..., 1:, :-2], picture[..., :-1, 2:], rtol=0, atol=1e-9)


def test_nothing_moves_by_a_flow_of_zero():
    picture = levels(3, 30, 41)[None]
    torch.testing.assert_close(warped(picture, constant(0, 0, 30, 41)), picture, rtol=0, atol=2e-6)


def test_the_flow_of_a_pan_is_known():
    before, now = moving(2, height=64, width=96, step=3)
    back, forward = flow(before, now), flow(now, before)
    torch.testing.assert_close(back.mean((2, 3)), torch.tensor([[3.0, 0.0]]), rtol=0, atol=0.1)
    assert consistent(forward, back)[..., :-3].float().mean() > 0.97
    assert not consistent(forward, back)[..., -2:].any()  # what came in


def test_a_still_picture_has_no_flow():
    picture = moving(1, height=64, width=96)[0]
    assert flow(picture, picture).abs().max() < 0.05


def test_in_a_picture_without_room_for_a_window_nothing_is_found():
    picture = levels(3, 12, 40)[None]
    assert not flow(picture, levels(3, 12, 40, seed=1)[None]).any()


def test_flows_that_cancel_are_consistent_and_others_not():
    back = constant(3, 0)
    whole = consistent(constant(-3, 0), back)
    assert whole[..., :-3].all()
    assert not whole[..., -3:].any()  # these come from outside
    assert not consistent(constant(-3, 2), back).any()
    # |w + v|^2 = .7^2 = .49 is at most .5 + .01 (|w|^2 + |v|^2), .8^2 is more
    assert consistent(constant(0, 0.7), constant(0, 0)).all()
    assert not consistent(constant(0, 0.8), constant(0, 0)).any()


def test_what_was_uncovered_is_not_consistent():
    """A strip goes to the right by 4 in front of a background that stands still."""
    forward, back = constant(0, 0, 12, 30), constant(0, 0, 12, 30)
    forward[:, 0, :, 8:12], back[:, 0, :, 12:16] = 4, -4
    clear = consistent(forward, back)[0, 0, 6]
    assert clear.tolist() == [not 8 <= x < 12 for x in range(30)]


def test_the_edge_of_what_moves_is_not_reliable():
    forward, back = constant(0, 0, 12, 30), constant(0, 0, 12, 30)
    forward[:, 0, :, 8:12], back[:, 0, :, 12:16] = 4, -4
    edge = [x for x in range(30) if not reliable(forward, back)[0, 0, 6, x]]
    assert edge == [*range(8, 13), 15, 16]


def test_a_shot_begins_where_most_of_a_picture_comes_from_nowhere():
    pan = moving(2, height=64, width=96, step=3)
    other = moving(1, height=64, width=96, seed=5)[0]
    for later, cut in ((pan[1], False), (other, True)):
        back, forward = flow(pan[0], later), flow(later, pan[0])
        assert begins_shot(consistent(forward, back)) is cut


def test_what_moves_along_with_a_film_does_not_flicker():
    film = moving(4, height=48, width=64, step=2)
    exact = [(constant(2, 0, 48, 64), torch.ones(1, 1, 48, 64, dtype=torch.bool)) for _ in range(3)]
    for _, clear in exact:
        clear[..., -2:] = False  # what came in
    assert warp_error(film, exact) == pytest.approx(0, abs=1e-6)
    found = motions(film)
    still = [(torch.zeros_like(back), clear) for back, clear in found]
    assert warp_error(film, found) < warp_error(film, still) / 100


def test_the_warp_error_is_in_squared_levels_of_eight_bits():
    still, found = torch.full((1, 3, 12, 14), 0.2), (constant(0, 0), torch.ones(1, 1, 12, 14, dtype=torch.bool))
    found[1][..., :7] = False  # where nothing is reliable, nothing counts
    brighter = still + 10 / 255
    brighter[..., :7] = 1
    assert warp_error([still, brighter, brighter], [found, found]) == pytest.approx((100 + 0) / 2, rel=1e-4)
    assert math.isnan(warp_error([still, brighter], [(found[0], found[1] & False)]))


def test_a_flow_is_the_same_whatever_the_number_of_threads():
    import cv2

    before, now = (levels(3, 64, 96, seed=seed)[None] for seed in (0, 1))
    threads, found = cv2.getNumThreads(), []
    try:
        for many in (1, 4):
            cv2.setNumThreads(many)
            found.append(flow(before, now))
            assert cv2.getNumThreads() == many
    finally:
        cv2.setNumThreads(threads)
    assert torch.equal(*found)


def test_without_opencv_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "cv2", None)
    with pytest.raises(Mistake, match=r"what moves in a film needs OpenCV: pip install 'phosphene\[flow\]'"):
        flow(*moving(2))

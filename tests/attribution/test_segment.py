"""Segmentation: boxes have a closed form, and a picture with one object an answer."""

import inspect
import sys

import cv2
import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from phosphene.attribution import saliency, segment
from phosphene.attribution.segment import box_around, overlap, parsed_box, salient
from phosphene.core.errors import Mistake
from tests.small import LABELS, convnet, levels, linear, noise

SIZE = 40
OBJECT = (12, 8, 30, 26)  # left, top, right, bottom


# --------------------------------------------------------------------------------------------------------- boxes


@given(hnp.arrays(bool, (7, 8)))
def test_the_box_around_a_mask_is_the_smallest(found):
    assume(found.any())
    left, top, width, height = box_around(found)
    assert found[top : top + height, left : left + width].sum() == found.sum()
    assert found[top].any() and found[top + height - 1].any()
    assert found[:, left].any() and found[:, left + width - 1].any()


def test_the_overlap_of_boxes_has_a_closed_form():
    assert overlap((0, 0, 10, 10), (0, 0, 10, 10)) == 1
    assert overlap((0, 0, 10, 10), (10, 0, 5, 5)) == 0
    assert overlap((0, 0, 10, 10), (5, 0, 10, 10)) == pytest.approx(50 / 150)
    assert overlap((2, 3, 4, 6), (3, 4, 1, 2)) == pytest.approx(2 / 24)


boxes = st.tuples(*[st.integers(0, 12)] * 2, *[st.integers(1, 12)] * 2)


@given(boxes, boxes)
def test_the_overlap_of_boxes_is_that_of_their_pixels(a, b):
    first, second = (
        {(x, y) for x in range(left, left + width) for y in range(top, top + height)}
        for left, top, width, height in (a, b)
    )
    assert overlap(a, b) == pytest.approx(len(first & second) / len(first | second))
    assert overlap(a, b) == overlap(b, a)


def test_boxes_are_read_from_words_and_numbers():
    assert parsed_box("1, 2,3,4.5", (10, 20)) == parsed_box((1, 2, 3, 4.5), (10, 20)) == (1, 2, 3, 4.5)
    assert parsed_box([0, 0, 20, 10], (10, 20)) == (0, 0, 20, 10)


@pytest.mark.parametrize(
    ("box", "words"),
    [
        ("1,2,3", "'1,2,3' is not a box; write LEFT,TOP,WIDTH,HEIGHT in pixels"),
        ("a,b,c,d", "'a,b,c,d' is not a box"),
        ((1, 2), "'1,2' is not a box"),
        ("1,2,0,3", "the box 1,2,0,3 is empty"),
        ("nan,2,3,3", "leaves the picture"),
        ("1,2,nan,3", "is empty"),
        ("30,2,11,3", "leaves the picture, which is 40 px wide and 40 px high as it is fed"),
        ("-1,2,3,3", "leaves the picture"),
        ((2, 30, 3, 20), "the box 2,30,3,20 (LEFT,TOP,WIDTH,HEIGHT) leaves the picture"),
    ],
)
def test_a_box_that_is_none_is_refused(box, words):
    with pytest.raises(Mistake) as told:
        segment(known(), scene(), box=box)
    assert words in str(told.value)


# ----------------------------------------------------------------------------------- a picture with a known answer


def scene():
    """A bright, slightly noisy object on a dark, slightly noisy ground; and a smaller one of its colour elsewhere."""
    generator = np.random.default_rng(3)
    picture = 0.15 + 0.06 * generator.random((SIZE, SIZE, 3))
    left, top, right, bottom = OBJECT
    picture[top:bottom, left:right] += np.array([0.6, 0.5, 0.1])
    picture[33:38, 2:7] += np.array([0.6, 0.5, 0.1])
    return (255 * picture).round().astype(np.uint8)


def known(hole=False):
    """Scores whose slope is strong in the middle of the object, and weak but never 0 outside of it."""
    weight = 0.01 * (noise(2, 3, SIZE, SIZE) - 0.5)
    left, top, right, bottom = OBJECT
    weight[1, :, top:bottom, left:right] *= 30
    weight[1, :, top + 4 : bottom - 4, left + 4 : right - 4] *= 3
    if hole:
        weight[1, :, 15:19, 18:24] = 0.0
    return linear(weight, [0.0, 0.0], labels=LABELS[:2])


@pytest.mark.parametrize("smooth", [None, 0, 2])
@pytest.mark.parametrize("seeds", ["colours", "fixed"])
def test_the_object_that_the_score_depends_on_is_cut_out(seeds, smooth):
    left, top, right, bottom = OBJECT
    box = (left, top, right - left, bottom - top)
    result = segment(known(), scene(), target="zebra", box=box, seeds=seeds, smooth=smooth)
    mask, truth = result.values[0], np.zeros((SIZE, SIZE), bool)
    truth[top:bottom, left:right] = True
    assert (mask & truth).sum() / (mask | truth).sum() > 0.9
    (numbers,) = result.numbers
    assert numbers["iou"] > 0.9
    assert numbers["area"] == pytest.approx(mask.mean())
    assert numbers["target"] == "logits:1" and numbers["given box"] == {"left": 12, "top": 8, "width": 18, "height": 18}
    assert tuple(numbers["box"].values()) == box_around(mask)
    assert not mask[33:38, 2:7].any()  # the smaller thing of its colour


def test_the_cut_out_is_the_photograph_with_the_mask_as_alpha():
    result = segment(known(), scene(), target=1)
    assert result.image.shape == (1, 4, SIZE, SIZE) and result.values.shape == (1, SIZE, SIZE)
    assert result.values.dtype == bool
    assert torch.equal(result.image[:, :3], result.input)
    assert (result.image[0, 3].numpy() == result.values[0]).all()
    assert np.asarray(result.shown("picture", 0)).shape == (SIZE, SIZE, 4)
    assert "iou" not in result.numbers[0]


def test_a_seed_inside_the_object_tells_a_colour_or_is_fixed():
    colours, fixed = (
        segment(known(hole=True), scene(), target=1, seeds=s, smooth=0).values[0] for s in ("colours", "fixed")
    )
    assert colours[15:19, 18:24].all()
    assert not fixed[15:19, 18:24].any()


def test_saliency_is_the_largest_slope_of_the_three_colours_of_the_score():
    network, photo = convnet(), levels(3, 16, 16)
    shown = segment(network, photo, target="zebra", smooth=0).panels[0][1][1]
    assert torch.equal(shown, saliency(network, photo, target="zebra").image)
    result = segment(network, photo, unit="conv3:2", smooth=0)
    assert torch.equal(result.panels[0][1][1], saliency(network, photo, unit="conv3:2").image)
    assert result.names == ["conv3-2"] and result.numbers[0]["words"] == "unit conv3:2"


def test_smoothing_spreads_saliency():
    network, photo = convnet(), levels(3, 16, 16)
    plain, smooth = (segment(network, photo, smooth=s).panels[0][1][1] for s in (0, 2))
    assert smooth.diff(dim=2).abs().mean() < plain.diff(dim=2).abs().mean() / 2


def test_seeds_are_painted_and_the_outline_lies_around_the_mask():
    result = segment(known(), scene(), target=1, box="1,2,20,30")
    seeds, outlined = result.panels[0][2][1], result.panels[0][3][1]
    red, blue = (torch.tensor(c)[:, None, None] for c in ((1.0, 0.35, 0.15), (0.2, 0.75, 1.0)))
    painted = [int((seeds[0] == colour).all(0).sum()) for colour in (red, blue)]
    assert painted == [SIZE * SIZE // 20, SIZE * SIZE * 3 // 10]
    scale = outlined.shape[2] // SIZE
    mask = torch.from_numpy(result.values[0]).repeat_interleave(scale, 0).repeat_interleave(scale, 1)
    assert not (outlined[0] == red).all(0)[mask].any() and (outlined[0] == red).all(0).any()
    assert (outlined[0, :, 2 * scale + 1, scale + 20] == blue.flatten()).all()


def test_the_same_is_cut_out_whatever_opencv_was_doing_before():
    before, network, photo = cv2.getNumThreads(), convnet(), levels(3, 16, 16)
    first = segment(network, photo).values
    for seed in (1, 2, 3):
        cv2.setRNGSeed(seed)
        cv2.setNumThreads(2)
        assert (segment(network, photo).values == first).all()
        assert cv2.getNumThreads() == 2
    cv2.setNumThreads(before)


@given(st.lists(st.floats(0.01, 9), min_size=2, max_size=30))
def test_what_is_salient_is_the_smallest_part_with_half_of_the_saliency(values):
    part = round(salient(np.array([values])) * len(values))
    largest = sorted(values, reverse=True)
    assert sum(largest[:part]) >= sum(values) / 2 * (1 - 1e-9)
    assert sum(largest[: part - 1]) <= sum(values) / 2 * (1 + 1e-9)


def test_a_cut_out_that_is_far_larger_than_what_is_salient_says_so(monkeypatch):
    for part, larger in ((3, False), (16, True)):  # columns of the picture that are cut out
        monkeypatch.setattr(cv2, "grabCut", lambda image, mask, *_, part=part: _cut_out(mask, part))
        found = segment(convnet(), levels(3, 16, 16), target=1)
        area, half = found.numbers[0]["area"], found.numbers[0]["salient"]
        assert area == part / 16 and (area > 2 * half) == larger
        assert found.title.endswith(": the cut-out is far larger than what is salient") == larger
        assert f"cut out: {100 * area:.0f} % of the picture (half of the saliency is in" in found.panels[0][3][0]


def _cut_out(mask, columns):
    mask[:], mask[:, :columns] = cv2.GC_BGD, cv2.GC_FGD


# ------------------------------------------------------------------------------------------------------ mistakes


def test_without_opencv_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(Mistake, match=r"segment needs OpenCV: pip install 'phosphene\[segment\]'"):
        segment(known(), scene())


def test_the_record_does_not_need_opencvs_package_to_have_one_name(monkeypatch):
    from phosphene.core.results import provenance

    assert provenance.versions(["no-such-package"])["no-such-package"] == "not known"
    assert segment(known(), scene(), target=1).recipe["versions"]["opencv-python-headless"]


def test_a_score_that_depends_on_no_pixel_cuts_nothing_out():
    weight = torch.zeros(2, 3, SIZE, SIZE, dtype=torch.float64)
    with pytest.raises(Mistake, match="the logit of zebra depends on every pixel of this photograph alike"):
        segment(linear(weight, [0.0, 1.0], labels=LABELS[:2]), scene(), target=1)


def test_nothing_found_is_told(monkeypatch):
    hint = r"all of this photograph has the colours of what the logit of zebra does not depend on; try --seeds fixed"
    monkeypatch.setattr(cv2, "grabCut", lambda image, mask, *_: mask.fill(cv2.GC_PR_BGD))
    with pytest.raises(Mistake, match=hint):
        segment(known(), scene(), target=1, seeds="colours")


def test_one_thing_is_asked_about():
    with pytest.raises(Mistake, match="a unit and a class can't both be asked about"):
        segment(known(), scene(), target="zebra", unit="logits:0")
    with pytest.raises(Mistake, match="no class 'yak'"):
        segment(known(), scene(), target="yak")
    with pytest.raises(Mistake, match="-1 is not a valid value for smooth"):
        segment(known(), scene(), smooth=-1)
    assert "OpenCV is not installed" in inspect.getdoc(segment)


@pytest.mark.slow
def test_the_elephant_is_found(data):
    import phosphene

    network = phosphene.load(f"{data / 'models' / 'inception5h.py'}:build")
    result = segment(network, data / "images" / "elephant.jpg", box="12,50,125,135")  # by eye
    assert result.numbers[0]["iou"] > 0.7

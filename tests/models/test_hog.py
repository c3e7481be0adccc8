"""Hand-made codes: HOG is scikit-image's, soft votes and SIFT's are their formulas loop by loop, all are networks."""

import math

import numpy as np
import pytest
import torch
from skimage.feature import hog as skimage_hog

from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from phosphene.core.pictures.files import open_photo
from phosphene.core.units.default_layers import halfway
from phosphene.inversion import invert
from phosphene.models.hog import NORMS, Neighbours, Votes, hog, sift
from phosphene.models.specs import load
from tests.small import levels, noise


def edge(degrees, side=16):
    """A picture that grows by 1 / 255 a pixel in this direction, in grey."""
    y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    angle = math.radians(degrees)
    return ((math.cos(angle) * x + math.sin(angle) * y).double() / 255)[None, None]


def flat(blocks):
    """skimage's order: rows and columns of blocks, of cells in each, orientations."""
    return blocks.permute(0, 2, 3, 1).flatten(1)[0].numpy()


# ------------------------------------------------------------------------------------------- equal to scikit-image


@pytest.mark.parametrize("colours", [1, 3])
@pytest.mark.parametrize(
    ("cell", "orientations", "block", "norm"),
    [
        ((8, 8), 9, 2, "L2-Hys"), ((8, 8), 9, 3, "L2-Hys"), ((4, 6), 8, 2, "L2"), ((5, 3), 12, 1, "L1"),
        ((7, 8), 7, 2, "L1-sqrt"), ((16, 16), 2, 2, "L2-Hys"),
    ],
)  # fmt: skip
def test_hog_is_that_of_scikit_image(colours, cell, orientations, block, norm):
    picture = levels(colours, 53, 70).double()
    own = hog(cell, orientations, block=block, norm=norm)(picture[None])
    array, axis = (picture[0], None) if colours == 1 else (picture, 0)
    options = {"pixels_per_cell": cell, "cells_per_block": (block, block), "block_norm": norm, "channel_axis": axis}
    theirs = skimage_hog(array.numpy(), orientations, **options)
    np.testing.assert_allclose(flat(own), theirs, atol=1e-6)
    assert np.abs(theirs).max() > 0.1


@pytest.mark.parametrize("spec", ["hog:8x8x9", "hog:8x8x9?channels=1", "hog:6x6x18?block=3&channels=1"])
def test_the_network_says_of_a_photograph_what_scikit_image_says(spec):
    network = load(spec, precision="float64")
    photo = open_photo("skimage:chelsea")[..., 40:130, 90:201]
    said = network.read(photo, ["logits"])["logits"]
    fed = network.preprocess(photo)[0].permute(1, 2, 0).numpy()
    cell, block, orientations = (8, 2, 9) if "8x8" in spec else (6, 3, 18)
    theirs = skimage_hog(
        fed if fed.shape[2] == 3 else fed[..., 0], orientations, (cell,) * 2, (block,) * 2,
        channel_axis=2 if fed.shape[2] == 3 else None,
    )  # fmt: skip
    assert np.abs(flat(said) - theirs).max() < 1e-6


def test_float32_is_close_to_it_but_for_directions_between_two_bins():
    photo = open_photo("skimage:chelsea")[..., 40:100, 90:150]
    both = [load("hog:8x8x9", precision=one).read(photo, ["logits"])["logits"] for one in ("float32", "float64")]
    assert (both[0] - both[1]).abs().mean() < 1e-3


# ---------------------------------------------------------------------------------------------------- slow twins


def slow_votes(down, right, many, degrees):
    """What one gradient votes for, by Dalal & Triggs: shared by the two bins with the nearest middles."""
    votes, width = [0.0] * many, degrees / many
    direction = math.degrees(math.atan2(down, right)) % degrees
    for i in range(many):
        apart = abs(direction - width * (i + 0.5))
        votes[i] = math.hypot(down, right) * max(0.0, 1 - min(apart, degrees - apart) / width)
    return votes


@pytest.mark.parametrize(("many", "degrees"), [(9, 180), (8, 360), (2, 180), (3, 360)])
def test_soft_votes_are_shared_by_the_nearest_bins(many, degrees):
    gradients = noise(2, 2, 5, 6) - 0.5
    votes = Votes(many, degrees, soft=True).double()(gradients)
    for n, i, j in np.ndindex(2, 5, 6):
        wanted = slow_votes(*gradients[n, :, i, j].tolist(), many, degrees)
        assert votes[n, :, i, j].tolist() == pytest.approx(wanted, abs=1e-12)


def test_soft_votes_of_a_gradient_add_up_to_its_length():
    gradients = noise(1, 2, 8, 8) - 0.5
    votes = Votes(9, soft=True).double()(gradients)
    torch.testing.assert_close(votes.sum(1), gradients.square().sum(1).sqrt())


def slow_neighbours(votes, down, across):
    """Weights 1 - |distance| / side along each axis, that add up to one over the pixels of a cell."""
    bins, height, width = votes.shape
    rows, columns = height // down, width // across
    found = torch.zeros(bins, rows, columns, dtype=votes.dtype)
    for r, c in np.ndindex(rows, columns):
        whole = 0.0
        for i, j in np.ndindex(rows * down, columns * across):
            weight = max(0, 1 - abs((i + 0.5) / down - r - 0.5)) * max(0, 1 - abs((j + 0.5) / across - c - 0.5))
            found[:, r, c] += weight * votes[:, i, j]
            whole += weight
        found[:, r, c] /= whole
    return found


@pytest.mark.parametrize("cell", [(4, 4), (3, 2), (1, 5)])
def test_a_pixel_votes_for_the_nearest_cells(cell):
    votes = noise(1, 2, 13, 11)
    torch.testing.assert_close(Neighbours(cell)(votes)[0], slow_neighbours(votes[0], *cell))


def slow_sift(picture, side, many, block):
    """The descriptor of the block whose first cell is the first one, of a grey picture."""
    x, (height, width) = picture[0, 0].tolist(), picture.shape[2:]
    votes = torch.zeros(many, height, width, dtype=torch.float64)
    for i, j in np.ndindex(height, width):
        down = x[i + 1][j] - x[i - 1][j] if 0 < i < height - 1 else 0.0
        right = x[i][j + 1] - x[i][j - 1] if 0 < j < width - 1 else 0.0
        votes[:, i, j] = torch.tensor(slow_votes(down, right, many, 360), dtype=torch.float64)
    cells = slow_neighbours(votes, side, side)
    found = []
    for i, j in np.ndindex(block, block):
        away = (i - (block - 1) / 2) ** 2 + (j - (block - 1) / 2) ** 2
        found.append(cells[:, i, j] * math.exp(-away / (2 * (block / 2) ** 2)))
    v = torch.cat(found)
    v = v / math.sqrt(v.square().sum() + 1e-10)
    v = v.clamp(max=0.2)
    return v / math.sqrt(v.square().sum() + 1e-10)


def test_sift_is_its_formula():
    picture = noise(1, 1, 20, 20)
    own = sift((4, 4), 8).double()(picture)
    assert own.shape == (1, 128, 2, 2)
    torch.testing.assert_close(own[0, :, 0, 0], slow_sift(picture, 4, 8, 4), atol=1e-6, rtol=1e-6)


# ---------------------------------------------------------------------------------------------- values in the head


@pytest.mark.parametrize(("degrees", "bin"), [(0, 0), (10, 0), (30, 1), (90, 4), (170, 8), (205, 1)])
def test_a_slope_votes_for_its_direction_alone(degrees, bin):
    cells = hog((4, 4), 9, block=1, norm="L2").double()(edge(degrees))[0, :, 1, 1]
    assert cells.argmax() == bin
    assert cells[bin] > 0.99 and cells.sum() < 1.01


def test_sift_tells_a_slope_from_its_opposite_and_hog_does_not():
    up, down = edge(30), edge(210)
    assert torch.allclose(hog().double()(up), hog().double()(down))
    assert not torch.allclose(sift().double()(up), sift().double()(down), atol=0.1)


@pytest.mark.parametrize("code", [hog(), sift()])
def test_brightness_and_contrast_change_no_code(code):
    picture = noise(1, 1, 32, 32)
    torch.testing.assert_close(code.double()(picture), code(0.3 + 0.5 * picture), atol=1e-6, rtol=1e-6)


def test_no_value_of_an_l2_block_is_longer_than_one():
    assert torch.linalg.vector_norm(hog().double()(noise(1, 1, 40, 40)), dim=1).max() <= 1 + 1e-9


# ------------------------------------------------------------------------------------------------------ gradients


@pytest.mark.parametrize(
    "code", [hog((3, 3), soft=True), hog((3, 3), 5, norm="L1-sqrt", soft=True), sift((2, 2), block=2)]
)
def test_soft_codes_have_the_gradient_of_finite_differences(code):
    picture = noise(1, 2, 6, 7, seed=3).requires_grad_()
    assert torch.autograd.gradcheck(code.double(), picture, eps=1e-7, atol=1e-5)


def test_hard_votes_go_backward_as_soft_ones_do():
    gradients, weights = noise(1, 2, 6, 6) - 0.5, noise(1, 9, 6, 6, seed=1)

    def back(soft):
        x = gradients.clone().requires_grad_()
        votes = Votes(9, soft=soft).double()(x)
        return votes.detach(), torch.autograd.grad((votes * weights).sum(), x)[0]

    (hard, of_hard), (soft, of_soft) = back(False), back(True)
    torch.testing.assert_close(of_hard, of_soft)
    assert (hard != soft).any()
    assert ((hard > 0).sum(1) == 1).all()


@pytest.mark.parametrize("code", [hog(), hog(norm="L1-sqrt"), sift()])
def test_a_flat_picture_has_an_empty_code_and_a_finite_gradient(code):
    picture = torch.full((1, 3, 24, 24), 0.5, dtype=torch.float64, requires_grad=True)
    said = code.double()(picture)
    assert not said.any()
    assert torch.autograd.grad(said.sum(), picture)[0].isfinite().all()


# ------------------------------------------------------------------------------------------------------- networks


@pytest.mark.parametrize("spec", ["hog:8x8x9", "sift:4x4x8"])
def test_they_are_networks_of_four_layers_for_any_size(spec):
    network = load(spec)
    assert list(network.layers) == ["gradients", "votes", "histograms", "blocks", "logits"]
    assert halfway(network) == "blocks"
    assert network.head.kind == "numbers" and not network.fixed and network.together
    assert network.read(levels(2, 3, 40, 51), ["logits"])["logits"].shape[0] == 2


def test_one_channel_reads_grey_pictures():
    assert load("hog:8x8x9?channels=1").grey and not load("hog:8x8x9").grey


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("hog:8x8", "'hog:8x8' is not a valid code; .* such as hog:8x8x9"),
        ("hog:", "such as hog:8x8x9"),
        ("hog:0x8x9", "1 to 512"),
        ("sift:4x4x1", "2 to 360.*such as sift:4x4x8"),
        ("hog:8x8x9?blocks=3", "hog has no option 'blocks'; there are block, norm, votes, channels"),
        ("sift:4x4x8?norm=L1", "sift has no option 'norm'; there are block, channels"),
        ("hog:8x8x9?norm=L2-hys", "'L2-hys' is not a valid value for norm; did you mean 'L2-Hys'"),
        ("hog:8x8x9?votes=firm", "'firm' is not a valid value for votes; there are hard, soft"),
        ("hog:8x8x9?block=0", "0 is not a valid value for block"),
        ("hog:8x8x9?channels=2", "2 is not a valid value for channels"),
    ],
)
def test_what_is_no_code_is_answered_with_one(spec, said):
    with pytest.raises(Mistake, match=said):
        load(spec)


def test_a_picture_without_a_block_is_refused():
    with pytest.raises(Mistake, match="12 x 40 px holds no block; one is 16 x 16 px"):
        load("hog:8x8x9").read(levels(1, 3, 12, 40), ["logits"])


@pytest.mark.slow
def test_a_code_is_inverted_like_any_layer():
    network = Network(hog((4, 4)).double(), size=24, head="numbers")
    run = invert(network, open_photo("skimage:chelsea")[..., 60:108, 110:158], layer="blocks", steps=60, tv=0.0)
    first, *_, last = [step.values.item() for step in run]
    assert last < 0.4 * first


@pytest.mark.parametrize("norm", NORMS)
def test_the_layer_that_is_looked_at_unless_one_is_named_is_the_code_whatever_the_norm(norm):
    assert halfway(load(f"hog:8x8x9?norm={norm}")) == "blocks"

"""Occlusion is a loop over squares, written twice."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from phosphene.attribution import occlusion
from phosphene.attribution.baselines import baseline_pictures
from phosphene.attribution.methods.occlusion import per_position, places
from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from phosphene.core.units.inputs import feed
from tests.attribution.asked import answer, on_pixels, photos
from tests.small import LABELS, convnet, levels, linear, noise


def naive(network, photo, target, window, stride):
    """One square at a time, one run of the whole model at a time."""

    def said(picture):
        with torch.no_grad():
            return network.model((picture[None] - 0.5) / 0.2)[0, target].item()

    def corners(length):
        return sorted({*range(0, length - window, stride), length - window})

    height, width = photo.shape[1:]
    total, count = torch.zeros(2, height, width, dtype=torch.float64)
    for top in corners(height):
        for left in corners(width):
            covered = photo.clone()
            covered[:, top : top + window, left : left + window] = 0.5
            total[top : top + window, left : left + window] += said(photo) - said(covered)
            count[top : top + window, left : left + window] += 1
    return total / count.clamp(min=1)


@pytest.mark.parametrize(("window", "stride", "batch"), [(4, 2, 16), (5, 3, 7), (16, 1, 3), (1, 5, 100)])
def test_the_map_equals_a_naive_loop(window, stride, batch):
    network, photo = convnet(), levels(3, 16, 16)
    run = occlusion(network, photo, target=2, window=window, stride=stride, batch=batch)
    torch.testing.assert_close(
        torch.from_numpy(run.values[0]).double(), naive(network, photo.double(), 2, window, stride),
        rtol=1e-5, atol=1e-7,
    )  # fmt: skip


def test_on_a_linear_model_a_square_costs_its_weights_times_what_it_hides():
    weight, photo = noise(2, 3, 8, 8) - 0.5, levels(3, 8, 8)
    run = occlusion(linear(weight, [0.0, 1.0]), photo, target=1, window=2, stride=2)
    hidden = (weight[1] * (photo.double() - 0.5)).sum(0)
    expected = hidden.view(4, 2, 4, 2).sum((1, 3)).repeat_interleave(2, 0).repeat_interleave(2, 1)
    torch.testing.assert_close(torch.from_numpy(run.values[0]).double(), expected, rtol=1e-5, atol=1e-6)
    assert run.numbers[0]["places"] == 16
    assert run.numbers[0]["largest drop"] == pytest.approx(expected.max().item(), rel=1e-5)


@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 20))
def test_windows_cover_everything_inside_and_end_flush(length, window, stride):
    window = min(window, length)
    found = places(length, window, min(stride, window))
    assert found[0] == 0
    assert found[-1] == length - window
    assert {i for p in found for i in range(p, p + window)} == set(range(length))


def test_a_picture_that_is_not_covered_yet_is_worth_nothing_and_the_rest_is_kept():
    options = {"window": 16, "stride": 16, "batch": 1, "incremental": False, "fit": "whole"}
    run = occlusion(convnet(), levels(3, 64, 64), **options)
    next(iter(run))
    partly = run.so_far()
    assert partly.numbers[0]["places"] == 6  # of pictures of this size
    assert abs(partly.values[0, :32]).max() > 0
    assert abs(partly.values[0, 32:]).max() == 0
    assert run.numbers[0]["places"] == 16


@pytest.mark.parametrize(
    "options", [{"window": 17}, {"window": 0}, {"window": -1}, {"stride": 0}, {"stride": -2}, {"batch": 0}]
)
def test_squares_that_do_not_fit_are_mistakes(options):
    with pytest.raises(Mistake, match=next(iter(options))):
        list(occlusion(convnet(), levels(3, 16, 16), **options))


def test_a_network_that_answers_nan_is_told_off():
    network = convnet()
    torch.nn.init.constant_(network.model.fc.weight, float("nan"))
    with pytest.raises(Mistake, match="not finite"):
        list(occlusion(network, levels(3, 16, 16), target=1))


@pytest.mark.parametrize(("window", "stride"), [(4, 4), (6, 5), (8, 2)])
@pytest.mark.filterwarnings("ignore")
def test_captum_computes_the_same_per_pixel_form(window, stride):
    attr = pytest.importorskip("captum.attr")
    network, pictures = convnet(), photos(2)
    expected = attr.Occlusion(on_pixels(network)).attribute(
        pictures, target=1, sliding_window_shapes=(3, window, window), strides=(3, stride, stride), baselines=0.0
    )
    assert torch.equal(expected[:, 0], expected[:, 2])
    found = answer(occlusion, network, pictures, target=1, window=window, stride=stride, occluder="black").values
    torch.testing.assert_close(found.float(), expected[:, 0].detach(), rtol=1e-6, atol=1e-7)  # Captum's is float32


@pytest.mark.parametrize("incremental", [True, False])
def test_the_three_maps_of_zeiler_and_fergus_equal_a_loop_over_positions(incremental):
    network, pictures = convnet(), photos(1)
    options = {"window": 5, "stride": 3, "occluder": "zero", "layer": "relu3", "incremental": incremental}
    found = answer(occlusion, network, pictures, target=1, score="p", **options)
    kept = []
    network.model.relu3.register_forward_hook(lambda m, i, out: kept.append(out[0].sum((1, 2))))

    def look(picture):
        with torch.no_grad():
            said = network.model((picture - 0.5) / 0.2)[0]
        return kept[-1], said.softmax(0)[1], said.argmax()

    strongest = int(look(pictures)[0].argmax())
    corners = [0, 3, 6, 9, 11]
    for i, top in enumerate(corners):
        for j, left in enumerate(corners):
            covered = pictures.clone()
            covered[..., top : top + 5, left : left + 5] = 0.5  # the mean colour of this network: its own zero
            activations, p, most = look(covered)
            maps = found.further_values
            assert maps["activation"][0, i, j] == pytest.approx(float(activations[strongest]), rel=1e-9)
            assert maps["score"][0, i, j] == pytest.approx(float(p), rel=1e-9)
            assert maps["class"][0, i, j] == int(most)
    assert f"relu3:{strongest}" in found.panels[0][0][0]
    assert "the network's own zero" in found.facts[0]["occluder"]


def test_the_maps_lie_over_the_photograph():
    network = convnet()
    photograph = feed(network, levels(3, 16, 16)).float()
    for _, picture in occlusion(network, photograph, window=4, stride=4).result.panels[0][-3:]:
        assert picture.shape == photograph.shape
        colours = (picture - 0.4 * photograph.mean(1, keepdim=True)) / 0.6  # what is left of the photograph is grey
        assert colours.min() > -1e-5 and colours.max() < 1 + 1e-5
        square = colours[0, :, 4:8, 4:8]  # a place's value is that of all pixels that are nearest to it
        torch.testing.assert_close(square, square[:, :1, :1].expand(3, 4, 4), rtol=0, atol=1e-5)


def test_by_position_a_pixel_has_the_value_of_the_nearest_square():
    values = torch.tensor([1.0, 2.0, 3.0, 4.0])
    found = per_position([0, 6], [0, 6], 4, (10, 10), values)  # centres at 1.5 and 7.5
    assert found[0, 0] == found[4, 4] == 1
    assert found[4, 5] == 2
    assert found[9, 4] == 3
    assert found[9, 9] == found[5, 5] == 4


def test_by_position_the_value_is_the_drop_at_the_squares_place():
    network, pictures = convnet(), photos(1)
    maps = answer(occlusion, network, pictures, target=1, window=4, stride=6, form="positions")
    grid = maps.facts[0]["value"] - torch.from_numpy(maps.further_values["score"][0])
    assert maps.values[0, 0, 0] == pytest.approx(float(grid[0, 0]), abs=1e-12)
    assert maps.values[0, -1, -1] == pytest.approx(float(grid[-1, -1]), abs=1e-12)


@pytest.mark.parametrize("occluder", ["zero", "black", "grey", "mean", "blur", "noise"])
def test_a_square_shows_what_was_asked_for(occluder):
    network, pictures = convnet(), photos(1)
    covers = baseline_pictures(network, pictures, occluder, 5)
    expected = {
        "zero": torch.full_like(pictures, 0.5), "black": torch.zeros_like(pictures),
        "grey": torch.full_like(pictures, 0.5), "mean": pictures.mean((2, 3), keepdim=True).expand_as(pictures),
    }.get(occluder, covers)  # fmt: skip
    torch.testing.assert_close(covers, expected)
    assert 0 <= covers.min() <= covers.max() <= 1
    covered = pictures.clone()
    covered[..., 3:9, 6:12] = covers[..., 3:9, 6:12]
    maps = answer(occlusion, network, pictures, target=1, window=6, stride=3, occluder=occluder, seed=5)
    said = on_pixels(network)(covered)[0, 1]
    assert maps.further_values["score"][0, 1, 2] == pytest.approx(float(said), rel=1e-9)


def test_a_blurred_picture_keeps_its_mean_and_noise_has_none_of_it():
    pictures = photos(2)
    network = convnet()
    blurred = baseline_pictures(network, pictures, "blur")
    assert float(blurred.var()) < float(pictures.var())
    assert not torch.equal(
        baseline_pictures(network, pictures, "noise", 1), baseline_pictures(network, pictures, "noise", 2)
    )
    assert torch.equal(
        baseline_pictures(network, pictures, "noise", 1)[0], baseline_pictures(network, pictures, "noise", 1)[1]
    )


def test_a_layer_without_maps_to_follow_is_told():
    with pytest.raises(Mistake, match="fc has no rows and columns, so it has no feature maps"):
        occlusion(convnet(), levels(3, 16, 16), layer="fc")


def test_in_bfloat16_it_tells_how_far_it_is_off():
    torch.manual_seed(0)
    facts = {"size": 16, "labels": LABELS, "mean": (0.5,) * 3, "std": (0.2,) * 3}
    network = Network(convnet(torch.float32).model, precision="bfloat16", **facts)
    low = occlusion(network, levels(3, 16, 16), target=1, window=4, stride=2).result
    network = convnet(torch.float32)
    exact = occlusion(network, levels(3, 16, 16), target=1, window=4, stride=2).result
    assert "largest deviation" not in exact.numbers[0]
    apart = abs(low.further_values["score"] - exact.further_values["score"])
    told = low.numbers[0]["largest deviation"]
    assert 0 < told <= apart.max() * 1.01
    assert told > 0.2 * apart.max()  # it looks at some of the places
    assert "in bfloat16, at most" in low.numbers[0]["computed"]

import pytest
import torch

from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from phosphene.core.optimization.engine import argmin
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.lbfgs import lbfgs
from phosphene.core.optimization.objectives import gradient, values
from phosphene.core.optimization.parameterizations import Pixels
from phosphene.core.optimization.terms import TokenGrid
from phosphene.style.moments import added, gram_distance, moments
from phosphene.style.regions import bands, completed
from phosphene.style.statistics import OF_FEATURES, OF_SUMS
from phosphene.style.terms import LayerStyle, Region, Smoothing, divided, flat_features, inside, targets
from tests.small import Tokens, convnet, noise, normal

EVERY = dict.fromkeys([*OF_SUMS, *OF_FEATURES], 1.0)


def test_a_picture_in_its_own_style_is_at_0_and_another_is_not():
    network, style = convnet(), noise(1, 3, 16, 20)
    for one in targets(network, [style], ["relu1", "relu2"], EVERY):
        near, far = (values(network, one.term, x, torch.zeros(1, dtype=torch.long)) for x in (style, style.square()))
        assert near.abs().item() < 1e-6 < 1e-2 < far.item()


def test_positions_are_inside_from_half_on_or_where_they_count_most():
    assert inside(torch.tensor([0.2, 0.5, 0.9])).tolist() == [False, True, True]
    assert inside(torch.tensor([0.2, 0.1, 0.2])).tolist() == [True, False, True]


def test_a_term_is_the_weighted_sum_of_its_statistics():
    network, style, x, row = convnet(), noise(1, 3, 16, 16), noise(2, 3, 16, 16, seed=1), torch.arange(2)
    alone = [
        weight * values(network, targets(network, [style], ["relu2"], {name: 1.0})[0].term, x, row)
        for weight, name in enumerate(EVERY, 1)
    ]
    weights = {name: float(weight) for weight, name in enumerate(EVERY, 1)}
    every = values(network, targets(network, [style], ["relu2"], weights)[0].term, x, row)
    torch.testing.assert_close(every, torch.stack(alone).sum(0))


@pytest.mark.parametrize("smooth", [False, True])
def test_sums_of_blocks_tell_what_the_whole_picture_does(smooth):
    network, style, x = convnet(), noise(1, 3, 16, 16), noise(1, 3, 16, 16, seed=1)
    (one,) = targets(network, [style], ["relu2"], dict.fromkeys(OF_SUMS, 1.0), smooth=smooth)
    assert one.additive
    whole = one.features(network.read(x, ["relu2"])["relu2"])
    parts = [one.sums(whole[..., some], some) for some in (slice(0, 20), slice(20, None))]
    found = [added(region) for region in zip(*parts, strict=True)]
    torch.testing.assert_close(one.of_sums(found), values(network, one.term, x, torch.arange(1)))


def test_several_styles_have_the_mean_of_their_gram_matrices():
    network, styles = convnet(), [noise(1, 3, 16, 16), noise(1, 3, 12, 20, seed=1)]
    (one,) = targets(network, styles, ["relu1"], {"gram": 1.0}, shares=[3.0, 1.0])
    grams = [moments(network.read(x, ["relu1"])["relu1"].flatten(2)).gram for x in styles]
    torch.testing.assert_close(one.regions[0].sums.gram, 0.75 * grams[0] + 0.25 * grams[1])


def test_the_quantiles_of_several_styles_are_pulled_at_by_their_shares():
    network, styles = convnet(), [noise(1, 3, 16, 16), noise(1, 3, 16, 16, seed=1)]
    x, row = noise(1, 3, 16, 16, seed=2), torch.arange(1)
    both, *alone = (
        gradient(network, targets(network, some, ["relu1"], {"histogram": 1.0}, shares=share)[0].term)(x, row, Key())[1]
        for some, share in ((styles, [1.0, 3.0]), (styles[:1], []), (styles[1:], []))
    )
    torch.testing.assert_close(both, 0.25 * alone[0] + 0.75 * alone[1])


def test_a_region_is_compared_with_its_own_style_and_counts_by_its_size():
    f = normal(1, 3, 30).abs()
    inside = torch.zeros(30, dtype=torch.float64)
    inside[:10] = 1
    one, other = moments(normal(1, 3, 12, seed=1)), moments(normal(1, 3, 12, seed=2))
    style = LayerStyle("it", [Region(inside, one), Region(1 - inside, other)], {"gram": 1.0})
    expected = gram_distance(moments(f[..., :10]), one) / 3 + 2 * gram_distance(moments(f[..., 10:]), other) / 3
    torch.testing.assert_close(style.of_sums(style.sums(f)), expected)


def test_smoothed_sums_are_those_of_a_softmax_over_all_channels_and_positions():
    f = normal(2, 3, 20)
    soft = (f / 2).flatten(1).softmax(1).view_as(f) * 60 - 1  # so that its mean is 0
    found = divided(moments(Smoothing(0.7, 2.0)(f)))
    for one, other in zip(found, moments(soft), strict=True):
        torch.testing.assert_close(one, other)


def test_class_tokens_and_registers_are_no_part_of_a_style():
    tokens = normal(1, 6, 19)
    assert torch.equal(flat_features(tokens, TokenGrid(2, 4, suffix=1)), tokens[..., 2:18])


def test_the_style_of_tokens_is_that_of_the_patches():
    network, x = Network(Tokens().double(), size=16), noise(1, 3, 16, 16)
    layer = next(name for name, one in network.layers.items() if len(one.shape) == 2 and max(one.shape) > 1)
    (one,) = targets(network, [x], [layer], {"gram": 1.0})
    torch.testing.assert_close(one.regions[0].sums.gram, moments(network.read(x, [layer])[layer].flatten(2)).gram)


@pytest.mark.parametrize("layer", ["fc", "logits", "mean"])
def test_a_layer_without_places_knows_no_style(layer):
    with pytest.raises(Mistake, match=f"{layer} has no rows and columns"):
        targets(convnet(), [noise(1, 3, 16, 16)], [layer], {"gram": 1.0})


def halves(height=16, width=16):
    """The left and the right half of a picture, and a quarter of it between them in which both are half meant."""
    left = torch.ones(1, 1, height, width)
    left[..., width // 2 :] = 0
    left[..., 3 * width // 8 : 5 * width // 8] = 0.5
    return completed([left], 2)


@pytest.mark.parametrize("smooth", [False, True])
def test_each_region_is_to_be_like_its_own_style_and_a_soft_edge_like_their_blend(smooth):
    network, styles = convnet(), [noise(1, 3, 16, 16), noise(1, 3, 12, 20, seed=1) ** 2]
    one, other = (targets(network, [style], ["relu1"], {"gram": 1.0}, smooth=False)[0].regions[0] for style in styles)
    (layer,) = targets(
        network, styles, ["relu1"], {"gram": 1.0}, regions=bands(halves(), [1, 1]), size=(16, 16), smooth=smooth
    )
    columns = [region.weight.view(-1, 16)[0].tolist() for region in layer.regions]
    assert columns == [[0.0] * 10 + [1.0] * 6, [0.0] * 6 + [1.0] * 4 + [0.0] * 6, [1.0] * 6 + [0.0] * 10]
    if not smooth:
        wanted = [other.sums.gram, (one.sums.gram + other.sums.gram) / 2, one.sums.gram]
        for region, gram in zip(layer.regions, wanted, strict=True):
            torch.testing.assert_close(region.sums.gram, gram)


@pytest.mark.slow
def test_descent_brings_each_regions_gram_to_its_own_style():
    network, styles = convnet(), [0.2 * noise(1, 3, 16, 16), 0.8 + 0.2 * noise(1, 3, 16, 16, seed=1)]
    regions = bands(completed([halves()[:1][None].round()], 2), [1, 1])
    (layer,) = targets(network, styles, ["relu1"], {"gram": 1.0}, regions=regions, size=(16, 16))
    objective = gradient(network, layer.term)
    start = Pixels(noise(1, 3, 16, 16, seed=2))
    *_, last = argmin(start, objective, optimizer=lbfgs(), steps=200)
    found = layer.sums(layer.features(network.read(last.pictures, ["relu1"])["relu1"]))
    for region, sums in zip(layer.regions, found, strict=True):
        assert gram_distance(sums, region.sums).item() < 1e-4


def test_a_part_of_a_style_is_all_that_counts_of_it():
    network, style, part = convnet(), noise(1, 3, 16, 16), torch.zeros(16, 16)
    part[4:, :8] = 1
    (one,) = targets(network, [style], ["relu1"], EVERY, parts=[part])
    features = network.read(style, ["relu1"])["relu1"][..., 4:, :8]
    torch.testing.assert_close(one.regions[0].sums.gram, moments(features.flatten(2)).gram)
    torch.testing.assert_close(one.regions[0].features[0][1], features.flatten(2))

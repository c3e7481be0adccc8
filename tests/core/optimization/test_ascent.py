"""Ascents: what settings mean in nouns, nouns instead of settings, and stages one after the other."""

from functools import partial

import pytest
import torch
from torch import nn

from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from phosphene.core.optimization.ascent import Ascent, Nouns, ascent, mean_colour, stages, transform
from phosphene.core.optimization.constraints import box
from phosphene.core.optimization.engine import argmin
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.objectives import gradient
from phosphene.core.optimization.operators import blurred, clip_contribution, clip_norm, shrink
from phosphene.core.optimization.optimizers import adam, normalized, sign
from phosphene.core.optimization.parameterizations import Fourier, Pixels
from phosphene.core.optimization.priors import l_alpha, total_variation
from phosphene.core.optimization.settings import Settings
from phosphene.core.optimization.steps import Step
from phosphene.core.optimization.terms import Reading, channel, weighted
from phosphene.core.optimization.transforms import as_is, compose, crop, noisy, over_noise, roll, several, shake
from tests.core.optimization.test_engine import bowl, photos, small
from tests.small import noise

SIZE = (20, 20)
PARTS = [([0, 1], channel("3", [2, 5]))]


def path(network, settings=Settings(steps=4), nouns=Nouns(), key=Key(0, [4, 9]), **options):
    return list(ascent(settings, network, SIZE, nouns).trajectory(network, PARTS, key, SIZE, **options).steps)


def assert_same(steps, others):
    for one, other in zip(steps, others, strict=True):
        torch.testing.assert_close(one.pictures, other.pictures, rtol=0, atol=1e-12)
        torch.testing.assert_close(one.values, other.values, rtol=0, atol=1e-12)


def test_settings_mean_the_nouns_that_one_would_give():
    network = small()
    expected = argmin(
        Fourier([4, 9], SIZE, seed=3, dtype=torch.float64), gradient(network, -channel("3", [2, 5])),
        optimizer=adam(0.05), steps=4, key=Key(3, [4, 9]),
    )  # fmt: skip
    assert_same(path(network, key=Key(3, [4, 9])), expected)


def test_nouns_take_the_place_of_settings():
    network, x = small(), photos(2)
    nouns = Nouns(
        parameterization=lambda problems, size, *, seed, start, dtype, device: Pixels(start),
        transform=roll(3), prior=0.1 * total_variation(), optimizer=normalized(0.01), constraint=box(0.1, 0.9),
        operator=lambda pictures, rows, gradients, index: 0.99 * pictures,
    )  # fmt: skip
    term = -channel("3", [2, 5]) + 0.1 * total_variation()

    def by_hand(pictures, rows, key):
        return gradient(network, term, roll(3))(pictures, rows, key.child(0))

    expected = argmin(
        Pixels(x), by_hand, optimizer=normalized(0.01), constraint=box(0.1, 0.9), steps=4, key=Key(0, [4, 9]),
        operator=lambda pictures, rows, gradients, index: 0.99 * pictures,
    )  # fmt: skip
    assert_same(path(network, nouns=nouns, start=x), expected)


def test_a_parameterization_of_ones_own_is_asked_for_the_networks_type_and_place():
    def own(problems, size, *, seed, start, dtype, device):
        seen.append((list(problems), size, seed, start, dtype, str(device)))
        return Fourier(problems, size, seed=seed, dtype=dtype, device=device)

    seen = []
    path(small(), nouns=Nouns(parameterization=own), key=Key(5, [4, 9]))
    assert seen == [([4, 9], SIZE, 5, None, torch.float64, "cpu")]
    by_part = path(small(), nouns=Nouns(parameterization=partial(Fourier, decay=0.5)))
    assert_same(by_part, path(small(), Settings(steps=4, decay=0.5)))


def test_words_among_options_are_settings_and_objects_are_nouns():
    mine = adam(0.1)
    given = {"optimizer": mine, "parameterization": "pixels", "prior": None, "steps": 3}
    assert Nouns.among(given) == Nouns(optimizer=mine)


def test_terms_of_layers_with_rows_and_columns_may_have_a_transform_of_their_own():
    network, settings = small(), Settings(rotate=20.0, jitter=0.4, channel_reach=0.5)
    how = ascent(settings, network, SIZE)
    x, key = photos(1), Key(0).at(3)
    for term, reach in ((channel("3", [0]), 0.5), (channel("5", [0]), 1.0), (channel("7", [0]), 1.0)):
        less = Settings(rotate=20.0 * reach, jitter=0.4 * reach)
        found = how.objective(network, [([0], term)])(x, torch.arange(1), key)
        alone = ascent(less, network, SIZE).objective(network, [([0], term)])(x, torch.arange(1), key)
        torch.testing.assert_close(found.values, alone.values)


@pytest.mark.parametrize("optimizer", ["adam", "nadam", "steepest", "normalized", "lbfgs"])
def test_every_optimizer_by_name_ascends(optimizer):
    first, *_, last = path(small(), Settings(steps=6, optimizer=optimizer, rate=0.02))
    assert (last.values < first.values).all()


def test_memory_is_flat_in_the_views_and_problems_that_look_at_one_another_stay_together():
    network, sizes = small(), []
    path(network)
    network.model.register_forward_pre_hook(lambda module, inputs: sizes.append(len(inputs[0])))
    for batch, together, most in ((1, 1, 1), (2, 1, 2), (1, 2, 2), (9, 2, 2)):
        del sizes[:]
        path(network, batch=batch, together=together)
        assert max(sizes) == most


def test_what_a_picture_has_to_survive_comes_in_order_backgrounds_shaking_cropping_noise():
    """Backgrounds lie behind the picture, so they move with it; noise is on what the network sees."""
    chosen = Settings(transparency="learned", pad=0.1, jitter=0.2, smallest=0.8, largest=1.5, rotate=15.0,
                      border="reflect", crop_from=0.4, crop_to=0.9, noise=0.1, views=2)  # fmt: skip
    shaken = shake(pad=2, jitter=4, scale=(0.8, 1.5), rotate=15.0, border="reflect")
    expected = several(2, compose(over_noise(), shaken, crop(0.4, 0.9, 12), noisy(0.1)))
    x, rows, key = noise(2, 4, 30, 20), torch.arange(2), Key(0).at(3)  # lengths are parts of the shorter side
    for one, other in zip(transform(chosen, (30, 20), 12)(x, rows, key), expected(x, rows, key), strict=True):
        assert torch.equal(one, other)
    assert transform(Settings(), SIZE, 12) is as_is


def test_after_a_move_a_picture_decays_is_blurred_and_then_clipped():
    network, x, g = small(), photos(2), photos(2, seed=1) - 0.5
    chosen = Settings(parameterization="pixels", shrink=0.2, blur_width=0.7, blur_every=2, small_norm=30.0,
                      small_contribution=60.0)  # fmt: skip
    center = mean_colour(network)
    for index in (0, 1):
        y = shrink(0.2, center)(x, torch.arange(2), g, index)
        y = blurred(y, 0.7) if index == 1 else y
        y = clip_norm(30.0, center)(y, torch.arange(2), g, index)
        y = clip_contribution(60.0, center)(y, torch.arange(2), g, index)
        found = ascent(chosen, network, SIZE).operator(x, torch.arange(2), g, index)
        torch.testing.assert_close(found, y)


def test_priors_add_up_those_of_the_settings_the_opacity_and_the_one_that_is_given():
    network = small()
    chosen = Settings(tv=0.2, l2=3.0, transparency="learned", opacity=0.7)
    priors = ascent(chosen, network, SIZE, Nouns(prior=5 * total_variation(2))).priors
    x, at = noise(2, 4, 20, 20), torch.arange(2)
    reading = Reading(x, at, x[:, :3], at)
    found = sum(prior.of(reading) for prior in priors)
    expected = 0.2 * total_variation().of(reading) + 3 * l_alpha(2, mean_colour(network)).of(reading)
    expected = expected + 0.7 * x[:, 3].mean((1, 2)) + 5 * total_variation(2).of(reading)
    torch.testing.assert_close(found, expected)
    ways = [ascent(Settings(transparency=one), network, SIZE) for one in ("none", "learned", "gradient")]
    assert [way.accumulated for way in ways] == [False, False, True]


def test_pixels_start_as_noise_about_the_mean_colour_of_their_seed_and_problem():
    network, chosen = small(), Settings(parameterization="pixels", deviation=0.03)
    found = ascent(chosen, network, SIZE).begin(network, Key(5, [4, 9]), SIZE, many=2)()
    noise_of_each = Key(5, [4, 9]).normal(torch.arange(2), 3, *SIZE)
    middle = torch.tensor(mean_colour(network)).double().view(-1, 1, 1)
    torch.testing.assert_close(found, (middle + 0.03 * noise_of_each).clamp(0, 1))


@pytest.mark.parametrize(
    ("mean", "colour"),
    [((0.4, 0.5, 0.6), (0.4, 0.5, 0.6)), ((0.0, 0.0, 0.0), (0.5,)), ((0.4, 0.5, 1.0), (0.5,)), ((0.3,), (0.3,))],
)
def test_the_mean_colour_is_what_the_network_calls_zero_and_grey_where_that_is_no_colour(mean, colour):
    assert mean_colour(Network(nn.Flatten(), size=4, mean=mean, std=(1.0,) * len(mean))) == colour


def test_operators_need_pixels_that_can_be_set():
    with pytest.raises(Mistake, match="need pixels that can be set, which cppn has not"):
        ascent(Settings(parameterization="cppn", shrink=0.1), small(), SIZE)


# ---------------------------------------------------------------------------------------------------------- stages


def test_stages_are_counted_through_and_each_has_its_own_key_and_starts_where_the_last_one_ended():
    seen = []

    def stage(steps):
        def ascend(key, before):
            seen.append((key.seed, key.stage, None if before is None else before.index))
            start = photos(1) if before is None else before.pictures
            return argmin(Pixels(start), bowl(photos(1, seed=1)), optimizer=sign(0.01), steps=steps, key=key)

        return ascend

    steps = list(stages([stage(3), stage(0), stage(2)], Key(7, stage=4)))
    assert seen == [(7, 4, None), (7, 5, 3), (7, 6, 3)]
    assert [step.index for step in steps] == [0, 1, 2, 3, 3, 3, 4, 5]
    whole = list(argmin(Pixels(photos(1)), bowl(photos(1, seed=1)), optimizer=sign(0.01), steps=5))
    torch.testing.assert_close(steps[-1].pictures, whole[-1].pictures)


@pytest.mark.parametrize(("first", "then"), [(False, True), (True, False), (True, True), (False, False)])
def test_over_all_stages_a_picture_is_still_only_where_it_was_so_in_each(first, then):
    def stage(still):
        flags = {"alive": torch.tensor([True]), "still": torch.tensor([still])}
        return lambda key, before: iter([Step(0, photos(1), torch.zeros(1), **flags)])

    assert [step.still.item() for step in stages([stage(first), stage(then)])] == [first, first and then]


def test_an_ascent_without_settings_is_adam_on_fourier_coefficients():
    assert_same(list(Ascent(steps=4).trajectory(small(), PARTS, Key(0, [4, 9]), SIZE).steps), path(small()))


def test_a_prior_with_a_weight_for_each_problem_goes_by_problems_whatever_terms_share():
    network = small()
    parts = [([1], channel("3", [2])), ([0, 2], channel("3", [5, 1]))]
    prior = weighted([0.0, 3.0, 7.0], l_alpha())
    objective = ascent(Settings(), network, SIZE, Nouns(prior=prior)).objective(network, parts)
    plain = ascent(Settings(), network, SIZE).objective(network, parts)
    x, rows = photos(2), torch.tensor([2, 1])
    found, without = objective(x, rows, Key(step=20)), plain(x, rows, Key(step=20))
    added = torch.tensor([7.0, 3.0]) * (x - 0.5).square().mean((1, 2, 3))
    torch.testing.assert_close(found.values - without.values, added)

"""All priors come to the same error of the code, and each picture is the one that its weight makes alone."""

from dataclasses import replace

import pytest
import torch

from phosphene.core.errors import Mistake
from phosphene.core.optimization.ascent import ascent
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.settings import Settings
from phosphene.core.optimization.terms import Reading, code_distance
from phosphene.core.units.inputs import code
from phosphene.inversion.equal_error import (
    DEEP,
    SLACK,
    STOPPED,
    TOLERANCE,
    WEIGHTED,
    Question,
    Search,
    small_shifts,
    stopped,
)
from tests.inversion.test_invert import smooth
from tests.small import convnet, noise


def question(steps=12, layer="conv2", side=16):
    network, fed = convnet(dtype=torch.float32, size=side), smooth(side)[None]
    return Question(network.planned("picture"), layer, fed, code(network, fed, layer), steps, 0.05, 0)


def searched(chosen, rounds=12, target=0.0, **how):
    search = Search(question(**how), chosen, rounds, target)
    return search, list(search.steps())


def test_all_reach_the_error_that_the_strictest_sets():
    search, steps = searched(["none", "l2", "tv", "wavelets"])
    alone = question().errors([search.painted["none"].picture])[0]
    assert alone <= search.target and [step.index for step in steps] == sorted(step.index for step in steps)
    for name in ("l2", "tv", "wavelets"):
        found = search.painted[name]
        assert abs(found.error / search.target - 1) <= TOLERANCE and found.weight > 0
        assert found.error == pytest.approx(question().errors([found.picture])[0])
    assert steps[-1].index <= search.total


def test_a_row_of_the_batch_is_what_its_prior_and_weight_make_alone():
    search, _ = searched(["none", "tv", "l2"])
    found = search.painted["tv"]
    network, fed = convnet(dtype=torch.float32), smooth()[None]
    term = code_distance("conv2", code(network, fed, "conv2"))
    how = replace(ascent(Settings(steps=12, tv=found.weight), network, (16, 16)), redirected=False)
    *_, last = how.trajectory(network, [([0], -term)], Key(0, [0]), (16, 16)).steps
    assert ((last.pictures[0] * 255).round() - found.picture).abs().max() <= 1


def test_a_given_error_is_the_wanted_one_and_none_of_the_priors_needs_company():
    search, _ = searched(["l2"], target=0.5)
    assert search.target == 0.5 and abs(search.painted["l2"].error / 0.5 - 1) <= TOLERANCE


def test_the_wanted_error_is_a_little_more_than_the_strictest_reaches():
    search, _ = searched(["none", "shifts"], rounds=0)
    by_steps = {name: found.error for name, found in search.painted.items()}
    assert set(by_steps) == {"none", "shifts"} and max(by_steps.values()) <= SLACK * search.target
    assert search.painted["shifts"].stopped > search.painted["none"].stopped > 0


def test_an_untrained_network_alone_is_followed_and_stopped():
    search, steps = searched([DEEP], rounds=2, steps=4, side=32)
    assert set(search.painted) == {DEEP} and search.painted[DEEP].weight is None
    assert steps[-1].index == 4


def test_the_first_picture_below_the_wanted_error_is_taken_unless_the_one_before_is_nearer():
    pictures = list(torch.arange(4, dtype=torch.uint8).view(4, 1, 1, 1).expand(4, 3, 2, 2))
    assert stopped(pictures, [0.9, 0.5, 0.19, 0.01], 0.2).stopped == 2
    assert stopped(pictures, [0.9, 0.21, 0.1, 0.3], 0.2).stopped == 1
    assert stopped(pictures, [0.9, 0.5, 0.4, 0.45], 0.2).stopped == 2  # never reached: the least
    assert stopped(pictures, [0.1, 0.5, 0.4, 0.45], 0.2).error == 0.1


def test_small_shifts_keep_the_size_of_the_picture_so_that_codes_have_the_same_shape():
    x = noise(2, 3, 20, 20)
    views, of = small_shifts(20)(x, torch.arange(2), Key(0).at(0))
    assert views.shape == x.shape and of.tolist() == [0, 1] and not torch.equal(views, x)


@pytest.mark.parametrize("name", [name for name, settings in WEIGHTED.items() if settings and "natural" not in name])
def test_every_prior_with_a_weight_is_one_term(name):
    x = question()
    assert x.prior(name).name.startswith("1 ") and name not in STOPPED


def test_what_is_natural_for_another_network_is_refused():
    with pytest.raises(Mistake, match="measured for embedded:photo"):
        question().prior("natural")


def test_a_decoder_is_the_mean_square_distance_to_its_picture(monkeypatch):
    picture = noise(1, 3, 16, 16, dtype=torch.float32)
    monkeypatch.setattr("phosphene.inversion.equal_error.decoder_pictures", lambda *asked: picture)
    asked, x = question(), smooth()[None]
    at = torch.zeros(1, dtype=torch.long)
    found = asked.prior("decoder").of(Reading(x, at, x, at))
    torch.testing.assert_close(found, (x - picture).square().mean((1, 2, 3)))


def test_without_a_decoder_of_the_layer_there_is_no_such_prior():
    with pytest.raises(Mistake, match="there is no decoder of Sequential here, and none of conv2"):
        question().prior("decoder")

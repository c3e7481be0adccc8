"""The search for codes: each problem as if alone, its best kept, and an end when nothing falls any more."""

from dataclasses import replace

import pytest
import torch

from phosphene.core.optimization.ascent import Nouns, ascent
from phosphene.core.optimization.engine import Evaluation, argmin
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.lbfgs import lbfgs
from phosphene.core.optimization.objectives import remembered, values
from phosphene.core.optimization.parameterizations import Fourier
from phosphene.core.optimization.priors import total_variation
from phosphene.core.optimization.settings import Settings
from phosphene.core.optimization.steps import steadiest
from phosphene.core.optimization.terms import weighted
from phosphene.core.units.inputs import feed
from phosphene.inversion import invert, search
from phosphene.inversion.codes import distance, errors, read_codes
from phosphene.inversion.depths import in_depth
from phosphene.inversion.presets import PRESETS
from phosphene.inversion.search import ERROR, Stalled, searched
from tests.small import convnet, levels, noise

LAYERS = ["conv1", "relu2", "conv3"]


@pytest.fixture(scope="module")
def network():
    return convnet()


@pytest.fixture(scope="module")
def codes(network):
    return read_codes(network, noise(1, 3, 16, 16), LAYERS)


def ended(network, codes, settings=Settings(steps=12, tv=0.05), size=(16, 16), **how):
    *_, last = searched(network, codes, settings, size, **how)
    return last


def test_a_batch_of_layers_and_starts_equals_single_searches(network, codes):
    problems, starts = [code for code in codes for _ in range(2)], [0, 5] * 3
    together = ended(network, problems, starts=starts)
    for i, (code, start) in enumerate(zip(problems, starts, strict=True)):
        alone = ended(network, [code], starts=[start])
        torch.testing.assert_close(together.pictures[i], alone.pictures[0], atol=1e-9, rtol=0)
        torch.testing.assert_close(together.outputs[ERROR][i], alone.outputs[ERROR][0])


def test_every_step_keeps_each_problems_least_error_and_its_picture(network, codes):
    found = list(searched(network, codes, Settings(steps=25, rate=3.0), (16, 16)))
    every = torch.stack([step.outputs[ERROR] for step in found])
    assert (every.diff(dim=0) <= 0).all() and (every.diff(dim=0) == 0).any()
    for step in found[::6]:
        torch.testing.assert_close(errors(network, codes, step.pictures), step.outputs[ERROR])


def test_the_error_is_that_of_the_code_without_the_priors(network, codes):
    step = next(searched(network, codes[:1], Settings(tv=3.0), (16, 16)))
    one = torch.tensor([0])
    torch.testing.assert_close(step.outputs[ERROR], values(network, distance(network, codes[:1]), step.pictures, one))
    assert (step.values > step.outputs[ERROR] + 1e-6).all()


def test_a_prior_may_weigh_more_in_one_problem_than_in_another(network, codes):
    prior = weighted([0.0, 0.0, 2.0], total_variation())
    found = ended(network, codes, Settings(steps=12), nouns=Nouns(prior=prior))
    plain = ended(network, codes, Settings(steps=12))
    strong = ended(network, codes[2:], Settings(steps=12, tv=2.0))
    assert torch.equal(found.pictures[:2], plain.pictures[:2])
    torch.testing.assert_close(found.pictures[2], strong.pictures[0], atol=1e-9, rtol=0)


@pytest.mark.parametrize("evaluations", [1, 20])
def test_a_line_search_looks_once_at_each_picture(network, codes, evaluations):
    seen = []
    plain = in_depth(network, [[0, 1]], [distance(network, [codes[1], codes[1]])])

    def counted(pictures, rows, key):
        seen.extend((row, picture.numpy().tobytes()) for row, picture in zip(rows.tolist(), pictures, strict=True))
        return plain(pictures, rows, key)

    def path(objective):
        start = Fourier([0, 1], (16, 16), dtype=torch.float64)
        return list(argmin(start, objective, optimizer=lbfgs(evaluations=evaluations), steps=8))

    found, expected = path(remembered(counted)), path(plain)
    assert len(set(seen)) == len(seen) > 8
    for one, other in zip(found, expected, strict=True):
        assert torch.equal(one.pictures, other.pictures) and torch.equal(one.values, other.values)


def test_what_has_not_fallen_by_a_hundredth_in_so_many_steps_is_finished():
    stop, rows = Stalled(3, patience=4), torch.arange(3)
    falling = [[0.985**i, 1.0, 0.997**i] for i in range(12)]  # .997^4 is .988: it falls, but only in four steps
    ended = [
        stop(torch.zeros(3), rows, Evaluation(torch.zeros(3), torch.zeros(3), {ERROR: torch.tensor(one)})).tolist()
        for one in falling
    ]
    assert [one[0] for one in ended] == [False] * 12
    assert [one[1] for one in ended] == [False] * 4 + [True] * 8
    assert [one[2] for one in ended] == [False] * 12


def test_a_finished_problem_does_not_move_while_another_goes_on(network, codes):
    exact = replace(codes[0], values=codes[0].values * 0 + 1e6)  # out of reach: its error stays where it is
    steps = list(searched(network, [exact, codes[1]], Settings(steps=30), (16, 16), patience=5))
    assert len(steps) == 31
    assert steps[-1].alive.tolist() == [False, True]
    assert torch.equal(steps[8].pictures[0], steps[-1].pictures[0])


def test_a_search_ends_when_all_problems_are_finished(network, codes):
    exact = replace(codes[0], values=codes[0].values * 0 + 1e6)
    assert len(list(searched(network, [exact], Settings(steps=30), (16, 16), patience=5))) < 10


@pytest.mark.slow
def test_a_deep_prior_keeps_the_picture_around_which_its_pictures_vary_least(monkeypatch):
    network, photo = convnet(size=32), levels(3, 32, 32)
    monkeypatch.setattr(search, "steadiest", lambda steps: steadiest(steps, window=3, patience=4))
    how = {"layer": "conv2", "preset": "deep-prior", "steps": 30}
    plain, found = list(invert(network, photo, patience=0, **how)), list(invert(network, photo, **how))
    assert len(plain) == 31 and len(found) < 31
    codes, settings = (
        read_codes(network, feed(network, photo, "crop"), ["conv2"]),
        replace(PRESETS["deep-prior"], steps=30),
    )
    bare = ascent(settings, network, (32, 32))
    raw = bare.trajectory(network, [([0], -distance(network, codes))], Key(0, [0]), (32, 32)).steps
    pictures = [step.pictures for step in raw]
    assert any(torch.equal(found[-1].pictures, one) for one in pictures[1:-1])
    assert plain[-1].outputs[search.ERROR] <= found[-1].outputs[search.ERROR]

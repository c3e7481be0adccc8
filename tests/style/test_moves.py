from dataclasses import replace

import pytest
import torch

from phosphene.core.optimization.ascent import Ascent, Nouns
from phosphene.core.optimization.constraints import box
from phosphene.core.optimization.engine import Evaluation, argmin
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.optimizers import adam
from phosphene.core.optimization.parameterizations import Pixels
from phosphene.style.moves import FIRST, HISTORY, Held, by_lbfgs
from tests.small import noise


def pixels(problems, size, *, seed=0, start=None, **how):
    return Pixels(start)


def plain():
    return Ascent(parameterization=pixels, constraint=box(), optimizer=adam(0.1), steps=20)


def squares(target):
    """Half of the squares, weighted from 1 to 9, of the distance to a target, which may be outside of [0, 1]."""
    weight = torch.linspace(1, 9, target.numel(), dtype=target.dtype).view_as(target)

    def objective(pictures, rows, key):
        away = weight * (pictures - target)
        return Evaluation(0.5 * (away * (pictures - target)).flatten(1).sum(1), away)

    return objective


def taken(how, objective, start):
    parameterization = how.parameterization([0], start.shape[2:], start=start)
    counted = []

    def watched(pictures, rows, key):
        counted.append(pictures)
        return objective(pictures, rows, key)

    steps = list(argmin(parameterization, watched, optimizer=how.optimizer, constraint=how.constraint,
                        steps=how.steps, key=Key()))  # fmt: skip
    return steps, counted


def test_held_pixels_are_read_within_0_and_1_and_pulled_back_from_outside():
    held = Held(torch.tensor([[[[-0.5, 0.25, 2.0]]]]))
    assert held().tolist() == [[[[0.0, 0.25, 1.0]]]]
    gradient = torch.tensor([[[[1.0, 2.0, -3.0]]]])
    back = 2  # the mean size
    torch.testing.assert_close(held.pull(gradient)[0], torch.tensor([[[[1 - 0.5 * back, 2.0, back - 3]]]]))


def test_the_nearest_picture_to_one_that_is_partly_outside_is_that_clipped():
    start, target = noise(1, 3, 4, 4).double(), 3 * noise(1, 3, 4, 4, seed=1).double() - 1
    steps, _ = taken(replace(by_lbfgs(plain(), Nouns(), pixels=True), steps=40), squares(target), start)
    torch.testing.assert_close(steps[-1].pictures, target.clamp(0, 1), atol=1e-2, rtol=0)


def test_a_picture_is_looked_at_where_it_goes_on_and_nowhere_else():
    start, target = noise(1, 3, 4, 4).double(), noise(1, 3, 4, 4, seed=1).double()
    how = by_lbfgs(plain(), Nouns(), pixels=True)
    steps, looked = taken(how, squares(target), start)
    there = [step.pictures for step in steps]
    assert all(any(torch.equal(one, other) for other in there) for one in looked[:2])
    assert looked[0].equal(start) and steps[1].pictures.sub(start).abs().mean() == pytest.approx(FIRST, rel=0.05)


def test_a_move_that_makes_it_far_worse_is_not_taken():
    def cliff(pictures, rows, key):
        """Falls to .5, and is a thousand from there on."""
        x = pictures.flatten(1).mean(1)
        return Evaluation(torch.where(x > 0.502, 1000.0, -x), -torch.ones_like(pictures) / pictures[0].numel())

    start = torch.full((1, 3, 4, 4), 0.495)
    steps, _ = taken(replace(by_lbfgs(plain(), Nouns(), pixels=True), steps=5), cliff, start)
    assert all(step.values.item() < 0 for step in steps)


def test_what_the_user_gives_instead_stays():
    how = plain()
    own = Nouns(optimizer=adam(0.5))
    assert by_lbfgs(how, own, pixels=True) is how
    for given in (Nouns(parameterization=pixels), Nouns(constraint=box(0.2, 0.8))):
        found = by_lbfgs(how, given, pixels=True)
        assert found.parameterization is how.parameterization and found.constraint is how.constraint
    assert by_lbfgs(how, Nouns(), pixels=False).parameterization is how.parameterization
    assert HISTORY > 10

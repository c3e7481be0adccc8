"""A search ends in an outcome that is verified from what is returned."""

from itertools import pairwise

import pytest
import torch

import phosphene
from phosphene.adversarial.problems import problems
from phosphene.adversarial.searches import Search
from phosphene.adversarial.victims import Victim
from phosphene.core.optimization.steps import Step
from tests.small import noise

WEIGHT = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0, 1]], dtype=torch.float64)
X = torch.tensor([[0.9, 0.5, 0.1], [0.8, 0.6, 0.1], [0.2, 0.7, 0.3], [0.1, 0.5, 0.4]], dtype=torch.float64)


def model(x):
    return x.flatten(1) @ WEIGHT.T


def guesses(given):
    """Each time another random picture within the ball, the last one kept."""
    for index in range(2):
        yield Step(index, given.anywhere(), given.x.new_zeros(len(given)))


def searched(attack, labels=(0, 0, 1, 2), **options):
    own = {"minimal": False, "restarts": 1, "shape": tuple(X.shape)}
    return Search(problems(model, X, list(labels), **options), attack, **own)


def to(pictures):
    return lambda given: iter([Step(0, pictures.view(given.x.shape), given.x.new_zeros(len(given)))])


def test_success_is_read_from_what_is_returned_and_what_was_wrong_before_is_none():
    moved = X.clone()
    moved[0], moved[3] = torch.tensor([0.6, 0.8, 0.1]), torch.tensor([0.4, 0.1, 0.2])
    found = searched(to(moved), eps=0.3).outcome
    assert found.success.tolist() == [True, False, False, False] and found.before.tolist() == [
        False,
        False,
        False,
        True,
    ]
    torch.testing.assert_close(found.inputs[:3], moved[:3])
    torch.testing.assert_close(found.inputs[3], X[3])  # as it was
    torch.testing.assert_close(found.distances, torch.tensor([0.3, 0, 0, 0]).double())
    torch.testing.assert_close(found.answers, model(found.inputs))
    assert found.forwards.tolist() == [2, 2, 2, 2] and found.backwards.tolist() == [0, 0, 0, 0]
    assert found.norm == "linf" and ((found.margins < 0) == found.success | found.before).all()


@pytest.mark.parametrize("norm", ["linf", "l2", "l1", "l0"])
def test_what_leaves_the_ball_or_the_bounds_is_put_back_before_it_is_judged(norm):
    found = searched(to(X + 5), norm=norm, eps=1.0).outcome
    assert (found.distances <= 1 + 1e-12).all() and found.inputs.min() >= 0 and found.inputs.max() <= 1


def test_restarts_go_on_with_what_is_left_and_keep_the_best_failed_try():
    once = searched(guesses, eps=0.25).outcome
    often = Search(problems(model, X, [0, 0, 1, 2], eps=0.25), guesses, minimal=False, restarts=40, shape=(4, 3))
    steps = list(often)
    many = often.outcome
    assert once.success.sum() < many.success.sum()
    assert (many.margins <= once.margins + 1e-12).all()
    assert all(step.pictures.shape == (4, 3, 1, 1) for step in steps)
    asked = many.forwards[many.success | many.before].max() if (many.success | many.before).any() else 0
    assert asked < many.forwards.max()


def test_restarts_of_a_minimal_attack_keep_the_nearest():
    def anywhere(given):
        numbers = given.key.uniform(given.rows, *given.x.shape[1:])
        return iter([Step(0, numbers, given.x.new_zeros(len(given)))])

    given = problems(model, X, [0, 0, 1, 1], eps=torch.inf)
    tries = [Search(given, anywhere, minimal=True, restarts=many, shape=(4, 3)).outcome for many in (1, 5, 50)]
    for fewer, more in pairwise(tries):
        both = fewer.success & more.success
        assert (more.distances[both] <= fewer.distances[both]).all() and (more.success >= fewer.success).all()
    assert tries[2].success.sum() > 1 and (tries[2].distances < tries[0].distances).any()


def test_a_row_alone_has_the_outcome_that_it_has_in_a_batch():
    x, labels = noise(5, 3), model(noise(5, 3)).argmax(1)
    given = problems(model, x, labels, eps=0.2)
    together = Search(given, guesses, minimal=False, restarts=3, shape=(5, 3)).outcome
    for i in range(5):
        alone = Search(given.among(torch.tensor([i])), guesses, minimal=False, restarts=3, shape=(1, 3)).outcome
        torch.testing.assert_close(alone.inputs[0], together.inputs[i])


def asked(outcome):
    return outcome.forwards.tolist(), outcome.backwards.tolist()


def followed(victim, many):
    return phosphene.attacks.pgd(victim, X[:many], torch.tensor([0, 0, 1, 2])[:many], eps=0.1, steps=3)


@pytest.mark.parametrize("first", [4, 1])
def test_what_is_counted_is_this_attack_alone_whatever_its_victim_was_asked_before(first):
    victim, new = Victim(model), [asked(followed(model, many).outcome) for many in (first, 2)]
    one, two = (asked(followed(victim, many).outcome) for many in (first, 2))
    assert [one, two] == new and [len(one[0]), len(two[0])] == [first, 2]
    assert victim.forwards.sum() == sum(map(sum, (one[0], two[0])))  # which itself counts both


def test_of_two_attacks_at_a_time_on_one_victim_each_is_counted_alone():
    victim = Victim(model)
    both = [followed(victim, many) for many in (4, 3)]
    for _ in zip(*both, strict=False):
        pass
    assert [asked(one.outcome) for one in both] == [asked(followed(model, many).outcome) for many in (4, 3)]

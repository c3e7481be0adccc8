"""What is kept of the pictures that an attack tries."""

import torch
from torch import nn

from phosphene.adversarial.kept import Kept
from phosphene.adversarial.problems import problems
from tests.small import noise


def halves():
    """Class 1 where the first number is above a half."""
    model = nn.Linear(2, 2).double()
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[0.0, 0.0], [1.0, 0.0]]))
        model.bias.copy_(torch.tensor([0.5, 0.0]))
    return model


def shown(kept, given, numbers, rows):
    pictures = torch.tensor([[number, 0.0] for number in numbers], dtype=torch.float64).view(-1, 2, 1, 1)
    rows = torch.tensor(rows)
    return kept.see(pictures, rows, given.answers(pictures, rows))


def test_the_smallest_margin_is_kept_and_who_is_done_stays_and_leaves():
    given = problems(halves(), noise(3, 2) / 4, [0, 0, 0], eps=1.0)
    kept = Kept(given)
    assert shown(kept, given, [0.125, 0.4, 0.875], [0, 1, 2]).tolist() == [True, True, False]
    first = kept.step(0)
    assert shown(kept, given, [0.25, 0.2], [0, 1]).tolist() == [True, True]
    assert kept.left.tolist() == [0, 1]
    torch.testing.assert_close(kept.pictures[:, 0, 0, 0], torch.tensor([0.25, 0.4, 0.875], dtype=torch.float64))
    torch.testing.assert_close(kept.step(1).values, torch.tensor([0.25, 0.1, -0.375], dtype=torch.float64))
    assert first.values[0].item() == 0.375 and first.pictures[0, 0].item() == 0.125  # steps that were handed out stay


def test_to_the_end_nobody_is_done_and_the_best_is_kept_all_the_same():
    given = problems(halves(), noise(2, 2) / 4, [0, 0], eps=1.0, until_fooled=False)
    kept = Kept(given)
    for number in (0.6, 0.875, 0.75):
        assert shown(kept, given, [number], [1]).all()
    assert kept.alive.all() and kept.pictures[1, 0].item() == 0.875
    assert torch.equal(kept.pictures[0], given.x[0]) and kept.margins[0].isinf()


def test_a_problem_that_was_let_go_is_followed_no_more():
    given = problems(halves(), noise(3, 2) / 4, [0, 0, 0], eps=1.0)
    kept = Kept(given)
    kept.let_go(torch.tensor([1]))
    assert kept.left.tolist() == [0, 2] and kept.step(0).alive.tolist() == [True, False, True]

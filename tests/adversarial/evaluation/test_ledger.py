"""What is known of each picture: the first that fools stays, the best failed try is kept, radii are nested."""

import math

import torch

from phosphene.adversarial.evaluation.ledger import Ledger
from phosphene.adversarial.evaluation.parts import Part


def some(rows, success, margins, distances, shade=0.5):
    n, dtype = len(rows), torch.float64
    return Part(
        torch.tensor(rows), torch.full((n, 1, 2, 2), shade), torch.tensor(success), torch.full((n,), 7),
        torch.zeros(n, dtype=torch.bool), torch.tensor(margins, dtype=dtype), torch.tensor(distances, dtype=dtype),
        torch.full((n,), 10), torch.full((n,), 4),
    )  # fmt: skip


def ledger():
    """Three pictures, of which the last is wrong without any attack."""
    return Ledger(some([0, 1, 2], [False, False, True], [1.0, 1.0, -1.0], [0.0, 0.0, 0.0], 0.0), [0.1, 0.2])


def test_what_fools_within_a_radius_fools_within_all_larger_ones():
    found = ledger()
    found.begin("one", 0.1)
    found.add(some([0, 1], [True, False], [-0.5, 0.3], [0.1, 0.1]))
    assert [worst.fooled.tolist() for worst in found.worst] == [[True, False, False]] * 2
    assert found.worst[1].by == ["one", "", ""] and found.nearest.tolist() == [0.1, math.inf, 0]
    assert found.left(0.2).tolist() == [1] and found.left(None).tolist() == [0, 1]


def test_the_failed_try_of_the_smallest_margin_is_kept_where_it_is_within():
    found = ledger()
    for name, margin, distance, shade in (("one", 0.3, 0.1, 0.1), ("two", 0.5, 0.1, 0.2), ("three", 0.2, 0.2, 0.3)):
        found.begin(name, 0.2)
        found.add(some([1], [False], [margin], [distance], shade))
    assert [float(worst.pictures[1].mean()) for worst in found.worst] == [torch.tensor(s).item() for s in (0.1, 0.3)]
    assert found.worst[1].margins[1] == 0.2 and not found.worst[1].fooled.any()


def test_the_first_that_fools_stays():
    found = ledger()
    for name, shade in (("one", 0.25), ("two", 0.75)):
        found.begin(name, 0.2)
        found.add(some([0], [True], [-0.1], [0.2], shade))
    assert found.worst[1].by[0] == "one" and float(found.worst[1].pictures[0].mean()) == 0.25


def test_a_smallest_change_counts_at_every_radius_that_it_is_within():
    found = ledger()
    found.begin("minimal", None)
    found.add(some([0, 1], [True, True], [-0.1, -0.1], [0.15, 0.7]))
    assert [worst.fooled.tolist() for worst in found.worst] == [[False] * 3, [True, False, False]]
    assert found.nearest.tolist() == [0.15, 0.7, 0] and found.tallies[0].fooled == 2


def test_passes_are_counted_by_picture_and_by_attack():
    found = ledger()
    found.begin("one", 0.1)
    found.add(some([0, 1], [False, False], [1.0, 1.0], [0.1, 0.1]))
    found.begin("two", 0.1)
    found.add(some([1], [True], [-1.0], [0.1]))
    assert found.forwards.tolist() == [20, 30, 10] and found.backwards.tolist() == [8, 12, 4]
    assert [(one.attack, one.tried, one.fooled, one.forwards) for one in found.tallies] == [
        ("one", 2, 0, 20), ("two", 1, 1, 10),
    ]  # fmt: skip

"""The worst case over an ensemble: against closed forms, batch sizes, what is asked twice and what is left out."""

import pytest
import torch

from phosphene.adversarial.evaluation.ensembles import Entry
from phosphene.adversarial.evaluation.evaluate import Evaluation
from phosphene.adversarial.evaluation.store import Memory
from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from tests.adversarial.evaluation.small_evaluations import (
    MANY,
    PGD,
    RADII,
    TARGETS,
    data,
    evaluation,
    finished,
    network,
)
from tests.small import noise


def distances():
    """The smallest change of each picture in the l-inf norm: margin / |w_y - w_j|_1, over the other classes."""
    weight = (noise(4, 3, 8, 8) - 0.5).flatten(1)
    x, y = data().pixels().double().flatten(1), data().labels
    logits = x @ weight.T
    apart = (weight[y][:, None] - weight[None]).abs().sum(2)
    margins = logits.gather(1, y[:, None]) - logits
    return (margins / apart).masked_fill(torch.nn.functional.one_hot(y, 4).bool(), torch.inf).amin(1)


@pytest.mark.slow
def test_of_a_linear_network_the_robust_pictures_are_those_beyond_the_closed_form():
    ledger, nearest = finished(entries=(TARGETS,)).ledger, distances()
    assert (nearest > RADII[0]).any() and (nearest.abs() < RADII[2]).any()
    for worst in ledger.worst:
        robust = ledger.right & ~worst.fooled
        assert torch.equal(robust, nearest > worst.eps), worst.eps


@pytest.mark.slow
def test_what_it_is_wrong_about_is_never_attacked_and_never_counted_as_fooled():
    ledger = finished().ledger
    assert (~ledger.right).nonzero().flatten().tolist() == [3, 7]
    for worst in ledger.worst:
        assert not worst.fooled[[3, 7]].any() and worst.by[3] == ""
        assert torch.equal(worst.pictures[[3, 7]], data().pixels([3, 7]))
    assert ledger.forwards[[3, 7]].tolist() == [1, 1] and ledger.nearest[[3, 7]].tolist() == [0, 0]


@pytest.mark.slow
def test_two_batch_sizes_give_the_same_numbers_in_float64():
    one, other = finished(batch=3).ledger, finished(batch=64).ledger
    assert one.tallies == other.tallies and torch.equal(one.nearest, other.nearest)
    assert torch.equal(one.forwards, other.forwards) and torch.equal(one.backwards, other.backwards)
    for a, b in zip(one.worst, other.worst, strict=True):
        assert a.by == b.by and torch.equal(a.pictures, b.pictures) and torch.equal(a.said, b.said)


def test_a_picture_that_is_fooled_is_not_attacked_again_at_a_larger_radius():
    found = finished(entries=(PGD,))
    tried = [tally.tried for tally in found.ledger.tallies]
    fooled = [int(worst.fooled.sum()) for worst in found.ledger.worst]
    right = MANY - 2
    assert tried == [right, right - fooled[0], right - fooled[1]]
    for smaller, larger in zip(found.ledger.worst, found.ledger.worst[1:], strict=False):
        assert torch.equal(smaller.pictures[smaller.fooled], larger.pictures[smaller.fooled])


@pytest.mark.slow
def test_what_is_written_fools_and_is_within_the_radius():
    found = finished()
    for worst in found.ledger.worst:
        at = worst.fooled.nonzero().flatten()
        answers = network().model(worst.pictures[at].double()).argmax(1)
        assert worst.pictures.dtype == torch.float32
        assert (answers != data().labels[at]).all() and torch.equal(answers, worst.said[at])
        assert ((worst.pictures.double() - data().pixels().double()).abs().amax((1, 2, 3)) <= worst.eps + 1e-7).all()


@pytest.mark.slow
def test_parts_that_are_there_are_not_made_again():
    parts = Memory()
    first = finished(parts=parts)
    again = evaluation(parts=parts)
    again.victim = lambda: pytest.fail("the network was asked")
    assert max(again) == again.total
    assert again.ledger.tallies == first.ledger.tallies


@pytest.mark.slow
def test_the_work_that_is_done_only_grows_and_ends_at_the_total():
    found = evaluation()
    done = list(found)
    assert done == sorted(done) and done[-1] == found.total


@pytest.mark.slow
def test_of_a_network_that_draws_random_numbers_the_majority_decides():
    found = finished(draws=2, entries=(PGD,), radii=RADII[1:])
    plain = finished(entries=(PGD,), radii=RADII[1:])  # of a network that does not draw, both are the same
    assert found.ledger.worst[0].by == plain.ledger.worst[0].by
    assert not found.ledger.worst[0].undecided.any()


class Rounds(torch.nn.Module):
    """The fourth part of a level and less is lost, and so is the gradient."""

    def forward(self, x):
        return (x * 32).round() / 32


def test_a_module_without_a_gradient_is_passed_straight():
    behind = Network(torch.nn.Sequential(Rounds(), network().model), size=8)
    right = behind.model(data().pixels().double()).argmax(1)
    shown = [
        Evaluation(
            behind, data().__class__(data().names, data().pictures, right, data().classes), norm="linf", radii=[0.2],
            entries=(Entry("pgd", "pgd", {"steps": 4, "random_start": False}),), straight=straight,
        )
        for straight in (None, "0")
    ]  # fmt: skip
    for one in shown:
        for _ in one:
            pass
    assert [int(one.ledger.worst[0].fooled.sum()) for one in shown] == [0, MANY]


def test_a_radius_of_nothing_and_a_network_without_classes_are_told():
    with pytest.raises(Mistake, match="0 is not a valid value for eps: each radius must be above 0"):
        evaluation(radii=[0.0])
    with pytest.raises(Mistake, match="ends in plain numbers"):
        evaluation(network=Network(network().model, size=8, head="numbers"))

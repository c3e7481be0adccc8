"""The sample that is checked, and the radius: what the evidence says is what the evaluation found."""

import re

import pytest
import torch
from torch import nn

from phosphene.adversarial.evaluation.judging import doubted, evidence, judged
from phosphene.adversarial.evaluation.report import Report
from phosphene.adversarial.evaluation.verdict import verdict
from phosphene.core.networks.network import Network
from tests.adversarial.evaluation.small_evaluations import PGD, RADII, data, finished
from tests.adversarial.evaluation.small_evaluations import network as small


@pytest.mark.slow
def test_the_evidence_is_what_was_found_at_the_largest_radius_with_something_robust():
    found = finished()
    left = [len(found.ledger.left(eps)) for eps in RADII]
    assert left[0] > 0 and left == sorted(left, reverse=True)
    worst = doubted(found)
    assert worst.eps == max(eps for eps, many in zip(RADII, left, strict=True) if many)
    seen = evidence(found)
    assert seen.numbers.tolist() == [0, 1, 2, 4, 5, 6, 8, 9]  # all that it is right about
    assert torch.equal(seen.fooled, worst.fooled[seen.numbers]) and seen.eps == worst.eps
    assert torch.equal(seen.labels, data().labels[seen.numbers]) and seen.attacks == {"pgd", "a3"}
    torch.testing.assert_close(seen.x, data().pixels(seen.numbers.tolist()).double())


def test_where_nothing_is_robust_the_smallest_radius_is_looked_at():
    found = finished(radii=[0.5, 0.9], entries=(PGD,))
    assert not len(found.ledger.left(0.5)) and doubted(found).eps == 0.5


@pytest.mark.slow
def test_where_it_is_never_right_there_is_nothing_to_check():
    found = finished()
    found.ledger.right[:] = False
    assert evidence(found) is None and list(judged(found)) == []
    assert verdict([], 0, 10, 0.05).endswith("nothing was checked")


class Rounds(nn.Module):
    """To multiples of 1/64, without a gradient."""

    def forward(self, x):
        return (x * 64).round() / 64


@pytest.mark.slow
def test_a_defence_that_hides_its_gradient_is_not_believed_and_the_next_command_breaks_it():
    behind = Network(nn.Sequential(Rounds(), small().model), size=8)
    hidden = finished(network=behind, radii=[0.2], entries=(PGD,))
    report = Report(hidden, list(judged(hidden)))
    next_option = re.search(r"do not believe it: .*; run again with --bpda (\S+)$", report.verdict)
    assert next_option, report.verdict
    broken = finished(network=behind, radii=[0.2], entries=(PGD,), straight=next_option[1])
    assert report.robust(hidden.ledger.worst[0]).value > 0.5
    assert Report(broken).robust(broken.ledger.worst[0]).value < 0.2

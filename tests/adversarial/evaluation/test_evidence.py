"""What checks look at: a sample, attacks on parts of it, and how many pictures are chance."""

import pytest
import torch

import phosphene
from phosphene.adversarial.evaluation.evidence import Trial, attempt
from phosphene.adversarial.norms import size
from phosphene.adversarial.victims import Victim
from tests.adversarial.defences import DEFENCES, EPS, base, stains
from tests.adversarial.evaluation.subjects import evidence


def test_an_attack_by_its_name_tells_what_it_returned_and_what_was_seen_on_the_way():
    x, y = stains(6, seed=2)
    found = attempt("pgd", Victim(base()), x, y, norm="linf", eps=EPS, steps=9, step_size=EPS / 4)
    assert found.success.all() and found.seen.all()
    none = attempt("pgd", Victim(base()), x, y, norm="linf", eps=1e-4, steps=9)
    assert not none.success.any() and not none.seen.any()


def test_some_of_the_pictures_are_attacked_as_they_are_among_all():
    outcomes = []

    def kept(name, victim, x, wanted, **options):
        outcomes.append(getattr(phosphene.attacks, name)(victim, x, wanted, **options).outcome)
        return Trial(outcomes[-1].success, outcomes[-1].margins < 0)

    one = evidence(base(), 8, eps=9 / 255, attempt=kept)
    every = one.tried("pgd", steps=5, step_size=4 / 255)
    among = torch.arange(8) % 3 == 0
    some = one.tried("pgd", among, steps=5, step_size=4 / 255)
    assert torch.equal(some.success, every.success & among) and torch.equal(some.seen, every.seen & among)
    torch.testing.assert_close(outcomes[1].margins, outcomes[0].margins[among])
    torch.testing.assert_close(outcomes[1].inputs, outcomes[0].inputs[among])
    assert 0 < some.success.sum() < among.sum()


def test_what_cannot_be_attacked_is_not_fooled_and_no_mistake():
    one = evidence(DEFENCES["JPEG that cuts"](), 4)
    assert not one.tried("pgd", steps=5).success.any()
    assert not one.tried("pgd", torch.zeros(len(one), dtype=torch.bool)).success.any()


def test_evidence_about_some_pictures_keeps_their_numbers_and_random_numbers():
    x, y = stains(8, seed=2)
    one = evidence(base(), x=x, labels=(y + torch.tensor([0, 0, 1, 0, 0, 1, 0, 0])) % 4, eps=9 / 255)
    assert one.numbered(torch.ones(6, dtype=torch.bool)) == (0, 1, 3, 4, 6, 7)
    rows = torch.tensor([5, 2])
    other = one.about(rows, one.victim)
    assert other.numbered(torch.tensor([True, True])) == (7, 3)
    torch.testing.assert_close(other.problems.anywhere(), one.problems.anywhere()[rows])


@pytest.mark.parametrize(
    ("many", "of", "outcome"), [(1, 8, "pass"), (2, 8, "fail"), (1, 64, "pass"), (2, 64, "warn"), (4, 64, "fail")]
)
def test_one_picture_is_chance_and_one_in_twenty_is_not(many, of, outcome):
    one = evidence(base(), of)
    check = one.judged("a check", torch.arange(of) < many, "good", "seen with {} pictures", "--again")
    assert check.outcome == outcome
    if outcome == "pass":
        assert (check.words, check.images, check.next) == ("good", (), "")
    else:
        assert check.words == f"seen with {many} of {of} pictures" and check.next == "--again"
        assert check.images == tuple(range(many))


def test_what_is_robust_is_what_the_evaluation_did_not_get():
    one = evidence(base(), 16, eps=9 / 255)
    assert torch.equal(one.robust, ~one.fooled) and 0 < one.fooled.sum() < 16
    assert not one.thorough and evidence(base(), 4, attacks=frozenset({"apgd", "fab", "square"})).thorough
    found = one.iterated
    assert isinstance(found, Trial) and one.iterated is found
    assert size(one.problems.anywhere() - one.x, "linf").max() <= 9 / 255 + 1e-6

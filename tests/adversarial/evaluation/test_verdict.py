"""One line: the number, its interval, and whether to believe it."""

import pytest

from phosphene.adversarial.evaluation.evidence import Check
from phosphene.adversarial.evaluation.verdict import radius, verdict

GOOD = [Check(str(i), "pass", "all is well") for i in range(12)]
BAD = Check("gradients", "fail", "there is no gradient on 64 of 64 pictures", (1, 2), "--bpda door")
ODD = Check("at random", "warn", "random changes fool with 2 of 64 more pictures", (3,), "--attacks standard")


def test_where_every_check_passes_it_is_to_be_believed():
    line = "robust accuracy 50.5 % [43.6, 57.4] at 2/255; 12 of 12 checks pass; believe it"
    assert verdict(GOOD, 101, 200, 2 / 255) == line


def test_the_first_check_that_fails_tells_what_to_run_next():
    assert verdict([*GOOD, ODD, BAD], 101, 200, 2 / 255) == (
        "robust accuracy 50.5 % [43.6, 57.4] at 2/255; 12 of 14 checks pass; do not believe it: there is no gradient "
        "on 64 of 64 pictures; run again with --bpda door"
    )
    assert verdict([Check("self-test", "fail", "it is wrong")], 0, 0, 0.5, "l2").endswith("not believe it: it is wrong")


def test_a_warning_is_to_be_looked_at():
    assert verdict([*GOOD, ODD], 200, 200, 2 / 255) == (
        "robust accuracy 100.0 % [98.1, 100.0] at 2/255; 12 of 13 checks pass; believe it with care: random changes "
        "fool with 2 of 64 more pictures; run again with --attacks standard"
    )


def test_without_checks_nothing_is_believed():
    assert verdict([], 1, 2, 0.5, "l2") == "robust accuracy 50.0 % [9.5, 90.5] at l2 0.5; nothing was checked"


@pytest.mark.parametrize(
    ("eps", "norm", "words"),
    [(2 / 255, "linf", "2/255"), (0.5 / 255, "linf", "0.5/255"), (0.1, "linf", "25.5/255"), (0.3, "linf", "76.5/255"),
     (0.031, "linf", "0.031"), (1e-4, "linf", "0.0001"), (0.5, "l2", "l2 0.5"), (12.0, "l1", "l1 12")],
)  # fmt: skip
def test_a_radius_is_told_in_levels_where_it_is_one(eps, norm, words):
    assert radius(eps, norm) == words

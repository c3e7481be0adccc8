"""Measured plans: every candidate has its turns, the fastest that is allowed is chosen, and its file is used."""

import itertools
import json
from pathlib import Path

import pytest
import torch

import phosphene
from phosphene.core.errors import Mistake
from phosphene.core.networks.plan import REWRITES, Plan
from phosphene.models.tuning import Candidate, candidates, chosen, measure
from tests.core.networks.test_plan import Normed
from tests.small import SOURCE, convnet

PLAIN, LAST = Plan("float32", False, ()), Plan("float32", True, ())
FOLDED, LOW = Plan("float32", True, ("batch_norm",)), Plan("bfloat16", True, ("batch_norm",))


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("own.py").write_text(SOURCE)


def test_every_way_that_does_something_is_a_candidate():
    plans = [one.plan for one in candidates(phosphene.Network(Normed(), size=16))]
    assert plans[0] == PLAIN
    assert len(plans) == len(set(plans)) == 2 * 2 * 8
    some = [itertools.combinations(REWRITES, many) for many in range(4)]
    assert {plan.rewrites for plan in plans} == set(itertools.chain(*some))
    assert len(candidates(convnet(torch.float32))) == 4  # nothing to rewrite
    assert {one.plan.precision for one in candidates(convnet(torch.float64))} == {"float64"}


def test_each_has_its_turns_and_its_gradient_is_compared():
    network = phosphene.Network(Normed(), size=16)
    every = candidates(network)
    turns = list(measure(network, every, repeats=3))
    assert turns == every * 3
    assert all(len(one.seconds) == 3 and min(one.seconds) > 0 for one in every)
    assert every[0].apart == 0
    for one in every:
        assert one.apart < (0.1 if one.plan.precision == "bfloat16" else 1e-5)


def timed(plan, *seconds):
    return Candidate(plan, [9.0, *seconds])  # the first one warms up


def test_the_fastest_is_chosen_among_those_that_the_work_allows():
    every = [timed(PLAIN, 1.0), timed(LAST, 0.8), timed(FOLDED, 0.6), timed(LOW, 0.3)]
    assert chosen(every) == {"reading": LAST, "search": FOLDED, "picture": LOW}


def test_in_a_near_thing_the_plainest_is_chosen():
    every = [timed(PLAIN, 1.0), timed(LAST, 0.98), timed(FOLDED, 0.975), timed(LOW, 1.2)]
    assert set(chosen(every).values()) == {PLAIN}


def test_what_the_network_refuses_is_never_chosen():
    every = [timed(PLAIN, 1.0), Candidate(LOW, [], refused="not implemented")]
    assert chosen(every)["picture"] == PLAIN


@pytest.mark.parametrize("wrong", [{"repeats": 1}, {"batch": 0}, {"size": 3}])
def test_too_little_is_refused(wrong):
    network = convnet(torch.float32)
    with pytest.raises(Mistake):
        next(measure(network, candidates(network), **wrong))


def test_a_plan_file_is_written_used_and_recorded(run):
    code, out, err = run("tune", "--net", "own.py", "--repeats", 2)
    assert code == 0, err
    file = Path(out.splitlines()[-1])
    assert file == Path("plan-own-py.json")
    written = json.loads(file.read_text())
    assert set(written) == {"network", "plans", "measured", "machine", "versions", "date"}
    assert len(written["measured"]) == 4
    code, out, err = run("visualize", "conv2:1", "--net", "own.py", "--steps", 2, "--size", 24, "--plan", file)
    assert code == 0, err
    record = json.loads(Path(out.splitlines()[-1]).with_suffix(".json").read_text())
    assert record["plan"]["picture"] == written["plans"]["picture"]
    code, _, err = run("tune", "--net", "own.py", "--repeats", 2)
    assert code == 2
    assert "is there already" in err


def test_a_plan_for_another_network_is_refused(run):
    run("tune", "--net", "own.py", "--repeats", 2, "--out", "plan.json")
    code, _, err = run("weights", "--plan", "plan.json")
    assert code == 2
    assert "plan.json was measured for own.py with other weights" in err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--plan", "nothing.json"], "the plan nothing.json can't be read"),
        (["--plan", "own.py"], "own.py is not a plan; `phosphene tune` writes one"),
        (["--plan", "x.json", "--no-plan"], "exclude each other"),
        (["--plan", "x.json", "--precision", "float64"], "leave out --plan or --precision float64"),
    ],
)
def test_a_plan_that_is_none_is_told(run, options, said):
    code, _, err = run("weights", "--net", "own.py", *options)
    assert code == 2
    assert said in err


def test_without_a_plan_nothing_is_rewritten(run):
    run("visualize", "conv2:1", "--net", "own.py", "--steps", 1, "--size", 24, "--no-plan", "--out", "x.png")
    plan = json.loads(Path("x.json").read_text())["plan"]["picture"]
    assert plan == {"precision": "float32", "channels_last": False, "rewrites": []}

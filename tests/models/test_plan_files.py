"""Plans from files: those of this very network, or a sentence."""

import json

import pytest
import torch

from phosphene.core.errors import Mistake
from phosphene.core.networks.plan import PURPOSES, Plan
from phosphene.models.plan_files import chosen_plans, read_plans

PLAN = Plan("float32", True, ("batch_norm",))


def written(folder, **changes):
    record = {"network": {"sha256": "abc", "spec": "mine"}, "plans": {p: PLAN.record() for p in PURPOSES}}
    file = folder / "plan.json"
    file.write_text(json.dumps(record | changes))
    return file


def test_a_file_gives_its_plans(tmp_path):
    assert read_plans(written(tmp_path), "abc") == dict.fromkeys(PURPOSES, PLAN)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"network": {"sha256": "other", "spec": "theirs"}}, "measured for theirs with other weights"),
        ({"network": None}, "phosphene tune"),
        ({"plans": {"dreaming": PLAN.record()}}, "plans are for"),
    ],
)
def test_another_networks_file_or_another_kind_of_file_is_refused(changes, words, tmp_path):
    with pytest.raises(Mistake, match=words):
        read_plans(written(tmp_path, **changes), "abc")


@pytest.mark.parametrize("content", ["no JSON", "[]", "3"])
def test_what_is_no_plan_is_told(content, tmp_path):
    (tmp_path / "plan.json").write_text(content)
    with pytest.raises(Mistake, match="`phosphene tune` writes one"):
        read_plans(tmp_path / "plan.json", "abc")


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(Mistake, match="no such file"):
        read_plans(tmp_path / "plan.json", "abc")


def test_a_file_and_a_precision_exclude_each_other(tmp_path):
    with pytest.raises(Mistake, match="leave out --plan or --precision"):
        chosen_plans(written(tmp_path), "float32", torch.float32, "abc")


def test_a_plan_in_another_precision_than_the_network_is_refused(tmp_path):
    with pytest.raises(Mistake, match="the plan is for float32, the network is in float64"):
        chosen_plans(written(tmp_path), "auto", torch.float64, "abc")


def test_auto_leaves_the_rules_and_none_is_plain():
    assert chosen_plans("auto", "auto", torch.float32, "") == {}
    assert set(chosen_plans("none", "auto", torch.float32, "").values()) == {Plan("float32", False, ())}
    assert set(chosen_plans("none", "bfloat16", torch.float32, "").values()) == {Plan("bfloat16", False, ())}

import json
import pickle

import pytest

from phosphene.core.errors import Mistake
from phosphene.dataset.passing import shard
from phosphene.dataset.question import Loading
from phosphene.models.specs import load
from tests.dataset.asked import asked


def test_shards_are_consecutive_pictures(tmp_path):
    _, question = asked(tmp_path / "photos")
    assert question.shards == 3
    assert [list(question.rows(i)) for i in range(3)] == [[*range(8)], [*range(8, 16)], [*range(16, 20)]]


def test_the_record_says_what_the_bytes_depend_on(tmp_path):
    _, question = asked(tmp_path / "photos")
    record = json.loads(question.bytes)
    assert record["layers"] == ["relu1", "logits"] and record["source"]["pictures"] == 20
    assert record["network"]["sha256"] and record["plan"]["device"] == "cpu" and record["threads"] == 1
    assert asked(tmp_path / "photos")[1].digest == question.digest
    assert asked(tmp_path / "photos", threshold=0.5)[1].digest != question.digest


def test_what_makes_no_sense_is_refused(tmp_path):
    for layers, words in ((["conv9"], "no layer 'conv9'; did you mean"), (["relu1", "relu1"], "given twice")):
        with pytest.raises(Mistake, match=words):
            asked(tmp_path / "photos", layers=layers)


def test_a_network_that_was_given_in_python_cannot_be_loaded_elsewhere(tmp_path):
    _, question = asked(tmp_path / "photos")
    with pytest.raises(Mistake, match="was given in Python, so no other process can load it"):
        question.loaded()


def test_a_question_answers_the_same_elsewhere(tmp_path):
    network, question = asked(
        tmp_path / "photos", 6, ["conv1"], load("embedded:digits"), loading=Loading("embedded:digits")
    )  # fmt: skip
    sent = pickle.loads(pickle.dumps(question))
    assert sent.digest == question.digest
    assert shard(sent, 0) == shard(question, 0, network)


def test_other_weights_elsewhere_are_refused(tmp_path):
    _, question = asked(tmp_path / "photos", loading=Loading("embedded:digits"))
    with pytest.raises(Mistake, match="embedded:digits has other weights here"):
        shard(question, 0)

"""What a network says is the softmax of its logits on the pixels that it was fed."""

import json
import math

import pytest
import torch

from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from phosphene.features import predict
from tests.small import LABELS, convnet, levels, linear, noise


def test_prediction_is_softmax_by_hand():
    weight, bias, photo = noise(4, 3, 8, 8) - 0.5, [0.1, -0.2, 0.3, 0.0], levels(3, 8, 8)
    logits = [sum((weight[c] * photo.double()).flatten().tolist()) + bias[c] for c in range(4)]
    whole = sum(math.exp(z) for z in logits)
    answers = predict(linear(weight, bias, labels=LABELS), photo).numbers[0]["top"]
    assert [a["class"] for a in answers] == sorted(range(4), key=lambda c: -logits[c])
    for answer in answers:
        assert answer["logit"] == pytest.approx(logits[answer["class"]], rel=1e-6)
        assert answer["p"] == pytest.approx(math.exp(logits[answer["class"]]) / whole, rel=1e-6)
        assert answer["label"] == LABELS[answer["class"]].split(",")[0]


def test_as_many_answers_as_were_asked_for_and_no_more_than_there_are():
    assert len(predict(convnet(), levels(3, 16, 16), top_k=2).numbers[0]["top"]) == 2
    assert len(predict(convnet(), levels(3, 16, 16), top_k=99).numbers[0]["top"]) == 4


def test_no_answers_are_not_asked_for():
    with pytest.raises(Mistake, match="top"):
        predict(convnet(), levels(3, 16, 16), top_k=0)


def test_the_picture_is_what_was_fed():
    result = predict(convnet(), levels(3, 40, 60))
    assert result.image.shape == (1, 3, 16, 16)
    torch.testing.assert_close(result.image, result.input, rtol=0, atol=0)
    torch.testing.assert_close((result.image * 255).round() / 255, result.image)


def test_a_network_that_takes_any_size_may_be_fed_the_whole_photograph():
    assert predict(convnet(), levels(3, 40, 60), fit="whole").image.shape == (1, 3, 40, 60)


def test_what_made_it_is_written_down():
    result = predict(convnet(), levels(3, 16, 16), top_k=3)
    assert result.recipe["recipe"] == "predict"
    assert result.recipe["arguments"] == {"top_k": 3, "fit": "crop"}
    assert json.loads(result.text("picture", 0)["phosphene"]).items() >= json.loads(json.dumps(result.recipe)).items()


def test_a_network_that_answers_nan_is_told_off():
    network = convnet()
    torch.nn.init.constant_(network.model.fc.weight, math.nan)
    with pytest.raises(Mistake, match="not finite"):
        predict(network, levels(3, 16, 16))


def test_plain_numbers_have_no_probabilities_and_are_said_as_they_are():
    weight, photo = noise(2, 3, 8, 8), levels(3, 8, 8)
    result = predict(linear(weight, [0.0, 1.0], labels=["x", "y"], head="numbers"), photo)
    expected = (weight * photo.double()).sum((1, 2, 3)) + torch.tensor([0.0, 1.0])
    for answer in result.numbers[0]["top"]:
        assert answer.keys() == {"class", "label", "logit"}
        assert answer["logit"] == pytest.approx(float(expected[answer["class"]]), rel=1e-6)
    assert result.figure().size[0] > 0


def lonely(weights, **facts):
    """A linear network with these logits on a white picture."""
    return linear(torch.stack([torch.full((3, 8, 8), w / 192) for w in weights]), [0.0] * len(weights), **facts)


def sigmoid(z):
    return 1 / (1 + math.exp(-z))


def test_one_logit_is_a_question_that_is_answered_with_yes_and_no():
    result = predict(lonely([0.96]), torch.ones(3, 8, 8))
    assert [(a["label"], a["p"]) for a in result.numbers[0]["top"]] == [
        ("yes", pytest.approx(sigmoid(0.96), rel=1e-6)), ("no", pytest.approx(1 - sigmoid(0.96), rel=1e-6)),
    ]  # fmt: skip
    assert result.title == "yes 72.3 %"


def test_independent_classes_have_probabilities_that_need_not_sum_to_one():
    result = predict(lonely([0.96, 0.48, -0.48], head="sigmoid", labels=["a", "b", "c"]), torch.ones(3, 8, 8))
    found = {a["label"]: a["p"] for a in result.numbers[0]["top"]}
    assert found == pytest.approx({"a": sigmoid(0.96), "b": sigmoid(0.48), "c": sigmoid(-0.48)}, rel=1e-6)
    assert sum(found.values()) > 1.5
    assert list(found) == ["a", "b", "c"]


def test_probabilities_are_said_as_they_are():
    network = lonely([0.96, 0.0])
    network = Network(torch.nn.Sequential(network.model, torch.nn.Softmax(1)), size=8)
    found = {a["class"]: a["p"] for a in predict(network, torch.ones(3, 8, 8)).numbers[0]["top"]}
    assert found == pytest.approx({0: sigmoid(0.96), 1: 1 - sigmoid(0.96)}, rel=1e-6)

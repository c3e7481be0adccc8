"""Results: counted by hand from a few answers."""

import pytest

from phosphene.core.errors import Mistake
from phosphene.dataset.trial.record import Answer, Record
from phosphene.dataset.trial.results import results, sentences


def asked(truth, choices, chosen, free):
    return {"image": 0, "truth": truth, "choices": choices, "chosen": chosen, "free": free}


@pytest.fixture
def classes(tmp_path):
    """Three questions of classes 1, 2 and 3: ada is right about the first, the network about the first and the last."""
    record = Record(tmp_path / "trial.sqlite")
    record.begin({"kind": "classes", "network": "small"}, {"group": {1: 0, 2: 0, 3: 1}, "groups": ["one", "three"]})
    record.ask([asked(1, [1, 2], 1, 1), asked(2, [3, 2], 3, 9), asked(3, [3, 1], 3, 7), asked(1, [1, 2], 1, 1)])
    for number, choice in enumerate([0, 0, 1, None]):
        record.answer("ada", Answer(number, choice, 1.0 + number))
    yield record
    record.close()


def test_person_and_network_are_counted_on_the_same_questions(classes):
    (ada,) = results(classes).people
    assert (ada.share.hits, ada.share.of, ada.skipped, ada.seconds) == (1, 3, 1, 2.0)
    own, free = ada.network
    assert (own.hits, own.of, free.hits) == (2, 3, 1)
    assert ada.kappa == pytest.approx((2 / 3 - 4 / 9) / (1 - 4 / 9))  # 1, 3, 1 and 1, 3, 3
    assert ada.consistency == pytest.approx((2 / 3 - 4 / 9) / (1 - 4 / 9))  # yes, no, no and yes, no, yes


def test_confusions_are_of_groups(classes):
    (ada,) = results(classes).people
    person, network = ada.tables
    assert person.tolist() == [[1, 1, 0], [1, 0, 0]] and network.tolist() == [[1, 1, 0], [0, 1, 0]]


def test_sentences_say_both_and_how_far_they_agree(classes):
    words = sentences(results(classes))
    assert words[0] == "ada: right about 1 of 3, 33 % [6, 79]; 2.0 s a picture; 1 skipped"
    assert words[1].endswith("2 of 3, 67 % [21, 94]; of all classes: 1 of 3, 33 % [6, 79]")
    assert "kappa 0.40; error consistency 0.40" in words[2]


def test_who_has_not_answered_has_no_results(classes):
    with pytest.raises(Mistake, match="no answers of bob; there are answers of ada"):
        results(classes, "bob")
    classes.take_back("ada"), classes.take_back("ada"), classes.take_back("ada"), classes.take_back("ada")
    with pytest.raises(Mistake, match="has no answers yet"):
        results(classes)


def test_units_are_counted_layer_by_layer(tmp_path):
    record = Record(tmp_path / "trial.sqlite")
    record.begin({"kind": "units", "network": "small", "hint": "none"}, {})
    record.ask(
        [{"layer": layer, "unit": 0, "first": first} for layer, first in (("a", True), ("a", False), ("b", True))]
    )
    for number, choice in enumerate([0, 0, 0]):
        record.answer("ada", Answer(number, choice))
    found = results(record)
    (ada,) = found.people
    assert (ada.share.hits, ada.layers["a"].hits, ada.layers["b"].hits) == (2, 1, 1)
    assert ada.record()["layers"]["a"]["of"] == 2 and found.record()["chance"] == 0.5
    assert (
        sentences(found)[0] == "ada: right about 2 of 3, 67 % [21, 94]" and sentences(found)[-1] == "chance is one half"
    )
    record.close()

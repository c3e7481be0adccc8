"""The figure of a trial's results."""

import numpy as np
import pytest

from phosphene.dataset.trial.agreement import Share
from phosphene.dataset.trial.figure import TRACK_WIDTH, drawn
from phosphene.dataset.trial.results import Person, Results


def person(hits, *, tables=(), layers=None):
    network = (Share(3, 4), Share(2, 4)) if tables else None
    return Person("ada", Share(hits, 4), 2.0, 0, network, None, 0.5, tables, layers or {})


def pixels(*people, groups=(), of=None):
    return np.asarray(drawn(Results(of or {"network": "small", "hint": "none"}, people, groups)))


@pytest.mark.parametrize("hits", [0, 1, 2])
def test_a_bar_is_as_long_as_its_share(hits):
    blue = (pixels(person(hits)) == (0xB6, 0xC2, 0xCF)).all(2)
    assert blue.sum(1).max() == round(hits / 4 * TRACK_WIDTH) + (hits < 2)  # the line of chance covers the last one


def test_each_person_and_each_matrix_has_its_place():
    table = np.array([[2, 1, 0], [0, 1, 0]])
    one = pixels(person(3, tables=(table, table)), groups=["cats", "dogs"])
    two = pixels(*[person(3, tables=(table, table))] * 2, groups=["cats", "dogs"])
    assert two.shape[0] > 1.6 * one.shape[0] and two.shape[1] == one.shape[1]
    else_where = table + np.array([[0, 0, 1], [0, 0, 0]])
    beyond = pixels(person(3, tables=(else_where,) * 2), groups=["cats", "dogs"])
    assert beyond.shape[0] == one.shape[0]
    assert (beyond != one[:, : beyond.shape[1]]).any()


def test_layers_have_a_bar_each():
    flat, layered = pixels(person(2)), pixels(person(2, layers={"a": Share(1, 2), "b": Share(1, 2)}))
    assert layered.shape[0] - flat.shape[0] == 2 * 34

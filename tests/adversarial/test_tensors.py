"""The attacks by name, as functions over tensors."""

import pydoc

import pytest

import phosphene
from phosphene import catalogue


def test_every_attack_of_the_catalogue_is_a_function_over_tensors_too():
    rows = catalogue.commands()["attack"]
    assert {row.name for row in rows} <= set(dir(phosphene.attacks))
    for row in rows:
        assert getattr(phosphene.attacks, row.name) is catalogue.recipe(row.name).attack


def test_help_of_an_attack_says_what_it_is_and_names_all_that_it_takes():
    attack = phosphene.attacks.ddn
    takes = "ddn(victim, x, labels, norm, eps, targeted, bounds, until_fooled, enough, restarts, key, steps, "
    assert takes in repr(attack) and takes + "first_length, gamma, candidates)." in pydoc.getdoc(attack)
    assert pydoc.getdoc(attack).startswith("Fool NETWORK with the smallest change") and attack.__name__ == "ddn"


def test_an_attack_that_is_not_there_is_answered_with_those_that_are():
    with pytest.raises(AttributeError, match=r"no attack 'pdg'; there are .*fgsm,.* pgd"):
        phosphene.attacks.pdg  # noqa: B018

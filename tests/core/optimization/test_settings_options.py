"""The settings as keywords: up to date, complete, and each with its sentence and bounds."""

from dataclasses import dataclass, fields
from typing import Annotated, TypedDict, get_type_hints

import torch

from phosphene.core.optimization.ascent import Nouns
from phosphene.core.optimization.priors import Weighs, l_alpha, weighted_priors
from phosphene.core.optimization.settings import Settings
from phosphene.core.optimization.settings_options import FurtherOptions, SettingsOptions
from phosphene.core.optimization.terms import Reading
from phosphene.core.options import Words, options_of
from phosphene.core.results.signature import settings
from tests.house.settings_options import OWN, WRITTEN, written
from tests.small import noise


def test_what_is_written_is_what_the_settings_are():
    assert WRITTEN.read_text() == written(), "run: python -m tests.house.settings_options"


def test_every_setting_and_every_noun_is_a_keyword():
    names = {field.name for field in fields(Settings)} | {field.name for field in fields(Nouns)} | {"robustness"}
    assert set(get_type_hints(SettingsOptions)) == names
    assert set(get_type_hints(FurtherOptions)) == names - set(OWN)


def test_a_keyword_has_the_sentence_and_the_bounds_of_its_setting():
    options = {option.name: option for option in settings(SettingsOptions)}
    assert all(option.sentence and option.default is None for option in options.values())
    assert (options["views"].bounds.low, options["views"].bounds.high) == (1, 10_000)
    assert options["parameterization"].choices[:2] == ("fourier", "pixels") and options["optimizer"].kind is str
    assert options["prior"].kind is options["transform"].kind is object


def test_a_new_prior_is_one_field_and_at_once_an_option():
    """`weights` as in priors.py with one more field, `keywords` as they were written before it was there."""

    @dataclass(frozen=True)
    class Weights(Settings):
        grey: Annotated[float, Weighs(lambda center: l_alpha(2.0)), Words("weight of the distance from grey")] = 0.0

    class Keywords(TypedDict, total=False):
        tv: float

    options_of(Keywords, Weights, leave_out=["steps"])
    options = {option.name: option for option in settings(Keywords)}
    assert options["grey"].sentence == "weight of the distance from grey" and options["grey"].kind is float
    assert "steps" not in options and "tv" in options
    (term,) = weighted_priors(Weights(grey=2.0), (0.5,))
    x = noise(1, 3, 4, 4)
    found = term.of(Reading(x, torch.arange(1), x, torch.arange(1)))
    torch.testing.assert_close(found, 2 * (x - 0.5).square().mean((1, 2, 3)))

"""The settings as keywords: up to date, complete, and each with its sentence and bounds."""

from dataclasses import fields
from typing import get_type_hints

from phosphene.core.optimization.ascent import Nouns
from phosphene.core.optimization.settings import Settings
from phosphene.core.optimization.settings_options import FurtherOptions, SettingsOptions
from phosphene.core.results.signature import settings
from tests.house.settings_options import OWN, WRITTEN, written


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

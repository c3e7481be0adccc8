"""Settings: every one with a sentence and a default within its bounds; values that are not possible are refused."""

from dataclasses import fields
from typing import get_type_hints

import pytest

from phosphene.core.errors import Mistake
from phosphene.core.optimization.settings import ROBUSTNESS, Settings
from phosphene.core.options import Bounds, Words


def notes(name, kind):
    hint = get_type_hints(Settings, include_extras=True)[name]
    return [note for note in hint.__metadata__ if isinstance(note, kind)]


@pytest.mark.parametrize("name", [field.name for field in fields(Settings)])
def test_every_setting_has_one_sentence_and_is_refused_out_of_its_bounds(name):
    (words,) = notes(name, Words)
    assert words.text and words.text[-1] != "."
    for bounds in notes(name, Bounds):
        with pytest.raises(Mistake, match=rf"is not a valid value for {name.replace('_', '-')}: it must be"):
            Settings(**{name: bounds.low - 1})


DEFAULTS = {
    "schedule": "steady", "momentum": 0.9,
    "tv": 0, "tv_beta": 1, "l2": 0, "l6": 0, "high_pass": 0, "bilateral": 0, "wavelets": 0, "wavelet": "db2",
    "natural": 0, "natural_match": 0, "natural_layer": "", "steps": 256, "parameterization": "fourier", "decay": 1,
    "deviation": 0.01, "optimizer": "adam", "rate": 0.05, "pad": 0, "jitter": 0, "smallest": 1, "largest": 1,
    "rotate": 0, "border": "grey", "channel_reach": 1, "crop_from": 0, "crop_to": 0, "views": 1, "noise": 0,
    "shrink": 0, "blur_width": 0, "blur_every": 1, "small_norm": 0, "small_contribution": 0, "transparency": "none",
    "opacity": 1, "until": 0, "stretch": False,
}  # fmt: skip
"""Lucid's Fourier coefficients (`param/spatial.py`: decay 1, deviation .01) and Adam (`render.py`: .05), and nothing
else."""


def test_by_default_an_ascent_is_lucids_adam_on_fourier_coefficients_and_everything_else_is_off():
    assert {field.name: getattr(Settings(), field.name) for field in fields(Settings)} == DEFAULTS


def test_the_robustnesses_are_these_numbers():
    off = {name: DEFAULTS[name] for name in ("crop_from", "crop_to", "views", "noise")}
    written = {
        "strong": {
            "pad": 0.1, "jitter": 0.15, "smallest": 0.6, "largest": 1.6, "rotate": 20, "border": "reflect",
            "channel_reach": 0.25, **off,
        },
        "lucid": {
            "pad": 12 / 128, "jitter": (8 + 4) / 128, "smallest": 0.9, "largest": 1.1, "rotate": 10, "border": "grey",
            "channel_reach": 1, **off,
        },
        "none": {
            "pad": 0, "jitter": 0, "smallest": 1, "largest": 1, "rotate": 0, "border": "grey", "channel_reach": 1,
            **off,
        },
    }  # fmt: skip
    assert written == ROBUSTNESS


def test_a_word_that_is_none_of_the_choices_is_answered_with_the_nearest():
    with pytest.raises(Mistake, match="'furier' is not a valid value for parameterization; did you mean 'fourier'"):
        Settings().but({"parameterization": "furier"})
    with pytest.raises(Mistake, match="'mauve' is not a valid value for border; there are grey, reflect"):
        Settings().but({"border": "mauve"})


def test_given_values_replace_and_what_is_missing_or_no_setting_does_not():
    chosen = Settings(steps=7, tv=0.5).but({"steps": None, "rate": 0.5, "network": "ignored"})
    assert (chosen.steps, chosen.rate, chosen.tv) == (7, 0.5, 0.5)


def test_robustness_is_all_transforms_at_once_and_a_single_one_comes_before_it():
    chosen = Settings(noise=0.3, steps=7).but({"robustness": "lucid", "rotate": 3.0})
    for name, value in {**ROBUSTNESS["lucid"], "rotate": 3.0}.items():
        assert getattr(chosen, name) == value
    assert chosen.noise == 0 and chosen.steps == 7
    with pytest.raises(Mistake, match="'steel' is not a valid value for robustness; there are strong, lucid, none"):
        Settings().but({"robustness": "steel"})


def test_the_smallest_scaling_is_not_above_the_largest():
    with pytest.raises(Mistake, match="smallest 2 is above largest 1; exchange them"):
        Settings(smallest=2.0)

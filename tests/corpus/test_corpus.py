"""Pictures that earlier versions made, made again: nothing is lost, and nothing changes silently."""

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import phosphene
from phosphene.faces.replay.record import read_record
from phosphene.faces.replay.replay import embedded_spec, replay
from tests.corpus.make import MADE, PYTHON
from tests.machine import kind

HERE = Path(__file__).parent
PICTURES = sorted(HERE.glob("*.png"))
SHORT = (
    "architecture attribute-grad-cam attribute-lrp attribute-occlusion attribute-saliency digits-predict "
    "digits-visualize fgsm predict preset-plain sum weights"
).split()
"""Made again every time; the others with the slow tests."""

network = cache(phosphene.load)


def test_every_recipe_method_and_preset_is_in_the_corpus():
    assert {path.stem for path in PICTURES} == {*MADE, *PYTHON}


def test_the_corpus_is_small():
    assert sum(path.stat().st_size for path in PICTURES) < 3_000_000


@pytest.mark.parametrize(
    "path", [pytest.param(p, id=p.stem, marks=[] if p.stem in SHORT else [pytest.mark.slow]) for p in PICTURES]
)
def test_a_picture_of_the_corpus_is_made_again(path):
    recipe = read_record(path)
    again = replay(path, network(embedded_spec(recipe)))
    if json.loads((HERE / "machine.json").read_text()) == kind():
        assert again.same, again.words
    old, new = (np.asarray(image.convert("RGBA"), dtype=float) for image in (recipe.shown, again.image))
    assert old.shape == new.shape
    assert np.abs(new - old).mean() < 1  # of 255: sums are added up in another order elsewhere

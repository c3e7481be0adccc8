import pytest

from phosphene.core.errors import Mistake
from phosphene.style.presets import PRESETS, setup


def test_the_papers_preset_is_gram_matrices_at_one_size_from_noise():
    chosen = setup("gatys", {})
    assert chosen.statistics == {"gram": 1.0} and chosen.smallest is None and chosen.begin == "noise"
    assert chosen.settings.optimizer == "lbfgs" and chosen.settings.tv == 0


def test_what_is_given_replaces_one_value_each():
    chosen = setup("default", {"gram": 2, "sliced": 3, "spread": 0, "steps": 7, "content": 0.5, "begin": "noise"})
    assert chosen.statistics == {"gram": 2, "sliced": 3} and chosen.settings.steps == 7
    assert (chosen.content, chosen.begin) == (0.5, "noise")
    assert chosen.smallest == PRESETS["default"].smallest


def test_nothing_that_is_given_is_the_preset_itself():
    assert setup("default", {"steps": None, "content": None, "gram": None}) == PRESETS["default"]


def test_an_unknown_preset_and_a_style_of_nothing_are_one_sentence():
    with pytest.raises(Mistake, match=r"no preset 'gaty'; did you mean 'gatys'\?"):
        setup("gaty", {})
    with pytest.raises(Mistake, match="no statistic is left"):
        setup("default", {"gram": 0, "spread": 0})

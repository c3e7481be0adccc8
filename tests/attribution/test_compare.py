"""Every method side by side: each says what it says alone, and what does not apply is left out and said."""

import numpy as np
import pytest

import phosphene
from phosphene.attribution import RECIPES, compare, saliency
from phosphene.attribution.compare import EVERY
from phosphene.catalogue import method
from phosphene.core.errors import Mistake
from tests.small import LABELS, convnet, levels, linear, noise


def test_all_methods_are_asked_and_those_that_do_not_apply_are_left_out_and_said():
    network = linear(noise(2, 3, 8, 8), [0.0, 0.0], labels=LABELS[:2])
    run = compare(network, levels(3, 8, 8), target=1, masks=20)
    found = run.result
    left_out = found.numbers[0]["left out"]
    assert {"guided", "deconvnet", "grad-cam", "grad-cam++", "guided-grad-cam"} <= set(left_out)
    assert "has none that can be seen" in left_out["guided"]
    assert {"gradient", "saliency", "integrated", "smoothgrad", "rise", "occlusion"} <= set(found.further_values)
    assert "left out" in found.title
    alone = saliency(network, levels(3, 8, 8), target=1)
    np.testing.assert_array_equal(found.further_values["saliency"], alone.values)
    assert [caption for caption, _ in found.panels[0]][:2] == ["the network's input", "gradient"]


def test_what_was_compared_so_far_is_kept():
    run = compare(convnet(), levels(3, 16, 16), target=1)
    steps = iter(run)
    next(steps)
    next(steps)
    run.stop()
    assert set(run.so_far().further_values) == {"gradient", "saliency"}


def test_those_that_are_named_are_shown_in_that_order():
    run = compare(convnet(), levels(3, 16, 16), target=1, methods="layer-cam, saliency,layer-cam")
    assert list(run.result.further_values) == ["layer-cam", "saliency"]
    assert run.total == 200


@pytest.mark.parametrize(
    ("methods", "said"),
    [
        ("saliency,layercam", "there is no method 'layercam' to be shown beside others; did you mean 'layer-cam'"),
        (" ,", "there is no method ' ,' to be shown beside others; there are gradient, saliency"),
    ],
)
def test_a_method_that_is_none_is_told(methods, said):
    with pytest.raises(Mistake, match=said):
        compare(convnet(), levels(3, 16, 16), methods=methods)


def test_every_recipe_is_among_the_names():
    assert [recipe.about.name for recipe in RECIPES] == EVERY.split(",")


def test_all_recipes_are_public():
    for recipe in RECIPES:
        assert getattr(phosphene, recipe.name) is recipe
        assert method("attribute", recipe.about.name) is recipe
    assert method("attribute", "all") is compare

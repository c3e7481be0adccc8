"""Records of earlier formats in today's words."""

import pytest

from phosphene import catalogue, earlier
from phosphene.catalogue import CATALOGUE

RECIPES = [row for row in CATALOGUE if row.name]


def test_every_renamed_recipe_is_there():
    for table in earlier.RENAMED.values():
        assert set(table["recipes"].values()) <= set(catalogue.recipes())
        assert not set(table["recipes"]) & {row.name for row in RECIPES}
        assert set(table["options"]) <= set(catalogue.recipes())


@pytest.mark.parametrize(
    ("old", "recipe", "arguments"),
    [
        ({"command": "visualize", "arguments": {"size": 3}}, "visualize", {"size": 3}),
        ({"command": "attribute", "arguments": {"method": "grad-cam++"}}, "grad_cam_plus_plus", {}),
        ({"command": "grad_cam", "arguments": {"layer": "x"}}, "grad_cam", {"layer": "x"}),
        (
            {"command": "attribute", "arguments": {"method": "all", "masks": 8}},
            "compare",
            earlier.ADDED["compare"] | {"masks": 8},
        ),
        ({"command": "attribute", "arguments": {"method": "captum:DeepLift"}}, "captum:DeepLift", {}),
        ({"command": "patches", "arguments": {}}, "exemplars", earlier.ADDED["exemplars"]),
        ({"command": "dream", "arguments": {"octaves": 1}}, "dream", {"octaves": 1}),
    ],
)
def test_a_record_of_format_1_is_read_in_todays_words(old, recipe, arguments):
    found = earlier.upgraded(old | {"inputs": [{"name": "cat.png"}, {"name": "dog.png", "as": "start"}]})
    assert (found["recipe"], found["arguments"]) == (recipe, arguments)
    assert [one["as"] for one in found["inputs"]] == ["photo", "start"]


def test_a_record_of_today_is_left_as_it_is():
    today = {"format": 2, "recipe": "patches", "arguments": {"method": "x"}, "inputs": [{"name": "cat.png"}]}
    assert earlier.upgraded(today) == today


def test_what_came_out_otherwise_on_purpose_is_said():
    with pytest.raises(ValueError, match="a dream of several octaves can't be made again"):
        earlier.upgraded({"command": "dream", "arguments": {"octaves": 4}})


def test_what_a_recipe_could_not_be_told_at_first_is_an_option_of_it_today():
    for name, options in earlier.ADDED.items():
        assert set(options) <= {option.name for option in catalogue.recipe(name).options}
    today = {"format": 2, "recipe": "compare", "arguments": {"methods": "lrp"}}
    assert earlier.upgraded(today)["arguments"] == {"methods": "lrp"}


@pytest.mark.parametrize("name", earlier.GONE)
def test_an_option_that_is_gone_is_passed_over_unless_it_was_used(name):
    assert not {option.name for option in catalogue.recipe(name).options} & set(earlier.GONE[name])
    record = {"format": 2, "recipe": name, "arguments": {"until": None, "seed": 3}}
    assert earlier.upgraded(record)["arguments"] == earlier.ADDED.get(name, {}) | {"seed": 3}
    with pytest.raises(ValueError, match="has no option 'until' any more"):
        earlier.upgraded({"format": 2, "recipe": name, "arguments": {"until": 0.5}})

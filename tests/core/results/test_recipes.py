"""A recipe is its function, checks what it is given, and records what it made."""

import inspect
import json
import pydoc
from collections.abc import Callable
from typing import Annotated

import pytest
import torch

import phosphene
from phosphene import catalogue
from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from phosphene.core.options import Bounds, Words
from phosphene.core.pictures.files import Photo
from phosphene.core.results.recipes import recipe
from phosphene.core.results.results import Result, Run
from tests.small import convnet, levels


@recipe("picture", uses=("typer",))
def brighten(
    network: Network,
    picture: Photo,
    *,
    by: Annotated[float, Bounds(0, 1), Words("how much brighter")] = 0.5,
    how: Callable[[torch.Tensor], torch.Tensor] | None = None,
) -> Result:
    """Make PICTURE brighter.

    It may be clipped.

    Args:
        network: the network that looks on.
        picture: which one.
    Raises:
        Mistake: never.
    """
    image = picture if how is None else how(picture)
    return Result(image=(image[None] + by).clamp(0, 1), names=["bright"], numbers=[{"purpose": network.purpose}])


def test_a_recipe_looks_like_its_function():
    assert brighten.__name__ == brighten.name == "brighten"
    assert brighten.__module__ == __name__
    assert inspect.unwrap(brighten) is brighten.function
    assert list(inspect.signature(brighten).parameters) == ["network", "picture", "by", "how"]
    assert inspect.signature(brighten).return_annotation is Result
    assert not brighten.takes_steps and phosphene.visualize.takes_steps
    assert repr(brighten) == "<recipe brighten(network, picture, by, how)>"


def test_its_help_has_every_argument_also_those_that_are_explained_beside_their_types():
    shown = pydoc.plain(pydoc.render_doc(brighten))
    for line in ("network: the network that looks on.", "picture: which one.", "by: how much brighter.", "Raises:"):
        assert line in shown
    assert brighten.summary == "Make PICTURE brighter."
    assert brighten.head == "Make PICTURE brighter.\n\nIt may be clipped."


def test_options_are_checked_before_anything_is_done():
    def harm(_):
        raise AssertionError("it was begun")

    with pytest.raises(Mistake, match="2 is not a valid value for by: it must be 0 to 1"):
        brighten(convnet(torch.float32), levels(3, 8, 8), by=2, how=harm)


def test_the_network_is_run_for_the_recipes_purpose_and_the_record_says_how():
    made = brighten(convnet(torch.float32), levels(3, 8, 8))
    assert made.numbers == [{"purpose": "picture"}]
    record = made.recipe
    assert (record["format"], record["recipe"], record["arguments"]) == (2, "brighten", {"by": 0.5, "how": None})
    assert [one["as"] for one in record["inputs"]] == ["picture"]
    assert set(record["plan"]) == {"picture", "reading"}
    assert "typer" in record["versions"]
    assert json.loads(json.dumps(record))["arguments"] == record["arguments"]


def test_an_object_given_in_python_is_recorded_by_its_type_alone():
    made = brighten(convnet(torch.float32), levels(3, 8, 8), how=torch.nn.Identity())
    assert made.recipe["arguments"]["how"] == {"given in Python": "Identity"}
    assert json.loads(json.dumps(made.recipe))["recipe"] == "brighten"


def test_the_schema_is_plain_data():
    schema = brighten.schema()
    assert json.loads(json.dumps(schema)) == schema
    assert schema["inputs"] == [{"name": "picture", "several": False, "required": True, "sentence": "which one"}]
    assert [one["name"] for one in schema["options"]] == ["by", "how"]
    assert schema["options"][0]["high"] == 1


@pytest.mark.parametrize("name", [row.name for row in catalogue.CATALOGUE if row.name])
def test_every_public_recipe_has_a_schema_and_a_sentence_for_each_argument(name):
    found = getattr(phosphene, name)
    assert json.loads(json.dumps(found.schema())) == found.schema()
    for one in found.arguments:
        assert one.sentence, f"{name}: nothing is said about {one.name}"
    given = [one for one in found.options if not one.required and one.default not in (None, ())]
    assert [one for one in given if not one.allows(one.default)] == []
    assert found.returns in (Result, Run)

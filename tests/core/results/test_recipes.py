"""A recipe is its function, checks what it is given, and records what it made."""

import inspect
import json
import pydoc
from collections.abc import Callable, Sequence
from typing import Annotated

import pytest
import torch
from PIL import Image

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


@recipe("picture")
def gather(
    network: Network, pictures: Sequence[Photo], *, layer: str | None = None, units: str | Sequence[str] = ()
) -> Result:
    """Count PICTURES.

    Args:
        network: the network that looks on.
        pictures: which ones.
        layer: where.
        units: which.
    """
    return Result(torch.zeros(1, 3, 8, 8), ["g"], [{"many": len(pictures), "layer": layer, "units": units}])


CAT = levels(3, 8, 8)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (torch.nn.Flatten(), "brighten takes a phosphene.Network, and Flatten is a module alone; write phosphene.Netw"),
        ("embedded:photo", "brighten takes a phosphene.Network first, not 'embedded:photo'; write phosphene.load('emb"),
        (None, "brighten takes a phosphene.Network first, not None, as phosphene.load() gives one"),
    ],
)
def test_what_is_no_network_is_told(given, said):
    with pytest.raises(Mistake) as mistake:
        brighten(given, CAT)
    assert str(mistake.value).startswith(said)


@pytest.mark.parametrize(
    ("picture", "said"),
    [
        (None, "None is not a photograph, as picture wants; give a path, skimage:NAME, a PIL image, an array or a te"),
        (5, "5 is not a photograph, as picture wants"),
        (["a.jpg", "b.jpg"], "brighten takes one photograph as picture, not 2 in a list; give one at a time"),
        ((CAT,), "brighten takes one photograph as picture, not 1 in a tuple; give one at a time"),
    ],
)
def test_what_is_no_photograph_or_too_many_is_told(picture, said):
    with pytest.raises(Mistake) as mistake:
        brighten(convnet(torch.float32), picture)
    assert str(mistake.value).startswith(said)


def test_one_photograph_where_many_are_taken_is_a_list_of_one():
    network, image = convnet(torch.float32), Image.new("RGB", (8, 8))
    for given, many in ((CAT, 1), (image, 1), ([CAT, image], 2), ((one for one in (CAT, CAT, CAT)), 3)):
        assert gather(network, given).numbers[0]["many"] == many
    with pytest.raises(Mistake, match="5 is not a photograph, as pictures wants"):
        gather(network, [CAT, 5])


def test_a_number_where_words_are_wanted_is_the_word_that_the_command_line_takes():
    network = convnet(torch.float32)
    assert gather(network, [CAT], layer=5).numbers[0]["layer"] == "5"
    assert gather(network, [CAT], units=[1, "b"]).numbers[0]["units"] == ["1", "b"]
    with pytest.raises(Mistake, match="no layer '5'"):
        phosphene.dream(network, CAT, layer=5)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"by": "8/ten"}, "'8/ten' is not a valid value for by: it must be a number, 0 to 1"),
        ({"by": None}, "None is not a valid value for by: it must be a number, 0 to 1"),
        ({"by": [0.5]}, "[0.5] is not a valid value for by: it must be a number, 0 to 1"),
        ({"by": True}, "True is not a valid value for by: it must be a number, 0 to 1"),
    ],
)
def test_an_option_of_another_type_is_told(options, said):
    with pytest.raises(Mistake) as mistake:
        brighten(convnet(torch.float32), CAT, **options)
    assert str(mistake.value) == said


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        ("", "what was given as layer is empty; give a value, or leave it out"),
        (["conv1"], "['conv1'] is not a valid value for layer: it must be a word"),
        (torch.zeros(2), "tensor([0., 0.]) is not a valid value for layer: it must be a word"),
    ],
)
def test_what_is_no_word_is_told(layer, said):
    with pytest.raises(Mistake) as mistake:
        gather(convnet(torch.float32), [CAT], layer=layer)
    assert str(mistake.value) == said


def test_an_argument_that_is_not_there_is_told_with_the_nearest():
    with pytest.raises(TypeError, match="predict has no option 'topk'; did you mean 'top_k'"):
        phosphene.predict(convnet(torch.float32), CAT, topk=3)
    with pytest.raises(TypeError, match=r"brighten has no option 'zzz'; help\(phosphene.brighten\) has them"):
        brighten(convnet(torch.float32), CAT, zzz=3)


def test_an_option_is_called_as_it_was_typed():
    with pytest.raises(Mistake, match="0 is not a valid value for top_k: it must be 1 to 1000"):
        phosphene.predict(convnet(torch.float32), CAT, top_k=0)


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

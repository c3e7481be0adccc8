"""The catalogue: every recipe once."""

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import phosphene
from phosphene import catalogue
from phosphene.catalogue import CATALOGUE, Row
from phosphene.core.results.recipes import Recipe

RECIPES = [row for row in CATALOGUE if row.name]


def test_importing_it_imports_no_torch_and_neither_does_the_package():
    code = "import sys, phosphene; dir(phosphene); print('torch' in sys.modules, 'numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False False\n"


@pytest.mark.parametrize("row", RECIPES, ids=lambda row: row.name)
def test_every_row_is_a_recipe_with_its_public_name(row):
    found = catalogue.public(row.name)
    assert isinstance(found, Recipe)
    assert found.name == row.name
    assert (
        getattr(phosphene, row.name) is found is catalogue.recipe(row.name) is catalogue.method(row.command, row.method)
    )


def test_a_public_name_twice_is_an_error():
    with pytest.raises(ValueError, match="the catalogue has two of dream; a public name stands for one thing"):
        catalogue.unique([*CATALOGUE, Row("sleep", "dream", "sleeping:dream", "Sleep.")], catalogue.PUBLIC)
    with pytest.raises(ValueError, match="two of load"):
        catalogue.unique([Row("load", "load", "x:load", "Load.")], catalogue.PUBLIC)


def test_rows_of_one_command_stand_together_and_have_methods():
    order = [row.command for row in CATALOGUE]
    assert order == sorted(order, key=order.index)
    for command, rows in catalogue.commands().items():
        names = [row.method for row in rows]
        assert len(set(names)) == len(names)
        assert all(names) == (command in catalogue.SENTENCES) == (names != [""])


def test_the_names_for_editors_are_those_of_the_table():
    tree = ast.parse(Path(inspect.getfile(catalogue)).read_text())
    block = next(node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    typed = {
        alias.asname: f"{node.module.removeprefix('phosphene.')}:{alias.name}"
        for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names if alias.asname
    }  # fmt: skip
    homes = {row.name: row.home for row in RECIPES} | catalogue.PUBLIC
    modules = {name: ":".join(home.rsplit(".", 1)) for name, home in homes.items() if ":" not in home}
    assert typed == homes | modules


def test_a_name_that_is_not_there_is_said():
    with pytest.raises(
        AttributeError, match="phosphene has no 'daydream'; it has Index, Mistake, Network, a3, ablation_cam"
    ):
        _ = phosphene.daydream
    with pytest.raises(KeyError):
        catalogue.recipe("daydream")
    with pytest.raises(KeyError):
        catalogue.method("attribute", "daydream")


def test_a_family_of_recipes_is_one_row():
    assert catalogue.row_of("captum:DeepLift").method == "captum:NAME"
    assert catalogue.recipe("captum:DeepLift").name == "captum:DeepLift"
    assert catalogue.method("attribute", "captum:DeepLift").name == "captum:DeepLift"

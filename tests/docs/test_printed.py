"""Every command and every line of Python that README and docs print: they can be typed, and do what is said."""

import glob
import html
import importlib.util
import inspect
import re
import shlex
import tomllib
from pathlib import Path

import pytest
import typer

import phosphene
from benchmarks.__main__ import NAMES as BENCHMARKS
from phosphene import catalogue
from phosphene.adversarial.evaluation.indicators import CHECKS
from phosphene.core.errors import Mistake
from phosphene.core.results.recipes import Recipe
from phosphene.core.units.labels import class_index
from phosphene.core.units.spelling import parse_units
from phosphene.faces.cli.program import application
from phosphene.inversion.codes import chosen_layers
from tests.docs import printed
from tests.docs.printed import NOT_TYPED, PAGES, ROOT, blocks, commands, is_usage, lines, links, sentences, spans, typed

README = PAGES[0]

NAMED = {
    "layer": lambda network, name: chosen_layers(network, name),
    **dict.fromkeys(("units", "unit", "start", "end"), parse_units),
    **dict.fromkeys(("target", "against", "class_name"), class_index),
}
"""What looks up a name on a network, by the option that gives it."""

ELSEWHERE = {
    "logits:cat@10,20,64,64": "of a class map",
    "logits:like=other.jpg": "of networks that end in a code",
}
"""Names that the default network does not have, and whose they are."""


SIZES = {"steps": 1, "size": 32, "masks": 16, "samples": 2, "others": 1, "starts": 2, "cells": 3}
"""What the tests put in for an option, where its default is larger or left to the recipe."""


LOOP = 15
"""Frames of the shortest film that can be a loop."""

TOOLS = {
    "tune": ["--repeats", "2"],
    "train-robust": ["--epochs", "1", "--size", "32", "--batch", "8"],
    "train-dream": ["--epochs", "1", "--batch", "8"],
    "train-decoder": ["--epochs", "1", "--batch", "8", "--measured", "1"],
    "train-style": ["--epochs", "1", "--batch", "8", "--size", "32", "--measured", "1"],
    "evaluate": ["--limit", "3"],
    "trial": ["--judge", "embedded:photo-robust", "--count", "2"],
}
"""The same for commands that are not recipes."""


def sizes_put_in(monkeypatch):
    """Have every recipe take few steps, and make few and small pictures."""
    call = Recipe.__call__

    def quick(self, *args, **kwargs):
        small = {o.name: SIZES[o.name] for o in self.options if o.name in SIZES and (o.default or 1000) > SIZES[o.name]}
        short = {"zoom_film": LOOP} if kwargs.get("zoom_film") else {}
        return call(self, *args, **kwargs | small | short)

    monkeypatch.setattr(Recipe, "__call__", quick)


@pytest.fixture
def reader(tmp_path, monkeypatch):
    """In a reader's folder, with small sizes put in."""
    printed.reader(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    sizes_put_in(monkeypatch)


@pytest.fixture(scope="module")
def network():
    return phosphene.load()


def parsed(words):
    """The options of a line of the program, by name, as they are parsed; nothing is computed."""
    group = typer.main.get_command(application(words[0]))
    command = group.get_command(group.make_context("phosphene", list(words), resilient_parsing=True), words[0])
    assert command is not None, f"there is no command {words[0]}"
    return command.make_context(words[0], list(words[1:])).params


def of_program(found):
    return [line for line in found if line.split()[0] == "phosphene"]


ALL = [line for page in PAGES for line in commands(page)]
TYPED = [words for line in of_program(ALL) if len(line.split()) > 2 for words in typed(line)]


# --------------------------------------------------------------------------------------------------- without computing


def test_every_line_is_this_programs_or_there_is_a_reason_why_it_is_not_typed():
    assert {line.split()[0] for line in ALL} <= {"phosphene", *NOT_TYPED}


@pytest.mark.parametrize("words", TYPED, ids=" ".join)
def test_a_printed_command_parses_and_names_what_the_default_network_has(words, network):
    given = parsed(words)
    if given.get("net", network.name) != network.name:
        return
    if "method" in given:
        catalogue.method(words[0], given["method"] or "")
    for name, look_up in NAMED.items():
        if words[0] in ("attack", "dream") and name == "start":
            continue  # with what it begins: the photograph, or noise
        for value in given.get(name) if isinstance(given.get(name), (list, tuple)) else [given.get(name)]:
            if value is not None:
                look_up(network, value)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_a_page_shows_or_refers_to_are_there(page):
    assert [link for link in links(page) if not (page.parent / link).exists()] == []


def test_every_command_that_is_mentioned_exists():
    mentioned = {line.split()[1] for line in of_program(ALL)}
    for file in (ROOT / "src").rglob("*.py"):
        mentioned |= set(re.findall(r"(?:`|: )phosphene ([a-z][a-z-]*)", file.read_text(encoding="utf-8")))
    assert mentioned <= set(catalogue.commands())


def test_every_option_that_is_mentioned_exists():
    flags = {"--version", "--help"}
    for name in catalogue.commands():
        group = typer.main.get_command(application(name))
        flags |= {flag for one in group.commands[name].params for flag in (*one.opts, *one.secondary_opts)}
    for page in (README, *(ROOT / "docs").glob("*.md")):
        mentioned = {word for span in spans(page) for word in span.split() if word.startswith("--")}
        assert mentioned <= flags


def test_units_that_are_mentioned_are_those_of_the_default_network(network):
    names = [span.strip('"') for span in spans(README) if re.match(r'"?(mixed|conv|logits|max_pool)\w*[:#.]', span)]
    assert len(names) > 3
    for name in set(names) - set(ELSEWHERE):
        try:
            network.layer(name)
        except Mistake:
            parse_units(network, name)


def table(heading):
    """The names in the first column of the README's table with this head."""
    rows = sentences(README).partition(f"\n{heading}\n|---|---|\n")[2].partition("\n\n")[0]
    return [name for row in rows.splitlines() for name in re.findall(r"`([^`]+)`", row.split(" | ")[0])]


def test_the_tables_name_every_method_every_extra_and_arguments_that_there_are():
    methods = set(catalogue.methods("attribute"))
    assert methods <= set(spans(README))
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(table("| extra | for |")) == set(extras) - {"test", "mutants", "bench", "all"}
    commands_of_table = {words[0] for line in lines(README) for words in typed(line) if line.startswith("phosphene")}
    assert commands_of_table == set(catalogue.commands())
    assert {"channels", "head", "output", "input", "inputs", "shown"} <= set(
        inspect.signature(phosphene.Network).parameters
    )
    presets = next(one for one in phosphene.visualize.options if one.name == "preset").choices
    assert len(table("| preset | |")) >= 7 and set(table("| preset | |")) <= set(presets)


def test_the_page_about_attribution_speaks_of_every_method_that_is_asked_about_pixels():
    page = (ROOT / "docs" / "attribution.md").read_text(encoding="utf-8").casefold().replace("-", "").replace(" ", "")
    methods = set(catalogue.methods("attribute")) - {"captum:NAME", "all", "rollout"}
    assert [name for name in methods if name.replace("-", "") not in page] == []


def first_column(page, head):
    """The names in the first column of the table with this head."""
    rows = sentences(page).partition(f"\n{head}")[2].partition("\n\n")[0]
    return re.findall(r"^\| `([^`]+)` \|", rows, re.MULTILINE)


def test_the_page_about_attacks_has_every_attack_with_its_norms_and_every_check_in_order():
    page = ROOT / "docs" / "attacks.md"
    rows = dict(re.findall(r"^\| `([\w-]+)` \| [^|]*arXiv:[\d.]+ \| ([^|]+) \|", sentences(page), re.MULTILINE))
    norms = {name: ", ".join(catalogue.method("attack", name).norms) for name in catalogue.methods("attack")}
    assert rows == norms
    names = [check.__name__.replace("_", " ") for check in CHECKS]
    assert [name.replace("-", " ") for name in first_column(page, "| check | passes if")] == names


def test_python_is_python_and_its_public_names_are_there():
    found = [block for page in PAGES for block in blocks(page) if block.language]
    assert found and all(block.language == "python" for block in found)
    for block in found:
        compile(block.text, block.where, "exec")
        assert set(re.findall(r"phosphene\.(\w+)\(", block.text)) <= set(catalogue.NAMES)


def test_benchmarks_and_trainings_that_are_mentioned_exist():
    for line in ALL:
        words = shlex.split(line)
        if words[1:2] == ["-m"]:
            assert importlib.util.find_spec(words[2]) is not None
        if words[1:3] == ["-m", "benchmarks"]:
            assert words[3] in {*BENCHMARKS, "NAME"}


# -------------------------------------------------------------------------------------------------------------- typed


def type_all(run, found):
    """Type lines in order, files named by a star as a shell names them; what was refused, or is not where it says."""
    faults = []
    for words in found:
        extra = TOOLS.get(words[0], [])
        starred = [name for word in words for name in (sorted(glob.glob(word)) if "*" in word else [word])]
        code, out, err = run(*starred, *extra)
        last = out.splitlines()[-1] if out else ""
        if code:
            faults.append(f"{' '.join(words)}: {err or out}")
        elif words[0] not in ("networks", "layers"):
            there = promised(Path(last), words[0])
            faults += [f"{' '.join(words)}: no {path}\n" for path in there if not path.exists()]
    return faults


def promised(path, command):
    """The files that are said to be there: a picture, its figure, and how it was made; a replay and a sheet alone."""
    if path.suffix == ".png" and command in ("trial", "neighbours"):  # which draw nothing but a figure
        return [path, path.with_suffix(".json")]
    if path.suffix != ".png" or path.name.startswith(("replay", "contact", "transfer")):
        return [path]
    return [path, path.with_suffix(".figure.png"), path.with_suffix(".json")]


@pytest.mark.slow
def test_a_reader_types_every_line_one_after_the_other(run, reader):
    found = [words for page in PAGES for line in of_program(lines(page)) if not is_usage(line) for words in typed(line)]
    assert "".join(type_all(run, found)) == ""


@pytest.mark.slow
def test_a_reader_types_what_sentences_mention(run, reader):
    mentioned = [line for page in PAGES for line in of_program(commands(page)) if line not in lines(page)]
    found = [words for line in mentioned if len(line.split()) > 2 for words in typed(line)]
    for index, words in enumerate(found):
        assert "".join(type_all(run, [[*words, "--out", f"{index}/"]])) == ""


@pytest.mark.slow
def test_python_runs_as_printed(reader):
    for page in PAGES:
        names: dict = {}
        for block in blocks(page):
            if block.language == "python":
                exec(compile(block.text, block.where, "exec"), names)
                for name in re.findall(r'\.save\("(.*?)"\)', block.text):
                    assert Path(name).exists()


@pytest.mark.slow
def test_the_packages_own_example_runs(reader):
    example = (phosphene.__doc__ or "").partition("\n\n")[2]
    Path("dog.jpg").write_bytes(Path("cat.jpg").read_bytes())
    exec(example, {})
    assert Path("units.png").exists() and Path("dream.png").exists()


@pytest.mark.slow
def test_every_network_of_the_table_loads(reader, monkeypatch):
    timm = pytest.importorskip("timm")
    from phosphene.models import timm as ours
    from phosphene.models.torchvision import import_torchvision

    torchvision = import_torchvision()
    create, untrained = timm.create_model, torchvision.models.resnet18(weights=None).state_dict()
    monkeypatch.setattr(timm, "create_model", lambda name, pretrained, **options: create(name, **options))
    monkeypatch.setattr(ours, "_unreachable", lambda: None)
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", lambda *a, **k: untrained)
    specs = table("| spec | |")
    assert len(specs) == 7
    for spec in specs:
        if spec == "path/to/file.py:factory":
            continue  # the reader's own, which another test reads
        assert phosphene.load(spec).classes in (10, 100, 1000)


@pytest.mark.slow
def test_the_commands_that_a_tours_page_prints_can_be_typed_one_after_the_other(run, reader):
    code, out, _ = run("tour", "cat.jpg", "--out", "page")
    assert code == 0
    page = Path(out.splitlines()[-1]).read_text(encoding="utf-8")
    found = [shlex.split(html.unescape(line))[1:] for line in re.findall(r"<code>(phosphene .*?)</code>", page)]
    assert len(found) > 15
    once = [list(words) for words in dict.fromkeys(map(tuple, found))]
    assert "".join(type_all(run, once)) == ""

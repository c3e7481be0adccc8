"""The script that counts, on sources with something wrong in them: each limit can be broken, and says so."""

import ast
from types import SimpleNamespace
from typing import Any

import pytest

from tests.house.limits import (
    body_lines,
    branch_count,
    circles,
    functions,
    imports,
    parameter_count,
    recipe_names_in,
    too_large,
    undecided,
    untested,
    untyped,
    used_by_one,
    users,
)  # fmt: skip


def only(text):
    return next(functions(ast.parse(text)))


def test_a_body_begins_behind_its_docstring():
    assert body_lines(only('def f():\n    """One.\n\n    Two.\n    """\n    x = 1\n    return x\n')) == 2
    assert body_lines(only('def f():\n    """One."""\n')) == 0


def test_every_kind_of_parameter_counts():
    assert parameter_count(only("def f(a, /, b, *c, d, e=1, **g): pass")) == 6


def test_inner_functions_count_as_branches_of_the_outer():
    inner = "    def g():\n        while x:\n            pass\n"
    text = "def f(x):\n    if x and x > 1:\n        return [i for i in x]\n" + inner
    assert branch_count(only(text)) == 4


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x = 1\n" * 401, "has 401 lines"),
        ("def f():\n" + "    x = 1\n" * 46, "f has 46 lines"),
        (f"def f({', '.join(f'a{i}' for i in range(16))}): pass\n", "f has 16 parameters"),
        ("def f(x):\n" + "    if x: pass\n" * 21, "f has 21 branches"),
    ],
)
def test_what_is_over_a_limit_is_named(text, words):
    (complaint,) = too_large("a.py", text)
    assert words in complaint


def test_what_is_at_its_limit_is_not():
    assert not list(too_large("a.py", "def f(x):\n" + "    if x: pass\n" * 20 + "    x = 1\n" * 25))


def test_recipes_are_found_as_words_and_as_imports_and_not_inside_of_other_words():
    text = 'from phosphene.dreaming import dream\nfrom phosphene.core.a import dream as d\nx = "dream", "dreams"\n'
    assert [c.split(" ", 1)[0] for c in recipe_names_in("a.py", text, ["dream"])] == ["a.py:1", "a.py:3"]


FILES = {
    "phosphene": "",
    "phosphene.core": "",
    "phosphene.core.a": "from phosphene.core.b import f\n",
    "phosphene.core.b": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from phosphene.core.a import g\n",
    "phosphene.core.c": "",
    "phosphene.one": "from phosphene.core import a\ndef later():\n    import phosphene.core.c\n",
    "phosphene.two": "import phosphene.core.a\n",
}


def test_imports_are_those_that_run_when_a_module_is_loaded():
    graph = imports(FILES)
    assert graph["phosphene.core.a"] == {"phosphene.core.b"} and not graph["phosphene.core.b"]
    assert graph["phosphene.one"] == {"phosphene.core.a"} and graph["phosphene.two"] == {"phosphene.core.a"}


def test_a_circle_is_told_with_its_members():
    assert not list(circles(imports(FILES)))
    (complaint,) = circles(imports(FILES | {"phosphene.core.b": "import phosphene.core.a\n"}))
    assert "phosphene.core.a" in complaint and "phosphene.core.b" in complaint


def test_the_core_is_used_directly_or_through_the_core():
    graph = imports(FILES)
    assert users(graph, "phosphene.core.a") == users(graph, "phosphene.core.b") == {"one", "two"}
    assert [c.split(" ")[0] for c in used_by_one(graph)] == ["phosphene.core.c"]


def test_a_module_without_a_test_of_its_name_is_told():
    assert not list(untested(["core/a.py"], ["core/test_a.py"]))
    assert list(untested(["core/a.py"], ["test_a.py"])) == ["src/phosphene/core/a.py has no tests/core/test_a.py"]


def test_an_option_needs_a_type_and_a_sentence():
    typed, untold, free = (
        SimpleNamespace(name=name, hint=hint, sentence=sentence)
        for name, hint, sentence in (("a", int, "how many"), ("b", int, ""), ("c", Any, "whatever"))
    )
    found = list(untyped([SimpleNamespace(name="dream", options=[typed, untold, free])]))
    assert [complaint.split()[2] for complaint in found] == ["b", "c"]


def test_an_assertion_of_two_things_and_a_deadline_are_complained_about():
    text = "assert a or b\nassert (a or b) == c\nassert 'a or b' in c\n@settings(deadline=None)\ndef f(): ...\n"
    assert [line.partition(" ")[0] for line in undecided("test_x.py", text)] == ["test_x.py:1", "test_x.py:4"]

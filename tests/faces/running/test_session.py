"""The networks of a command: each is loaded once, when it is first needed."""

import pytest

from phosphene.core.errors import Mistake
from phosphene.faces.running import session
from phosphene.faces.running.session import Session


@pytest.fixture
def loads(monkeypatch, here):
    """The specs that are loaded, in order."""
    seen, load = [], session.load

    def counted(spec, **options):
        seen.append(spec)
        return load(spec, **options)

    monkeypatch.setattr(session, "load", counted)
    return seen


def test_nothing_is_loaded_before_it_is_needed_and_then_once(loads):
    asked = Session("own.py", judges=["own.py"])
    assert loads == []
    assert asked.network is asked.network
    assert loads == ["own.py"]
    assert [judge.name for judge in asked.others] == [asked.others[0].name]
    assert loads == ["own.py", "own.py"]


def test_a_plan_and_none_exclude_each_other(loads):
    with pytest.raises(Mistake, match=r"--plan fast\.json and --no-plan exclude each other; leave one out"):
        _ = Session("own.py", plan="fast.json", no_plan=True).network
    assert loads == []
    assert str(Session("own.py", no_plan=True).network.plan) != str(Session("own.py").network.plan)


def test_many_whole_photographs_of_several_sizes_are_read_by_one_network(loads, small):
    from PIL import Image

    for i in range(4):
        Image.new("RGB", (20 + i, 24), "red").save(f"{i}.png")
    words = ["attribute", "0.png", "1.png", "2.png", "3.png", "--fit", "whole", "--out", "whole"]
    code, out, err = small(*words)
    assert (code, err) == (0, "")
    assert len([line for line in out.splitlines() if line.endswith(".png")]) == 4
    assert loads == ["own.py"]

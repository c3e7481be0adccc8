"""Tours that were stopped: the page so far stays, the same command goes on to the same bytes, and nothing is lost."""

import errno
import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from phosphene.core import saving
from phosphene.core.errors import Failure, Mistake, Terminated
from phosphene.core.results.results import Result
from phosphene.faces.tour.page import tour
from phosphene.faces.tour.stops import alone
from phosphene.faces.tour.unfinished import STATE
from tests.small import convnet, levels

NETWORK = convnet()


class Trap:
    """Three stops of one picture each; the third builds on the first. One of them may raise."""

    def __init__(self):
        self.taken, self.at, self.error, self.shared = [], None, None, False

    def stops(self):
        trap = self

        def made(guide, name, seed, words=""):
            trap.taken.append(name)
            with guide.stop(f"The {name} stop", "teaching", "source", shared=trap.shared) as section:
                if trap.at == name:
                    raise trap.error
                section.known["words"] = words or f"of {name}"
                picture = Result(levels(1, 3, 8, 9, seed=seed), [name], [{}], recipe={"recipe": name})
                guide.show(section, section.known["words"], name, picture)

        def first(guide):
            made(guide, "first", 1)

        def second(guide):
            made(guide, "second", 2)

        def third(guide):
            before = guide.earlier(first)
            made(guide, "third", 3, f"third, {before.known.get('words', 'alone')}")

        return first, second, third


@pytest.fixture
def trap(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.fromarray(np.full((20, 30, 3), 100, np.uint8)).save("cat.png")
    trap = Trap()
    monkeypatch.setattr(alone, "STOPS", trap.stops())
    return trap


def walk(out="tour", network=NETWORK, photo="cat.png", **options):
    return tour(lambda: network, photo, spec="own.py", out=out, console=Console(quiet=True), **options)


def files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}


@pytest.fixture
def whole(trap):
    """The files of a tour that nobody disturbed."""
    walk("whole")
    trap.taken.clear()
    return files("whole")


@pytest.mark.parametrize("error", [KeyboardInterrupt(), Terminated(), GeneratorExit()])
@pytest.mark.parametrize(("at", "there"), [("second", 1), ("third", 2)])
def test_a_stopped_tour_keeps_its_page_and_goes_on_to_the_same_bytes(trap, whole, at, there, error):
    trap.at, trap.error = at, error
    if isinstance(error, GeneratorExit):  # whatever else comes: what was made is there
        with pytest.raises(GeneratorExit):
            walk()
    else:
        made = walk()
        assert (made.there, made.many, made.stopped) == (there, 3, error)
    page = Path("tour/index.html").read_text()
    assert f"This page is unfinished: {there} of 3 stops are made" in page
    assert page.count("<img") == len(list(Path("tour/pictures").iterdir())) == there
    trap.at = None
    trap.taken.clear()
    made = walk()
    assert (made.there, made.why) == (3, None)
    assert trap.taken == ["first", "second", "third"][there:]
    assert files("tour") == whole
    assert b"unfinished" not in whole["index.html"]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "the network fails: there is not enough memory; "),
        (MemoryError(), "the network fails: there is not enough memory; "),
        (ZeroDivisionError("by 0"), "the network fails: ZeroDivisionError: by 0"),
        (SystemExit(3), "the network fails: its code ended the program (sys.exit(3))"),
        (Failure("own.py fails: IndexError: 7"), "own.py fails: IndexError: 7"),
    ],
)
def test_a_stop_that_fails_is_told_and_made_again_with_what_builds_on_it(trap, whole, error, words):
    trap.at, trap.error = "first", error
    made = walk(network=NETWORK)
    words = words.replace("the network", NETWORK.name)
    assert made.stopped is None and made.there == 1
    assert made.why is error and next(iter(made.failures)).startswith(words)
    page = Path("tour/index.html").read_text()
    assert f'class="missing">Left out: {words.partition(":")[0]}' in page and "This page is unfinished" in page
    assert "The third stop" in page and "third, alone" in page
    trap.at = None
    trap.taken.clear()
    assert walk().why is None
    assert trap.taken == ["first", "third"]
    assert files("tour") == whole


def test_what_a_network_can_not_do_leaves_a_tour_finished(trap):
    trap.at, trap.error = "second", Mistake("it has no rectifiers")
    assert walk().why is None
    assert not Path("tour", STATE).exists()
    assert "Left out: it has no rectifiers." in Path("tour/index.html").read_text()


def full_disk(monkeypatch, after):
    """Write so many files; for each one after them there is no place."""
    written = []
    write = Path.write_bytes

    def full(path, data):
        written.append(path)
        if len(written) > after:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        return write(path, data)

    monkeypatch.setattr(saving.Path, "write_bytes", full)


@pytest.mark.parametrize("after", range(3, 11))
def test_a_full_disk_leaves_the_stops_that_were_written(trap, whole, monkeypatch, after):
    with monkeypatch.context() as patch:
        full_disk(patch, after)
        made = walk()
    assert "No space left on device".casefold() in str(made.stopped)
    assert made.there == min(after // 3, 3)
    assert f"{made.there} of 3 stops are made" in Path("tour/index.html").read_text()
    assert not list(Path("tour").rglob("*.part"))
    assert walk().stopped is None
    assert files("tour") == whole


@pytest.mark.parametrize("after", range(3))
def test_a_tour_that_can_not_write_its_first_stop_leaves_no_folder(trap, monkeypatch, after):
    full_disk(monkeypatch, after)
    with pytest.raises(Mistake, match="cannot be written: no space left"):
        walk("new/tour")
    assert not Path("new").exists()


@pytest.mark.parametrize("photo", ["no.png", "cat.png"])
def test_a_tour_that_can_not_begin_leaves_no_folder(trap, photo):
    def no_network():
        raise Mistake("there is no such network")

    with pytest.raises(Mistake, match=r"no file no.png|no such network"):
        tour(no_network, photo, out="new/tour", console=Console(quiet=True))
    trap.at, trap.error = "first", KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        walk("new/tour")
    assert not Path("new").exists()


FOREIGN = ["index.html", "contact.png", "pictures/third.png", "pictures/holiday.PNG"]


@pytest.mark.parametrize("name", FOREIGN)
def test_what_is_in_the_folder_is_not_overwritten(trap, name):
    trap.shared = True
    path = Path("tour", name)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"mine")
    with pytest.raises(Mistake, match=f"{path} is there already; give --force"):
        walk()
    assert trap.taken == [] and files("tour") == {name: b"mine"}
    walk(force=True)
    assert (path.read_bytes() == b"mine") == ("holiday" in name)


def test_what_comes_into_the_folder_meanwhile_is_not_overwritten(trap):
    trap.at, trap.error = "third", KeyboardInterrupt()
    walk()
    Path("tour/pictures/third.png").write_bytes(b"mine")
    with pytest.raises(Mistake, match=r"third.png is there already; give --force"):
        walk()
    assert Path("tour/pictures/third.png").read_bytes() == b"mine"


def test_a_finished_tour_is_not_overwritten(trap, whole):
    with pytest.raises(Mistake, match=r"whole/index.html is there already; give --force"):
        walk("whole")
    assert files("whole") == whole


def test_an_unfinished_tour_of_something_else_does_not_go_on(trap, whole, monkeypatch):
    trap.at, trap.error = "second", KeyboardInterrupt()
    walk()
    before = files("tour")
    Image.fromarray(np.full((20, 30, 3), 101, np.uint8)).save("dog.png")
    others = {
        "another photograph": {"photo": "dog.png"}, "another seed": {"seed": 1}, "another --fast": {"fast": True},
        "another network": {"network": convnet(size=12)}, "another --no-provenance": {"anonymous": True},
        "another second network": {"open_beside": convnet, "beside_spec": "own.py"},
    }  # fmt: skip
    for words, options in others.items():
        with pytest.raises(Mistake, match=f"{words}; give --force to begin anew"):
            walk(**options)
    with monkeypatch.context() as patch, pytest.raises(Mistake, match="another version"):
        patch.setattr("phosphene.faces.tour.page.versions", lambda: {"torch": "0.1"})
        walk()
    assert files("tour") == before


def test_force_begins_anew_and_may_then_be_stopped_as_well(trap):
    walk("anew", seed=1)
    trap.at, trap.error = "third", KeyboardInterrupt()
    trap.taken.clear()
    assert walk("anew", force=True).there == 2
    trap.at = None
    assert walk("anew").stopped is None  # over the third picture of the tour before
    assert trap.taken == ["first", "second", "third", "third"]


def test_a_picture_that_is_damaged_or_gone_is_made_again(trap, whole):
    trap.at, trap.error = "third", KeyboardInterrupt()
    walk()
    Path("tour/pictures/first.png").unlink()
    Path("tour/pictures/second.png").write_bytes(whole["pictures/second.png"][:50])
    trap.at = None
    walk()
    assert files("tour") == whole


@pytest.mark.parametrize("state", ["", "[]", "{", '{"of": {}}', '{"of": 1, "files": {}, "stops": {}}'])
def test_a_state_that_can_not_be_understood_makes_nothing_the_tours_own(trap, state):
    walk()
    Path("tour", STATE).write_text(state)
    with pytest.raises(Mistake, match=r"index.html is there already"):
        walk()


def test_a_forged_state_reads_and_removes_nothing_outside_of_the_tour(trap, whole):
    trap.at, trap.error = "third", KeyboardInterrupt()
    walk()
    state = json.loads(Path("tour", STATE).read_text())
    state["files"] |= {"../cat.png": "", "pictures/../../cat.png": ""}
    state["stops"] |= {"first": {"pictures": [["x", "../cat.png"]]}, "second": {"pictures": 3}}
    Path("tour", STATE).write_text(json.dumps(state))
    trap.at = None
    walk()
    assert files("tour") == whole and Path("cat.png").exists()


def test_a_tour_that_was_stopped_before_its_last_step_is_finished_by_the_same_command(trap, whole, monkeypatch):
    def unlinked(path, missing_ok=False):
        if path.name == STATE:
            raise KeyboardInterrupt
        return unlink(path, missing_ok)

    unlink = Path.unlink
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", unlinked)
        assert walk().there == 3
    trap.taken.clear()
    walk()
    assert trap.taken == [] and files("tour") == whole


@pytest.mark.skipif(os.name == "nt", reason="no locks")
@pytest.mark.parametrize("force", [False, True])
def test_a_second_tour_in_the_same_folder_is_refused_while_the_first_is_under_way(trap, monkeypatch, force):
    def meanwhile(guide):
        with pytest.raises(Mistake, match=r"index.html is being made by another process"):
            walk(force=force)

    monkeypatch.setattr(alone, "STOPS", (*alone.STOPS, meanwhile))
    made = walk()
    assert (made.there, made.why) == (4, None)
    assert not list(Path("tour").glob(".*"))

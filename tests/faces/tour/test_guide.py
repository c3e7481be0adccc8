"""The guide: commands that can be pasted, pictures beside the page, and stops that fail alone."""

import base64
import io

import pytest
import torch
from PIL import Image

from phosphene.core.errors import Mistake, failed
from phosphene.core.pictures.files import read_text
from phosphene.core.pictures.writing import png_bytes
from phosphene.core.results.results import Result
from phosphene.faces.tour import guide as guiding
from phosphene.faces.tour.guide import Guide, Section, Shown
from tests.small import convnet, levels


@pytest.fixture
def guide():
    return Guide(convnet(), "my cat.png", "own.py", True, 0, lambda title, run: run.result)


def test_a_command_names_photograph_and_network_so_that_it_can_be_pasted(guide):
    assert guide.command("attribute --method gradient") == (
        "phosphene attribute 'my cat.png' --method gradient --net own.py"
    )
    assert guide.command("weights", photo=False) == "phosphene weights --net own.py"


def test_pictures_of_the_second_network_go_where_those_of_the_first_are_not(guide):
    assert guide.command("weights", photo=False, spec="embedded:photo") == "phosphene weights --out beside/"


def test_a_picture_goes_into_its_section_with_its_recipe(guide, tmp_path):
    made = Result(levels(2, 3, 8, 9), ["a", "b"], [{}, {}], recipe={"recipe": "x"})
    section = Section("title", "teaching", "source")
    guide.show(section, "a caption", "second", made, "picture", 1)
    (one,) = section.pictures
    assert (one.caption, one.file, one.size) == ("a caption", "pictures/second.png", (9, 8))
    assert one.pixelated  # it is small
    assert torch.equal(one.picture, made.image[1:])
    (tmp_path / "second.png").write_bytes(one.png)
    assert "phosphene" in read_text(tmp_path / "second.png")
    guide.anonymous = True
    guide.show(section, "a caption", "third", made)
    (tmp_path / "third.png").write_bytes(section.pictures[1].png)
    assert read_text(tmp_path / "third.png") == {}


def one(guide):
    with guide.stop("one", "teaching", "source", "a command"):
        raise Mistake("it has no rectifiers")


def two(guide):
    with guide.stop("two", "teaching", "source"):
        raise ZeroDivisionError("by 0")


def three(guide):
    assert guide.earlier(one).missing == ["it has no rectifiers"]


def four(guide):
    assert guide.shown(two, "x") is None


def five(guide):
    with guide.stop("five", "teaching", "source", pairs=True) as section:
        for _ in range(2):
            with guide.trying(section):
                raise MemoryError


def test_what_a_stop_can_not_do_is_said_in_it_and_the_tour_goes_on(guide):
    guide.beside = convnet()
    for stop in (one, two, three, four, five):
        guide.take(stop)
    assert list(guide.made) == ["one", "two", "three", "four", "five"]
    assert [section.title for section in guide.sections] == ["one", "two", "five"]
    name = guide.network.name
    assert [section.missing for section in guide.sections] == [
        ["it has no rectifiers"], [f"{name} fails: ZeroDivisionError: by 0"],
        [failed(f"{name} or {name}", MemoryError())],
    ]  # fmt: skip
    assert guide.sections[0].commands == ["a command"]
    assert guide.again == {"two", "four", "five"}  # a refusal is the same every time
    assert [type(error) for error in guide.failures.values()] == [ZeroDivisionError, MemoryError]


def test_what_a_foreign_error_was_the_reason_for_is_not_taken_for_granted(guide):
    def stop(guide):
        guide.doubt(Mistake("no cause"))
        assert guide.again == set()
        try:
            raise Mistake("it can't take 3 x 4 pixels") from RuntimeError("boom")
        except Mistake as mistake:
            guide.doubt(mistake)

    guide.take(stop)
    assert guide.again == {"stop"} and guide.failures == {}


def test_large_pictures_are_put_into_the_page_as_webp(monkeypatch):
    png = png_bytes(levels(1, 3, 8, 9))
    assert Shown("", "", png).address == "data:image/png;base64," + base64.b64encode(png).decode()
    monkeypatch.setattr(guiding, "LARGEST_INSIDE", 3)
    kind, _, data = Shown("", "", png).address.partition(",")
    assert kind == "data:image/webp;base64"
    assert Image.open(io.BytesIO(base64.b64decode(data))).size == (9, 8)

"""The guide: commands that can be pasted, pictures beside the page, and stops that fail alone."""

import base64
import io

import pytest
import torch
from PIL import Image

from phosphene.core.errors import Mistake
from phosphene.core.pictures.files import open_photo, read_text
from phosphene.core.results.results import Result
from phosphene.faces.tour import guide as guiding
from phosphene.faces.tour.guide import Guide, Section, address
from tests.small import convnet, levels


@pytest.fixture
def guide(tmp_path):
    (tmp_path / "pictures").mkdir()
    return Guide(convnet(), "my cat.png", "own.py", tmp_path, True, 0, lambda title, run: run.result)


def test_a_command_names_photograph_and_network_so_that_it_can_be_pasted(guide):
    assert guide.command("attribute --method gradient") == (
        "phosphene attribute 'my cat.png' --method gradient --net own.py"
    )
    assert guide.command("weights", photo=False, spec="embedded:photo") == "phosphene weights"


def test_a_picture_is_written_beside_the_page_and_into_the_section(guide):
    made = Result(levels(2, 3, 8, 9), ["a", "b"], [{}, {}], recipe={"recipe": "x"})
    section = Section("title", "teaching", "source")
    guide.show(section, "a caption", "second", made, "picture", 1)
    (one,) = section.pictures
    assert (one.caption, one.file, one.width, one.height) == ("a caption", "pictures/second.png", 9, 8)
    assert one.pixelated  # it is small
    assert torch.equal(open_photo(guide.folder / one.file), made.image[1:])
    assert guide.made["second"] is made
    assert "phosphene" in read_text(guide.folder / one.file)
    guide.anonymous = True
    guide.show(section, "a caption", "third", made)
    assert read_text(guide.folder / "pictures/third.png") == {}


def test_what_a_stop_can_not_do_is_said_in_it_and_the_tour_goes_on(guide):
    with guide.stop("one", "teaching", "source", "a command") as section:
        raise Mistake("it has no rectifiers")
    with guide.stop("two", "teaching", "source"):
        pass
    assert [one.title for one in guide.sections] == ["one", "two"]
    assert guide.sections[0].missing == ["it has no rectifiers"] and section.commands == ["a command"]
    with guide.trying(section):
        raise Mistake("it has no rectifiers")
    assert section.missing == ["it has no rectifiers"]
    with pytest.raises(ZeroDivisionError), guide.stop("three", "", ""):
        raise ZeroDivisionError


def test_large_pictures_are_put_into_the_page_as_webp(monkeypatch):
    picture, png = levels(1, 3, 8, 9), b"a PNG of some bytes"
    assert address(picture, png) == "data:image/png;base64," + base64.b64encode(png).decode()
    monkeypatch.setattr(guiding, "LARGEST_INSIDE", 3)
    kind, _, data = address(picture, png).partition(",")
    assert kind == "data:image/webp;base64"
    assert Image.open(io.BytesIO(base64.b64decode(data))).size == (9, 8)

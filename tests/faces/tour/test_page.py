"""The tour: one page that needs nothing else, and whose every command works."""

import html
import json
import re
import shlex
from html.parser import HTMLParser
from pathlib import Path

import pytest

from phosphene.core.errors import Mistake
from phosphene.core.pictures.files import open_photo, read_text
from phosphene.faces.cli.main import main
from phosphene.faces.replay.replay import replay
from phosphene.faces.tour.guide import Guide
from phosphene.faces.tour.page import beside_spec
from phosphene.models import specs
from tests.small import SOURCE

STOPS = [
    "What it is",
    "What it says",
    "Its first layer",
    "What its units look for",
    "Which pixels matter",
    "What it dreams",
    "What survives",
    "In the style of a painting",
    "How little it takes to fool it",
]
BESIDE = ["Two ideas of the same classes", "Two gradients", "Two attacks", "What survives in both"]


def call(*words):
    with pytest.raises(SystemExit) as left:
        main([str(word) for word in words])
    return left.value.code or 0


class Page(HTMLParser):
    """What a page loads and links to."""

    def __init__(self, text):
        super().__init__()
        self.loaded, self.linked, self.text = [], [], text
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.loaded += [value for name, value in attrs if name in ("src", "srcset", "poster", "data", "action")]
        self.linked += [found["href"]] if "href" in found else []
        assert tag not in ("script", "link", "iframe", "object", "embed", "base")


def commands(text):
    return [html.unescape(line) for line in re.findall(r"<pre><code>(.*?)</code></pre>", text, re.DOTALL)]


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tour")
    assert call("tour", "--fast", "--quiet", "--beside", "embedded:photo", "--out", folder) == 0
    return folder / "index.html"


@pytest.mark.slow
def test_the_page_loads_nothing_from_anywhere(page):
    text = page.read_text()
    found = Page(text)
    assert len(found.loaded) > 15
    assert all(address.startswith("data:image/") for address in found.loaded)
    for link in found.linked:
        assert re.fullmatch(r"pictures/[\w.@,#-]+\.png|contact\.png", link)
        assert (page.parent / link).is_file()
    assert "@import" not in text
    assert "url(" not in text


@pytest.mark.slow
def test_all_stops_are_there_and_nothing_is_left_out(page):
    text = page.read_text()
    assert re.findall(r"<h2><span>\d+</span>(.*?)</h2>", text) == STOPS + BESIDE
    assert 'class="missing"' not in text
    for section in text.split('<section id="stop')[1:]:
        assert "<img" in section
        assert "<pre><code>phosphene " in section
        assert 'class="source"' in section
    assert 'name="viewport"' in text
    assert "prefers-color-scheme: dark" in text


@pytest.mark.slow
def test_the_dream_and_its_photograph_have_their_own_size(page):
    assert open_photo(page.parent / "pictures" / "dream.png").shape == (1, 3, 400, 600)
    assert open_photo(page.parent / "pictures" / "photograph.png").shape == (1, 3, 400, 600)


def carried(path):
    return json.loads(read_text(path)["phosphene"])


@pytest.mark.slow
def test_every_picture_links_to_its_file_and_every_file_is_shown(page):
    links = re.findall(r'<a href="([^"]+)"><img', page.read_text())
    assert len(links) == page.read_text().count("<img")
    there = {f"pictures/{file.name}" for file in (page.parent / "pictures").iterdir()}
    assert set(links) == there | {"contact.png"}


@pytest.mark.slow
def test_its_pictures_carry_their_recipes(page):
    made = {file.stem: carried(file)["recipe"] for file in (page.parent / "pictures").iterdir()}
    assert made["dream"] == "dream"
    assert made["asked-about"] == "gradient"
    assert made["photograph"] == "dream"
    assert made["before"] == made["change"] == made["adversarial"] == made["theirs-change"] == "pgd"
    assert made["occlusion"] == "occlusion"
    assert made["inverted-from"] == "invert"


@pytest.mark.slow
def test_every_picture_is_made_again(page):
    for file in sorted((page.parent / "pictures").iterdir()):
        again = replay(file)
        assert again.same, (file.name, again.words)
    with pytest.raises(Mistake, match=r"contact.png is put together from other pictures; make those again: pictures/"):
        replay(page.parent / "contact.png")


@pytest.mark.slow
def test_without_provenance_no_picture_says_how_it_was_made(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("own.py").write_text(SOURCE)
    assert call("tour", "--fast", "--quiet", "--net", "own.py", "--no-provenance") == 0
    assert all(read_text(file) == {} for file in Path("tour/pictures").iterdir())


@pytest.mark.slow
def test_a_network_beside_itself_has_the_same_pictures_twice(page):
    for ours in (page.parent / "pictures").glob("ours-*.png"):
        assert ours.read_bytes() == ours.with_name(ours.name.replace("ours", "theirs")).read_bytes(), ours.name


@pytest.mark.slow
def test_the_contact_sheet_names_its_parts_and_can_be_downloaded(page):
    sheet = carried(page.parent / "contact.png")
    assert set(sheet) == {"command", "parts"}
    assert sheet["command"] == "tour"
    assert len(sheet["parts"]) == len(set(sheet["parts"])) > 15
    assert all((page.parent / part).is_file() for part in sheet["parts"])
    assert sheet["parts"][:2] == ["pictures/photograph.png", "pictures/dream.png"]
    assert open_photo(page.parent / "contact.png").shape[3] == 1600
    assert page.read_text().count('<a class="download" href="contact.png" download>') == 1


@pytest.mark.parametrize(
    ("net", "given", "spec"),
    [
        ("embedded:photo", None, "embedded:photo-robust"),
        ("embedded:photo", "none", ""),
        ("embedded:photo", "own.py", "own.py"),
        ("embedded:photo-robust", None, ""),
        ("own.py", None, ""),
    ],
)
def test_the_embedded_network_has_its_robust_twin_beside_it_if_there_is_one(net, given, spec, monkeypatch):
    monkeypatch.setitem(specs.EMBEDDED, "photo-robust", specs.EMBEDDED["photo"])
    assert beside_spec(net, given) == spec


@pytest.mark.slow
def test_every_command_is_one_that_the_program_has(page):
    names = [shlex.split(command)[1] for command in commands(page.read_text())]
    assert set(names) == {
        "architecture",
        "layers",
        "predict",
        "weights",
        "visualize",
        "attribute",
        "dream",
        "invert",
        "stylize",
        "attack",
    }


@pytest.mark.slow
def test_a_page_is_not_overwritten(page, capsys):
    assert call("tour", "--fast", "--out", page.parent) == 2
    assert "is there already; give --force" in capsys.readouterr().err


@pytest.mark.slow
def test_the_last_line_is_the_page(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("own.py").write_text(SOURCE)
    assert call("tour", "--fast", "--net", "own.py", "--out", "my tour") == 0
    out, err = capsys.readouterr()
    assert out == str(Path("my tour/index.html")) + "\n"
    assert "Traceback" not in err
    assert "--net own.py" in "".join(commands(Path("my tour/index.html").read_text()))


@pytest.mark.slow
def test_what_a_network_can_not_do_is_left_out_and_said(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("own.py").write_text(SOURCE.replace("nn.ReLU()", "nn.Tanh()"))
    assert call("tour", "--fast", "--quiet", "--net", "own.py") == 0
    assert "Left out: guided changes what rectifiers" in html.unescape(Path("tour/index.html").read_text())


NO_PLACES = """
from torch import nn

def build():
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 12 * 12, 8), nn.ReLU(), nn.Linear(8, 1)), {"input_size": 12}
"""
CHANNELS = NO_PLACES.replace("3 * 12", "5 * 12").replace("12}", '12, "channels": 5}')


def left_out(text):
    """By stop, what is left out and why."""
    parts = re.split(r"<h2><span>\d+</span>(.*?)</h2>", text)[1:]
    return {
        title: [html.unescape(line) for line in re.findall(r'class="missing">Left out: (.*?)</p>', part)]
        for title, part in zip(parts[::2], parts[1::2], strict=True)
    }


@pytest.mark.slow
def test_a_network_without_rows_and_columns_and_with_one_logit_has_its_tour(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("own.py").write_text(NO_PLACES)
    assert call("tour", "--fast", "--quiet", "--net", "own.py") == 0
    text = Path("tour/index.html").read_text()
    why = ["own.py has no layer with rows and columns."]
    assert {title: lines for title, lines in left_out(text).items() if lines} == dict.fromkeys(
        ("What its units look for", "What it dreams", "What survives", "In the style of a painting"), why
    )
    answer = re.search(r"<td>(yes|no)</td>", text)[1]
    assert Path(f"tour/pictures/logits-{['no', 'yes'].index(answer)}.png").exists()


def test_a_network_that_takes_no_photographs_is_drawn_and_the_rest_is_left_out_in_one_sentence(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("own.py").write_text(CHANNELS)
    assert call("tour", "--fast", "--quiet", "--net", "own.py") == 0
    found = left_out(Path("tour/index.html").read_text())
    assert found.pop("What it is") == []
    assert all(len(lines) == 1 for title, lines in found.items() if title != "Its first layer")
    assert "pictures of 5 channels" in found["What it says"][0]
    assert not Path("tour/contact.png").exists()


@pytest.mark.slow
def test_a_photograph_with_a_difficult_name_gets_commands_that_can_be_pasted(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("own.py").write_text(SOURCE)
    name = "the cat's <b>ünï</b> & $HOME.png".replace("/", "-")
    from PIL import Image
    from skimage import data

    Image.fromarray(data.chelsea()[:64, :64]).save(name)
    assert call("tour", name, "--fast", "--quiet", "--net", "own.py") == 0
    text = Path("tour/index.html").read_text()
    assert "<b>" not in text
    assert all(shlex.split(c)[2] == name for c in commands(text) if shlex.split(c)[1] in ("predict", "dream", "invert"))


@pytest.mark.slow
@pytest.mark.parametrize(("net", "after"), [("own.py", range(1, 12)), ("embedded:photo", [3, 8])])
def test_a_tour_that_is_stopped_again_and_again_has_the_bytes_of_one_that_is_not(
    tmp_path, monkeypatch, capsys, net, after
):
    monkeypatch.chdir(tmp_path)
    Path("own.py").write_text(SOURCE)
    words = ["tour", "--fast", "--quiet", "--net", net, "--beside", net, "--out"]
    assert call(*words, "whole") == 0
    take = Guide.take
    stops = len(STOPS + BESIDE)
    for number in [*after, stops]:

        def taken(guide, stop, number=number):
            if len(guide.made) == number:
                raise KeyboardInterrupt
            take(guide, stop)

        monkeypatch.setattr(Guide, "take", taken)
        capsys.readouterr()
        code = call(*words, "often")
        assert code == (0 if number == stops else 130)
        if code:
            there = (
                f"interrupted: {number} of {stops} stops are in often/index.html; the same command goes on from there"
            )
            assert capsys.readouterr().err.splitlines()[-1] == there
    assert contents("often") == contents("whole")


FAILING = SOURCE.replace(
    "class Small(nn.Sequential):",
    """import os
LEFT = [int(os.environ.get("AFTER", -1))]
class Small(nn.Sequential):
    def forward(self, x):
        LEFT[0] -= 1
        if LEFT[0] < 0 and "AFTER" in os.environ:
            raise {"boom": RuntimeError("boom"), "memory": MemoryError(), "end": KeyboardInterrupt()}[os.environ["HOW"]]
        return super().forward(x)
""",
)
"""A network that answers so often, and never again."""


@pytest.mark.slow
@pytest.mark.parametrize(("how", "after", "code"), [("boom", 18, 2), ("memory", 100, 2), ("end", 60, 130)])
def test_a_tour_whose_network_fails_keeps_its_page_and_goes_on_when_it_works(
    tmp_path, monkeypatch, capsys, how, after, code
):
    monkeypatch.chdir(tmp_path)
    Path("own.py").write_text(FAILING)
    words = ["tour", "--fast", "--quiet", "--net", "own.py", "--beside", "own.py", "--out"]
    assert call(*words, "whole") == 0
    with monkeypatch.context() as patch:
        patch.setenv("AFTER", str(after))
        patch.setenv("HOW", how)
        capsys.readouterr()
        assert call(*words, "tour") == code
    out, err = capsys.readouterr()
    assert out == str(Path("tour/index.html")) + "\n"
    assert err.count("\n") == 1 and "the same command goes on from there" in err
    assert "This page is unfinished" in Path("tour/index.html").read_text()
    assert call(*words, "tour") == 0
    assert contents("tour") == contents("whole")


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}


def quick(words):
    """The same command with as few steps as it allows."""
    if words[0] in ("visualize", "dream", "invert", "stylize", "attack"):
        words = [*words, "--steps", "2"]
    return words


@pytest.mark.slow
@pytest.mark.parametrize("net", ["embedded:photo", "inception5h"])
def test_every_command_that_the_page_prints_works(net, tmp_path, monkeypatch, capsys, request):
    monkeypatch.chdir(tmp_path)
    words = []
    if net != "embedded:photo":
        data = request.getfixturevalue("data")
        words = [data / "images" / "dog.jpg", "--net", f"{data}/models/{net}.py:build"]
    assert call("tour", *words, "--fast") == 0
    printed = commands(Path("tour/index.html").read_text())
    assert len(printed) > 8
    for number, command in enumerate(printed):
        name, *rest = shlex.split(command)
        assert name == "phosphene"
        capsys.readouterr()
        if rest[0] == "layers":  # it prints, and writes nothing
            assert call(*rest) == 0
            continue
        assert call(*quick(rest), "--out", f"{number}/") == 0, (command, capsys.readouterr().err)
        assert Path(capsys.readouterr().out.splitlines()[-1]).exists()

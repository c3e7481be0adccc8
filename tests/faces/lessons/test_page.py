"""The lesson's page: one file that needs nothing else, the same for the same seed."""

import html
import re
import shlex
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from phosphene.faces.lessons.page import PAGE, STEPS, Asked
from tests.faces.commands import files, is_one_sentence, last

TITLES = [
    "Ten numbers", "A linear classifier of pictures", "Fooling it", "The sign, or the gradient itself?",
    "How linear is a deep network?", "Why many dimensions make it easy",
]  # fmt: skip


def made(name="data.npz", classes=3, each=6, **more):
    """Pictures of 12 px, of class c brighter in one colour."""
    numbers = np.random.default_rng(0)
    labels = np.arange(classes * each) % classes
    pixels = numbers.integers(60, 200, (len(labels), 12, 12, 3))
    for i, label in enumerate(labels):
        pixels[i, ..., label % 3] += 40
    np.savez(name, X=pixels.astype(np.uint8), y=labels, **more)
    return name


class Page(HTMLParser):
    """What a page loads and links to."""

    def __init__(self, text):
        super().__init__()
        self.loaded, self.linked = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.loaded += [value for name, value in attrs if name in ("src", "srcset", "poster", "data", "action")]
        self.linked += [found["href"]] if "href" in found else []
        assert tag not in ("script", "link", "iframe", "object", "embed", "base")


def lesson(run, *more, net="own.py"):
    return run("lesson", "linear", "cat.png", "--size", 12, *more, net=net)


def test_one_file_has_all_steps_and_loads_nothing_from_anywhere(small):
    code, out, err = lesson(small, "--data", made(classes=2), "--names", "cat <b>,dog", "--quiet")
    assert (code, out, err) == (0, f"{PAGE}\n", "")
    assert files() == ["data.npz", PAGE]
    text = Path(PAGE).read_text()
    assert re.findall(r"<h2><span>\d</span>(.*?)</h2>", text) == TITLES and len(STEPS) == len(TITLES)
    found = Page(text)
    assert len(found.loaded) == 4 + 2 + 2 + 1
    assert all(address.startswith("data:image/") for address in found.loaded) and found.linked == []
    assert "@import" not in text and "url(" not in text and "<b>" not in text and "cat &lt;b&gt;" in text
    assert 'class="missing"' not in text and "prefers-color-scheme: dark" in text


@pytest.mark.slow
def test_the_page_of_a_seed_is_the_same_and_another_seeds_another(small):
    file = made()
    pages = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        assert lesson(small, "--data", file, "--seed", seed, "--out", f"{name}.html")[0] == 0
        pages.append(re.sub(r"<footer>.*", "", Path(f"{name}.html").read_text(), flags=re.DOTALL))
    assert pages[0] == pages[1] != pages[2]


@pytest.mark.slow
def test_what_the_page_says_makes_it_again_does_so(small):
    code, _, _ = lesson(small, "--data", made(), "--decay", ".5", "--seed", 3, "--out", "a.html")
    assert code == 0
    text = Path("a.html").read_text()
    attack, again = (shlex.split(html.unescape(one)) for one in re.findall(r"<code>(phosphene .*?)</code>", text))
    assert attack == ["phosphene", "attack", "cat.png", "--eps", "2/255", "--net", "own.py"]
    assert small(*again[1:], net=None)[0] == 0
    assert Path(PAGE).read_text() == text


def test_a_command_names_what_is_not_usual_and_nothing_else():
    assert Asked("skimage:coffee").command == "phosphene lesson linear skimage:coffee"
    assert Asked("a cat.png", "own.py", seed=1).command == "phosphene lesson linear 'a cat.png' --net=own.py --seed=1"


def test_an_embedded_network_has_its_robust_twin_beside_it_and_others_have_what_is_given():
    assert Asked("cat.png").second == "embedded:photo-robust" and Asked("cat.png", "own.py").second == ""
    assert Asked("cat.png", beside="none").second == "" and Asked("cat.png", "own.py", beside="b.py").second == "b.py"


@pytest.mark.slow
def test_a_network_beside_it_is_on_the_page_and_in_the_command_that_makes_it_again(small):
    Path("twin.py").write_text(Path("own.py").read_text())
    assert lesson(small, "--data", made(), "--beside", "twin.py", "--weights", "none.pt", net="own.py")[0] == 2
    assert lesson(small, "--data", "data.npz", "--beside", "twin.py")[0] == 0
    text = Path(PAGE).read_text()
    assert len(re.findall("<td[^>]*>twin.py</td>", text)) == 3 and "Beside it twin.py" in text
    assert "--beside=twin.py" in text


def test_a_page_that_is_there_stays_and_force_writes_over_it(small):
    Path(PAGE).write_text("precious")
    file = made()
    assert f"{PAGE} is there already; give --force" in is_one_sentence(*lesson(small, "--data", file))
    assert Path(PAGE).read_text() == "precious"
    assert lesson(small, "--data", file, "--force")[0] == 0
    assert Path(PAGE).read_text() != "precious"


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--out", "page.png"], "page.png is no page; give a name that ends in .html, or a folder"),
        (["--data", "nowhere.npz"], "there is no file nowhere.npz; a .npz file with X and y, or a folder"),
        (["--data", "one.npz"], "all pictures are of class 0; a lesson needs two classes or more"),
        (["--data", "few.npz"], "class 0 has 1 picture; it needs one to learn from and one to test with"),
        (["--data", "fine.npz", "--names", "a,b"], "2 names are given for classes 0 to 2; each needs one"),
        (["--data", "fine.npz", "--names", "a,,b"], "3 names are given for classes 0 to 2; each needs one"),
        (["--data", "fine.npz", "--names", "cat.png"], "cat.png is no text; the names of the classes are needed"),
        (["--data", "fine.npz", "--decay", "-1"], "-1 is not a valid value for decay"),
        (["--names", "a,b"], "names are for data that are given with --data"),
    ],
)
def test_what_makes_no_lesson_is_one_sentence_and_leaves_nothing(small, more, words):
    for name, classes, each in (("one.npz", 1, 6), ("few.npz", 3, 1), ("fine.npz", 3, 4)):
        made(name, classes, each)
    there = files()
    assert words in is_one_sentence(*lesson(small, *more))
    assert files() == there


@pytest.mark.parametrize(("net", "words"), [("own.py:broken", "not a finite number"), ("own.py:nobody", "nobody")])
def test_a_network_that_says_nothing_is_one_sentence_and_leaves_nothing(small, net, words):
    made()
    assert words in is_one_sentence(*lesson(small, "--data", "data.npz", net=net))
    assert files() == ["data.npz"]


def test_a_photograph_that_cannot_be_read_and_a_lesson_that_there_is_not_are_told(small):
    assert "no file dog.png" in is_one_sentence(*small("lesson", "linear", "dog.png"))
    assert "'liner' is not a valid value for lesson; did you mean 'linear'?" in is_one_sentence(
        *small("lesson", "liner")
    )


def test_a_folder_gets_the_page_under_its_own_name_and_names_may_stand_in_a_file(small):
    Path("names.txt").write_text("red\ngreen\nblue\n")
    code, out, _ = lesson(small, "--data", made(), "--names", "names.txt", "--out", "deep/er/")
    assert (code, last(out)) == (0, Path("deep/er") / PAGE)
    text = last(out).read_text()
    assert "red, one of the data" in text and "blue, one of the data" in text


@pytest.mark.slow
def test_without_data_it_is_about_photographs_that_are_there_on_every_machine(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, _ = run("lesson", "linear")
    assert code == 0
    text = last(out).read_text()
    right = float(re.search(r"and on ([\d.]+) % of 500 others", text)[1])
    assert 60 < right < 95
    assert "astronaut, one of the data" in text and "embedded:photo" in text


@pytest.mark.slow
def test_on_cifar_it_gives_the_lectures_figure(run, tmp_path, monkeypatch, data):
    monkeypatch.chdir(tmp_path)
    names = data / "models" / "cifar10_labels.txt"
    code, out, _ = run("lesson", "linear", "--data", data / "cifar10_train_4000.npz", "--names", names)
    assert code == 0
    text = last(out).read_text()
    assert 30 < float(re.search(r"and on ([\d.]+) % of 997 others", text)[1]) < 45
    assert text.count("<figcaption>its weights, from") == 10 and "horse, one of the data" in text

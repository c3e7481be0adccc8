"""`report`: the page of a layer, with pictures that are painted, given or left out."""

import json
import re
from pathlib import Path

import pytest

from tests.small import SOURCE
from tests.small_index import small_index

WORDS = ["report", "photos.index", "--layer", "relu2", "--net", "own.py", "--count", "3", "--side", "16"]


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    pytest.importorskip("pyarrow")
    monkeypatch.chdir(tmp_path)
    Path("own.py").write_text(SOURCE)
    small_index(tmp_path)


def cards(path="report-relu2/index.html"):
    return json.loads(re.search(r'id="data">(.*?)</script>', Path(path).read_text(), re.DOTALL)[1])["cards"]


@pytest.mark.slow
def test_few_units_are_painted_and_what_is_painted_stays(run):
    words = [*WORDS, "--steps", "2", "--size", "16"]
    code, out, err = run(*words)
    assert (code, out, err) == (0, "report-relu2/index.html\n", "")
    assert all("p" in card for card in cards()) and len(cards()) == 8
    painted = {path: path.stat().st_mtime_ns for path in Path("report-relu2/pictures").glob("relu2-*.png")}
    assert len(painted) == 8
    code, _, err = run(*words)
    assert code == 2 and "report-relu2/index.html is there already; give --force" in err
    Path("report-relu2/index.html").unlink()
    code, _, err = run(*words)
    assert code == 0 and "8 of 8 pictures are in report-relu2/pictures already" in err
    assert painted == {path: path.stat().st_mtime_ns for path in Path("report-relu2/pictures").glob("relu2-*.png")}
    code, out, _ = run(*words[:-4], "--pictures", "report-relu2/pictures", "--out", "second", "--json")
    assert code == 0 and json.loads(out)["painted"] == 8 and not Path("second/pictures").exists()


def test_pictures_may_be_left_out_and_a_page_says_what_it_is_made_of(run):
    code, out, _ = run(*WORDS, "--pictures", "none", "--json", "--out", "page")
    told = json.loads(out)
    assert code == 0 and (told["units"], told["painted"], told["gone"], told["layer"]) == (8, 0, 0, "relu2")
    assert not any("p" in card for card in cards("page/index.html"))
    text = Path("page/index.html").read_text()
    assert "relu2 of own.py: what its 8 units answer to" in text and "the 3 of 60 photographs" in text
    assert "phosphene report photos.index --layer relu2 --net own.py --pictures none --count 3 --side 16" in text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["report", "nowhere", "--layer", "relu2"], "there is no index nowhere"),
        (["report", "photos", "--layer", "relu2"], "photos is no index"),
        (["report", "photos.index", "--layer", "relu2"], "is not inside this program: name it with --net"),
        (["report", "photos.index", "--layer", "relu2", "--net", "embedded:digits"], "the index photos.index is of"),
        (["report", "photos.index", "--layer", "relu9", "--net", "own.py"], "has no layer 'relu9'"),
        ([*WORDS[:-4], "--count", "10"], "the index keeps 9 photographs of each unit, not 10"),
        ([*WORDS, "--pictures", "photos"], "there is no picture of a unit of relu2 in photos"),
    ],
)
def test_what_is_wrong_is_one_sentence(run, words, said):
    code, out, err = run(*words)
    assert code == 2 and not out and said in err and "Traceback" not in err

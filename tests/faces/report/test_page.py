"""The page of a layer needs nothing else, and says what the index says."""

import json
import re
from base64 import b64decode
from html.parser import HTMLParser
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from phosphene.dataset.unit_crops import crops
from phosphene.faces.report.page import page
from tests.small_index import small_index, small_network

NAMES = ["tabby cat", "zebra", "crane (wading bird)", "crane (lifting machine)"]
AGAIN = "phosphene report 'my <index>' --layer relu2"


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    pytest.importorskip("pyarrow")
    return small_index(tmp_path_factory.mktemp("index"))


@pytest.fixture(scope="module")
def text(index):
    made, red = crops(index, small_network(), "relu2", 4, 8), Image.new("RGB", (9, 9), "red")
    return page(index, small_network(), "relu2", made, {2: red}, again=AGAIN)


@pytest.fixture(scope="module")
def data(text):
    return json.loads(re.search(r'id="data">(.*?)</script>', text, re.DOTALL)[1])


class Loads(HTMLParser):
    """Whatever a page would fetch."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found += [(tag, name) for name, value in attrs if name in ("src", "srcset", "href", "action", "poster")]


def test_it_loads_nothing(text):
    assert Loads(text).found == [] and "http" not in text.replace("http-equiv", "") and "@import" not in text
    assert "&lt;index&gt;" in text and "<index>" not in text


def test_every_unit_is_on_it_with_its_numbers(index, data):
    statistics = index.statistics("relu2")
    assert [card["u"] for card in data["cards"]] == list(range(8))
    for unit, card in enumerate(data["cards"]):
        found = index.exemplars("relu2", unit, count=4)
        assert card["v"] == [float(f"{one.value:.3g}") for one in found]
        assert card["f"] == [index.ids[one.image] for one in found]
        assert card["l"] == [NAMES[index.labels[one.image]] for one in found]
        assert card["m"] == pytest.approx(statistics.mean[unit], rel=0.01)
        assert card["dead"] == bool(statistics.dead[unit]) and card["h"] == statistics.histogram[unit].tolist()
        assert sum(many for _, many in card["t"]) <= 4 and card["t"][0][0] in card["l"]
        strip = Image.open(BytesIO(b64decode(card["x"])))
        assert strip.size == (32, 8) and strip.format == "WEBP"
        assert ("p" in card) == (unit == 2)


def test_the_most_correlated_units_are_named_and_never_the_unit_itself(index, data):
    every = np.array(index.correlations("relu2"))
    for card in data["cards"]:
        others = np.delete(np.arange(8), card["u"])
        best = others[np.argsort(-every[card["u"], others], kind="stable")[:5]]
        assert [unit for unit, _ in card["n"]] == best.tolist()
        assert card["n"][0][1] == pytest.approx(every[card["u"], best[0]], abs=0.01)


def test_the_same_index_has_the_same_page(index, text):
    made, red = crops(index, small_network(), "relu2", 4, 8), Image.new("RGB", (9, 9), "red")
    assert page(index, small_network(), "relu2", made, {2: red}, again=AGAIN) == text


def test_a_photograph_is_of_the_class_that_its_folder_is_called(index, data):
    """Whatever the network calls the class of that number."""
    called = type(index)(index.folder, {**index.facts, "classes": {"0": "four", "1": "three", "2": "two", "3": "one"}})
    made = crops(called, small_network(), "relu2", 4, 8)
    text = page(called, small_network(), "relu2", made, {}, again=AGAIN)
    assert "two" in text and "zebra" not in text

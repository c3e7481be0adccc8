"""The page of a map: what it knows, and nothing that it would have to fetch from elsewhere."""

import json
import re

import numpy as np
import pytest
from PIL import Image

from phosphene.dataset.map_page import data, page
from phosphene.dataset.map_tiles import Tiling
from phosphene.dataset.maps import Placed, laid_out
from tests.dataset.test_maps import PCA


@pytest.fixture(scope="module")
def shown(small):
    _, index = small
    return laid_out(index, "relu2", PCA)


def test_it_knows_every_image_its_class_its_cell_and_where_it_is(shown):
    known = data(shown, Tiling.of(shown.shape, 64, 256), "files", ())
    assert known["ids"] == list(shown.ids) and known["cells"] == shown.cells.tolist()
    names = ["tabby cat", "zebra", "crane (wading bird)", "crane (lifting machine)"]
    assert [one["name"] for one in known["classes"]] == names
    assert known["labels"] == shown.labels.tolist()
    assert np.ptp(known["x"]) == pytest.approx(0.96) and min(known["y"]) >= 0 and max(known["y"]) <= 1
    assert (known["tile"], known["side"], known["rows"], known["columns"]) == (256, 64, 8, 8)


def test_names_of_files_are_words_and_nothing_is_fetched_from_elsewhere(shown):
    names = ["</script><script>alert(1)</script>.png", *shown.ids[1:]]
    placed = [Placed("<b>new</b>", (0.0, 0.0), (3, 4), (0.25, 0.5))]
    strange = shown.__class__(**{**vars(shown), "ids": names, "placed": placed})
    text = page(strange, Tiling.of(shown.shape, 64, 256), "map_files", [Image.new("RGB", (20, 10))])
    assert text.count("<script") == 2 and "<b>new" not in text
    assert not re.search(r"https?://|src=\"//|@import|fetch\(", text)
    found = json.loads(re.search(r'id="data">(.*?)</script>', text, re.DOTALL)[1])
    assert found["ids"][0] == names[0] and found["placed"][0]["name"] == "<b>new</b>"
    assert found["placed"][0]["picture"].startswith("data:image/jpeg;base64,")


def test_it_can_be_walked_by_keyboard_and_says_what_it_is(shown):
    text = page(shown, Tiling.of(shown.shape, 64, 256), "map_files")
    for word in ('lang="en"', 'tabindex="0"', "aria-label", "aria-live", "aria-pressed", "ArrowLeft", "focus-visible"):
        assert word in text
    assert shown.words in text and 'name="viewport"' in text

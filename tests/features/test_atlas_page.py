"""The atlas as a page: all of its data inside, and nothing that could leave it."""

import json
import re

from PIL import Image

from phosphene.features import atlas
from tests.features.test_atlas import PHOTOS, SMALL
from tests.small import convnet


def test_the_page_has_all_its_data_inside_and_no_external_address():
    run = atlas(convnet(), PHOTOS, **SMALL)
    page = run.result.page
    data = json.loads(re.search(r'id="data">(.*?)</script>', page)[1])
    assert [tile["many"] for tile in data["tiles"]] == [cell["activations"] for cell in run.numbers[0]["cells"]]
    assert data["pixels"] == run.image.shape[3]
    assert page.count("data:image/webp;base64,") == 2
    assert not re.search(
        r"https?:|//[a-z]|@import|<link|src=(?!\"data:)|url\((?!data:)", re.sub(r"base64,[\w+/=]+", "", page)
    )


def test_a_name_cannot_leave_the_pages_data(tmp_path):
    file = tmp_path / "<script>x&.png"
    Image.new("RGB", (16, 16)).save(file)
    page = atlas(convnet(), [*PHOTOS, str(file)], **SMALL | {"layer": "conv1", "cells": 1, "steps": 0}).result.page
    assert "<script>x" not in page

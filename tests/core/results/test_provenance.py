"""What made a picture, in words and hashes that another machine can check."""

import hashlib
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from phosphene.core.pictures.files import open_photo
from phosphene.core.results.provenance import (
    IN_PYTHON,
    file_sha256,
    network_record,
    photo_record,
    pixels_record,
    record,
    state_sha256,
    versions,
)
from phosphene.core.units.units import Unit
from tests.small import convnet, levels


@pytest.fixture
def cat(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (12, 10, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "cat.png")
    return tmp_path / "cat.png"


def test_a_photograph_of_a_file_has_its_name_and_the_hash_of_its_bytes_and_never_its_path(cat):
    expected = hashlib.sha256(cat.read_bytes()).hexdigest()
    assert photo_record(str(cat)) == {"name": "cat.png", "sha256": expected}
    assert file_sha256(cat) == expected


def test_the_same_pixels_have_the_same_hash_whatever_holds_them(cat):
    image = Image.open(cat)
    expected = hashlib.sha256(np.asarray(image).tobytes()).hexdigest()
    for photo in (cat, image, np.asarray(image), open_photo(cat)):
        assert pixels_record(photo) == {"pixels_sha256": expected, "shape": [12, 10]}
    assert photo_record(image)["name"] == "PngImageFile"
    assert photo_record("skimage:cat")["name"] == "skimage:cat"


def test_the_hash_of_weights_changes_with_every_bit_and_every_name():
    model = torch.nn.Linear(2, 3)
    before = state_sha256(model)
    assert state_sha256(model) == before
    with torch.no_grad():
        model.weight[0, 0] = torch.nextafter(model.weight[0, 0], torch.tensor(9.0))
    assert state_sha256(model) != before
    assert state_sha256(torch.nn.Sequential(model)) != state_sha256(model)


def test_versions_are_of_everything_that_pixels_depend_on():
    found = versions(["typer", "no-such-package"])
    assert {"phosphene", "torch", "numpy", "pillow", "python", "machine", "typer"} <= set(found)
    assert found["torch"] == metadata.version("torch")
    assert found["no-such-package"] == "not known"


def test_a_record_has_arguments_in_words_and_inputs_apart(cat):
    network = convnet(torch.float32)
    arguments = {
        "network": network, "photos": [str(cat), levels(3, 8, 8)], "start": None, "unit": Unit("conv2", 1),
        "units": ["conv1:0", Unit("conv2", 3)], "rate": np.float64(0.5), "prior": len, "seed": 7,
    }  # fmt: skip
    found = record("paint", arguments, ["photos", "start"])
    assert found["arguments"] == {
        "unit": "conv2:1", "units": ["conv1:0", "conv2:3"], "rate": 0.5, "seed": 7,
        "prior": {IN_PYTHON: "builtin_function_or_method"},
    }  # fmt: skip
    assert [(one["name"], one["as"]) for one in found["inputs"]] == [("cat.png", "photos"), ("Tensor", "photos")]
    assert (found["format"], found["recipe"], found["seed"]) == (2, "paint", 7)
    assert found["network"] == network_record(network)
    assert found["threads"] == torch.get_num_threads()
    assert str(Path(cat).parent) not in str(found)


@pytest.mark.filterwarnings("ignore")
def test_weights_in_8_bits_have_a_hash_too():
    model = torch.nn.Sequential(torch.nn.Linear(3, 2))
    other = torch.nn.Sequential(torch.nn.Linear(3, 2))
    one, again, another = (
        torch.ao.quantization.quantize_dynamic(made, {torch.nn.Linear}) for made in (model, model, other)
    )
    assert state_sha256(one) == state_sha256(again) != state_sha256(another)


def test_the_hash_of_weights_is_of_names_shapes_kinds_and_bytes():
    def of(**tensors):
        model = torch.nn.Module()
        for name, tensor in tensors.items():
            model.register_buffer(name, tensor)
        return state_sha256(model)

    a, b = torch.tensor([[1.0, 2.0, 3.0, 4.0]]), torch.tensor([[5.0, 6.0, 7.0, 8.0]])
    others = [
        of(first=b, second=a),  # exchanged
        of(first=a, third=b),  # another name
        of(first=a.view(2, 2), second=b),  # another shape
        of(first=a.view(torch.int32), second=b),  # the same bytes as other numbers
        of(first=a, second=b + 1e-6),
        of(first=a),
        of(first=torch.cat([a, b], 1)),
    ]
    own = of(first=a, second=b)
    assert own == of(first=a.clone(), second=b.clone()) and len({own, *others}) == 1 + len(others)

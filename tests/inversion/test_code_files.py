"""Codes in files: what is in them, and what is refused."""

import json

import pytest
import torch
from safetensors.torch import save

from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from phosphene.inversion import invert
from phosphene.inversion.code_files import HEADER, code_file, encoded, read_code_file
from phosphene.inversion.codes import read_codes
from tests.small import convnet, levels, noise


@pytest.fixture(scope="module")
def network():
    return convnet(torch.float32)


@pytest.fixture
def file(tmp_path):
    def write(content, name="code.safetensors"):
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return write


def header(network, **changes):
    content = encoded(network, levels(3, 16, 16), ["conv2"])
    said = json.loads(json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])["__metadata__"][HEADER])
    return {HEADER: json.dumps(said | changes)}


def test_codes_come_back_as_they_were_with_the_size_of_the_picture(network, file):
    x = noise(1, 3, 16, 24, dtype=torch.float32)
    codes = read_codes(network, x, ["log-probabilities", "conv3", "conv1"])
    found, size = read_code_file(network, file(code_file(network, codes, (16, 24))))
    assert size == (16, 24) and [one.layer for one in found] == ["conv1", "conv3", "log-probabilities"]
    by_name = {one.layer: one.values for one in codes}
    assert all(torch.equal(one.values, by_name[one.layer]) for one in found)


def test_some_of_them_can_be_chosen(network, file):
    path = file(encoded(network, levels(3, 16, 16), ["conv1", "conv2"]))
    assert [one.layer for one in read_code_file(network, path, "conv2")[0]] == ["conv2"]
    with pytest.raises(Mistake, match="no code of conv3; did you mean 'conv"):
        read_code_file(network, path, ["conv3"])


def test_a_file_says_nothing_of_the_photograph(network, tmp_path):
    from PIL import Image

    photo = tmp_path / "my-secret-face.png"
    Image.new("RGB", (16, 16), (10, 200, 30)).save(photo)
    content = encoded(network, photo, ["conv2"])
    assert b"secret" not in content and str(tmp_path).encode() not in content
    length = int.from_bytes(content[:8], "little")
    assert len(content) - 8 - length == 4 * 8 * 8 * 8  # the activations, and nothing else
    assert set(json.loads(json.loads(content[8 : 8 + length])["__metadata__"][HEADER])) == {
        "format", "network", "sha256", "height", "width", "probe",
    }  # fmt: skip


def test_a_network_of_the_same_weights_that_says_something_else_is_told_apart(network, file):
    path = file(encoded(network, levels(3, 16, 16), ["conv2"]))
    brighter = Network(network.model, size=network.size, mean=(0.3,) * 3, std=(0.2,) * 3)
    assert read_code_file(network, path)[1] == (16, 16)
    with pytest.raises(Mistake, match=r"which has the weights of Sequential and says something else .* \(conv2: "):
        read_code_file(brighter, path)


@pytest.mark.slow
def test_a_code_is_inverted_without_the_photograph_as_with_it(network, file):
    photo = levels(3, 16, 16)
    path = file(encoded(network, photo, ["conv2"]))
    with_it, without = invert(network, photo, layer="conv2", steps=5), invert(network, path, steps=5)
    assert torch.equal(with_it.image, without.image)
    assert without.numbers[0]["error"] == with_it.numbers[0]["error"] and without.result.input is None
    assert "psnr" in with_it.numbers[0] and "psnr" not in without.numbers[0]
    (record,) = without.result.recipe["inputs"]
    assert record["name"] == "code.safetensors" and len(record["sha256"]) == 64


def refused(network, path, layer=None):
    with pytest.raises(Mistake) as mistake:
        read_code_file(network, path, layer)
    assert "\n" not in str(mistake.value)
    return str(mistake.value)


def test_a_code_of_another_network_is_refused(network, file):
    path = file(encoded(network, levels(3, 16, 16), ["conv2"]))
    torch.manual_seed(1)
    other = convnet(torch.float32)
    torch.nn.init.ones_(other.model.conv1.weight)
    assert "holds codes of Sequential, not of Sequential: the SHA-256" in refused(other, path)


@pytest.mark.parametrize(
    ("tensors", "words"),
    [
        ({"conv2": torch.ones(1, 8, 8, 9)}, "8 x 8 x 9 numbers (F32) for conv2; there it is 8 x 8 x 8"),
        ({"conv2": torch.ones(1, 8, 8, 8).double()}, "(F64) for conv2"),
        ({"conv9": torch.ones(1, 8, 8, 8)}, "a code of 'conv9', and Sequential has no such layer"),
        ({"conv2": torch.zeros(1, 8, 8, 8)}, "nothing but zeros"),
        ({"conv2": torch.full((1, 8, 8, 8), torch.nan)}, "values that are not finite"),
        ({}, "holds no code"),
    ],
)
def test_a_layer_that_does_not_fit_is_refused(network, file, tensors, words):
    assert words in refused(network, file(save(tensors, header(network))))


@pytest.mark.parametrize("changes", [{"format": 2}, {"height": "16"}, {"width": True}])
def test_a_header_that_is_not_as_this_program_writes_it_is_refused(network, file, changes):
    path = file(save({"conv2": torch.ones(1, 8, 8, 8)}, header(network, **changes)))
    assert "does not say what its codes are of" in refused(network, path)


@pytest.mark.parametrize("changes", [{"height": 4}, {"width": 10**9}, {"height": -16}])
def test_a_size_that_no_picture_has_is_refused(network, file, changes):
    path = file(save({"conv2": torch.ones(1, 8, 8, 8)}, header(network, **changes)))
    assert "px, and there are none of that size" in refused(network, path)


def test_other_files_are_refused_in_one_sentence(network, file, tmp_path):
    assert "is no file of codes" in refused(
        network, file(save({"conv2": torch.ones(1, 8, 8, 8)}), "weights.safetensors")
    )
    assert "can't be read as a code" in refused(network, file(b"no safetensors at all", "text.safetensors"))
    cut = encoded(network, levels(3, 16, 16), ["conv2"])[:-5]
    assert "can't be read as a code" in refused(network, file(cut, "cut.safetensors"))
    assert "there is no file" in refused(network, tmp_path / "nowhere.safetensors")
    assert "it is a folder" in refused(network, tmp_path)

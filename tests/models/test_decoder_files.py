"""Decoders in files: what is written is read, what does not fit is refused, and what comes with the package."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import phosphene
from phosphene.core.errors import Mistake
from phosphene.inversion.decoder_recipe import decoder_file
from phosphene.models.decoder import Decoder, decoded
from phosphene.models.decoder_files import (
    decoder_bytes,
    decoder_pictures,
    identity,
    read_decoder,
    record_in,
    record_of,
    shipped_for,
)
from phosphene.models.embedded import WEIGHTS
from tests.inversion.test_decoder_training import begun, run
from tests.small import convnet, noise


@pytest.fixture(scope="module")
def training():
    return run(begun())


@pytest.fixture
def file(training, tmp_path):
    path = tmp_path / "mine.safetensors"
    path.write_bytes(decoder_file(training))
    return path


def test_what_is_written_is_read_in_half_precision(training, file):
    network = training.network
    decoder = read_decoder(file, network, "conv2")
    assert {n: v.half().float().tolist() for n, v in training.best[1].items()} == {
        n: v.tolist() for n, v in decoder.state_dict().items()
    }
    assert not any(p.requires_grad for p in decoder.parameters())
    code = network.read(noise(2, 3, 20, 24).float(), ["conv2"])["conv2"].detach()
    assert torch.equal(
        decoder_pictures(file, network, "conv2", code, (20, 24)), decoded(decoder, network, "conv2", code, (20, 24))
    )


def test_its_header_says_what_it_belongs_to_and_how_it_was_made(training, file):
    record = record_of(file)
    assert record == record_in(file.read_bytes())
    assert record["layer"] == "conv2" and record["sha256"] == identity(training.network, "conv2")["sha256"]
    assert record["training"]["pictures"] == 24 and record["training"]["kept epoch"] == training.best[0]


def refusal(given, network, layer="conv2"):
    with pytest.raises(Mistake) as refused:
        read_decoder(given, network, layer)
    return str(refused.value)


def test_a_decoder_of_another_layer_or_network_is_refused_in_a_sentence(file, training):
    assert refusal(file, training.network, "conv3").startswith(
        "mine.safetensors decodes conv2 of Sequential, not conv3 of Sequential; give --net Sequential --layer conv2, or"
    )
    other = convnet(torch.float32, name="other")
    with torch.no_grad():
        other.model[0].weight += 1
    assert refusal(file, other).startswith("mine.safetensors decodes conv2 of Sequential, not conv2 of other; ")
    same = convnet(torch.float32)
    with torch.no_grad():
        same.model[0].weight += 1
    assert "decodes conv2 of Sequential with other weights, not conv2 of Sequential" in refusal(file, same)


def test_what_is_no_decoder_is_refused_in_a_sentence(file, training, tmp_path):
    network = training.network
    text = tmp_path / "text.safetensors"
    text.write_text("precious")
    assert refusal(text, network).startswith("text.safetensors is no decoder (")
    save_file({"weight": torch.zeros(2)}, tmp_path / "weights.safetensors")
    assert "weights.safetensors is no decoder (its header does not say that it is one)" in refusal(
        tmp_path / "weights.safetensors", network
    )
    assert "no.safetensors" in refusal(tmp_path / "no.safetensors", network)


def test_weights_that_do_not_fit_or_are_not_finite_are_refused(file, training, tmp_path):
    state, header = load_file(file), {"decoder": json.dumps(record_of(file))}
    name = next(iter(state))
    save_file(state | {name: torch.zeros(5)}, tmp_path / "odd.safetensors", header)
    assert "odd.safetensors holds other weights than its header says" in refusal(
        tmp_path / "odd.safetensors", training.network
    )
    save_file(state | {name: torch.full_like(state[name], float("inf"))}, tmp_path / "inf.safetensors", header)
    assert "holds values that are not finite" in refusal(tmp_path / "inf.safetensors", training.network)


def test_the_bytes_of_a_decoder_are_the_same_each_time():
    torch.manual_seed(0)
    decoder = Decoder(begun().geometry)
    assert decoder_bytes(decoder, {"layer": "a"}) == decoder_bytes(decoder, {"layer": "a"})


# -------------------------------------------------------------------------------------------------------- shipped


@pytest.fixture(scope="module")
def photo():
    return phosphene.load("embedded:photo")


def test_the_embedded_network_has_some_that_are_small(photo):
    there = shipped_for(photo)
    assert list(there) == ["conv2", "mixed3b", "mixed4b", "mixed5b"]
    assert sum(file.stat().st_size for file in WEIGHTS.glob("decoder-*.safetensors")) < 6e6
    for file in there.values():
        record = record_of(file)
        assert record["measured on"] == 100 and set(record["measured"]) >= {
            "noise", "decoder alone", "decoder as start", "decoder as prior",
        }  # fmt: skip


@pytest.mark.parametrize(("layer", "most"), [("conv2", 0.005), ("mixed3b", 0.02), ("mixed4b", 0.05), ("mixed5b", 0.1)])
def test_they_make_pictures_like_the_photograph(photo, layer, most):
    from phosphene.core.units.inputs import feed

    fed = feed(photo, "skimage:chelsea")
    code = photo.read(fed, [layer])[layer].detach()
    found = decoder_pictures(None, photo, layer, code, (64, 64))
    assert (found - fed).square().mean() < most


def test_where_there_is_none_those_that_are_there_are_named(photo):
    assert refusal(None, photo, "mixed4a").startswith(
        "there are decoders of conv2, mixed3b, mixed4b, mixed5b of embedded:photo here, and none of mixed4a; train one"
    )
    assert refusal(None, convnet(torch.float32)).startswith("there is no decoder of Sequential here")


def test_their_cards_are_beside_them():
    assert all(file.with_suffix(".md").is_file() for file in Path(WEIGHTS).glob("decoder-*.safetensors"))

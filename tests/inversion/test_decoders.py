"""Decoders in files: what is written is read, what does not fit is refused, and what their pictures are good for."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import phosphene
from phosphene.core.errors import Mistake
from phosphene.core.optimization.objectives import values
from phosphene.core.optimization.terms import code_distance
from phosphene.inversion import invert
from phosphene.inversion.codes import read_codes
from phosphene.inversion.decoder import Decoder, decoded
from phosphene.inversion.decoder_recipe import decoder_file
from phosphene.inversion.decoders import (
    decoder_bytes,
    decoder_pictures,
    identity,
    led,
    near,
    read_decoder,
    record_in,
    record_of,
    shipped_for,
)
from phosphene.models.embedded import WEIGHTS
from tests.core.optimization.test_priors import reading
from tests.inversion.test_decoder_training import begun, run, striped
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
    assert "odd.safetensors holds other weights than a decoder of conv2" in refusal(
        tmp_path / "odd.safetensors", training.network
    )
    save_file(state | {name: torch.full_like(state[name], float("inf"))}, tmp_path / "inf.safetensors", header)
    assert "holds values that are not finite" in refusal(tmp_path / "inf.safetensors", training.network)


def test_the_bytes_of_a_decoder_are_the_same_each_time():
    torch.manual_seed(0)
    decoder = Decoder(begun().geometry)
    assert decoder_bytes(decoder, {"layer": "a"}) == decoder_bytes(decoder, {"layer": "a"})


def test_the_distance_to_its_pictures_is_a_mean_over_pixels_of_each_problems_own():
    pictures, x = noise(2, 3, 4, 5), noise(2, 3, 4, 5, seed=1)
    found = near(pictures).of(reading(x))
    for row in range(2):
        slow = sum(float(v) ** 2 for v in (x[row] - pictures[row]).flatten()) / 60
        assert found[row].item() == pytest.approx(slow)
    assert near(pictures).of(reading(pictures)).tolist() == [0, 0]


def test_its_picture_has_a_code_that_is_nearer_than_that_of_noise(file, training):
    network, photos = training.network, striped(4, 70).pictures / 255
    code = network.read(photos, ["conv2"])["conv2"].detach()
    term, rows = code_distance("conv2", code), torch.arange(4)
    start = decoder_pictures(file, network, "conv2", code, (16, 16))
    assert (values(network, term, start, rows) < values(network, term, noise(4, 3, 16, 16).float(), rows)).all()


# ---------------------------------------------------------------------------------------------------- in an inversion


def inverted(training, file=None, **options):
    photo = striped(1, 70).pictures[0] / 255
    return invert(training.network, photo, layer="conv2", decoder=file, **options).result


def alone(training, file):
    network, photo = training.network, striped(1, 70).pictures / 255
    return decoder_pictures(file, network, "conv2", network.read(photo, ["conv2"])["conv2"].detach(), (16, 16))


def test_without_steps_it_is_the_decoders_picture(training, file):
    found = inverted(training, file, steps=0)
    assert (found.image - alone(training, file)).abs().max() < 2 / 255  # 8 bits, and no pixel is quite black or white


def test_an_inversion_begins_at_its_picture_where_a_decoder_is_given(training, file):
    begun_there, plain = (inverted(training, given, steps=3).numbers[0] for given in (file, None))
    assert begun_there["error"] < plain["error"] and begun_there["psnr"] > plain["psnr"]


@pytest.mark.slow
def test_the_larger_its_weight_the_nearer_is_the_picture_to_that_of_the_decoder(training, file):
    there = alone(training, file)
    apart = [
        (inverted(training, file, steps=40, decoded=False, decoder_weight=weight).image - there).square().mean()
        for weight in (1e-3, 0.1, 10.0)
    ]
    assert apart[0] > apart[1] > apart[2]


def test_several_starts_of_several_layers_have_the_decoder_of_their_own_layer(training, file):
    codes = read_codes(training.network, striped(1, 70).pictures / 255, ["conv2"])
    found = led(training.network, codes * 3, (16, 16), file, True, 1.0)
    assert found.start.shape == (3, 3, 16, 16) and torch.equal(found.start[0], found.start[2])
    other = read_codes(training.network, striped(1, 70).pictures / 255, ["conv3"])
    with pytest.raises(Mistake, match="decodes conv2 of Sequential, not conv3"):
        led(training.network, codes + other, (16, 16), file)


def test_a_decoder_that_is_not_used_or_is_no_file_is_a_mistake(training, file):
    with pytest.raises(Mistake, match="a decoder is given, and neither is begun at its picture nor has it a weight"):
        inverted(training, file, decoded=False)
    with pytest.raises(Mistake, match="a decoder is a file that train-decoder wrote, not a Tensor"):
        inverted(training, torch.zeros(3, 8, 8))
    with pytest.raises(Mistake, match="there is no decoder of Sequential here"):
        inverted(training, decoded=True)


# -------------------------------------------------------------------------------------------------------- shipped


@pytest.fixture(scope="module")
def photo():
    return phosphene.load("embedded:photo")


def test_the_embedded_network_has_three_that_are_small(photo):
    there = shipped_for(photo)
    assert list(there) == ["mixed3b", "mixed4b", "mixed5b"]
    assert sum(file.stat().st_size for file in WEIGHTS.glob("decoder-*.safetensors")) < 6e6
    for file in there.values():
        record = record_of(file)
        assert record["measured on"] == 100 and set(record["measured"]) >= {
            "noise", "decoder alone", "decoder as start", "decoder as prior",
        }  # fmt: skip


@pytest.mark.parametrize(("layer", "most"), [("mixed3b", 0.02), ("mixed4b", 0.05), ("mixed5b", 0.1)])
def test_they_make_pictures_like_the_photograph(photo, layer, most):
    from phosphene.core.units.inputs import feed

    fed = feed(photo, "skimage:chelsea")
    code = photo.read(fed, [layer])[layer].detach()
    found = decoder_pictures(None, photo, layer, code, (64, 64))
    assert (found - fed).square().mean() < most


def test_where_there_is_none_those_that_are_there_are_named(photo):
    assert refusal(None, photo, "mixed4a").startswith(
        "there are decoders of mixed3b, mixed4b, mixed5b of embedded:photo here, and none of mixed4a; train one: "
    )
    assert refusal(None, convnet(torch.float32)).startswith("there is no decoder of Sequential here")


def test_their_cards_are_beside_them():
    assert all(file.with_suffix(".md").is_file() for file in Path(WEIGHTS).glob("decoder-*.safetensors"))

"""Levels: in which order, by which decoders, and what is refused in a sentence."""

import pytest
import torch
from torch import nn

import phosphene
from phosphene.core.errors import Mistake
from phosphene.inversion.decoder_recipe import decoder_file
from phosphene.models.decoder_files import decoder_pictures
from phosphene.style.levels import levels
from tests.inversion.test_decoder_training import begun, run
from tests.small import convnet
from tests.style.pictured import decodable, picture


def refusal(network, files=None, layers=None):
    with pytest.raises(Mistake) as refused:
        levels(network, files, layers)
    return str(refused.value)


def test_a_networks_own_decoders_are_gone_through_from_deep_to_shallow():
    found = levels(decodable())
    assert [(level.layer, level.stride) for level in found] == [("relu2", 2), ("relu1", 1)]
    assert [level.layer for level in levels(decodable(), layers="relu1")] == ["relu1"]
    assert [level.layer for level in levels(decodable(), layers=["relu1", "relu2"])] == ["relu2", "relu1"]


def test_features_are_the_layers_and_pictures_are_the_decoders():
    network, x = decodable(), picture().double()
    level = levels(network)[0]
    features = level.features(x)
    torch.testing.assert_close(features, network.read(x, ["relu2"])["relu2"].detach())
    torch.testing.assert_close(level.pictures(features, (20, 24)), network.model.decoders["relu2"](features).detach())


def test_somebody_elses_decoders_stay_as_they_are():
    network = decodable(torch.float32).planned("reading")
    own = network.model.decoders["relu1"].train()
    (level,) = levels(network, layers="relu1")
    assert level.decoder is not own and not level.decoder.training
    assert own.training and all(one.requires_grad for one in own.parameters())


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    training = run(begun())
    path = tmp_path_factory.mktemp("decoders") / "mine.safetensors"
    path.write_bytes(decoder_file(training))
    return training.network, path


def test_files_of_train_decoder_say_themselves_which_layer_they_decode(trained):
    network, path = trained
    (level,) = levels(network, [path])
    x = picture()
    assert (level.layer, level.stride) == ("conv2", 2)
    expected = decoder_pictures(path, network, "conv2", level.features(x), (20, 24))
    torch.testing.assert_close(level.pictures(level.features(x), (20, 24)), expected)


def test_of_the_embedded_network_those_are_left_out_that_lose_the_photograph():
    network = phosphene.load("embedded:photo")
    found = [level.layer for level in levels(network)]
    assert "mixed5b" not in found and {"mixed4b", "mixed3b"} <= set(found)
    assert [level.layer for level in levels(network, layers="mixed5b")] == ["mixed5b"]


def test_what_can_not_be_decoded_is_refused_in_a_sentence(trained, tmp_path):
    network, path = trained
    assert refusal(convnet()).startswith("there is no decoder of Sequential here, which makes pictures of its features")
    assert "no decoder of conv3 of Sequential" in refusal(decodable(), layers="conv3")
    assert "there is relu1, relu2" in refusal(decodable(), layers="conv3")
    text = tmp_path / "text.safetensors"
    text.write_text("precious")
    assert refusal(network, [text]) == (
        "text.safetensors is no decoder (its header does not say that it is one); phosphene train-decoder writes them"
    )
    assert refusal(network, ["no.safetensors"]).startswith("no.safetensors is no decoder (there is no such file)")
    assert "a decoder is a file that train-decoder wrote, not a Tensor" in refusal(network, [torch.zeros(3, 8, 8)])
    other = convnet(torch.float32, name="other")
    with torch.no_grad():
        other.model[0].weight += 1
    assert "decodes conv2 of Sequential, not conv2 of other" in refusal(other, [path])
    odd, vector = decodable(), decodable()
    odd.model.decoders = 3
    assert "decoders of Sequential is int, not a dict of modules by layer" in refusal(odd)
    vector.model.decoders = {"fc": nn.Linear(4, 3)}
    assert "fc of Sequential has no rows and columns, which a style is about" in refusal(vector)

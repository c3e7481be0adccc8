"""What decoders' pictures are good for in an inversion."""

import pytest
import torch

from phosphene.core.errors import Mistake
from phosphene.core.optimization.objectives import values
from phosphene.core.optimization.terms import code_distance
from phosphene.inversion import invert
from phosphene.inversion.codes import read_codes
from phosphene.inversion.decoder_recipe import decoder_file
from phosphene.inversion.decoders import led, near
from phosphene.models.decoder_files import decoder_pictures
from tests.core.optimization.test_priors import reading
from tests.inversion.test_decoder_training import begun, run, striped
from tests.small import noise


@pytest.fixture(scope="module")
def training():
    return run(begun())


@pytest.fixture
def file(training, tmp_path):
    path = tmp_path / "mine.safetensors"
    path.write_bytes(decoder_file(training))
    return path


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

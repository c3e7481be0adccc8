"""What activations give away: recognized is what is nearest to the photograph among others; one sentence says it."""

import re
from io import BytesIO

import pytest
import torch
from PIL import Image

import phosphene
from phosphene.core.pictures.eight_bit import to_pil
from phosphene.core.pictures.files import open_photo
from phosphene.core.pictures.fitting import fit, resize
from phosphene.inversion import privacy
from phosphene.inversion.privacy import given_away, recognized
from tests.small import convnet, levels, noise


@pytest.fixture(scope="module")
def second():
    return phosphene.load("embedded:photo-robust", device="cpu")


def photograph():
    return resize(open_photo("skimage:chelsea"), (96, 96))


def test_a_picture_is_recognized_by_what_it_shows_and_not_by_its_pixels(second):
    photo = photograph()
    moved = photo.roll((5, 3), (2, 3)) * 0.8 + 0.05
    blurred = resize(resize(photo, (24, 24)), (96, 96))
    another = resize(open_photo("skimage:rocket"), (96, 96))
    pictures = torch.cat([photo, moved, blurred, another, noise(1, 3, 96, 96).float(), torch.full_like(photo, 0.5)])
    assert recognized(second, pictures, photo).tolist() == [True, True, True, False, False, False]


@pytest.mark.parametrize("how", ["crop", "squash"])
def test_a_photograph_may_be_one_of_those_that_it_is_told_from(second, how):
    """By another name, `cat`, and compressed again; so it is only told from others."""
    file = BytesIO()
    to_pil(open_photo("skimage:chelsea")[0]).save(file, "JPEG", quality=60)
    photo = fit(open_photo(Image.open(file)), (160, 160), how)
    for made in (photo, resize(resize(photo, (20, 20)), (160, 160))):
        assert recognized(second, made, photo, how).tolist() == [True]


@pytest.mark.parametrize(
    ("known", "words"),
    [
        ([True, True, True], r"Down to c activations are not anonymous: .* told from twenty other photographs$"),
        (
            [True, True, False],
            r"Down to b activations .* photographs; that others gave nothing away here proves nothing",
        ),
        ([True, False, True], r"Down to a activations .*; that others"),
        ([False, True, True], r"from the first of these layers is not recognized; which proves nothing"),
    ],
)
def test_one_sentence_says_how_far_down(known, words):
    layers = [{"layer": name, "recognized": one} for name, one in zip("abc", known, strict=True)]
    assert re.search(words, given_away(layers))
    ends = [{"layer": "logits", "recognized": True}, {"layer": "log-probabilities", "recognized": False}]
    assert given_away([*layers, *ends]) == given_away(layers)
    assert given_away(ends[:1]).startswith("Down to logits")


@pytest.mark.slow
def test_the_report_has_every_layer_with_its_error_and_what_two_networks_say():
    network, photo = convnet(size=24), levels(3, 24, 24)
    run = privacy(network, photo, layer=["logits", "conv3", "conv1"], steps=12)  # in whatever order
    numbers = run.numbers[0]
    assert [one["layer"] for one in numbers["layers"]] == ["conv1", "conv3", "logits"]
    assert [one["numbers"] for one in numbers["layers"]] == [6 * 24 * 24, 5 * 12 * 12, 4]
    assert numbers["words"] == run.result.title
    captions = [caption for caption, _ in run.result.panels[0]]
    assert captions[0].startswith("the network's input\nSequential: ") and "embedded:photo-robust: " in captions[0]
    for one, caption, (_, picture) in zip(numbers["layers"], captions[1:], run.result.panels[0][1:], strict=True):
        assert caption.startswith(f"{one['layer']}: error {one['error']:.3f}, SSIM {one['ssim']:.2f}")
        assert ("recognized" in caption) == one["recognized"]
        said = network.model((picture.double() - 0.5) / 0.2)
        assert one["says"]["class"] == said.argmax() and one["kept"] == (said.argmax() == numbers["says"]["class"])
    errors = [one["error"] for one in numbers["layers"]]
    assert errors == [
        pytest.approx(one.numbers[0]["error"], rel=0.05)
        for one in (phosphene.invert(network, photo, layer=x, steps=12) for x in ("conv1", "conv3", "logits"))
    ]


@pytest.mark.slow
def test_by_default_it_goes_from_the_first_layers_to_the_logits():
    layers = [one["layer"] for one in privacy(convnet(), levels(3, 16, 16), steps=1).numbers[0]["layers"]]
    assert layers[-1] == "logits" and 2 < len(layers) <= 11


@pytest.mark.slow
def test_the_second_network_is_never_the_first(recwarn):
    network = phosphene.load("embedded:photo-robust", device="cpu")
    for second in (None, "embedded:photo-robust"):
        made = privacy(network, levels(3, 16, 16), steps=0, second=second).result
        assert all("\nembedded:photo: " in caption for caption, _ in made.panels[0])
    assert "so embedded:photo says what is recognized" in str(recwarn.list[-1].message)

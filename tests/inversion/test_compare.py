"""One figure with every prior at the same error of the code, and what is said beside each."""

import pytest
import torch

from phosphene.core.errors import Mistake
from phosphene.core.pictures.files import open_photo
from phosphene.inversion.compare import EVERY, SUSPICIOUS, compare_priors
from phosphene.inversion.equal_error import STOPPED, WEIGHTED
from tests.inversion.test_invert import smooth
from tests.small import convnet


def compared(priors="none,l2,tv", **options):
    given = {"layer": "conv3", "steps": 8, "rounds": 8} | options
    return compare_priors(convnet(dtype=torch.float32, size=16), smooth(), priors=priors, **given)


@pytest.fixture(scope="module")
def run():
    run = compared()
    with pytest.warns(UserWarning, match="made alone takes, in seconds: none [0-9.e-]+, l2 [0-9.e-]+, tv "):
        _ = run.result
    return run


def test_beside_each_prior_stands_how_it_came_to_the_error_and_how_like_the_photograph_it_is(run):
    (numbers,) = run.numbers
    assert set(numbers["priors"]) == {"none", "l2", "tv"} and numbers["layer"] == "conv3"
    assert "steps" in numbers["priors"]["none"] and "weight" in numbers["priors"]["tv"]
    for one in numbers["priors"].values():
        assert one["error"] == pytest.approx(numbers["error"], rel=0.6)
        assert 0 <= one["unseen"] <= 1 and -1 <= one["ssim"] <= 1 and one["embedded:photo-robust"] > 0
        assert ("warning" in one) == (one["unseen"] > SUSPICIOUS)
    assert all(numbers["priors"][name]["reached"] for name in ("l2", "tv"))


def test_the_figure_shows_the_photograph_first_and_each_prior_with_its_numbers(run):
    (panels,) = run.result.panels
    captions = [caption for caption, _ in panels]
    assert captions[0] == "the network's input" and captions[1].startswith("none after ")
    assert captions[3].startswith("tv ") and "dB, SSIM" in captions[3] and "second" not in captions[3]
    assert run.image.shape[1] == 3 and "under every prior" in run.result.title


def test_a_comparison_is_made_the_same_again(run, tmp_path):
    again = compared()
    first, second = (open_photo(one.save(tmp_path / f"{i}.png")) for i, one in enumerate((run, again)))
    assert torch.equal(first, second)
    assert again.result.recipe["recipe"] == "compare_priors"


def test_what_a_network_has_no_prior_for_is_left_out_and_said():
    (numbers,) = (run := compared("natural,none", rounds=0, steps=2)).numbers
    assert "measured for embedded:photo" in numbers["left out"]["natural"]
    assert run.result.title.endswith("left out: natural")
    with pytest.raises(Mistake, match="measured for embedded:photo"):
        compared("natural")


def test_a_picture_too_small_for_an_untrained_network_has_none():
    (numbers,) = compared("none,deep-prior", rounds=0, steps=2).numbers
    assert "too deep for 16 x 16" in numbers["left out"]["deep-prior"]


@pytest.mark.parametrize(
    ("priors", "sentence"),
    [
        ("wavelet", "there is no prior 'wavelet' to be shown .*; did you mean 'wavelets'"),
        (",", "there is no prior ','"),
    ],
)
def test_a_prior_that_there_is_not_is_a_mistake(priors, sentence):
    with pytest.raises(Mistake, match=sentence):
        compared(priors)


def test_before_anything_is_painted_there_is_nothing_to_compare():
    run = compared()
    next(iter(run))
    with pytest.raises(Mistake, match="nothing to compare"):
        run.so_far()


def test_every_prior_is_named_once():
    assert set(EVERY.split(",")) == {*STOPPED, *WEIGHTED} and len(EVERY.split(",")) == len(STOPPED) + len(WEIGHTED)


@pytest.mark.parametrize("layer", [["conv2", "conv3"], "log-probabilities"])
def test_what_is_not_one_layer_is_a_mistake(layer):
    with pytest.raises(Mistake, match="priors are compared at one layer, not at "):
        compared(layer=layer)

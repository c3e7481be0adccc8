"""What is natural for a layer: measured against NumPy, the terms against their formulas place by place."""

import numpy as np
import pytest
import torch

from phosphene.core.errors import Mistake
from phosphene.core.optimization.ascent import ascent
from phosphene.core.optimization.natural import Statistics, measured, natural_density, natural_match, shipped
from phosphene.core.optimization.settings import Settings
from phosphene.core.optimization.terms import Reading
from phosphene.models.specs import load
from tests.small import convnet, normal

TERMS = [natural_density, natural_match]


@pytest.fixture(scope="module")
def photo():
    return load("embedded:photo")


def activations(n=6, channels=4, seed=0):
    mixing = normal(channels, channels, seed=seed + 1)
    return torch.einsum("cd,ndhw->nchw", mixing, normal(n, channels, 5, 6, seed=seed)) + 3


def reading(y):
    at = torch.arange(len(y))
    return Reading(torch.zeros(len(y), 3, 8, 8), at, torch.zeros(len(y), 3, 8, 8), at, {"layer": y})


def test_measured_is_what_numpy_says_of_all_places_together():
    y = activations()
    found = measured(y.split(2))
    flat = y.movedim(1, 0).flatten(1).numpy()
    np.testing.assert_allclose(found.mean, flat.mean(1))
    np.testing.assert_allclose(found.deviation, flat.std(1))
    np.testing.assert_allclose(found.correlation, np.corrcoef(flat), atol=1e-12)
    vectors = measured([y[:, :, 0, 0]])
    np.testing.assert_allclose(vectors.mean, y[:, :, 0, 0].mean(0))
    with pytest.raises(Mistake, match="at least one photograph"):
        measured([])


def covariance(found, shrinkage):
    """Of the statistics, its correlations made smaller, entry by entry."""
    many = len(found.mean)
    return torch.tensor(
        [
            [
                found.deviation[a] * found.deviation[b] * (1 if a == b else (1 - shrinkage) * found.correlation[a, b])
                for b in range(many)
            ]
            for a in range(many)
        ],
        dtype=torch.float64,
    )


def test_the_density_is_the_mean_distance_over_channels_place_by_place():
    y, found = activations(2, seed=5), measured([activations()])
    inverse = torch.linalg.inv(covariance(found, 0.1))
    slow = []
    for one in y:
        places = [one[:, i, j] - found.mean for i in range(5) for j in range(6)]
        slow.append(sum(float(d @ inverse @ d) for d in places) / len(places) / 4)
    values = natural_density("layer", found, 0.1).of(reading(y))
    torch.testing.assert_close(values, torch.tensor(slow, dtype=torch.float64))


def test_the_match_is_the_distance_of_mean_and_covariance_in_units_of_what_is_natural():
    y, found = activations(2, seed=5), measured([activations()])
    inverse = torch.linalg.inv(covariance(found, 0.05))
    slow = []
    for one in y:
        places = torch.stack([one[:, i, j] for i in range(5) for j in range(6)])
        mean, own = places.mean(0), torch.from_numpy(np.cov(places.T.numpy(), bias=True))
        apart = own @ inverse - torch.eye(4)
        slow.append(float((mean - found.mean) @ inverse @ (mean - found.mean) + (apart @ apart).trace()) / 4)
    values = natural_match("layer", found).of(reading(y))
    torch.testing.assert_close(values, torch.tensor(slow, dtype=torch.float64))


def test_over_what_was_measured_the_density_is_one_and_the_match_nothing():
    y = activations(8, seed=2)
    found = measured([y])
    whole = y.movedim(1, 0).flatten(1)[None, :, None]  # all places of all in one
    assert natural_density("layer", found, 0.0).of(reading(whole)).item() == pytest.approx(1)
    assert natural_match("layer", found, 0.0).of(reading(whole)).item() == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("term", TERMS)
def test_the_gradient_of_a_natural_prior_equals_differences(term):
    found = measured([activations()])
    y = activations(1, seed=3)[..., :2, :2].requires_grad_()
    assert torch.autograd.gradcheck(lambda y: term("layer", found).of(reading(y)), y)


def test_a_channel_that_never_changes_has_a_finite_weight():
    y = activations()
    y[:, 1] = 2.0
    value = natural_density("layer", measured([y])).of(reading(y))
    assert value.isfinite().all() and value.mean().item() == pytest.approx(0.75, rel=0.1)


@pytest.mark.parametrize("term", TERMS)
def test_statistics_of_another_number_of_channels_are_refused(term):
    with pytest.raises(Mistake, match="layer has 3 channels, and the statistics are of 4"):
        term("layer", measured([activations()])).of(reading(activations(1, 3)))


def test_what_is_shipped_is_of_one_network_and_some_of_its_layers(photo):
    name, found = shipped(photo)
    assert name == "conv2" and len(found.mean) == photo.layer(name).channels
    torch.testing.assert_close(found.correlation, found.correlation.T)
    assert torch.linalg.eigvalsh(found.correlation.double()).min() > -1e-2
    with pytest.raises(Mistake, match=r"^what is natural was not measured at mixed5b of embedded:photo; .*mixed3b"):
        shipped(photo, "mixed5b")
    with pytest.raises(Mistake, match=r"^what is natural was measured for embedded:photo and not for Sequential; in "):
        shipped(convnet())


def test_photographs_are_more_natural_than_noise(photo):
    from phosphene.core.pictures.files import open_photo
    from phosphene.core.pictures.fitting import fit

    picture = fit(open_photo("skimage:coffee"), (64, 64))
    shuffled = torch.randperm(4096, generator=torch.Generator().manual_seed(0))
    both = torch.cat([picture, picture.flatten(2)[..., shuffled].unflatten(2, (64, 64))])
    for term in TERMS:
        name, found = shipped(photo)
        at = torch.arange(2)
        natural, scrambled = term(name, found).of(Reading(both, at, both, at, photo.read(both, [name]))).tolist()
        assert 1.5 * natural < scrambled


def test_the_settings_make_terms_of_the_layer_that_they_name(photo):
    priors = ascent(Settings(natural=2.0, natural_match=3.0, natural_layer="conv2"), photo, (32, 32)).priors
    assert [(prior.name, set(prior.layers)) for prior in priors] == [
        ("2 density of conv2", {"conv2"}),
        ("3 statistics of conv2", {"conv2"}),
    ]
    assert not ascent(Settings(), photo, (32, 32)).priors


def test_without_shrinkage_whitening_is_the_inverse_root():
    found = measured([activations()])
    w = found.whitening(0.0)
    torch.testing.assert_close(w.T @ w, torch.linalg.inv(covariance(found, 0.0)))
    assert isinstance(found, Statistics)

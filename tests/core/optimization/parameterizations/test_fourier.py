"""Parameterizations against their formulas, their inverses and numerical derivatives."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from phosphene.core.errors import Mistake
from phosphene.core.optimization.engine import Evaluation, Parameterization, argmin
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.objectives import gradient
from phosphene.core.optimization.optimizers import adam
from phosphene.core.optimization.parameterizations import (
    CPPN,
    DeepPrior,
    Fourier,
    Laplacian,
    Natural,
    Phase,
    Pixels,
    Shared,
    Transparent,
    decorrelated,
)
from phosphene.core.optimization.terms import channel
from phosphene.core.optimization.transforms import as_is, over_noise
from tests.core.slow import Shown, set_to, slow_coloured, slow_decorrelated, slow_falling, slow_inverse, spectrum_of
from tests.small import convnet, noise, normal

SMALL = {
    "Fourier": Fourier,
    "Natural": Natural,
    "Laplacian": lambda *given, **options: Laplacian(*given, levels=3, **options),
    "Phase": Phase,
    "CPPN": lambda *given, **options: CPPN(*given, layers=3, hidden=4, **options),
    "DeepPrior": lambda *given, **options: DeepPrior(*given, scales=1, channels=3, skip=2, **options),
    "Shared": lambda *given, **options: Shared(*given, factor=2, **options),
    "Transparent": lambda *given, **options: Transparent(Fourier(*given, **options)),
}
INVERTIBLE = ["Fourier", "Natural", "Laplacian", "Shared"]


def photo(n=2, height=4, width=5, seed=0):
    return 0.01 + 0.98 * noise(n, 3, height, width, seed=seed)


def image(problems=(0, 1), size=(4, 5), **options):
    return Fourier(problems, size, dtype=torch.float64, **options)


def test_pixels_are_themselves_and_what_was_handed_out_stays():
    x = photo()
    pixels = Pixels(x)
    shown = pixels()
    assert torch.equal(shown, x) and torch.equal(pixels.pull(x)[0], x)
    pixels.assign(1 - x[[1]], torch.tensor([1]))
    assert torch.equal(pixels()[0], x[0]) and torch.equal(pixels()[1], 1 - x[1])
    assert torch.equal(shown, x) and torch.equal(x, photo())


def test_the_colour_matrix_equals_lucids_formula():
    expected = torch.tensor(slow_decorrelated(), dtype=torch.float64)
    torch.testing.assert_close(decorrelated(torch.float64), expected, rtol=1e-15, atol=0)
    assert decorrelated().dtype == torch.float32


def slow_fourier(coefficients, height, width, decay):
    """x = sigmoid(C irfft2(theta / max(frequency, 1 / side)^decay) sqrt(h w) / 4), by explicit sums."""
    spectra = spectrum_of(coefficients) * slow_falling(height, width, decay) / 4
    return torch.from_numpy(slow_coloured(np.stack([slow_inverse(spectrum, height, width) for spectrum in spectra])))


@pytest.mark.parametrize("decay", [0.0, 1.0, 1.5])
@pytest.mark.parametrize("size", [(4, 5), (5, 4), (3, 3)])
def test_fourier_equals_its_formula(size, decay):
    ours = image(size=size, decay=decay, deviation=1.0)
    for row in range(2):
        expected = slow_fourier(ours.parameters[0][row].detach(), *size, decay)
        torch.testing.assert_close(ours()[row].detach(), expected, rtol=1e-12, atol=1e-12)


@settings(max_examples=30)
@given(st.integers(2, 9), st.integers(2, 9), st.sampled_from([0.0, 1.0, 1.5]), st.integers(0, 9))
def test_a_picture_comes_back_from_its_coefficients(height, width, decay, seed):
    x = photo(2, height, width, seed)
    torch.testing.assert_close(image(size=(height, width), decay=decay, start=x)().detach(), x, rtol=1e-9, atol=1e-9)


def test_black_and_white_come_back_as_nearly_black_and_white():
    x = torch.zeros(1, 3, 4, 5, dtype=torch.float64)
    x[:, :, 2:] = 1
    back = image((0,), start=x)().detach()
    torch.testing.assert_close(back, x.clamp(0.002, 0.998))


def test_assigned_rows_change_and_no_others():
    x = photo(3)
    ours = image((0, 1, 2), start=x)
    ours.assign(1 - x[[2, 0]], torch.tensor([2, 0]))
    torch.testing.assert_close(ours().detach(), torch.stack([1 - x[0], x[1], 1 - x[2]]), rtol=1e-9, atol=1e-9)
    assert ours.parameters[0].is_leaf and ours.parameters[0].requires_grad


def test_pulling_a_gradient_back_is_the_transposed_derivative():
    ours = image((0,), size=(3, 4), deviation=1.0)

    def pictures(parameters):
        ours.parameters = [parameters]
        return ours()

    assert torch.autograd.gradcheck(pictures, ours.parameters[0].detach().clone().requires_grad_())
    ours = image(size=(4, 5), deviation=1.0)
    weights = photo(seed=3)
    ours()
    (pulled,) = ours.pull(weights)
    at = ours.parameters[0].detach().clone()
    for index in [(0, 0, 0, 0, 0), (1, 2, 3, 2, 1), (0, 1, 1, 1, 0), (1, 0, 2, 0, 1)]:
        h, values = 1e-6, []
        for side in (h, -h):
            with torch.no_grad():
                ours.parameters[0].copy_(at)
                ours.parameters[0][index] += side
            values.append((ours().detach() * weights).sum().item())
        assert pulled[index].item() == pytest.approx((values[0] - values[1]) / (2 * h), rel=1e-5, abs=1e-9)


def test_a_start_belongs_to_its_problem_and_seed():
    many = image((7, 3, 5), seed=2)().detach()
    for row, problem in enumerate((7, 3, 5)):
        assert torch.equal(image((problem,), seed=2)().detach()[0], many[row])
    assert not torch.equal(many[0], many[1])
    assert not torch.equal(image((7,), seed=1)().detach()[0], many[0])


def test_the_random_start_has_the_deviation_it_says():
    numbers = image((0,), size=(64, 64), deviation=0.01).parameters[0].detach()
    assert numbers.std().item() == pytest.approx(0.01, rel=0.02)
    assert abs(numbers.mean().item()) < 3e-4


# ------------------------------------------------------------------------------------------------------- all of them


def small(name, problems=(0, 1), size=(6, 5), **options):
    return SMALL[name](problems, size, **{"dtype": torch.float64, **options})


def stirred(image, by=0.3):
    """The image away from its start, where gradients are 0 or everything is alike; each problem in its own way."""
    kept = [p.detach() for p in image.parameters]
    return set_to(image, [p + by * normal(*p.shape, seed=i) for i, p in enumerate(kept)])


@pytest.mark.parametrize("name", SMALL)
def test_a_parameterization_shows_pictures_in_range_of_the_promised_shape(name):
    image = stirred(small(name, (4, 0, 9), dtype=torch.float32))
    pictures = image()
    assert isinstance(image, Parameterization)
    assert pictures.shape == (3, 4 if name == "Transparent" else 3, 6, 5) and pictures.dtype == torch.float32
    assert pictures.min() > 0 and pictures.max() < 1
    assert all(len(p) == 3 and p.is_leaf and p.requires_grad for p in image.parameters)


@pytest.mark.parametrize("name", SMALL)
def test_what_is_pulled_back_is_the_numerical_derivative(name):
    image = stirred(small(name))
    values = [p.detach().clone().requires_grad_() for p in image.parameters]
    assert torch.autograd.gradcheck(lambda *given: Shown.apply(image, *given), values, fast_mode=True)


@pytest.mark.parametrize("name", SMALL)
def test_what_is_pulled_back_is_autograds_gradient(name):
    image = stirred(small(name))
    weights = normal(*image().shape, seed=5)
    expected = torch.autograd.grad((image() * weights).sum(), image.parameters)
    image()
    for found, by_autograd in zip(image.pull(weights), expected, strict=True):
        torch.testing.assert_close(found, by_autograd)
        assert found.abs().max() > 0


@pytest.mark.parametrize("name", [name for name in SMALL if name != "Shared"])
def test_a_row_of_a_batch_is_the_problem_alone(name):
    def path(problems):
        image = stirred(small(name, problems, seed=2), by=0)
        target = torch.stack([normal(*image().shape[1:], seed=problem) for problem in problems])

        def objective(pictures, rows, key):
            apart = pictures - target[rows]
            return Evaluation(apart.square().sum((1, 2, 3)), 2 * apart)

        return [step.pictures for step in argmin(image, objective, optimizer=adam(), steps=3, key=Key(0, problems))]

    for many, alone in zip(path([7, 3, 5]), path([3]), strict=True):
        torch.testing.assert_close(many[[1]], alone, rtol=1e-9, atol=1e-9)
    if name not in ("CPPN", "Transparent"):  # whose start is grey, or nearly
        assert not torch.equal(path([3])[0], path([7])[0])


@pytest.mark.parametrize("name", [*INVERTIBLE, "Phase"])
def test_a_picture_that_is_started_from_is_the_first_that_is_shown(name):
    x = photo(2, 6, 5)
    torch.testing.assert_close(small(name, start=x)().detach(), x, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", INVERTIBLE)
def test_pictures_can_be_assigned_to_some_rows(name):
    x = photo(3, 6, 5)
    image = stirred(small(name, (0, 1, 2)))
    before = image().detach().clone()
    image.assign(x[[2, 0]], torch.tensor([2, 0]))
    torch.testing.assert_close(image().detach(), torch.stack([x[0], before[1], x[2]]), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", ["CPPN", "DeepPrior"])
def test_what_has_no_inverse_does_not_start_from_a_picture(name):
    with pytest.raises(Mistake, match=r"can't start from a picture.*Fourier"):
        small(name, start=photo(2, 6, 5))


@pytest.mark.parametrize("name", ["CPPN", "DeepPrior", "Phase"])
def test_what_has_no_inverse_says_so_when_it_is_assigned_to(name):
    with pytest.raises(Mistake, match=r"can't be set to given pictures.*Fourier"):
        small(name).assign(photo(2, 6, 5), torch.arange(2))


@pytest.mark.parametrize("name", SMALL)
def test_every_parameterization_climbs(name):
    image = small(name, size=(16, 16))
    transform = over_noise() if name == "Transparent" else as_is
    objective = gradient(convnet(), -channel("conv3", [0, 3]), transform)
    steps = list(argmin(image, objective, optimizer=adam(0.05), steps=10))
    assert (steps[-1].values < steps[0].values).all()

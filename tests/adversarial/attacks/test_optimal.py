"""How near attacks come to the nearest adversarial input of linear models, whose distance is known exactly.

Minimal attacks have a bound of their own on distance / optimum. Of attacks within a radius it is the least radius, as a
part of the optimum, at which they still succeed.
"""

import pytest
import torch

import phosphene
from phosphene.adversarial.norms import Norm
from tests.adversarial.attacks.linear_problems import Linear, far, near

MINIMAL = [
    ("lbfgs", "l2", 1.01, {}),
    ("pdpgd", "l1", 1.02, {"steps": 100}),
    ("pdpgd", "l2", 1.02, {"steps": 100}),
    ("sigma_zero", "l0", 1.0, {"steps": 60}),
    ("fab", "linf", 1.01, {"steps": 20}),
    ("fab", "l2", 1.01, {"steps": 20}),
    ("fab", "l1", 1.01, {"steps": 20}),
    ("deepfool", "l2", 1.0201, {}),
    ("deepfool", "linf", 1.0201, {}),
    ("ddn", "l2", 1.01, {}),
    pytest.param("cw", "l2", 1.15, {"steps": 200}, marks=pytest.mark.slow),
    ("fmn", "linf", 1.01, {"steps": 30}),
    ("fmn", "l2", 1.01, {"steps": 30}),
    ("fmn", "l1", 1.01, {"steps": 30}),
    ("fmn", "l0", 1.03, {"steps": 30}),  # one value too many of 39, in 150,528 dimensions
]
"""Attack, norm, how many times the optimum its distance may be, options."""

WITHIN = [
    ("fgsm", "linf", 1.0001, {}),
    ("fgsm", "l2", 1.0001, {}),
    ("pgd", "linf", 1.0001, {}),
    ("pgd", "l2", 1.001, {}),
    ("apgd", "linf", 1.001, {}),
    ("apgd", "l2", 1.001, {}),
    ("apgd", "l1", 1.1, {}),
]
"""Attack, norm, at which part of the optimum it has to succeed, options."""

SMALL = [(10, 3)]
LARGE = [(10, 2), (100, 5), (3072, 5), (150_528, 2)]
EVERY = [pytest.param(*one) for one in SMALL] + [pytest.param(*one, marks=pytest.mark.slow) for one in LARGE]


def ratios(given: Linear, name: str, norm: Norm, options: dict[str, int]) -> torch.Tensor:
    found = getattr(phosphene.attacks, name)(given.model, given.x, given.labels, norm=norm, **options).outcome
    assert found.success.all() and found.inputs.min() >= 0 and found.inputs.max() <= 1
    assert (given.model(found.inputs).argmax(1) != given.labels).all()
    return found.distances / given.optimum


@pytest.mark.slow
@pytest.mark.parametrize(("d", "classes"), EVERY)
@pytest.mark.parametrize(("name", "norm", "most", "options"), MINIMAL)
def test_far_from_the_bounds_a_minimal_attack_finds_the_nearest(name, norm, most, options, d, classes):
    apart = ratios(far(norm, d, classes, n=2), name, norm, options)
    assert (apart > 1 - 1e-9).all() and (apart <= most).all()


@pytest.mark.parametrize(("name", "norm", "most", "options"), MINIMAL)
@pytest.mark.slow
def test_near_the_bounds_it_finds_what_the_solver_finds(name, norm, most, options):
    apart = ratios(near(norm), name, norm, options | ({"steps": 1000} if name == "cw" else {}))  # as by default
    assert (apart > 1 - 1e-6).all() and (apart <= most).all()


@pytest.mark.parametrize("d", [10, *(pytest.param(d, marks=pytest.mark.slow) for d in (100, 3072, 150_528))])
@pytest.mark.parametrize(("name", "norm", "most", "options"), WITHIN)
def test_a_radius_just_beyond_the_nearest_is_enough_and_one_just_below_is_not(name, norm, most, options, d):
    given = far(norm, d, n=2)
    for part, wanted in ((most, True), (0.9999, False)):
        found = getattr(phosphene.attacks, name)(
            given.model, given.x, given.labels, norm=norm, eps=part * given.optimum, **options
        ).outcome
        assert found.success.tolist() == [wanted] * 2
        assert (found.distances <= part * given.optimum * (1 + 1e-6)).all()

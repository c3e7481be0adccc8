"""A part of an evaluation: its bytes, and the radius that rounding does not leave."""

from dataclasses import fields

import pytest
import torch

from phosphene.adversarial.evaluation.parts import ROUNDING, Part, part
from phosphene.adversarial.norms import size
from phosphene.adversarial.tensors import attacks
from phosphene.adversarial.victims import Victim
from tests.adversarial.evaluation.small_evaluations import data, network

ROWS = torch.arange(10)


def made(norm="linf", eps=0.05, dtype=torch.float64):
    victim = Victim(network(dtype).model.to(dtype))
    search = attacks.apgd(victim, data().pixels().to(dtype), data().labels, norm=norm, eps=eps, steps=20)
    return part(search, ROWS, data().pixels(), eps, norm)


def test_it_comes_back_from_its_bytes_which_are_the_same_each_time():
    one = made()
    assert one.packed() == made().packed()
    again = Part.unpacked(one.packed())
    for field in fields(Part):
        assert torch.equal(getattr(again, field.name), getattr(one, field.name))


@pytest.mark.parametrize(
    "damage", [lambda b: b[:200], lambda b: b"", lambda b: b"PK" + b[100:], lambda b: b"\x00" * 50]
)
def test_damaged_bytes_are_no_part(damage):
    with pytest.raises(ValueError, match="not a part of an evaluation"):
        Part.unpacked(damage(made().packed()))


@pytest.mark.parametrize(("norm", "eps"), [("linf", 0.05), ("l2", 0.5), ("l1", 60.0), ("l2", 40.0)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_radius_is_kept_in_what_is_written(norm, eps, dtype):
    found = made(norm, eps, dtype)
    exact = size(found.pictures.double() - data().pixels().double(), norm)
    assert found.success.any() and (exact <= eps + ROUNDING).all()
    assert torch.equal(exact, found.distances)
    assert found.pictures.min() >= 0 and found.pictures.max() <= 1


def test_what_rounding_takes_out_of_the_ball_is_drawn_back_and_asked_about_again():
    victim = Victim(network().model)
    x = data().pixels().double()
    search = attacks.pgd(victim, x, data().labels, norm="l2", eps=0.5, steps=3, step_size=0.5)
    asked = int(search.outcome.forwards.sum())
    tighter = float(search.outcome.distances.max()) - 1e-3  # as if so much had been allowed
    found = part(search, ROWS, data().pixels(), tighter, "l2")
    over = search.outcome.distances > tighter + ROUNDING
    assert over.any() and (found.distances <= tighter + ROUNDING).all()
    assert int(found.forwards.sum()) == asked + int(over.sum())
    said = victim.classifier(found.pictures.double()).argmax(1)
    assert torch.equal(found.said, said)
    assert torch.equal(found.success, (said != data().labels) & ~search.outcome.before)

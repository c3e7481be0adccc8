"""One change for all pictures: where the best one is known, by hand, and what is counted."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import phosphene
from phosphene.adversarial.universal import universal
from phosphene.adversarial.victims import Victim
from phosphene.core.errors import Mistake
from phosphene.core.optimization.keys import Key
from tests.small import convnet, levels, noise, normal

X = 0.3 + 0.4 * noise(40, 6)


def model():
    torch.manual_seed(0)
    steep = nn.Linear(6, 8)
    with torch.no_grad():
        steep.weight *= 8
        steep.bias -= steep.weight.sum(1) / 2
    return nn.Sequential(steep, nn.Tanh(), nn.Linear(8, 3)).double()


def linear():
    """Class 0 everywhere, and class 1 along one direction."""
    one = nn.Linear(6, 2).double()
    with torch.no_grad():
        one.weight[0], one.weight[1] = 0, normal(6)
        one.bias[0], one.bias[1] = 0, -0.1 - (X @ normal(6)).max()
    return one


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_of_a_linear_model_it_is_the_one_that_moves_all_of_them_furthest(norm):
    found = universal(linear(), X, [0] * 40, norm=norm, eps=0.1, batch=10, until=1.0, bounds=(-9.0, 9.0))
    best = 0.1 * (normal(6).sign() if norm == "linf" else normal(6) / normal(6).norm())
    torch.testing.assert_close(found.perturbation, best, atol=1e-4, rtol=0)


def test_the_first_step_is_that_of_the_mean_of_the_losses_each_cut_off():
    labels = model()(X).argmax(1)
    found = universal(model(), X, labels, eps=0.3, epochs=1, batch=40, step_size=0.02)
    leaf = torch.zeros(6, dtype=torch.float64, requires_grad=True)
    loss = F.cross_entropy(model()(X + leaf), labels, reduction="none").clamp(max=9.0).mean()
    (gradient,) = torch.autograd.grad(loss, leaf)
    torch.testing.assert_close(found.perturbation, 0.02 * gradient.sign())


def test_what_fools_by_far_has_no_say_any_more():
    """One picture is fooled by 20, the others want the other direction, and there the mean's gradient is smaller."""

    def steep(x):
        score = torch.where(x[:, 0] < 0.2, 2 * (x[:, 0] * 0 + 10) + x[:, 0], -x[:, 0] * 0.1)
        return torch.stack([score * 0, score], 1)

    x = torch.tensor([[0.1, 0.0]] + [[0.5, 0.0]] * 3, dtype=torch.float64)
    pulls = universal(steep, torch.cat([x[1:], x[:1]]), [0, 0, 0, 0], epochs=1, batch=4, eps=0.1)
    assert pulls.perturbation[0] < 0


def test_the_rate_is_that_of_what_is_returned_and_leaves_out_what_was_wrong_before():
    said = model()(X).argmax(1)
    labels = torch.where(torch.arange(40) < 5, (said + 1) % 3, said)
    victim = Victim(model())
    found = universal(victim, X, labels, eps=0.2, epochs=4, batch=10, until=1.0)
    assert found.before.tolist() == [True] * 5 + [False] * 35
    fooled = model()(found.on(X)).argmax(1) != labels
    assert torch.equal(found.fooled, fooled & ~found.before)
    assert found.rate == pytest.approx(found.fooled.sum().item() / 35) == max(found.rates)
    assert len(found.rates) == 4 and 0 < found.rate < 1
    assert found.forwards.tolist() == [1] * 5 + [9] * 35 and found.backwards.tolist() == [0] * 5 + [4] * 35
    again = universal(victim, X[:10], labels[:10], eps=0.2, epochs=4, batch=10, until=1.0)  # on its own
    assert again.forwards.tolist() == [1] * 5 + [9] * 5 and again.backwards.tolist() == [0] * 5 + [4] * 5
    assert found.perturbation.abs().max() <= 0.2 + 1e-12
    assert found.on(torch.ones(2, 6)).max() <= 1 and found.on(torch.zeros(2, 6)).min() >= 0


def test_it_ends_as_soon_as_enough_are_fooled():
    said = model()(X).argmax(1)
    long = universal(model(), X, said, eps=0.3, epochs=6, until=1.0)
    until = long.rates[0] - 0.01
    found = universal(model(), X, said, eps=0.3, epochs=6, until=until)
    assert found.rates == long.rates[:1]


def test_pictures_may_have_a_target_and_the_order_is_that_of_the_key():
    network, x = convnet(size=8), levels(12, 3, 8, 8, low=20, high=235).double()
    options = {"eps": 0.2, "targeted": True, "epochs": 2, "batch": 5, "until": 1.0}
    one, again, other = (universal(network, x, [2] * 12, key=Key(seed), **options) for seed in (0, 0, 1))
    assert one.perturbation.shape == (3, 8, 8)
    assert torch.equal(one.perturbation, again.perturbation) and not torch.equal(one.perturbation, other.perturbation)
    logits = [network.model((batch - 0.5) / 0.2)[:, 2].mean() for batch in (x, one.on(x))]
    assert logits[1] > logits[0]


def test_by_default_it_is_within_10_of_255_or_as_long_a_change_as_the_papers():
    for norm, radius in (("linf", 10 / 255), ("l2", 2000 / 255 * (6 / 150_528) ** 0.5)):
        found = universal(linear(), X, [0] * 40, norm=norm, bounds=(-9.0, 9.0))
        order = torch.inf if norm == "linf" else 2
        assert found.perturbation.norm(order).item() == pytest.approx(radius, rel=1e-3)


def test_impossible_wishes_are_mistakes():
    assert phosphene.attacks.universal is universal
    with pytest.raises(Mistake, match="wrong about all 40 pictures already"):
        universal(linear(), X, [1] * 40)
    with pytest.raises(Mistake, match="'l0' is not a valid value for norm of universal"):
        universal(linear(), X, [0] * 40, norm="l0")
    with pytest.raises(Mistake, match="2 is not a valid value for until"):
        universal(linear(), X, [0] * 40, until=2)

"""Objectives: the gradient, and the ways to combine them."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from phosphene.core.optimization.engine import Evaluation, NotFinite
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.objectives import Accumulated, chunked, gradient, grouped, mean, total, unblocked
from phosphene.core.optimization.priors import total_variation
from phosphene.core.optimization.terms import Term, channel, cross_entropy, energy, score
from phosphene.core.optimization.transforms import as_is, compose, roll, several
from tests.core.networks.models import Plain, of
from tests.core.networks.test_rectifiers import rectified
from tests.core.optimization.test_engine import photos, small
from tests.small import STRONG


def key(n=4, step=3):
    return Key(1, list(range(n)), step=step)


def test_the_gradient_equals_that_of_the_model_written_out():
    network, x = of(Plain(), mean=(0.5,), std=(0.25,)), photos(4, 16)
    classes = [3, 0, 5, 1]
    values, found, _ = gradient(network, cross_entropy(classes))(x, torch.arange(4), key())
    at = x.clone().requires_grad_()
    loss = F.cross_entropy(network.model((at - 0.5) / 0.25), torch.tensor(classes), reduction="none")
    torch.testing.assert_close(values, loss.detach())
    torch.testing.assert_close(found, torch.autograd.grad(loss.sum(), at)[0])
    assert not values.requires_grad and not found.requires_grad


def test_the_gradient_is_the_numerical_one_through_transforms_layers_and_priors():
    term = energy("1") - 0.3 * channel("3", [1, 0, 7, 2]) + 2 * total_variation(2)
    objective = gradient(small(), term, compose(roll(3), STRONG))
    x, rows = photos(4), torch.arange(4)
    found = objective(x, rows, key()).gradients
    direction = torch.randn(x.shape, dtype=x.dtype, generator=torch.Generator().manual_seed(2))
    h = 1e-5
    high, low = (objective(x + side * direction, rows, key()).values for side in (h, -h))
    torch.testing.assert_close((high - low) / (2 * h), (found * direction).sum((1, 2, 3)), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_the_gradient_can_be_had_where_gradients_are_off(mode):
    objective, x = gradient(small(), score([0, 1, 2, 3])), photos(4)
    expected = objective(x, torch.arange(4), key())
    with mode():
        found = objective(photos(4), torch.arange(4), key())
    assert torch.equal(expected.values, found.values) and torch.equal(expected.gradients, found.gradients)


def test_a_prior_alone_does_not_run_the_network():
    network, ran = small(), []
    network.model.register_forward_pre_hook(lambda *_: ran.append(1))
    values, found, _ = gradient(network, total_variation())(photos(2), torch.arange(2), key(2))
    assert values.shape == (2,) and found.abs().max() > 0 and not ran


@pytest.mark.parametrize("rule", ["gradient", "guided", "deconvnet"])
def test_the_rule_reaches_the_rectifiers(rule):
    network, x = rectified(lambda m: nn.ReLU()), photos(2, 16)
    found = gradient(network, score([0, 1]), rule=rule)(x, torch.arange(2), key(2)).gradients
    at = x.clone().requires_grad_()
    logits = network.read(at, ["logits"], rule)["logits"]
    assert torch.equal(found, torch.autograd.grad(logits[0, 0] + logits[1, 1], at)[0])


def combined():
    return gradient(small(), -channel("3", [1, 0, 7, 2]) + total_variation(2), STRONG)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 9])
def test_chunked_equals_the_whole(size):
    rows = torch.tensor([3, 0, 2, 1])
    whole = combined()(photos(4), rows, key())
    parts = chunked(combined(), size)(photos(4), rows, key())
    for a, b in zip(whole[:2], parts[:2], strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-14)


def test_chunks_are_no_larger_than_they_say():
    sizes = []

    def counted(pictures, rows, key):
        sizes.append(len(pictures))
        return combined()(pictures, rows, key)

    chunked(counted, 3)(photos(4), torch.arange(4), key())
    assert sizes == [3, 1]


def test_mean_equals_the_mean():
    a = gradient(small(), -channel("3", [1, 0, 7, 2]))
    b = gradient(of(Plain(), size=20), energy("conv2"))
    c = gradient(small(), 3 * total_variation())
    x, rows = photos(4), torch.arange(4)
    values, found, _ = mean(a, b, c)(x, rows, key())
    parts = [one(x, rows, key()) for one in (a, b, c)]
    torch.testing.assert_close(values, (parts[0][0] + parts[1][0] + parts[2][0]) / 3)
    torch.testing.assert_close(found, (parts[0][1] + parts[1][1] + parts[2][1]) / 3)


def test_the_members_of_an_ensemble_see_views_of_their_own():
    seen = []

    def watched(pictures, rows, key):
        seen.append(key.uniform(rows, 2))
        return as_is(pictures, rows, key)

    one = gradient(small(), score([0, 1, 2, 3]), watched)
    mean(one, one)(photos(4), torch.arange(4), key())
    assert not torch.equal(seen[0], seen[1])


def test_a_value_that_is_not_finite_names_step_term_and_network():
    bad = Term(lambda r: 1e400 * r.layers["3"].flatten(1).mean(1), frozenset(["3"]), "a far too large term")
    objective = gradient(small(), total_variation() + 2 * bad)
    with pytest.raises(NotFinite, match=r"^step 3: the value of 2 a far too large term is not finite on Sequential$"):
        objective(photos(4), torch.arange(4), key())


def test_a_gradient_that_is_not_finite_names_step_and_term():
    steep = Term(lambda r: (0 * r.pictures).sqrt().sum((1, 2, 3)), name="a root")
    with pytest.raises(NotFinite, match=r"^step 3: the gradient of a root is not finite"):
        gradient(small(), steep + total_variation())(photos(4), torch.arange(4), key())


def test_parts_that_are_finite_but_whose_sum_is_not_are_refused():
    large = Term(lambda r: 1e308 + r.pictures.mean((1, 2, 3)), name="large")
    with pytest.raises(NotFinite, match=r"step 3: large [+] large is too large to be added up"):
        gradient(small(), large + large)(photos(1), torch.arange(1), key(1))


# --------------------------------------------------------------------------------------------------------- outputs


def counting(network):
    """The network's forward passes."""
    ran = []
    network.model.register_forward_pre_hook(lambda *_: ran.append(1))
    return ran


def test_the_layers_to_keep_come_along_from_the_same_forward_pass():
    network, x, rows = small(), photos(3), torch.arange(3)
    network.read(x, ["logits"])  # what a network is, is found out once
    ran = counting(network)
    seen = gradient(network, energy("1"), keep=("3", "logits"))(x, rows, key(3))
    assert len(ran) == 1
    for name, y in network.read(x, ["3", "logits"]).items():
        assert torch.equal(seen.outputs[name], y) and not seen.outputs[name].requires_grad
    plain = gradient(network, energy("1"))(x, rows, key(3))
    assert torch.equal(seen.gradients, plain.gradients) and not plain.outputs


def test_what_several_views_say_is_kept_as_their_mean():
    network, x = small(), photos(2)
    views, of = several(3, roll(4))(x, torch.arange(2), key(2))
    y = network.read(views, ["logits"])["logits"]
    expected = torch.stack([torch.stack([y[k] for k in range(6) if of[k] == i]).mean(0) for i in range(2)])
    kept = gradient(network, energy("1"), several(3, roll(4)), keep=["logits"])(x, torch.arange(2), key(2)).outputs
    torch.testing.assert_close(kept["logits"], expected)


def test_every_combination_passes_on_what_was_kept():
    x, rows = photos(4), torch.arange(4)
    one, other, silent = (
        gradient(small(), energy("1"), keep=["logits"]),
        gradient(of(Plain(), size=20), energy("conv2"), keep=["conv1"]),
        gradient(small(), total_variation()),
    )
    logits = small().read(x, ["logits"])["logits"]
    combinations = [
        total(silent, one, other), mean(silent, one, other), chunked(total(one, other), 3), Accumulated(one, 4),
        unblocked(small(), energy("1"), keep=["logits"]), grouped([[2, 0], [1, 3]], [one, one]),
    ]  # fmt: skip
    for combined in combinations:
        torch.testing.assert_close(combined(x, rows, key()).outputs["logits"], logits)
    both = mean(one, gradient(small(), energy("3"), keep=["logits"]))(x, rows, key()).outputs
    torch.testing.assert_close(both["logits"], logits)
    assert set(mean(one, other)(x, rows, key()).outputs) == {"logits", "conv1"}


def test_a_group_has_its_own_problems_and_their_numbers():
    x, seen = photos(4), []

    def watched(name):
        def objective(pictures, rows, key):
            seen.append((name, rows.tolist(), [key.problems[row] for row in rows.tolist()]))
            return gradient(small(), energy("1"))(pictures, rows, key)

        return objective

    both = grouped([[3, 0], [1, 2]], [watched("a"), watched("b")])
    found = both(x[[0, 2, 3]], torch.tensor([0, 2, 3]), Key(0, [10, 11, 12, 13]))
    assert seen == [("a", [1, 0], [10, 13]), ("b", [1], [12])]
    alone = gradient(small(), energy("1"))(x[[0, 2, 3]], torch.arange(3), key(3))
    torch.testing.assert_close(found.gradients, alone.gradients)


def shut():
    """A unit of a rectifier that is closed everywhere: relu(w . x - 9) at every pixel."""
    network = of(nn.Sequential(nn.Conv2d(3, 2, 1), nn.ReLU()))
    nn.init.constant_(network.model[0].bias, -9.0)
    return network


def test_the_first_sixteen_steps_are_led_past_a_closed_rectifier_and_the_seventeenth_is_not():
    network, x = shut(), photos(1, 4)
    objective = unblocked(network, -channel("1", [1]), lambda x, rows, key: (x / 2, torch.arange(len(x))))
    weight = network.model[0].weight[1].detach() / 16 / 2
    for index in (0, 1, 14, 15, 16, 17):
        found = objective(x, torch.arange(1), key(1, index))
        expected = -weight.expand(1, 3, 4, 4) if index < 16 else torch.zeros(1, 3, 4, 4).double()
        torch.testing.assert_close(found.gradients, expected)
        assert found.values.item() == 0


def test_only_the_pictures_that_are_blocked_are_led_anywhere_and_their_gradient_was_seen_before():
    network, x, seen = shut(), photos(3, 4), []
    with torch.no_grad():
        network.model[0].weight[0], network.model[0].weight[1] = 2.0, 1.0
    x[1] *= 100  # opens the units

    def watched(plain):
        def objective(pictures, rows, key):
            seen.append(plain(pictures, rows, key).gradients.clone())
            return plain(pictures, rows, key)

        return objective

    rows, term = torch.tensor([2, 0, 1]), -channel("1", [0, 1, 1])
    found = unblocked(network, term, watched=watched)(x, rows, key(3, 0)).gradients
    plain = gradient(network, term)(x, rows, key(3, 0)).gradients
    assert torch.equal(seen[0], plain) and torch.equal(found[1], plain[1]) and not plain[[0, 2]].any()
    torch.testing.assert_close(found[[0, 2]], torch.full((2, 3, 4, 4), -1 / 16, dtype=torch.float64))


def test_a_fifth_of_the_pixels_are_opaque_and_the_others_by_how_much_their_gradients_add_up_to():
    """Each problem's own, over all its steps, whatever the colour and the sign."""
    ramp = torch.arange(1.0, 101).double()
    gradients = ramp.view(1, 1, 10, 10).repeat(1, 3, 1, 1)
    gradients[:, 1, :, ::2] *= -1  # colours that pull in opposite directions count as much
    seen = Accumulated(lambda pictures, rows, key: Evaluation(torch.zeros(len(rows)), pictures * gradients), 3)
    for rows, signs in (([0, 2], (1.0, -1.0)), ([2], (0.5,)), ([1, 2], (0.0, 1.0))):
        pictures = torch.tensor(signs).double().view(-1, 1, 1, 1).expand(-1, 3, 10, 10)
        seen(pictures, torch.tensor(rows), key(3))
    ramped = (ramp / 80).clamp(max=1).view(1, 10, 10)
    torch.testing.assert_close(seen.visible(), torch.stack([ramped, 0 * ramped, ramped]))

"""Adaptive attacks: what passes straight, the mean over draws, and decisions by majority."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from phosphene.adversarial.adaptive import Straight, Votes, _drawn, bpda, eot, majority
from phosphene.adversarial.victims import Victim
from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from phosphene.core.optimization.keys import Key
from phosphene.core.results.intervals import wilson
from tests.adversarial.defences import Jpeg, Quantization, RandomResizePad, guarded
from tests.small import convnet, noise


def first_logit(answers, rows):
    return answers[:, 0]


def seen_by(victim, x):
    return Victim.of(victim).objective(first_logit)(x, torch.arange(len(x)), Key().at(0))


def small(dtype=torch.float64):
    return convnet(dtype).model.eval()


def test_forward_a_part_passed_straight_is_itself_and_backward_it_is_its_surrogate():
    x = noise(2, 3, 4, 4).requires_grad_()
    weights = noise(2, 3, 4, 4, seed=1)
    for surrogate, expected in ((None, weights), (lambda x: x**2, 2 * x.detach() * weights)):
        y = Straight(torch.round, surrogate)(x)
        assert torch.equal(y, x.round())
        torch.testing.assert_close(torch.autograd.grad((weights * y).sum(), x)[0], expected, rtol=0, atol=1e-15)


def test_a_network_whose_quantization_passes_straight_has_the_gradient_of_its_classifier_at_the_rounded_picture():
    x, quantization = noise(2, 3, 16, 16), Quantization(8)
    plain = guarded(small(), quantization)
    assert not seen_by(plain, x).gradients.any()
    there = seen_by(small(), quantization(x))
    for victim in (bpda(plain, "door"), bpda(Network(plain, size=16), "door")):
        seen = seen_by(victim, x)
        torch.testing.assert_close(seen.values, there.values)
        torch.testing.assert_close(seen.gradients, there.gradients)


def test_a_module_that_cuts_the_way_back_is_led_past_and_what_was_given_stays_as_it_is():
    model = guarded(small(torch.float32), Jpeg(cut=True)).train()
    before = {name: (type(one), one.training, dict(vars(one))) for name, one in model.named_modules()}
    x = noise(2, 3, 16, 16).float()
    with pytest.raises(Mistake, match="gives no gradient"):
        seen_by(Network(model, size=16), x)
    assert seen_by(bpda(Network(model, size=16), "door"), x).gradients.flatten(1).any(1).all()
    for name, one in model.named_modules():
        kind, training, attributes = before[name]
        assert type(one) is kind and one.training is training and vars(one).keys() == attributes.keys()
        assert all(vars(one)[key] is value for key, value in attributes.items())


def test_a_module_within_modules_is_passed_straight_and_its_own_state_is_that_of_the_copy():
    class Counting(nn.Module):
        calls = 0

        def forward(self, x):
            self.calls += 1
            return x.sign() if not self.training else x

    model = nn.Sequential(nn.Sequential(nn.Conv2d(3, 4, 3), Counting()), nn.Flatten(), nn.Linear(16, 3)).double()
    other = bpda(model.eval(), "0.1")
    seen = seen_by(other, noise(2, 3, 4, 4))
    assert seen.gradients.any() and model[0][1].calls == 0 and other[0][1].calls == 1
    assert other[0][0] is model[0][0] and other[2] is model[2]


def test_mistakes_with_bpda_are_told_in_one_sentence():
    model = guarded(small())
    with pytest.raises(Mistake, match=r"no module 'dor' to be passed straight; did you mean 'door'"):
        bpda(model, "dor")
    with pytest.raises(Mistake, match=r"the victim is a function.*Straight\(part\)"):
        bpda(lambda x: x, "door")
    x = noise(1, 3, 16, 16)
    with pytest.raises(Mistake, match=r"classifier makes \(1, 4\) where its input has \(1, 3, 16, 16\)"):
        bpda(model, "classifier")(x)
    with pytest.raises(Mistake, match=r"where the surrogate makes \(1, 768\)"):
        bpda(model, "classifier", lambda x: x.flatten(1))(x)


class Noisy(nn.Module):
    def forward(self, x):
        return x + 0.3 * torch.randn_like(x)


def noisy(model):
    return nn.Sequential(Noisy(), model).eval()


def test_the_gradient_of_the_expectation_is_the_mean_gradient_of_the_draws():
    x, model = noise(1, 3, 16, 16), noisy(small())
    victim = eot(model, draws=4, seed=3)
    each = [eot(model, 1, seed) for seed in range(4)]
    assert len({float(seen_by(one, x).values) for one in each}) == 4
    seen = seen_by(victim, x)
    values, gradients = [], []
    for draw in range(4):
        leaf = x.clone().requires_grad_()
        z = _drawn(lambda who, given: who(given), model, leaf, 3, draw)[:, 0]
        values.append(z.detach()), gradients.append(torch.autograd.grad(z.sum(), leaf)[0])
    torch.testing.assert_close(seen.values, torch.stack(values).mean(0))
    torch.testing.assert_close(seen.gradients, torch.stack(gradients).mean(0))
    assert victim.forwards.tolist() == [4] and victim.backwards.tolist() == [4]


def test_a_random_network_is_drawn_anew_for_each_picture_and_the_same_way_again():
    x = noise(3, 3, 16, 16)
    with pytest.warns(UserWarning, match="answers differently each time"):
        victim = eot(Network(noisy(small()), size=16), draws=3)
        whole = victim.logits(x, torch.arange(3))
    assert torch.equal(whole, victim.logits(x, torch.arange(3)))
    torch.testing.assert_close(whole[1:2], victim.logits(x[1:2], torch.arange(1)), rtol=0, atol=0)
    assert not torch.equal(whole, eot(victim.classifier, 3, seed=1).logits(x, torch.arange(3)))


def test_equal_pictures_have_equal_draws():
    x, victim = noise(1, 3, 16, 16), eot(noisy(small()), 2)
    x[0, 0, 0] = 0.0
    minus = torch.where(x == 0, -0.0, x)
    assert torch.equal(x, minus)
    one, other = (victim.logits(pictures, torch.arange(1)) for pictures in (x, minus))
    torch.testing.assert_close(one, other, rtol=1e-9, atol=0)


def test_drawing_leaves_everybodys_random_numbers_alone():
    victim = eot(guarded(small(), RandomResizePad()), 2)
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    victim.logits(noise(2, 3, 16, 16), torch.arange(2))
    assert torch.equal(torch.rand(3), expected)


def test_of_a_network_that_answers_the_same_every_vote_is_its_answer():
    x, network = noise(5, 3, 16, 16), convnet()
    votes = majority(network, x, reads=7)
    classes = network.model(network.preprocess(x)).argmax(1)
    assert torch.equal(votes.counts, 7 * F.one_hot(classes, 4)) and votes.right(classes).all()
    assert votes.intervals(classes)[0].tolist() == pytest.approx(wilson(7, 7), abs=1e-6)
    assert not votes.undecided(classes).any()


def test_votes_count_a_coin_as_undecided_and_its_share_lies_in_the_interval():
    class Coin(nn.Module):
        def forward(self, x):
            heads = (torch.rand(len(x)) < torch.tensor([0.5, 0.9])).to(x)
            return torch.stack([heads, 1 - heads], 1)

    votes, labels = majority(Coin(), noise(2, 3, 4, 4), reads=200), torch.zeros(2, dtype=torch.long)
    low, high = votes.intervals(labels).unbind(1)
    assert (low < torch.tensor([0.5, 0.9])).all() and (torch.tensor([0.5, 0.9]) < high).all()
    assert votes.undecided(labels).tolist() == [True, False]
    assert Votes(torch.tensor([[3, 7]]), 10).right(torch.tensor([0])).tolist() == [False]


def test_the_majority_of_an_expectation_is_that_of_the_network_itself():
    x, model = noise(2, 3, 16, 16), noisy(small())
    assert torch.equal(majority(eot(model, 5), x, 9).counts, majority(model, x, 9).counts)


def test_votes_on_an_expectation_are_counted_where_it_is():
    victim, x = eot(noisy(small()), 5), noise(2, 3, 16, 16)
    anew = victim.among(torch.tensor([3, 1])).counted_anew()
    majority(anew, x, 9)
    anew.logits(x[:1], torch.tensor([1]))
    assert anew.forwards.tolist() == [9, 9 + 5] and victim.forwards.tolist() == [0, 9 + 5, 0, 9]

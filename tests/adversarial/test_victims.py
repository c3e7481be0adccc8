"""Victims: a network and a callable answer alike, and count what they are asked picture by picture."""

import warnings
from functools import partial

import pytest
import torch
from torch import nn

import phosphene
from phosphene.adversarial.goals import misclassified
from phosphene.adversarial.victims import Victim
from phosphene.core.errors import Mistake, Note
from phosphene.core.networks.head import SOFTMAX
from phosphene.core.networks.network import Network
from phosphene.core.optimization.engine import NotFinite
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.objectives import NoGradient
from tests.small import convnet, levels, noise


def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.Tanh(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 5)).double()


def test_a_callable_is_read_as_the_network_is_and_so_is_its_gradient():
    x, rows = noise(3, 3, 8, 8), torch.tensor([2, 0, 1])
    measure = partial(misclassified(torch.tensor([1, 4, 0])).loss, head=SOFTMAX)
    by_network, by_call = Victim(Network(model(), size=8)), Victim(model())
    one, other = (victim.objective(measure)(x, rows, Key().at(0)) for victim in (by_network, by_call))
    torch.testing.assert_close(one.values, other.values)
    torch.testing.assert_close(one.gradients, other.gradients)
    torch.testing.assert_close(one.outputs["logits"], model()(x).detach())
    torch.testing.assert_close(other.outputs["logits"], model()(x).detach())
    torch.testing.assert_close(by_network.logits(x, rows), by_call.logits(x, rows))


def test_forwards_and_backwards_are_counted_for_each_picture():
    victim, x = Victim(model()), noise(3, 3, 8, 8)
    victim.logits(x, torch.arange(3))
    victim.objective(lambda answers, rows: answers[:, 0])(x[:2], torch.tensor([4, 1]), Key().at(0))
    assert victim.forwards.tolist() == [1, 2, 1, 0, 1] and victim.backwards.tolist() == [0, 1, 0, 0, 1]


def test_logits_at_several_positions_count_by_their_mean():
    network = Network(nn.Sequential(nn.Conv2d(3, 5, 3)).double(), size=8)
    found = Victim(network).logits(noise(2, 3, 8, 8), torch.arange(2))
    torch.testing.assert_close(found, network.model(noise(2, 3, 8, 8)).detach().mean((2, 3)))


def test_a_victim_is_itself_and_anything_else_becomes_one():
    victim, call = Victim(model()), model()
    assert Victim.of(victim) is victim and Victim.of(call).classifier is call


@pytest.mark.parametrize("kind", [Network, lambda model, size: model])
def test_several_gradients_come_from_one_forward_pass_and_are_those_that_come_one_by_one(kind):
    victim, x, rows = Victim(kind(model(), size=8)), noise(3, 3, 8, 8), torch.arange(3)
    answers, values, gradients = victim.gradients(x, rows, lambda z, rows: z[:, :2] - z[:, 2:4])
    torch.testing.assert_close(answers, model()(x).detach())
    for j in range(2):
        one = victim.objective(lambda z, rows, j=j: z[:, j] - z[:, j + 2])(x, rows, Key())
        torch.testing.assert_close(values[:, j], one.values)
        torch.testing.assert_close(gradients[:, j], one.gradients)
    assert victim.forwards.tolist() == [3, 3, 3] and victim.backwards.tolist() == [4, 4, 4]


def test_some_of_the_problems_are_counted_where_they_were():
    victim, x = Victim(model()), noise(5, 3, 8, 8)
    some = victim.among(torch.tensor([4, 1, 3])).among(torch.tensor([2, 0]))
    some.logits(x[:2], torch.tensor([0, 1]))
    some.logits(x[:1], torch.tensor([1]))
    assert victim.forwards.tolist() == [0, 0, 0, 1, 2]


def test_pictures_are_rounded_before_they_are_read_and_the_gradient_passes_unchanged():
    x = noise(2, 3, 8, 8)
    rounding, plain = Victim(model(), through=lambda x: (x * 4).round() / 4), Victim(model())
    near = (x * 4).round() / 4
    torch.testing.assert_close(rounding.logits(x, torch.arange(2)), plain.logits(near, torch.arange(2)))
    one, other = (v.objective(lambda z, rows: z[:, 0]) for v in (rounding, plain))
    rows = torch.arange(2)
    torch.testing.assert_close(one(x, rows, Key()).gradients, other(near, rows, Key()).gradients)


def test_where_a_gradient_is_no_number_there_is_no_way():
    x = torch.zeros(1, 3, 2, 2, dtype=torch.float64)
    seen = Victim(lambda x: x.sqrt().flatten(1)).objective(lambda z, rows: z[:, 0])(x, torch.arange(1), Key())
    assert torch.equal(seen.gradients, torch.zeros_like(x))


def test_answers_that_are_no_numbers_are_a_mistake():
    with pytest.raises(NotFinite, match="the victim answers what is not a finite number"):
        Victim(lambda x: x.flatten(1) / 0).logits(noise(1, 3, 2, 2), torch.arange(1))


def test_the_rival_judges():
    victim = Victim(model(), rival=lambda x: -model()(x))
    x, rows = noise(2, 3, 8, 8), torch.arange(2)
    torch.testing.assert_close(victim.answers(x, rows, judged=True), -victim.answers(x, rows))


def attacked(model, x):
    return phosphene.attacks.fgsm(model, x, torch.zeros(len(x), dtype=torch.long), until_fooled=False).outcome


def test_a_function_that_answers_with_probabilities_is_told_about_once():
    model = nn.Sequential(nn.Flatten(), nn.Linear(48, 5), nn.Softmax(1)).double()
    with pytest.warns(Note, match="^the victim answers with probabilities, and is attacked as if they were") as told:
        attacked(model, noise(3, 3, 4, 4))
    assert len(told) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        attacked(model[:2], noise(3, 3, 4, 4))


def test_a_network_that_answers_with_probabilities_is_followed_by_their_logarithm_and_told_about_once():
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Flatten(), nn.Linear(192, 5)).double()
    network = Network(nn.Sequential(plain, nn.Softmax(1)), size=8)
    assert network.head.kind == "probabilities"
    with pytest.warns(Note, match="answers with probabilities; an attack follows their logarithm") as told:
        found, _ = (attacked(network, noise(3, 3, 8, 8)) for _ in range(2))
    assert sum("an attack follows" in str(one.message) for one in told) == 1
    torch.testing.assert_close(found.inputs, attacked(plain, noise(3, 3, 8, 8)).inputs)


def test_a_function_that_answers_differently_each_time_is_told_about_and_the_question_is_not_counted():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(48, 5), nn.Dropout(0.5)).double()
    with pytest.warns(Note, match="^the victim answers differently each time .*model.eval"):
        found = attacked(model, noise(3, 3, 4, 4))
    assert found.forwards.tolist() == [4] * 3
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert attacked(model.eval(), noise(3, 3, 4, 4)).forwards.tolist() == [4] * 3


LABELS = torch.tensor([0, 1, 2])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"labels": torch.tensor([0, 5, 1])}, r"^there is no class 5; there are 0 to 4$"),
        ({"labels": torch.tensor([0, -1, 1])}, "^there is no class -1"),
        ({"x": noise(3, 3, 4, 4) + 0.5}, r"^the pictures have values from 0\.5\d* to 1\.\d+; an attack takes 0 to 1"),
        ({"x": noise(3, 3, 4, 4) - 0.5}, r"^the pictures have values from -0\.\d+ to 0\.\d+; an attack takes 0 to 1"),
        ({"x": torch.full((3, 3, 4, 4), torch.nan)}, "^the pictures have values from nan to nan"),
        ({"eps": 0}, "^0 is not a valid value for eps: it must be more than 0"),
        ({"eps": 0.0}, "^0 is not a valid value for eps: it must be more than 0"),
        ({"eps": -0.1}, r"^-0\.1 is not a valid value for eps: it must be at least 0"),
    ],
)
@pytest.mark.parametrize("name", ["fgsm", "pgd", "apgd"])
def test_what_makes_no_sense_is_one_sentence(name, given, said):
    model = nn.Sequential(nn.Flatten(), nn.Linear(48, 5)).double()
    with pytest.raises(Mistake, match=said):
        list(getattr(phosphene.attacks, name)(model, **{"x": noise(3, 3, 4, 4), "labels": LABELS} | given))


def test_with_two_classes_the_ratio_of_logits_is_their_difference_and_it_is_told():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(48, 2)).double()
    labels = model(noise(3, 3, 4, 4)).argmax(1)
    with pytest.warns(Note, match="takes 3 classes, and there are 2; the plain margin is taken"):
        found = phosphene.attacks.apgd(model, noise(3, 3, 4, 4), labels, loss="dlr", eps=0.5, steps=5).outcome
    assert found.success.all()


def test_a_gradient_that_is_cut_off_is_a_mistake_and_of_a_blind_victim_nothing():
    def cut(x):
        return x.detach().flatten(1)[:, :3]

    x, rows = noise(2, 3, 4, 4), torch.arange(2)
    with pytest.raises(NoGradient, match="cuts the way back"):
        Victim(cut).objective(lambda z, rows: z[:, 0])(x, rows, Key().at(0))
    seen = Victim(cut, blind=True).objective(lambda z, rows: z[:, 0])(x, rows, Key().at(0))
    assert torch.equal(seen.gradients, torch.zeros_like(x)) and torch.equal(seen.values, cut(x)[:, 0])
    _, values, every = Victim(cut, blind=True).gradients(x, rows, lambda z, rows: z[:, :2])
    assert torch.equal(values, cut(x)[:, :2]) and not every.any() and every.shape == (2, 2, 3, 4, 4)


@pytest.mark.parametrize("attack", ["fab", "fmn", "ddn", "deepfool", "cw", "lbfgs", "sigma_zero", "pdpgd"])
def test_a_network_in_float64_takes_pictures_in_float32(attack):
    network = convnet(size=8)
    x = levels(2, 3, 8, 8, low=20, high=235)
    labels = network.read(x.double(), ["logits"])["logits"].argmax(1)
    found = getattr(phosphene.attacks, attack)(network, x.float(), labels, steps=3).outcome
    assert found.inputs.dtype == torch.float32 and found.inputs.shape == x.shape

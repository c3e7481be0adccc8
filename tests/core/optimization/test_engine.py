"""The engine: values belong to pictures, rows to themselves, numbers to their keys."""

import math

import pytest
import torch
from torch import nn

from phosphene.core.networks.network import Network
from phosphene.core.optimization.constraints import box, linf
from phosphene.core.optimization.engine import Evaluation, NotFinite, argmin
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.objectives import gradient
from phosphene.core.optimization.optimizers import adam, normalized, sign
from phosphene.core.optimization.parameterizations import Fourier, Pixels
from phosphene.core.optimization.priors import total_variation
from phosphene.core.optimization.terms import channel, cross_entropy, score
from phosphene.core.optimization.transforms import compose, roll, shake
from tests.small import STRONG, noise

ALL = torch.arange(3)


def small():
    """A network whose activations are smooth, so that rounding can't flip a rectifier."""
    torch.manual_seed(7)
    layers = [nn.Conv2d(3, 6, 3, padding=1), nn.Softplus(), nn.AvgPool2d(2), nn.Conv2d(6, 8, 3), nn.Tanh()]
    return Network(nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5)).double(), size=20)


def photos(n, size=20, seed=0):
    return noise(n, 3, size, size, seed=seed)


def bowl(target, depth=1.0):
    """(x - target)^2 of each problem, whose gradient is known."""

    def objective(pictures, rows, key):
        apart = pictures - target[rows]
        return Evaluation(depth * apart.square().sum((1, 2, 3)), 2 * depth * apart)

    return objective


# ----------------------------------------------------------------------------------------------------------- steps


def test_every_step_has_the_value_of_its_own_picture_and_the_last_comes_after_the_last_move():
    objective = bowl(photos(3, seed=1))
    steps = list(argmin(Pixels(photos(3)), objective, optimizer=adam(0.1), steps=7))
    assert [step.index for step in steps] == list(range(8))
    for step in steps:
        values, *_ = objective(step.pictures, ALL, Key(0, [0, 1, 2], step=step.index))
        assert torch.equal(step.values, values)
        assert step.alive.all() and not step.pictures.requires_grad
    assert torch.equal(steps[0].pictures, photos(3))
    assert not torch.equal(steps[-1].pictures, steps[-2].pictures)


@pytest.mark.parametrize("parameterization", ["pixels", "fourier"])
def test_a_step_that_was_kept_does_not_change_any_more(parameterization):
    x = photos(3)
    image = Pixels(x) if parameterization == "pixels" else Fourier([0, 1, 2], (20, 20), start=x, dtype=torch.float64)
    kept, copies = [], []
    for step in argmin(image, bowl(photos(3, seed=1)), optimizer=adam(0.1), constraint=box(), steps=5):
        kept.append(step)
        copies.append((step.pictures.clone(), step.values.clone(), step.alive.clone()))
    for step, (pictures, values, alive) in zip(kept, copies, strict=True):
        assert torch.equal(step.pictures, pictures) and torch.equal(step.values, values)
        assert torch.equal(step.alive, alive)


def test_the_last_pictures_may_be_valued_by_something_that_gives_no_gradient():
    asked, objective = [], bowl(photos(3, seed=1))

    def valued(pictures, rows, key):
        asked.append(key.step)
        return objective(pictures, rows, key)._replace(gradients=torch.zeros_like(pictures))

    for steps in (0, 4):
        plain, other = (
            list(argmin(Pixels(photos(3)), objective, optimizer=adam(0.1), steps=steps, last=last))
            for last in (None, valued)
        )
        for one, two in zip(plain, other, strict=True):
            assert torch.equal(one.pictures, two.pictures) and torch.equal(one.values, two.values)
    assert asked == [0, 4]


def test_no_steps_only_evaluates():
    (only,) = argmin(Pixels(photos(2)), bowl(photos(2, seed=1)), optimizer=sign(1), steps=0)
    assert torch.equal(only.pictures, photos(2)) and only.values.isfinite().all()


def test_the_generator_can_be_abandoned_and_the_picture_stays_where_it_is():
    image = Pixels(photos(2))
    steps = argmin(image, bowl(photos(2, seed=1)), optimizer=sign(0.01))
    for step in steps:
        if step.index == 3:
            break
    steps.close()
    assert torch.equal(image(), step.pictures)


@pytest.mark.parametrize("optimizer", [adam(0.05), sign(0.02), normalized(0.02)])
def test_finished_problems_do_not_move_and_the_others_do_not_notice(optimizer):
    x, objective = photos(3), bowl(photos(3, seed=1))
    threshold = objective(x, ALL, Key(0, [0], step=0))[0] * torch.tensor([0.7, 0.0, 0.3], dtype=torch.float64)

    def stop(pictures, rows, seen):
        return seen.values < threshold[rows]

    free = list(argmin(Pixels(x), objective, optimizer=optimizer, steps=30))
    batches = []

    def watched(pictures, rows, key):
        batches.append(rows.tolist())
        return objective(pictures, rows, key)

    steps = list(argmin(Pixels(x), watched, optimizer=optimizer, steps=30, stop=stop))
    for row in range(3):
        ended = next((step.index for step in steps if not step.alive[row]), None)
        for step, other in zip(steps, free, strict=True):
            at = step.index if ended is None else min(step.index, ended)
            torch.testing.assert_close(step.pictures[row], free[at].pictures[row], rtol=1e-13, atol=1e-13)
            torch.testing.assert_close(step.values[row], free[at].values[row], rtol=1e-12, atol=1e-12)
            assert bool(step.alive[row]) == (ended is None or step.index < ended), other.index
    assert not steps[-1].alive[0] and steps[-1].alive[1]
    assert batches[0] == [0, 1, 2] and batches[-1] == [row for row in range(3) if steps[-1].alive[row]]


def test_it_ends_when_all_problems_are_finished():
    steps = list(
        argmin(Pixels(photos(2)), bowl(photos(2, seed=1)), optimizer=sign(0.01), stop=lambda x, rows, v: rows >= 0)
    )
    assert len(steps) == 1 and not steps[0].alive.any()


def test_the_constraint_holds_at_every_step():
    x, radius = photos(3), 0.03
    for step in argmin(Pixels(x), bowl(photos(3, seed=1)), optimizer=sign(0.02), constraint=linf(x, radius), steps=9):
        assert (step.pictures - x).abs().max() <= radius + 1e-15
        assert step.pictures.min() >= 0 and step.pictures.max() <= 1
    assert (step.pictures - x).abs().max() > 0.99 * radius


def test_an_operator_comes_before_the_constraint_and_is_told_which_rows_move_and_what_moved_them():
    """The middle problem stops at once and the first one later: operator and constraint see the others' own."""
    x, target, seen = photos(3), photos(3, seed=1), []
    lows = torch.tensor([0.1, 0.2, 0.3], dtype=torch.float64)

    def brighter(pictures, rows, gradient, index):
        seen.append((rows.tolist(), index))
        before = torch.stack([steps[-1].pictures[row] for row in rows])
        torch.testing.assert_close(gradient, 2 * (before - target[rows]))
        torch.testing.assert_close(pictures, before - 0.01 * gradient.sign())
        return pictures + lows[rows].view(-1, 1, 1, 1) / 10 + 0.001 * index

    def at_least(pictures, rows):
        return torch.maximum(pictures, 2 * lows[rows].view(-1, 1, 1, 1)).clamp(max=0.9)

    def stop(pictures, rows, now):
        return (rows == 1) | ((rows == 0) & (len(steps) == 2))

    def watched(parameters):
        update = sign(0.01)(parameters)

        def told(values, gradients, rows, evaluate):
            torch.testing.assert_close(values, bowl(target)(parameters[0][rows], rows, Key()).values)
            update(values, gradients, rows, evaluate)

        return told

    steps = []
    for step in argmin(Pixels(x), bowl(target), optimizer=watched, operator=brighter, constraint=at_least,
                       steps=4, stop=stop):  # fmt: skip
        steps.append(step)
    assert seen == [([0, 2], 0), ([0, 2], 1), ([2], 2), ([2], 3)]
    for row, moves in ((0, 2), (1, 0), (2, 4)):
        expected = x[row]
        for index in range(moves):
            expected = expected - 0.01 * (expected - target[row]).sign() + lows[row] / 10 + 0.001 * index
            expected = torch.maximum(expected, 2 * lows[row]).clamp(max=0.9)
        torch.testing.assert_close(steps[-1].pictures[row], expected)


def test_an_optimizer_may_evaluate_again_with_the_same_key():
    keys, on_the_way = [], []

    def objective(pictures, rows, key):
        keys.append((key.step, tuple(key.uniform(rows, 1).flatten().tolist())))
        return bowl(photos(3, seed=1))(pictures, rows, key)

    def halving(parameters):
        """Half the way to the minimum, evaluated on the way."""

        def update(values, gradients, rows, evaluate):
            parameters[0].sub_(0.125 * gradients[0])
            there, (found,) = evaluate(rows)
            on_the_way.append(there)
            torch.testing.assert_close(found, 0.75 * gradients[0])
            torch.testing.assert_close(there, 0.75**2 * values)
            parameters[0].sub_(found / 6)

        return update

    steps = list(argmin(Pixels(photos(3)), objective, optimizer=halving, steps=3))
    assert [step for step, _ in keys] == [0, 0, 1, 1, 2, 2, 3] and keys[0] == keys[1] != keys[2]
    for before, after, there in zip(steps, steps[1:], on_the_way, strict=False):
        torch.testing.assert_close(there, before.values * 0.75**2)
        torch.testing.assert_close(after.values, before.values * 0.5**2)


# ------------------------------------------------------------------------------------------------------ closed forms


def test_the_lectures_linear_model_goes_from_minus_3_to_2_in_one_sign_step():
    x = torch.tensor([2, -1, 3, -2, 2, 2, 1, -4, 5, 1], dtype=torch.float64)
    w = torch.tensor([-1, -1, 1, -1, 1, -1, 1, 1, -1, 1], dtype=torch.float64)
    model = nn.Sequential(nn.Flatten(), nn.Linear(30, 2, bias=False)).double()
    with torch.no_grad():
        model[1].weight.copy_(torch.stack([torch.zeros(30), torch.cat([w, torch.zeros(20)])]))
    network = Network(model, size=(1, 10))
    picture = torch.zeros(1, 3, 1, 10, dtype=torch.float64)
    picture[0, 0, 0] = x
    steps = list(argmin(Pixels(picture), gradient(network, -score([1])), optimizer=sign(0.5), steps=1))
    assert [-step.values.item() for step in steps] == [-3, 2]
    assert torch.equal(steps[1].pictures[0, 0, 0], x + 0.5 * w.sign())
    p = [network.read(step.pictures, ["logits"])["logits"].softmax(1)[0, 1].item() for step in steps]
    assert p == pytest.approx([1 / (1 + math.exp(3)), 1 / (1 + math.exp(-2))])
    assert [round(value, 4) for value in p] == [0.0474, 0.8808]


def test_a_linear_model_is_fooled_exactly_beyond_its_margin():
    torch.manual_seed(3)
    model = nn.Sequential(nn.Flatten(), nn.Linear(27, 2)).double()
    network, x = Network(model, size=3), 0.4 + 0.2 * photos(1, 3)
    w = (model[1].weight[0] - model[1].weight[1]).detach()
    margin = (model(x)[0, 0] - model(x)[0, 1]).item()
    winner = int(margin < 0)
    radius = abs(margin) / w.abs().sum().item()
    for factor, fooled in ((0.99, False), (1.01, True)):
        *_, last = argmin(Pixels(x), gradient(network, -cross_entropy([winner])), optimizer=sign(radius),
                          constraint=linf(x, factor * radius), steps=3)  # fmt: skip
        assert (int(model(last.pictures).argmax()) != winner) == fooled


# ------------------------------------------------------------------------------------------- a row is a single run

SETTINGS = {
    "fourier, adam, strong": (lambda p: Fourier(p, (20, 20), dtype=torch.float64), adam(0.05), STRONG),
    "pixels, normalized, roll and shake": (
        lambda p: Pixels(photos(10)[p]), normalized(0.01), compose(roll(5), shake(pad=2, jitter=3, rotate=10))
    ),
    "pixels, sign": (lambda p: Pixels(photos(10)[p]), sign(0.01), STRONG),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("setting", SETTINGS)
def test_a_row_of_a_batch_equals_the_same_problem_run_alone(setting):
    image, optimizer, transform = SETTINGS[setting]
    network, problems, units = small(), [4, 9, 0, 7], [3, 0, 7, 1]

    def run(rows):
        names = [problems[row] for row in rows]
        term = -channel("3", [units[row] for row in rows]) + 0.1 * total_variation(2)
        objective = gradient(network, term, transform)
        gradients = objective(photos(10)[names], torch.arange(len(rows)), Key(5, names, step=2))[1]
        steps = list(
            argmin(image(names), objective, optimizer=optimizer, constraint=box(), steps=16, key=Key(5, names))
        )
        return gradients, steps

    gradients, together = run([0, 1, 2, 3])
    for row in range(4):
        own, alone = run([row])
        assert ((own[0] - gradients[row]).abs().max() / gradients[row].abs().max()).item() < 1e-9
        assert len(alone) == 17
        for one, many in zip(alone, together, strict=True):
            assert (one.pictures[0] - many.pictures[row]).abs().max() < 1e-6
            assert one.values[0].item() == pytest.approx(many.values[row].item(), rel=1e-6)
    assert (together[0].pictures - together[-1].pictures).abs().max() > 0.05


def test_the_same_seed_gives_the_same_bits_and_another_one_does_not():
    image, optimizer, transform = SETTINGS["fourier, adam, strong"]

    def run(seed):
        objective = gradient(small(), -channel("3", [0, 1]), transform)
        *_, last = argmin(image([0, 1]), objective, optimizer=optimizer, steps=4, key=Key(seed))
        return last.pictures

    assert torch.equal(run(0), run(0)) and not torch.equal(run(0), run(1))


# ------------------------------------------------------------------------------------------------------ not finite


def test_a_picture_that_is_not_finite_is_refused_and_the_last_good_one_stays():
    def exploding(parameters):
        def update(values, gradients, rows, evaluate):
            parameters[0].div_(0 if count.append(1) or len(count) == 3 else 2)

        return update

    count, good = [], []
    with pytest.raises(NotFinite, match=r"the picture is not finite after step 2; a smaller step may help"):
        for step in argmin(Pixels(photos(2)), bowl(photos(2)), optimizer=exploding):
            good.append(step)
    assert [step.index for step in good] == [0, 1, 2]
    torch.testing.assert_close(good[-1].pictures, photos(2) / 4)


def test_the_steps_before_a_value_that_is_not_finite_are_good():
    def objective(pictures, rows, key):
        if key.step == 2:
            raise NotFinite(f"step {key.step}: the value of a term is not finite")
        return bowl(photos(2))(pictures, rows, key)

    good = []
    with pytest.raises(NotFinite, match=r"^step 2: the value of"):
        for step in argmin(Pixels(photos(2, seed=1)), objective, optimizer=sign(0.1)):
            good.append(step)
    assert len(good) == 2 and good[-1].pictures.isfinite().all()


# --------------------------------------------------------------------------------------------------------- outputs


def test_steps_and_stops_see_what_the_objective_kept_and_a_finished_problem_keeps_its_last():
    network, x = small(), photos(3)
    objective = gradient(network, -score([0, 1, 2]), keep=["logits"])

    def stop(pictures, rows, seen):
        torch.testing.assert_close(seen.outputs["logits"], network.read(pictures, ["logits"])["logits"])
        return (rows == 1) & (seen.values < first.values[1] - 0.01)

    first = next(argmin(Pixels(x), objective, optimizer=normalized(0.02), steps=0))
    steps = list(argmin(Pixels(x), objective, optimizer=normalized(0.02), steps=12, stop=stop))
    assert not steps[-1].alive[1] and steps[-1].alive[0]
    for step in steps:
        torch.testing.assert_close(step.outputs["logits"], network.read(step.pictures, ["logits"])["logits"])


def test_the_stage_is_in_the_key_of_every_step():
    def path(stage):
        objective = gradient(small(), -channel("3", [0]), roll(5))
        return list(argmin(Pixels(photos(1)), objective, optimizer=sign(0.01), steps=2, key=Key(0, stage=stage)))

    assert not torch.equal(path(0)[-1].pictures, path(1)[-1].pictures)
    assert torch.equal(path(1)[-1].pictures, path(1)[-1].pictures)

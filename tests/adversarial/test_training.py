"""A training: what it learns, that it can be stopped anywhere, and that nothing that was lent is changed."""

import copy
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from phosphene.adversarial import training as module
from phosphene.adversarial import training_steps
from phosphene.adversarial.training import Course, Training
from phosphene.adversarial.training_parts import Part
from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from phosphene.core.optimization.training.pictures import Examples
from phosphene.core.optimization.training.steps import nesterov

COURSE = Course((8, 8), 4 / 255, 0.1, crops=(7, 8), pad=1, batch=16, decay=0.5)


THREE = replace(COURSE, sides=(8, 8, 8))


def two_classes(many, seed=0):
    """Noise; that of class 1 is redder."""
    labels = torch.arange(many) % 2
    pictures = torch.randint(60, 150, (many, 3, 8, 8), generator=torch.Generator().manual_seed(seed))
    pictures[labels == 1, 0] += 60
    return Examples(pictures.byte(), labels)


def small(classes=2, **facts):
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.1), nn.AdaptiveAvgPool2d(1),
        nn.Flatten(), nn.Linear(8, classes),
    )  # fmt: skip
    return Network(model, size=8, mean=(0.5,) * 3, std=(0.2,) * 3, name="small", **facts)


def begun(network=None, course=COURSE, seed=0):
    return Training(network or small(), two_classes(32), two_classes(8, seed=1), course, seed)


@pytest.fixture(autouse=True)
def _short(monkeypatch):
    """The attack that measures takes 2 steps."""
    monkeypatch.setattr(training_steps, "STEPS", 2)


def run(training, batches=None):
    """To the end, or so many batches and measurements."""
    for count, _ in enumerate(training, start=1):
        if count == batches:
            break
    return training


@pytest.fixture(scope="module")
def whole():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training_steps, "STEPS", 2)
        return run(begun())


@pytest.mark.slow
def test_it_learns_what_small_changes_leave_alone():
    training = run(begun(course=Course((8,) * 5, 4 / 255, 0.1, crops=(7, 8), pad=1, batch=8, decay=0.5)))
    assert [one.number for one in training.epochs] == [1, 2, 3, 4, 5]
    assert training.epochs[-1].loss < training.epochs[0].loss
    assert training.best_epoch.clean == training.best_epoch.robust == 1


def values(training):
    return [*training.model.state_dict().values(), *training.average.state_dict().values(), *training.best[1].values()]


def rows(training):
    return [(e.number, e.side, e.loss, e.trained, e.clean, e.robust) for e in training.epochs]


@pytest.mark.parametrize("batches", [1, 2, 3, 5])
def test_stopped_anywhere_it_ends_in_the_same_weights(whole, batches, tmp_path):
    """2 batches an epoch, and a measurement behind them."""
    file = tmp_path / "checkpoint"
    file.write_bytes(run(begun(), batches).saved())
    again = begun()
    again.resume(file)
    assert again.taken == batches - batches // 3
    run(again)
    assert rows(again) == rows(whole)
    assert all(torch.equal(a, b) for a, b in zip(values(again), values(whole), strict=True))


def test_ctrl_c_in_the_middle_of_a_step_waits_for_its_end(whole, tmp_path, monkeypatch):
    calls = []

    def interrupted(*args):
        calls.append(1)
        if len(calls) == 3:
            os.kill(os.getpid(), signal.SIGINT)
        nesterov(*args)

    monkeypatch.setattr(module, "nesterov", interrupted)
    stopped = begun()
    with pytest.raises(KeyboardInterrupt):
        run(stopped)
    assert stopped.taken == 3
    run(stopped)
    assert all(torch.equal(a, b) for a, b in zip(values(stopped), values(whole), strict=True))


def test_of_which_part_it_is_stays_with_it(tmp_path):
    def of(part):
        return Training(small(), two_classes(32), two_classes(8, seed=1), COURSE, part=part)

    file = tmp_path / "checkpoint"
    file.write_bytes(run(of(Part(1, 2)), 1).saved())
    again = of(Part(1, 2))
    again.resume(file)
    assert again.taken == 1 and again.identity["part"] == "1/2" and begun().identity["part"] is None
    with pytest.raises(Mistake, match="another training: part is 1/2 there, and 2/2 now"):
        of(Part(2, 2)).resume(file)
    with pytest.raises(Mistake, match="another training: part is 1/2 there, and none now"):
        begun().resume(file)


def test_another_seed_trains_otherwise(whole):
    assert rows(run(begun(seed=1))) != rows(whole)


def test_the_network_is_borrowed():
    network = small()
    network.model[3].train()
    network.model[6].bias.requires_grad_(False)
    before = copy.deepcopy(network.model.state_dict())
    training = run(begun(network))
    assert all(torch.equal(value, network.model.state_dict()[name]) for name, value in before.items())
    assert [m.training for m in network.model] == [True] * 7
    assert all(p.grad is None for p in network.model.parameters())
    assert torch.equal(training.model[6].bias, network.model[6].bias), "what was frozen stays as it is"
    assert not torch.equal(training.model[6].weight, network.model[6].weight)


def test_the_numbers_of_others_are_not_used_up():
    training = begun()
    torch.manual_seed(5)
    run(training, 2)
    after = torch.rand(3)
    torch.manual_seed(5)
    assert torch.equal(after, torch.rand(3))


def measured(monkeypatch, shares):
    """Robust accuracies as they are given, one an epoch."""
    given = iter(shares)
    monkeypatch.setattr(module, "accuracy", lambda *_, **__: (1.0, next(given)))


def test_the_weights_that_stood_best_are_kept_and_a_collapse_is_told(monkeypatch):
    measured(monkeypatch, [0.5, 0.9, 0.1])
    training, words = begun(course=THREE), []
    for ended in training:
        if ended is not None:
            words.append(training.words)
            if ended.number == 2:
                second = copy.deepcopy(training.average.state_dict())
    assert words[:2] == ["", ""]
    assert words[2].startswith("epoch 3: PGD-20 leaves 10.0 % after 90.0 % in epoch 2, whose weights are kept")
    assert training.best[0] == 2 and training.best_epoch.robust == 0.9
    assert all(torch.equal(value, training.best[1][name]) for name, value in second.items())


def test_of_two_that_stood_alike_the_later_is_kept(monkeypatch):
    measured(monkeypatch, [0.5, 0.9, 0.9])
    assert run(begun(course=THREE)).best[0] == 3


def test_the_last_weights_are_kept_where_the_course_says_so(monkeypatch):
    measured(monkeypatch, [0.5, 0.9, 0.1])
    training = run(begun(course=replace(THREE, last=True)))
    assert training.best[0] == 3 and training.best_epoch.robust == 0.1


def test_the_radius_grows_over_the_first_three_tenths(monkeypatch):
    radii, course = [], Course((8,) * 10, 0.1, 0.1, crops=(8, 8), pad=0, batch=32)
    measured(monkeypatch, [0.5] * 10)
    monkeypatch.setattr(module, "one_step", lambda loss, x, radius, noise: radii.append(radius) or x)
    run(begun(course=course))
    assert radii == pytest.approx([0, 0.1 / 3, 0.2 / 3] + [0.1] * 7)


def test_without_a_radius_nothing_is_attacked(monkeypatch):
    monkeypatch.setattr(module, "one_step", lambda *_: pytest.fail("it was attacked"))
    course = Course((8,), 0.0, 0.1, crops=(8, 8), pad=0, batch=16)
    (ended,) = filter(None, begun(course=course))
    assert ended.clean == ended.robust


def test_sides_grow_as_the_course_says():
    seen, network = [], small()
    training = begun(network, Course((6, 10), 0.0, 0.1, crops=(8, 8), pad=0, batch=32))
    training.model[0].register_forward_pre_hook(lambda _, x: seen.append(x[0].shape[-1]))
    run(training)
    assert seen == [6, 10]


def test_products_are_in_bfloat16_where_the_plan_says_so():
    kinds, training = [], begun(small(precision="bfloat16"))
    training.model[0].register_forward_hook(lambda _, __, y: kinds.append(y.dtype))
    run(training, 1)
    assert set(kinds) == {torch.bfloat16} and training.model[0].weight.dtype == torch.float32
    kinds.clear()
    training = begun(small(precision="float32"))
    training.model[0].register_forward_hook(lambda _, __, y: kinds.append(y.dtype))
    run(training, 1)
    assert set(kinds) == {torch.float32}


def test_a_loss_that_is_not_finite_ends_it_before_any_weight_is_moved():
    training = begun(course=Course((8, 8), 0.0, 0.1, crops=(8, 8), pad=0, batch=16))
    run(training, 1)
    with torch.no_grad():
        training.model[6].bias.fill_(float("inf"))
    weight = training.model[0].weight.clone()
    with pytest.raises(Mistake, match="the loss is not finite in epoch 1; a smaller rate may help"):
        run(training)
    assert torch.equal(weight, training.model[0].weight)


def refusal(network):
    with pytest.raises(Mistake) as refused:
        begun(network)
    return str(refused.value)


def test_what_can_not_be_trained_is_refused_in_a_sentence():
    frozen = small()
    frozen.model.requires_grad_(False)
    assert "has no parameters that can be trained" in refusal(frozen)
    probable = Network(nn.Sequential(small().model, nn.Softmax(1)), size=8, name="sure")
    assert "sure does not end in the logits of classes (probabilities)" in refusal(probable)
    scripted = Network(torch.jit.script(small().model.eval()), size=8, name="scripted")
    assert "scripted is TorchScript" in refusal(scripted)


def test_the_checkpoint_of_another_training_is_refused(tmp_path):
    file = tmp_path / "some.checkpoint"
    file.write_bytes(run(begun(), 1).saved())
    with pytest.raises(Mistake, match=r"another training: radius is 4/255 there, and 8/255 now; give --force"):
        begun(course=replace(COURSE, radius=8 / 255)).resume(file)
    with pytest.raises(Mistake, match="sides is 8 8 there, and 8 8 8 now"):
        begun(course=THREE).resume(file)
    with pytest.raises(Mistake, match="another training: the network is another one"):
        other = small()
        with torch.no_grad():
            other.model[0].weight.zero_()
        begun(other).resume(file)
    with pytest.raises(Mistake, match="another training: the data is another one"):
        Training(small(), two_classes(32, seed=3), two_classes(8, seed=1), COURSE).resume(file)


@pytest.mark.parametrize("content", [b"", b"precious", b"\x80\x02cos\nsystem\n."])
def test_a_file_that_is_no_checkpoint_is_refused(content, tmp_path):
    file = Path(tmp_path / "some.checkpoint")
    file.write_bytes(content)
    with pytest.raises(Mistake, match=r"some.checkpoint is no checkpoint of a training"):
        begun().resume(file)

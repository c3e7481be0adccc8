"""A borrowed model comes back as it was, and is one thread's at a time."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy

import pytest
import torch
from torch import nn

from phosphene.core.errors import Mistake
from phosphene.core.networks.borrowing import Locks, borrowed, borrower
from phosphene.core.networks.network import Network
from tests.core.networks.models import (
    Around,
    Plain,
    assert_faithful,
    conv,
    mean,
    of,
    pictures,
    residual,
)
from tests.core.witness import state


def test_a_model_in_train_mode_is_read_in_eval_mode_and_stays_in_train_mode():
    model = Around(lambda m, x: m.head(m.drop(mean(m.bn(m.a(x))))), a=conv(), bn=nn.BatchNorm2d(4),
                   drop=nn.Dropout(0.5), head=nn.Linear(4, 4)).double()  # fmt: skip
    model.train()
    model.bn.eval()
    model.a.weight.requires_grad_(False)
    before = state(model)
    network = Network(model, size=16)
    x = pictures(16, 16)
    first, second = (network.read(x, ["logits"])["logits"] for _ in range(2))
    assert state(model) == before
    assert torch.equal(first, second)
    torch.testing.assert_close(first, model.eval()(x))


def test_parameters_get_no_gradient_from_a_reading():
    network = of(Plain())
    network.read(pictures(16, 16), ["logits"])["logits"].sum().backward()
    assert all(parameter.grad is None for parameter in network.model.parameters())


@pytest.mark.parametrize(
    ("error", "caught"), [(RuntimeError, Mistake), (KeyboardInterrupt, KeyboardInterrupt), (SystemExit, Mistake)]
)
@pytest.mark.parametrize("where", ["forward", "hook"])
@pytest.mark.parametrize("layers", [["conv2", "logits"], ["mean", "conv1"]])
def test_the_model_is_given_back_after_an_exception(error, caught, where, layers):
    model = Plain().double().train()
    network = Network(model, size=16)
    _ = network.layers

    def fail(*_):
        raise error("stop")

    if where == "hook":
        model.conv2.register_forward_hook(fail)
    else:
        model.conv2.forward = fail
    before = state(model)
    for rule in ("gradient", "guided"):
        with pytest.raises(caught, match="stop" if caught is KeyboardInterrupt else "Plain fails: RuntimeError: "):
            network.read(pictures(16, 16), layers, rule)
        assert state(model) == before
    assert not torch.overrides._get_current_function_mode_stack()


def test_an_interrupted_look_at_the_layers_gives_the_model_back():
    model = Plain().train()

    def fail(*_):
        raise KeyboardInterrupt

    model.conv2.forward = fail
    before = state(model)
    with pytest.raises(KeyboardInterrupt):
        _ = Network(model, size=16).layers
    assert state(model) == before
    assert not torch.overrides._get_current_function_mode_stack()


def test_hooks_and_patched_forwards_of_the_user_work_and_stay():
    model = Plain().double().eval()
    plain, calls = model.conv2.forward, []
    model.conv2.forward = lambda x: 2 * plain(x)
    model.conv1.register_forward_hook(lambda module, inputs, output: output * 2)
    model.bn.register_forward_pre_hook(lambda module, inputs: calls.append("bn"))
    model.relu.register_forward_hook(lambda m, inputs, kwargs, out: out, with_kwargs=True, always_call=True)
    assert_faithful(Network(model, size=16), (16, 16), every=1)
    assert calls


def test_a_reading_inside_of_a_reading_disturbs_neither():
    for layers in (["conv1", "relu", "conv2"], ["conv2", "mean"], ["mean"], ["logits"]):
        model = Plain().double().eval()
        network, other = Network(model, size=16), Network(model, size=16, mean=(0.5,))
        x, y = pictures(16, 16), pictures(16, 16, seed=1)
        expected, inner = network.read(x, layers), other.read(y, [*layers, "conv2"])
        seen = []

        def look(module, inputs, output, model=model, other=other, y=y, layers=layers, seen=seen):
            if not seen:
                seen.append(None)
                seen[0] = other.read(y, [*layers, "conv2"])

        model.conv1.register_forward_hook(look)
        found = network.read(x, layers)
        for name in layers:
            assert torch.equal(found[name], expected[name])
            assert torch.equal(seen[0][name], inner[name])


def test_a_reading_of_another_network_inside_of_a_reading_disturbs_neither():
    outer, inner = Around(residual, a=conv(), b=conv(4)), of(Around(residual, a=conv(), b=conv(4)))
    x = pictures(16, 16)
    inside = inner.read(x, ["relu", "add"])
    outer = of(outer)
    before = outer.read(x, ["relu", "add", "relu#2"])
    seen = []
    outer.model.b.register_forward_hook(lambda *_: seen.append(inner.read(x, ["relu", "add"])))
    found = outer.read(x, ["relu", "add", "relu#2"])
    assert all(torch.equal(found[name], before[name]) for name in before)
    assert all(torch.equal(seen[0][name], inside[name]) for name in inside)


def test_threads_take_turns_with_one_model():
    model = Plain().double().train()
    before = state(model)
    networks = [Network(model, size=16), Network(model, size=16)]
    x = pictures(16, 16).detach()
    layers = ["conv1", "mean", "logits"]
    expected = networks[0].read(x, layers)
    wrong = []

    def work(network):
        for _ in range(20):
            found = network.read(x, layers)
            wrong.extend(name for name in layers if not torch.equal(found[name], expected[name]))

    threads = [threading.Thread(target=work, args=(network,)) for network in networks * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert state(model) == before


def test_parameters_that_the_model_passes_through_functions_are_not_marked():
    model = Around(lambda m, x: mean(m.a(x.to(torch.float64)) * m.gain.to(torch.float64).contiguous()), a=conv())
    model.gain = nn.Parameter(torch.ones(4, 1, 1))
    before = state(model.double())
    network = Network(model, size=16)
    assert network.layers["a"].field is not None
    assert state(model) == before


def test_data_parallel_is_unwrapped():
    model = Plain().double().eval()
    network = Network(nn.DataParallel(model), size=16)
    assert network.model is model
    assert_faithful(network, (16, 16), every=1)


@pytest.mark.slow
def test_a_compiled_model_is_read_through_its_wrapper():
    model = Plain().double().eval()
    network = Network(torch.compile(model, backend="eager"), size=16)
    assert network.model is model
    assert_faithful(network, (16, 16), every=1)


def test_a_model_compiled_in_place_is_read_uncompiled_and_stays_compiled():
    model = Plain().double().eval()
    expected = model(pictures(16, 16))
    model.compile(backend="eager")
    before = state(model)
    network = Network(model, size=16)
    found = network.read(pictures(16, 16), ["conv1", "mean", "logits"])
    torch.testing.assert_close(found["logits"], expected)
    assert state(model) == before and model._compiled_call_impl is not None


def test_a_compiled_part_is_read_uncompiled_and_stays_compiled():
    model = Around(lambda m, x: mean(m.b(m.part(x))), part=nn.Sequential(conv(), nn.ReLU()), b=conv(4)).double().eval()
    x = pictures(16, 16)
    expected = model.part(x), model(x)
    model.part = torch.compile(model.part, backend="eager")
    before = state(model)
    network = Network(model, size=16)
    found = network.read(x, ["part", "logits"])
    torch.testing.assert_close(found["part"], expected[0])
    torch.testing.assert_close(found["logits"], expected[1])
    guided = network.read(x, ["logits"], "guided")["logits"]
    torch.testing.assert_close(guided, expected[1])
    assert state(model) == before


# --------------------------------------------------------------------------------------------------------- threads


def in_threads(*works):
    """Run each in a thread of its own; what they return, or raise."""
    with ThreadPoolExecutor(len(works)) as pool:
        futures = [pool.submit(work) for work in works]
        return [future.exception(timeout=60) or future.result() for future in futures]


class Meeting(nn.Module):
    """A convolution that waits for others: at a barrier that breaks when nobody comes."""

    def __init__(self, barrier, conv=None):
        super().__init__()
        self.conv, self.barrier = conv or nn.Conv2d(3, 4, 3), barrier

    def forward(self, x):
        y = self.conv(x)
        if self.barrier is not None:
            self.barrier.wait()
        return y.mean((2, 3))


def meeting(seconds, *convs):
    """Two networks whose models meet inside of their forward."""
    networks = [of(Meeting(None, conv)) for conv in convs or (None, None)]
    barrier = threading.Barrier(2, timeout=seconds)
    for network in networks:
        _ = network.layers
        network.model.barrier = barrier
    return networks


def test_two_networks_are_read_in_two_threads_at_the_same_time():
    networks = meeting(30)
    x = pictures(16, 16).detach()
    layers = ["conv", "mean"]  # with hooks, and with functions intercepted
    read = in_threads(*(lambda network=network: network.read(x, layers) for network in networks))
    for network, activations in zip(networks, read, strict=True):
        network.model.barrier = None
        torch.testing.assert_close(activations["conv"], network.model.conv(x))
        torch.testing.assert_close(activations["mean"], network.model(x))


def test_two_networks_are_looked_at_in_two_threads_at_the_same_time():
    barrier = threading.Barrier(2, timeout=30)
    networks = [of(Meeting(barrier)) for _ in range(2)]
    first, second = in_threads(*(lambda network=network: list(network.layers) for network in networks))
    assert first == second == ["conv", "mean", "logits"]


@pytest.mark.parametrize("share", ["a module", "a parameter"])
def test_networks_that_share_a_part_take_turns(share):
    """The first waits for the second inside of its forward in vain: the barrier breaks before the second runs."""
    one = conv()
    other = one
    if share == "a parameter":
        other = conv()
        other.weight = one.weight
    networks = meeting(0.5, one, other)
    before = [state(network.model) for network in networks]
    x = pictures(16, 16).detach()
    read = in_threads(*(lambda network=network: network.read(x, ["logits"]) for network in networks))
    assert [type(error.__cause__) for error in read] == [threading.BrokenBarrierError] * 2
    assert [state(network.model) for network in networks] == before


def test_two_networks_of_one_model_take_turns():
    model = Meeting(None).double().eval()
    networks = Network(model, size=16), Network(model, size=16, mean=(0.5,))
    for network in networks:
        _ = network.layers
    inside, most = [], []

    def watch(module, inputs, output):
        inside.append(threading.get_ident())
        time.sleep(0.01)
        most.append(len(inside))
        inside.remove(threading.get_ident())

    model.conv.register_forward_hook(watch)
    x = pictures(16, 16).detach()
    in_threads(*(lambda network=network: [network.read(x, ["logits"]) for _ in range(5)] for network in networks))
    assert most == [1] * 10


def test_models_that_share_something_in_a_ring_do_not_wait_for_one_another_for_ever():
    """a and b share a module, b and c, c and a; each is read by a thread, in any order."""
    first, second, third = (nn.Conv2d(3, 3, 3, padding=1) for _ in range(3))
    models = [nn.Sequential(first, second), nn.Sequential(third, first), nn.Sequential(second, third)]
    networks = [of(model) for model in models]
    x = pictures(16, 16).detach()
    expected = [network.read(x, ["logits"])["logits"] for network in networks]

    def work(network):
        return lambda: [network.read(x, ["logits"])["logits"] for _ in range(10)][-1]

    for order in ((0, 1, 2), (2, 1, 0)):
        read = in_threads(*(work(networks[i]) for i in order))
        assert all(torch.equal(logits, expected[i]) for i, logits in zip(order, read, strict=True))


def test_locks_are_the_same_for_what_is_shared_and_others_for_what_is_not():
    shared, apart = conv(), conv()
    one, other = Locks(nn.Sequential(shared)), Locks(nn.Sequential(apart))
    both = Locks(nn.Sequential(shared, apart))
    assert not set(one._ordered) & set(other._ordered)
    assert set(one._ordered) | set(other._ordered) < set(both._ordered)
    assert both._ordered == Locks(nn.Sequential(apart, nn.Sequential(shared)))._ordered[:2] + both._ordered[2:]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_exception_in_one_thread_gives_the_model_back_to_the_other(error):
    model = Plain().double().train()
    network = Network(model, size=16)
    x = pictures(16, 16).detach()
    expected = network.read(x, ["logits"])["logits"]
    before = state(model)

    def fail(*_):
        raise error("stop")

    def work():
        hook = model.conv2.register_forward_hook(fail)
        try:
            network.read(x, ["logits"])
        finally:
            hook.remove()

    (raised,) = in_threads(work)
    assert isinstance(raised, Mistake if error is RuntimeError else error)
    assert state(model) == before
    (logits,) = in_threads(lambda: network.read(x, ["logits"])["logits"])
    assert torch.equal(logits, expected)


def test_a_reading_in_another_thread_is_not_seen_by_this_one():
    """A hook that waits for a reading of another model in another thread, which has the same names of layers."""
    outer, inner = of(Around(residual, a=conv(), b=conv(4))), of(Around(residual, a=conv(), b=conv(4)))
    x = pictures(16, 16).detach()
    layers = ["a", "relu", "add", "relu#2"]
    expected = outer.read(x, layers), inner.read(x, layers)
    seen = []
    outer.model.a.register_forward_hook(lambda *_: seen.extend(in_threads(lambda: inner.read(x, layers))))
    found = outer.read(x, layers)
    assert len(seen) == 1
    for name in layers:
        assert torch.equal(found[name], expected[0][name])
        assert torch.equal(seen[0][name], expected[1][name])


def test_the_precision_of_a_model_is_its_own_while_another_thread_reads_it_in_less():
    model = Meeting(None).float().eval()
    network = Network(model, size=16, precision="bfloat16")
    _ = network.layers
    asked = []

    def ask(*_):
        thread = threading.Thread(target=lambda: asked.append(network.dtype))
        thread.start()
        thread.join(0.2)  # it waits, as it should, and answers when the model is given back
        threads.append(thread)

    threads = []
    model.conv.register_forward_hook(ask)
    network.read(pictures(16, 16).detach().float(), ["logits"])
    for thread in threads:
        thread.join(30)
    assert asked == [torch.float32] * len(threads) and threads


def test_a_copy_of_a_network_has_locks_of_its_own():
    network = of(Plain())
    x = pictures(16, 16).detach()
    expected = network.read(x, ["logits"])["logits"]
    copied = deepcopy(network)
    assert torch.equal(copied.read(x, ["logits"])["logits"], expected)
    assert not set(copied.anatomy.locks._ordered) & set(network.anatomy.locks._ordered)


def test_whoever_borrows_is_known_in_this_thread_until_it_ends():
    assert borrower() is None
    with borrowed(Plain(), reader="outer"):
        with borrowed(Plain(), reader="inner"):
            assert (borrower(), *in_threads(borrower)) == ("inner", None)
        assert borrower() == "outer"
    assert borrower() is None

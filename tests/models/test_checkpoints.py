"""Which part of a checkpoint holds a network's weights: where everything fits, and nowhere else."""

import pytest
import torch
from torch import nn

from phosphene.core.errors import Mistake
from phosphene.models.checkpoints import entries, weights_for


class Net(nn.Module):
    """A convolution, its normalization and a head."""

    def __init__(self, classes=4):
        super().__init__()
        self.conv, self.bn, self.fc = nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.Linear(6, classes)


def own(model=None):
    return dict((model or Net()).state_dict())


def filled(number, model=None):
    """A state dict of this number everywhere."""
    return {name: torch.full_like(value, number) for name, value in own(model).items()}


def under(prefix, state):
    return {prefix + name: value for name, value in state.items()}


def taken(content, model=None):
    """The number that weights_for finds, and what it says."""
    wanted = own(model)
    found = weights_for(wanted, entries(content))
    (number,) = {value.unique().item() for value in found.state.values()}
    assert {n for n, v in wanted.items() if v.is_floating_point()} <= found.state.keys() <= wanted.keys()
    return number, found.said


def refused(content, model=None):
    with pytest.raises(Mistake) as told:
        weights_for(own(model), entries(content))
    return str(told.value)


PREFIXES = ["", "module.", "model.", "backbone.", "net.", "_orig_mod.", "module._orig_mod.", "a.b.c.", "encoder.0."]


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize(
    "container", [(), ("state_dict",), ("model",), ("net",), ("ema",), ("a", "b"), ("model", "state_dict", "x.y")]
)
def test_any_prefix_in_any_container_is_found(prefix, container):
    content = under(prefix, filled(7))
    for key in reversed(container):
        content = {key: content, "epoch": 3, "optimizer": {"state": {0: {"step": torch.ones(1)}}, "param_groups": []}}
    assert taken(content) == (7, [])


@pytest.mark.parametrize("wrapper", ["module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"])
def test_wrappers_inside_of_names_are_nothing(wrapper):
    state = {name.replace("conv.", f"conv.{wrapper}."): value for name, value in filled(7).items()}
    assert taken(state) == (7, [])
    assert taken(under("model.", state)) == (7, [])
    assert taken(filled(7), nn.ModuleDict({wrapper: Net()})) == (7, [])


@pytest.mark.parametrize("prefix", ["backbone", "model", "net.inner"])
def test_a_network_that_wraps_another_takes_the_weights_of_that(prefix):
    model = Net()
    for name in reversed(prefix.split(".")):
        model = nn.ModuleDict({name: model})
    for content in (filled(7), {"state_dict": under("module.", filled(7))}):
        assert taken(content, model) == (7, [])


def test_parts_in_containers_of_their_own_are_one_network():
    model = nn.ModuleDict({"encoder": nn.Conv2d(3, 6, 3), "head": nn.Linear(6, 4)})
    content = {"encoder": filled(7, model["encoder"]), "head": filled(7, model["head"]), "epoch": 3}
    assert taken(content, model) == (7, [])


@pytest.mark.parametrize(
    ("plain", "averaged"),
    [
        ("model", "model_ema"),
        ("state_dict", "state_dict_ema"),
        ("params", "params_ema"),
        ("model", "ema"),
        ("net", "ema_state_dict"),
        ("model_state_dict", "swa_model"),
    ],
)
def test_of_plain_and_averaged_weights_the_averaged_ones_are_taken_and_that_is_said(plain, averaged):
    number, (said,) = taken({plain: filled(1), averaged: under("module.", filled(2))})
    assert number == 2
    assert said == (
        f"holds weights that fit under '{plain}' and '{averaged}.module'; "
        f"'{averaged}.module', which was averaged over the training, was taken"
    )
    assert taken(under("model.", filled(1)) | under("ema_model.", filled(2)))[0] == 2


def test_the_same_weights_twice_are_no_question():
    assert taken({"model": filled(1), "best": filled(1)}) == (1, [])


def test_several_weights_are_not_chosen_from():
    content = {"student": filled(1), "teacher": filled(2)}
    assert refused(content) == ("holds weights that fit under 'student' and 'teacher'; save those that are meant alone")
    assert "save those" in refused({"ema": filled(1), "swa": filled(2)})


def test_counters_are_left_out_and_named():
    extra = {
        "total_ops": torch.zeros(1, dtype=torch.float64), "conv.total_params": torch.zeros(1), "epoch": 3,
        "n_averaged": torch.tensor(3), "positions": torch.arange(6),
    }  # fmt: skip
    number, (said,) = taken({"state_dict": filled(7) | extra})
    assert number == 7
    assert said == "left out total_ops, conv.total_params, epoch and 2 more, which the network has not"


def test_missing_counters_are_named():
    state = {name: value for name, value in filled(7).items() if "num_batches" not in name}
    assert taken(state) == (7, ["is without bn.num_batches_tracked; it only counts"])
    bare = nn.Sequential(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6, track_running_stats=False))
    state = filled(7, bare) | {"1.num_batches_tracked": torch.tensor(1)}
    assert taken(state, bare) == (7, ["left out 1.num_batches_tracked, which the network has not"])


def test_a_counter_of_another_shape_is_a_counter():
    state = filled(7) | {"bn.num_batches_tracked": torch.tensor([7])}
    assert taken(state) == (7, [])


def test_what_stands_outside_of_the_prefix_is_left_out_and_named():
    content = {"state_dict": under("model.", filled(7)) | {"loss.weight": torch.ones(4)}}
    assert taken(content) == (7, ["left out loss.weight, which the network has not"])


def test_tied_weights_may_be_there_once():
    model = nn.ModuleDict({"a": nn.Linear(4, 4, bias=False), "b": nn.Linear(4, 4, bias=False)})
    model["b"].weight = model["a"].weight
    assert taken({"a.weight": torch.full((4, 4), 7.0)}, model) == (7, [])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda state: state.pop("bn.running_mean"), "bn.running_mean is missing"),
        (lambda state: state.update({"fc.weight": torch.ones(10, 6)}), "fc.weight is (10, 6) instead of (4, 6)"),
        (lambda state: state.update({"extra.weight": torch.ones(1)}), "extra.weight is unknown to the network"),
        (lambda state: state.update({"decay.weight": torch.ones(3)}), "decay.weight is unknown to the network"),
    ],
)
@pytest.mark.parametrize("prefix", ["", "module.", "model."])
def test_what_does_not_fit_is_refused_whatever_the_prefix(change, words, prefix):
    state = filled(7)
    change(state)
    assert refused({"state_dict": under(prefix, state)}) == f"does not fit the network: {words}"


def test_a_module_elsewhere_of_the_same_shape_is_not_taken():
    model = nn.ModuleDict({"fc": nn.Linear(3, 3)})
    assert refused(under("other.", filled(7, nn.Linear(3, 3))), model).startswith(
        "does not fit the network: fc.weight is missing, fc.bias is missing, other.weight is unknown"
    )


def test_another_network_is_refused_by_its_first_differences():
    words = refused({"epoch": 1, "model": filled(1, nn.Sequential(nn.Linear(2, 2)))})
    assert words == (
        "does not fit the network: conv.weight is missing, conv.bias is missing, bn.weight is missing and 7 more"
    )

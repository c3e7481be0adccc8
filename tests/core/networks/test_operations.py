"""A pass whose operations were written down can be played again, on any number of pictures."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from phosphene.core.networks.layers import LOGITS, Tap
from phosphene.core.networks.operations import COUNTS, record_operations
from phosphene.core.networks.recording import Node, PerPicture, Unplayable
from tests.core.networks.models import Around, Plain, conv, mean, pictures
from tests.core.witness import apart, state


def recorded(model, *taps, size=(12, 12), **options):
    x = pictures(*size, n=COUNTS[1]).detach()
    model.double().eval().requires_grad_(False)
    return record_operations(model, (x[: COUNTS[0]], x), [*taps, LOGITS], **options)


def played(recording, x):
    """Every call in order: the tensor of each tap."""
    tensors = {0: x.clone()}
    for call in recording.calls:
        tensors |= dict(zip(call.outputs, call.play(tensors, len(x)), strict=True))
    return {tap: tensors[node] for tap, node in recording.taps.items()}


def viewed(m, x):
    y = m.a(x)
    z = y.view(x.size(0), -1)[:, : 4 * 12 * 12]
    return m.head(z) + torch.ones(len(x), 3) * torch.arange(3.0)


@pytest.mark.parametrize("many", [1, 2, 3, 5])
def test_a_recording_gives_what_the_model_gives_for_any_number_of_pictures(many):
    x = pictures(12, 12, n=many, seed=7).detach()
    for model, tap in (
        (Plain(), Tap("conv2", None, 1)),
        (Around(viewed, a=conv(), head=nn.Linear(4 * 12 * 12, 3)), Tap("a", None, 1)),
    ):
        recording = recorded(model, tap)
        model.float().double()  # the recording holds the weights, not the model
        found = played(recording, x)
        assert apart(found[LOGITS], model(x)) < 1e-12
        inside = []
        hook = model.get_submodule(tap.owner).register_forward_hook(lambda m, i, y, inside=inside: inside.append(+y))
        model(x)
        hook.remove()
        assert apart(found[tap], inside[0]) < 1e-12


def test_integers_that_count_pictures_are_found_and_others_left_alone():
    recording = recorded(Around(lambda m, x: m.a(x).view(len(x) * 2, -1)[: len(x) + 1], a=conv()))
    leaves = [leaf for call in recording.calls for leaf in torch.utils._pytree.tree_leaves((call.args, call.kwargs))]
    counts = [leaf for leaf in leaves if isinstance(leaf, PerPicture)]
    assert PerPicture(0, 2) in counts and PerPicture(1, 1) in counts and len(counts) == 2


def test_what_no_tap_needs_is_left_out_and_what_is_always_the_same_is_a_constant():
    def run(m, x):
        y = m.a(x)
        m.b(y)
        return mean(y * m.weights.softmax(0))

    model = Around(run, a=conv(), b=conv(4))
    model.register_buffer("weights", torch.randn(4, 1, 1))
    recording = recorded(model)
    assert [call.operation for call in recording.calls] == ["convolution", "mul", "mean"]
    (weights,) = [arg for arg in recording.calls[1].args if isinstance(arg, torch.Tensor)]
    torch.testing.assert_close(weights, model.weights.softmax(0))
    assert [arg for arg in recording.calls[1].args if isinstance(arg, Node)] == [Node(1)]


def test_an_operation_in_place_makes_a_node_of_its_own():
    recording = recorded(Around(lambda m, x: mean(m.a(x).relu_()), a=conv()), Tap("", "relu", 1))
    convolution, relu, _ = recording.calls
    assert (relu.operation, relu.in_place, relu.inputs) == ("relu", True, list(convolution.outputs))
    assert relu.place == "relu" and convolution.place == "conv2d in a"
    assert recording.taps[Tap("", "relu", 1)] == relu.outputs[0] != convolution.outputs[0]


def test_a_rectifier_that_is_written_as_a_maximum_is_tapped_by_its_name():
    """To find that out, numbers are looked at; that is not the model's doing."""
    tap = Tap("", "relu", 1)
    for rectifier in (lambda y: torch.maximum(y, torch.zeros_like(y)), lambda y: y.clamp(min=0)):
        model = Around(lambda m, x, f=rectifier: mean(f(m.a(x))), a=conv())
        recording = recorded(model, tap)
        x = pictures(12, 12, n=2, seed=3).detach()
        torch.testing.assert_close(played(recording, x)[tap], model.a(x).clamp(min=0))


def test_products_are_counted_for_one_picture():
    recording = recorded(Around(lambda m, x: mean(m.a(x)), a=conv()))
    assert recording.calls[0].products == 12 * 12 * 4 * 3 * 9
    assert recording.calls[1].products == 0


def test_shapes_are_those_of_one_picture():
    recording = recorded(Around(lambda m, x: mean(m.a(x).transpose(0, 1)), a=conv()))
    shapes = [recording.shapes[call.outputs[0]] for call in recording.calls]
    assert shapes[0] == (4, 12, 12)
    assert shapes[1] is None  # its first axis does not count pictures


def test_the_exact_rewrite_is_written_down_where_it_is_on():
    def run(m, x):
        return mean(F.local_response_norm(m.a(x), 3))

    x = pictures(12, 12, n=2, seed=3).detach()
    model = Around(run, a=conv())
    plain, rewritten = recorded(model), recorded(model, rewrite=True)
    assert "avg_pool3d" in [call.operation for call in plain.calls]
    assert "avg_pool3d" not in [call.operation for call in rewritten.calls]
    assert apart(played(plain, x)[LOGITS], played(rewritten, x)[LOGITS]) < 1e-12


UNPLAYABLE = {
    "looks at the numbers": lambda m, x: mean(m.a(x)) * (2 if m.a(x).sum() > 0 else 3),
    "writes into a part of what is read afterwards": lambda m, x: written(m.a(x)),
    "depends on the number of pictures": lambda m, x: mean(m.a(x)) / len(x) ** 0.5,
    "returns what was not computed from the picture": lambda m, x: m.a.bias,
}


def written(y):
    y[:, 1] *= 2
    return mean(y)


@pytest.mark.parametrize("reason", UNPLAYABLE)
def test_what_cannot_be_played_says_why(reason):
    model = Around(UNPLAYABLE[reason], a=conv())
    before = state(model.double().eval().requires_grad_(False))
    with pytest.raises(Unplayable, match=reason):
        recorded(model)
    assert state(model) == before

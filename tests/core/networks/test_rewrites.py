"""Exact rewrites equal what they stand for."""

from contextlib import ExitStack

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from phosphene.core.networks.rewrites import StridedConvolution, local_response_norm
from tests.core.networks.models import Around, conv, mean, of, pictures
from tests.core.witness import apart


def slow_local_response_norm(x, size, alpha, beta, k):
    """Krizhevsky et al. 2012, section 3.3, channel by channel, with PyTorch's mean for the sum."""
    channels = []
    for c in range(x.shape[1]):
        window = [x[:, j] ** 2 for j in range(max(0, c - size // 2), min(x.shape[1], c + (size - 1) // 2 + 1))]
        channels.append(x[:, c] / (k + alpha * sum(window) / size) ** beta)
    return torch.stack(channels, 1)


@settings(max_examples=40)
@given(
    st.integers(1, 9), st.integers(1, 12), st.sampled_from([0.5, 0.75, 1.0, 2.0]), st.floats(1e-4, 2), st.floats(0.5, 3)
)
def test_local_response_normalization_equals_pytorchs_in_value_and_gradient(channels, size, beta, alpha, k):
    x = torch.randn(2, channels, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
    x.requires_grad_()
    ours, theirs = (f(x, size, alpha, beta, k) for f in (local_response_norm, F.local_response_norm))
    assert apart(ours, theirs) < 1e-9
    assert apart(ours, slow_local_response_norm(x, size, alpha, beta, k)) < 1e-9
    weights = torch.randn(x.shape, dtype=x.dtype, generator=torch.Generator().manual_seed(6))
    gradients = [torch.autograd.grad((weights * y).sum(), x)[0] for y in (ours, theirs)]
    assert apart(*gradients) < 1e-9


@pytest.mark.parametrize("norm", [nn.LocalResponseNorm(4, 0.3, 0.6, 1.5),
                                  lambda x: F.local_response_norm(input=x, size=3, k=2.0)])  # fmt: skip
def test_the_rewrite_takes_the_place_of_module_and_function(norm, monkeypatch):
    modules = {"norm": norm} if isinstance(norm, nn.Module) else {}
    network = of(Around(lambda m, x: mean(norm(m.a(x))), a=conv(), **modules))
    x = pictures(16, 16)
    expected = network.model(x)
    _ = network.layers
    monkeypatch.setattr(F, "avg_pool3d", lambda *_: pytest.fail("the rewrite was not used"))
    torch.testing.assert_close(network.read(x, ["logits"])["logits"], expected)


@settings(max_examples=60)
@given(st.data())
def test_a_strided_convolution_is_pytorchs_to_the_last_bit_and_its_gradient_equals_pytorchs(data):
    draw = data.draw
    stride, channels = draw(st.integers(2, 5)), draw(st.integers(1, 4))
    kernel, padding = (
        draw(st.tuples(st.integers(low, high), st.integers(low, high))) for low, high in ((1, 8), (0, 4))
    )
    size = [draw(st.integers(max(1, k - 2 * p), 20)) for k, p in zip(kernel, padding, strict=True)]
    random = torch.Generator().manual_seed(draw(st.integers(0, 99)))
    x, weight, bias = (
        torch.randn(*shape, dtype=torch.float64, generator=random)
        for shape in ((2, channels, *size), (5, channels, *kernel), (5,))
    )
    x.requires_grad_()
    ours, theirs = (
        StridedConvolution.apply(x, weight, bias, stride, padding),
        F.conv2d(x, weight, bias, stride, padding),
    )
    assert torch.equal(ours, theirs)
    above = torch.randn(theirs.shape, dtype=torch.float64, generator=random)
    mine, wanted = (torch.autograd.grad(y, x, above)[0] for y in (ours, theirs))
    assert (mine - wanted).abs().max() <= 1e-12 * (1 + wanted.abs().max())


def test_the_gradient_of_that_gradient_is_pytorchs_too():
    x, weight, above = (
        pictures(9, 11),
        pictures(4, 4, n=5, seed=1).detach(),
        pictures(3, 4)[:, :1].repeat(1, 5, 1, 1),
    )
    above = above.requires_grad_()
    there_and_back = []
    for call in (StridedConvolution.apply, F.conv2d):
        (once,) = torch.autograd.grad(call(x, weight, None, 3, (1, 1)), x, above, create_graph=True)
        there_and_back.append(torch.autograd.grad(once.square().sum(), above)[0])
    assert apart(*there_and_back) < 1e-12


def begins_with(stem):
    return of(Around(lambda m, x: mean(m.stem(x)), stem=stem))


@pytest.mark.parametrize(
    ("stem", "acts"),
    [
        ({"kernel_size": 7, "stride": 2, "padding": 3}, True),
        ({"kernel_size": 3, "stride": (2, 1)}, False),
        ({"kernel_size": 3}, False),
        ({"kernel_size": 3, "stride": 2, "dilation": 2}, False),
        ({"kernel_size": 3, "stride": 2, "groups": 3}, False),
        ({"kernel_size": 3, "stride": 2, "padding": 1, "padding_mode": "reflect"}, True),
    ],
)  # fmt: skip
def test_the_gradient_of_a_first_layer_that_strides_is_computed_without_strides(stem, acts, monkeypatch):
    network = begins_with(nn.Conv2d(3, 6, **stem, dtype=torch.float64))
    _ = network.layers
    calls, own = [], F.conv_transpose2d
    monkeypatch.setattr(F, "conv_transpose2d", lambda *given: calls.append(given) or own(*given))
    x = pictures(16, 16)
    (found,) = torch.autograd.grad(network.read(x, ["logits"])["logits"].square().sum(), x)
    assert bool(calls) == acts
    network.model.requires_grad_(False)
    (wanted,) = torch.autograd.grad(network.model(x).square().sum(), x)
    assert apart(found, wanted) < 1e-12


@pytest.mark.slow
def test_inception5h_with_the_rewrite_equals_inception5h(shared_network):
    network = shared_network("inception5h", torch.float64)
    x = pictures(224, 224)
    ours = network.read(x, ["logits"])["logits"]
    theirs = network.model.requires_grad_(False)(255 * x - 117)
    assert apart(ours, theirs) < 1e-9
    gradients = [torch.autograd.grad(y[0, 207], x)[0] for y in (ours, theirs)]
    assert apart(*gradients) < 1e-9


def test_a_rule_for_every_call_leaves_the_rewrites_to_the_calls_that_they_are_for():
    torch.manual_seed(0)
    stem, apart = nn.Conv2d(3, 4, 3, stride=2, padding=1), nn.Conv2d(4, 4, 3, padding=1, groups=4)
    model = nn.Sequential(stem, nn.ReLU(), apart, nn.ReLU())
    network, x = of(model, size=16).planned("picture"), pictures(16, 16)
    last = list(network.layers)[-2]
    with ExitStack() as until:
        seen = network.read(x, [last], lambda x: lambda *call: NotImplemented, until)[last]
        torch.testing.assert_close(seen, model(x), rtol=1e-4, atol=1e-5)

"""Exact rewrites equal what they stand for."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from phosphene.core.networks.rewrites import local_response_norm
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


@pytest.mark.slow
def test_inception5h_with_the_rewrite_equals_inception5h(shared_network):
    network = shared_network("inception5h", torch.float64)
    x = pictures(224, 224)
    ours = network.read(x, ["logits"])["logits"]
    theirs = network.model.requires_grad_(False)(255 * x - 117)
    assert apart(ours, theirs) < 1e-9
    gradients = [torch.autograd.grad(y[0, 207], x)[0] for y in (ours, theirs)]
    assert apart(*gradients) < 1e-9

"""Checkpointed blocks are plain calls while a model is read, of this thread alone, and afterwards as before."""

import threading

import pytest
import torch
import torch.utils.checkpoint as checkpoints
from torch.utils.checkpoint import checkpoint

from phosphene.core.networks.recomputing import without_recomputation


def counted(x, use_reentrant):
    """How often a checkpointed block runs, forward and backward."""
    runs = []

    def block(y):
        runs.append(None)
        return (y * y).sin()

    leaf = x.clone().requires_grad_()
    checkpoint(block, leaf, use_reentrant=use_reentrant).sum().backward()
    return len(runs), leaf.grad


@pytest.mark.parametrize("use_reentrant", [True, False])
def test_a_block_runs_once_while_a_model_is_read_with_the_same_gradient(use_reentrant):
    x = torch.rand(3, dtype=torch.float64)
    own = checkpoints.CheckpointFunction, checkpoints._checkpoint_without_reentrant_generator
    twice, gradient = counted(x, use_reentrant)
    with without_recomputation():
        once, same = counted(x, use_reentrant)
        elsewhere = []
        thread = threading.Thread(target=lambda: elsewhere.append(counted(x, use_reentrant)[0]))
        thread.start()
        thread.join()
    assert (twice, once, elsewhere) == (2, 1, [2])
    torch.testing.assert_close(same, gradient)
    assert own == (checkpoints.CheckpointFunction, checkpoints._checkpoint_without_reentrant_generator)
    assert counted(x, use_reentrant)[0] == 2


def test_reentrant_blocks_let_gradients_be_asked_for():
    x = torch.rand(3, requires_grad=True)
    with without_recomputation():
        y = checkpoint(torch.sin, x, use_reentrant=True)
        (gradient,) = torch.autograd.grad(y.sum(), x)
    torch.testing.assert_close(gradient, x.cos())

"""Which module is to be passed straight: the smallest with which the trouble ends."""

import pytest
import torch
from torch import nn

from phosphene.adversarial.evaluation.culprits import straightened
from phosphene.adversarial.evaluation.slopes import has_gradients
from phosphene.core.networks.network import Network
from tests.adversarial.defences import Quantization, base, guarded
from tests.adversarial.evaluation.subjects import evidence

ALL = torch.ones(4, dtype=torch.bool)


@pytest.mark.slow
def test_the_smallest_module_that_helps_is_named():
    deep = guarded(base(), door=nn.Sequential(nn.Identity(), Quantization(8)))
    for victim in (deep, Network(deep, size=8)):
        assert straightened(evidence(victim, 4), ALL, has_gradients) == "--bpda door.1"


def test_a_function_has_no_module_to_name():
    victim = guarded(base(), door=Quantization(8))
    assert straightened(evidence(lambda x: victim(x), 4), ALL, has_gradients) == "--bpda MODULE"


def test_only_pictures_in_trouble_are_tried_and_at_most_four():
    seen = []
    troubled = torch.arange(16) >= 9

    def helps(other):
        seen.append(other.numbered(torch.ones(len(other), dtype=torch.bool)))
        return False

    assert straightened(evidence(base(), 16), troubled, helps) == "--bpda MODULE"
    assert set(seen) == {(9, 10, 11, 12)}

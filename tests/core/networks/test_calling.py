"""How a model is called: pictures under a name, in a dict, with other inputs beside them."""

import sys

import pytest
import torch
from torch import nn

from phosphene.core.errors import Mistake
from phosphene.core.networks.calling import PLAINLY, Calling, missing_input
from tests.small import normal

X = normal(3, 3, 4, 4)
META = normal(1, 2, seed=1)


class Named(nn.Module):
    def forward(self, pixel_values, mask=None, meta=None):
        return pixel_values, mask, meta


class Open(nn.Module):
    def forward(self, **kwargs):
        return kwargs["pixel_values"], None, kwargs.get("meta")


class Dict(nn.Module):
    def forward(self, batch):
        return batch["pixel_values"], None, batch.get("meta")


class Needy(nn.Module):
    def forward(self, x, meta):
        return x, None, meta


@pytest.mark.parametrize("model", [Named(), Open(), Dict()])
def test_pictures_go_in_under_a_name_and_others_are_repeated_for_each(model):
    x, _, meta = Calling("pixel_values", {"meta": META})(model, X)
    assert x is X
    torch.testing.assert_close(meta, META.expand(3, 2))


def test_pictures_alone_are_the_first_argument():
    assert PLAINLY(Named(), X)[0] is X
    x, _, meta = Calling(None, {"meta": META})(Needy(), X)
    assert x is X and len(meta) == 3


def test_inputs_come_in_the_precision_of_the_pictures_and_whole_numbers_as_they_are():
    whole = torch.tensor([[1, 2]])
    _, mask, meta = Calling(None, {"meta": META.float(), "mask": whole})(Named(), X)
    assert meta.dtype == torch.float64 and mask.dtype == torch.int64
    batch = torch.arange(6).view(3, 2)
    assert Calling(None, {"mask": batch})(Named(), X)[1] is not None


def test_an_input_that_the_model_does_not_take_is_answered_with_the_nearest():
    with pytest.raises(Mistake, match="Named takes no input 'pixel_value'; did you mean 'pixel_values'"):
        Calling("pixel_value")(Named(), X)
    with pytest.raises(Mistake, match="Needy takes no input 'age'; it takes x, meta"):
        Calling(None, {"age": META})(Needy(), X)


def test_what_a_model_misses_is_said():
    with pytest.raises(TypeError) as caught:
        PLAINLY(Needy(), X)
    assert "inputs={'NAME': tensor}" in missing_input(caught.value)
    assert missing_input(RuntimeError("shapes")) == ""


def test_a_model_that_ends_the_program_only_fails():
    class Ending(nn.Module):
        def forward(self, x):
            sys.exit(3)

    with pytest.raises(RuntimeError, match=r"it ends the program \(sys.exit\(3\)\)"):
        PLAINLY(Ending(), X)

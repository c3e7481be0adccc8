"""A plan is compared with the plain model once: what differs or fails is dropped, and said."""

import warnings

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from phosphene.core.errors import Note
from phosphene.core.networks.network import Network
from phosphene.core.networks.plan import Plan
from phosphene.core.networks.verification import features, rewritable, verified
from tests.core.networks.models import Around, Plain, conv, mean
from tests.small import noise

ALL = Plan("bfloat16", True, ("local_response_norm", "batch_norm"))


def anatomy(model, **facts):
    return Network(model, size=16, **facts).anatomy


class Tied(nn.Module):
    """A convolution whose weight is read elsewhere too."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.code, self.norm = nn.Conv2d(3, 8, 4, 2, 1, bias=False), nn.BatchNorm2d(8)
        self.norm.running_var.fill_(0.3)

    def forward(self, x):
        return mean(F.conv_transpose2d(self.norm(self.code(x)).relu(), self.code.weight, stride=2, padding=1))


def test_a_plan_that_says_the_same_is_kept_without_a_word():
    with warnings.catch_warnings():
        warnings.simplefilter("error", Note)
        assert verified(anatomy(Plain()), ALL) == ALL


def test_a_rewrite_that_says_something_else_is_dropped_and_the_others_are_kept():
    tied = anatomy(Tied())
    with pytest.warns(Note, match="Tied is run without batch normalization folded into convolutions, because it would"):
        plan = verified(tied, Plan("float32", True, ("local_response_norm", "batch_norm")))
    assert plan == Plan("float32", True, ("local_response_norm",))
    with warnings.catch_warnings():
        warnings.simplefilter("error", Note)
        assert verified(tied, Plan("float32", True, ("local_response_norm", "batch_norm"))) == plan, "once"


def test_every_purpose_reads_the_plain_model_where_weights_are_tied():
    model = Tied().eval()
    network, x = Network(model, size=32), noise(1, 3, 32, 32, dtype=torch.float32)
    for purpose in ("reading", "search", "picture"):
        read = network.planned(purpose).read(x, ["logits"])["logits"]
        tolerance = 0.05 if network.planned(purpose).plan.precision == "bfloat16" else 1e-5
        assert (read - model(x)).abs().max() < tolerance * model(x).abs().max(), purpose


def test_channels_last_is_dropped_where_a_view_fails_on_it():
    model = Around(lambda m, x: m.fc(F.max_pool2d(m.a(x), 4).view(len(x), -1)), a=conv(), fc=nn.Linear(64, 3))
    with pytest.warns(Note, match="is run without channels last, because it would fail"):
        plan = verified(anatomy(model), Plan("float32", True, ()))
    assert plan == Plan("float32", False, ())


def test_a_precision_that_a_model_has_no_kernel_for_is_dropped():
    def mixed(m, x):
        y = mean(m.a(x))
        return torch.zeros(len(y), 4).index_add_(0, torch.arange(len(y)), y)

    with pytest.warns(Note, match="without bfloat16"):
        assert verified(anatomy(Around(mixed, a=conv())), Plan("bfloat16", False, ())).precision == "float32"


def test_features_are_what_finds_something_to_act_on():
    assert features(anatomy(Plain()), ALL) == ["batch_norm", "channels_last", "bfloat16"]
    assert features(anatomy(Plain().double()), Plan("float64", False, ())) == []
    assert rewritable(anatomy(nn.Sequential(conv(), nn.LocalResponseNorm(3)))) == ("local_response_norm",)

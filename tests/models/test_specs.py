"""Networks from spec strings: every form loads, everything else is told what it is and what would do."""

import pytest
import torch

import phosphene
from phosphene.core.errors import Mistake
from phosphene.models.embedded import EMBEDDED
from phosphene.models.specs import load, networks


def test_precision_and_device_are_set():
    assert load(precision="float64", device="cpu").dtype == torch.float64
    assert load(precision="bfloat16").dtype == torch.float32
    assert load(precision="bfloat16").plan.precision == "bfloat16"
    assert load().dtype == torch.float32


def test_all_that_can_be_loaded_is_listed():
    found = networks()
    ours = [f"embedded:{name}" for name in EMBEDDED]
    assert list(found) == [
        *ours, "torchvision:NAME", "timm:NAME", "hog:8x8x9", "sift:4x4x8", "FILE.safetensors", "FILE.py:FACTORY",
    ]  # fmt: skip
    assert all(found.values())


# --------------------------------------------------------------------------------------------------- wrong names


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("embedded:foto", "no embedded network 'foto'; did you mean 'photo'"),
        ("photo", "did you mean 'embedded:photo'"),
        ("embedded:photo?x=1", r"embedded:photo takes no options, so '\?x=1' means nothing; leave it out"),
        ("embedded:digits?weights=none", "embedded:digits takes no options"),
        ("torchvision:resnet19", "torchvision has no network 'resnet19'; did you mean 'resnet1"),
        ("torchvision:", "torchvision has no network ''"),
        ("torchvision:resnet18?weights=V9", "resnet18 has no weights 'V9'; there are IMAGENET1K_V1 and none"),
        ("torchvision:resnet18?weights=none&colour=3", "colour"),
        ("torchvison:resnet18", "did you mean 'torchvision:resnet18'"),
        ("", "write embedded:NAME"),
        (".py", "no network '.py'|there is no file"),
    ],
)
def test_a_wrong_name_is_answered_with_the_nearest(spec, said):
    with pytest.raises(Mistake, match=said):
        load(spec)


@pytest.mark.parametrize(
    ("option", "said"), [("device", "device 'gpu' is not here; there is cpu"), ("precision", "gpu")]
)
def test_a_wrong_device_or_precision_is_told(option, said):
    with pytest.raises(Mistake, match=said):
        load(**{option: "gpu"})


def test_the_public_door_is_the_same_function():
    assert phosphene.load is load

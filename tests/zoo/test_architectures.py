"""A drawn part of the whole architectures; `python -m tests.zoo.architectures` asks all of them."""

import pytest

from tests.zoo.architectures import PARTS, asked_apart, row, table, timm_specs, torchvision_specs

DRAWN = [
    "torchvision:resnet18?weights=none", "torchvision:mobilenet_v3_small?weights=none",
    "torchvision:shufflenet_v2_x0_5?weights=none", "torchvision:squeezenet1_1?weights=none",
    "timm:vit_tiny_patch16_224?weights=none", "timm:convnext_atto?weights=none",
    "segmentation:lraspp_mobilenet_v3_large", "detection:fasterrcnn_mobilenet_v3_large_320_fpn",
]  # fmt: skip
"""Small ones, of several families."""


@pytest.mark.slow
@pytest.mark.parametrize("spec", DRAWN)
def test_an_architecture_says_what_plain_pytorch_says(spec):
    found = asked_apart(spec) if spec in PARTS else row(spec)
    assert not found["said"], found["said"]
    assert (found["predict"] == "ran") == spec.startswith("detection:")
    if found["predict"] != "ran":
        assert float(found["predict"]) < 1e-4
    assert float(found["gradient"].rpartition(" ")[2]) < 1e-4
    assert found["visualized"] and float(found["occlusion"].rpartition("; ")[2]) < 1e-3


@pytest.mark.slow
def test_the_draw_is_the_same_every_time_and_has_every_family_once():
    first, again = timm_specs(), timm_specs()
    assert first == again and len(set(first)) == 40
    assert len(torchvision_specs()) > 80 and set(PARTS) < set(torchvision_specs())


def test_a_row_of_the_table_has_every_column():
    lines = table([dict.fromkeys(("network", "parameters", "size", "predict", "gradient", "visualized", "occlusion",
                                  "seconds", "said"), "a|b")]).splitlines()  # fmt: skip
    assert len({line.count("|") for line in lines}) == 1

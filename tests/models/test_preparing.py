"""What a model needs before it can be read."""

import pytest
import torch
from torch import nn

from phosphene.core.errors import Mistake
from phosphene.models.preparing import cast, quantized, settle
from phosphene.models.specs import load

SOURCE = """
import torch
from torch import nn


class Complex(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.weight = nn.Parameter(torch.randn(4, 192, dtype=torch.complex64))

    def forward(self, x):
        return (x.flatten(1).to(self.weight.dtype) @ self.weight.T).abs()


def lazy():
    return nn.Sequential(nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d(), nn.Flatten(), nn.LazyLinear(5))


def sized():
    return lazy(), {"size": 8, "mean": [0.5]}


def on_meta():
    with torch.device("meta"):
        return nn.Sequential(nn.Flatten(), nn.Linear(192, 4)), {"size": 8}


def dynamic():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(192, 4))
    return torch.ao.quantization.quantize_dynamic(model, {nn.Linear}), {"size": 8}


def of_complex_numbers():
    return Complex(), {"size": 8}
"""


@pytest.fixture
def file(tmp_path):
    """Networks that are not ready."""
    (tmp_path / "net.py").write_text(SOURCE)
    return tmp_path / "net.py"


def test_lazy_modules_get_their_shapes_from_a_picture_of_the_size_that_is_given(file):
    one, two = load(f"{file}:sized"), load(f"{file}:sized")
    assert one.classes == 5 and one.sha256 == two.sha256
    assert not any("Lazy" in type(module).__name__ for module in one.model.modules())
    assert one.model[1].running_mean.any().item() is False and not one.model[1].training


def test_lazy_modules_without_a_size_are_told(file):
    with pytest.raises(
        Mistake, match=r"the shape of 0 in net.py:lazy depends on the picture's size; give size in its SPEC"
    ):
        load(f"{file}:lazy")


def test_lazy_modules_that_a_picture_does_not_reach_are_told():
    class Unused(nn.Module):
        def __init__(self):
            super().__init__()
            self.used, self.unused = nn.Linear(8, 8), nn.LazyLinear(3)

        def forward(self, x):
            return self.used(x)

    with pytest.raises(Mistake, match=r"unused.weight in net has no shape, as its module is never called"):
        settle(Unused(), "net", {"size": (8, 8)})
    with pytest.raises(Mistake, match=r"0 in net gets no shape from a picture of 9 x 9 px and 3 channels: .+"):
        settle(nn.Sequential(nn.LazyLinear(4), nn.Linear(3, 3)), "net", {"size": (9, 9)})


def test_weights_may_give_lazy_modules_their_shapes(file, tmp_path):
    state = {name: torch.ones_like(value) for name, value in load(f"{file}:sized").model.state_dict().items()}
    torch.save(state, tmp_path / "w.pt")
    assert (load(f"{file}:sized", weights=tmp_path / "w.pt").model[3].weight == 1).all()


def test_an_exported_program_is_loaded(file):
    file.write_text(
        f"{SOURCE}\n\ndef exported():\n    model = nn.Sequential(nn.Flatten(), nn.Linear(192, 4)).eval()\n"
        "    return torch.export.export(model, (torch.zeros(1, 3, 8, 8),)).module(), {'size': 8}\n"
    )
    assert load(f"{file}:exported").model.state_dict().keys() == {"1.weight", "1.bias"}


def test_weights_on_meta_are_asked_for(file, tmp_path):
    with pytest.raises(Mistake, match=r"net.py:on_meta has no weights yet: 1.weight is on the meta device.*--weights"):
        load(f"{file}:on_meta")
    torch.save({"1.weight": torch.ones(4, 192), "1.bias": torch.ones(4)}, tmp_path / "w.pt")
    assert (load(f"{file}:on_meta", weights=tmp_path / "w.pt").model[1].weight == 1).all()


def test_a_quantized_network_is_loaded_as_it_is(file):
    one, two = load(f"{file}:dynamic"), load(f"{file}:dynamic")
    assert quantized(one.model) and not quantized(nn.Linear(2, 2))
    assert one.sha256 == two.sha256 and one.classes == 4
    with pytest.raises(Mistake, match="is quantized, so it can't be run in float64"):
        load(f"{file}:dynamic", precision="float64")


@pytest.mark.parametrize(("dtype", "wanted"), [("float32", torch.complex64), ("float64", torch.complex128)])
def test_complex_weights_keep_their_imaginary_parts(dtype, wanted, file):
    weight = load(f"{file}:of_complex_numbers", precision=dtype).model.weight
    assert weight.dtype == wanted and weight.imag.any()


def test_a_cast_keeps_whole_numbers():
    model = nn.BatchNorm2d(2)
    model.register_buffer("turn", torch.tensor([1j]))
    cast(model, torch.device("cpu"), torch.float64)
    assert model.num_batches_tracked.dtype == torch.int64 and model.running_mean.dtype == torch.float64
    assert model.turn.dtype == torch.complex128

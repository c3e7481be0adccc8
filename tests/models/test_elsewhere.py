"""Everything runs on another device with the same numbers: no tensor is made in the wrong place, none is too wide."""

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from phosphene import catalogue
from phosphene.adversarial import fgsm, pgd
from phosphene.attribution import deconvnet, gradient, guided, occlusion, saliency
from phosphene.core.networks.network import Network
from phosphene.core.optimization.constraints import box
from phosphene.core.optimization.engine import argmin
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.objectives import chunked, mean
from phosphene.core.optimization.objectives import gradient as slope_of
from phosphene.core.optimization.optimizers import adam, normalized
from phosphene.core.optimization.parameterizations import (
    CPPN,
    DeepPrior,
    Fourier,
    Laplacian,
    Phase,
    Pixels,
    Shared,
    Transparent,
)
from phosphene.core.optimization.steps import averaged
from phosphene.core.optimization.terms import energy, score
from phosphene.core.optimization.transforms import as_is, compose, lucid, over_noise, roll, shake
from phosphene.core.results.results import Result, Run
from phosphene.dreaming import dream
from phosphene.features import (
    accentuate,
    activation_grid,
    atlas,
    caricature,
    context,
    facets,
    gallery,
    interpolate,
    predict,
    visualize,
    weights,
)
from phosphene.inversion import invert
from tests.elsewhere import ELSEWHERE, elsewhere
from tests.small import LABELS, levels, noise

PHOTO = levels(1, 3, 40, 48)
IMAGES = {
    "Laplacian": Laplacian,
    "Phase": Phase,
    "CPPN": CPPN,
    "DeepPrior": lambda *given, device: DeepPrior(*given, scales=2, channels=4, device=device),
    "Shared": Shared,
    "Transparent": lambda *given, device: Transparent(Fourier(*given, device=device)),
}
MANY = [levels(1, 3, 20, 20, seed=i) for i in range(4)]


class Many(nn.Module):
    """A bit of everything: batch and local response normalization, in-place, functional, two branches, a residual."""

    def __init__(self):
        super().__init__()
        self.conv1, self.bn, self.relu = nn.Conv2d(3, 6, 3, bias=False), nn.BatchNorm2d(6), nn.ReLU(inplace=True)
        self.left, self.right = nn.Conv2d(6, 4, 1), nn.Conv2d(6, 4, 3, padding=1)
        self.conv2, self.act, self.head = nn.Conv2d(8, 8, 3, padding=1), nn.SiLU(), nn.Linear(8, 4)

    def forward(self, x):
        x = F.local_response_norm(F.max_pool2d(self.relu(self.bn(self.conv1(x))), 2), 3)
        x = torch.cat([self.left(x), F.relu(self.right(x))], 1)
        x = x + self.act(self.conv2(x))
        return self.head(x.mean((2, 3)))


def network(device, dtype=torch.float32, kind=Many):
    torch.manual_seed(0)
    model = kind().to(dtype).to(device).eval()
    facts = {"mean": (0.5, 0.4, 0.3), "std": (0.2, 0.3, 0.4), "bgr": True, "precision": "float32"}
    return Network(model, size=20, labels=LABELS, **facts)


def fixed():
    return nn.Sequential(nn.Conv2d(3, 4, 3, 2), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 9 * 9, 4))


def close(found, expected, tolerance):
    """Tensors and numbers, however deep in containers, are the same; tensors that were handed out are on the CPU."""
    if isinstance(expected, dict):
        assert found.keys() == expected.keys()
        found, expected = found.values(), expected.values()
    if isinstance(expected, Tensor):
        torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance)
    elif isinstance(expected, float):
        assert math.isclose(found, expected, rel_tol=tolerance, abs_tol=tolerance)
    elif isinstance(expected, str) or not hasattr(expected, "__iter__"):
        assert found == expected
    else:
        for one, other in zip(found, expected, strict=True):
            close(one, other, tolerance)


def told(made):
    """All that a recipe hands out; of a run, every step too."""
    steps = []
    if isinstance(made, Run):
        steps = [(step.index, step.pictures.cpu(), step.values.cpu(), step.alive) for step in made]
        made = made.result
    assert isinstance(made, Result) and made.figure().getcolors(2) is None
    values = torch.tensor(0.0) if made.values is None else torch.from_numpy(made.values)
    return steps, made.image, made.names, made.numbers, made.panels, made.input, values


def explained(name):
    return catalogue.method("attribute", name)


RECIPES = {
    "predict": lambda net, photo: predict(net, photo),
    "predict, whole": lambda net, photo: predict(net, photo, fit="whole"),
    "weights": lambda net, photo: weights(net),
    "weights of a deeper layer": lambda net, photo: weights(net, "conv2", common=True),
    "visualize": lambda net, photo: visualize(
        net, ["conv1:1", "relu:2", "cat:3@1,2", "logits:zebra", "logits:2", "add:0-3"], steps=2, size=32, batch=4
    ),
    "visualize sums, directions and layers": lambda net, photo: visualize(
        net,
        ["conv1:v=[1,-1,0,0,0.5,2]", "cat", "relu:2 - 0.5*logits:zebra", "conv1:w=[0,1,1,1,1,0]", "relu:1 + logits:0"],
        steps=2,
        size=32,
        batch=4,
    ),
    "visualize a probability": lambda net, photo: visualize(
        net, ["logits:1"], steps=2, size=32, score="p", robustness="lucid", negative=True
    ),
    "visualize alone": lambda net, photo: visualize(net, ["conv2:1"], steps=2, size=32, robustness="none"),
    "interpolate": lambda net, photo: interpolate(net, ["conv2:1", "conv2:3"], count=3, steps=2, size=32),
    "context": lambda net, photo: context(net, "zebra", starts=2, others=1, steps=2, size=32),
    "gallery": lambda net, photo: gallery(net, "yosinski", preset="yosinski-d", steps=1, size=16),
    "atlas": lambda net, photo: atlas(net, MANY, layer="conv2", cells=2, per_photo=4, steps=2, size=16),
    "facets": lambda net, photo: facets(net, "logits:zebra", MANY, count=2, steps=2, size=24),
    "activation grid": lambda net, photo: activation_grid(net, photo, layer="conv2", cell=8, steps=2, scaled=True),
    "groups": lambda net, photo: activation_grid(net, photo, layer="conv2", groups=2, cell=16, steps=2),
    "caricature": lambda net, photo: caricature(net, photo, layer="conv2", steps=2),
    "accentuate": lambda net, photo: accentuate(net, photo, layer="conv2", target=1, steps=2, views=2),
    "gradient": lambda net, photo: gradient(net, photo, score="log-p"),
    "gradient of a unit": lambda net, photo: gradient(net, photo, unit="conv2:3@2,2"),
    "saliency": lambda net, photo: saliency(net, photo, target="zebra"),
    "guided": lambda net, photo: guided(net, photo),
    "deconvnet": lambda net, photo: deconvnet(net, photo, unit="right:1"),
    "occlusion": lambda net, photo: occlusion(net, photo, window=5, stride=5),
    "occlusion of a unit": lambda net, photo: occlusion(net, photo, unit="conv2:1", window=6, stride=5, batch=3),
    "occlusion by what is there": lambda net, photo: occlusion(
        net, photo, occluder="blur", form="positions", window=6, stride=5
    ),
    "one class against another": lambda net, photo: explained("input-x-gradient")(net, photo, target=1, against=2),
    "integrated gradients": lambda net, photo: explained("integrated")(net, photo, steps=5, rule="gauss-legendre"),
    "smoothgrad": lambda net, photo: explained("smoothgrad")(net, [photo, photo], samples=5, average="variance"),
    "grad-cam": lambda net, photo: explained("grad-cam")(net, photo, layer="conv2"),
    "grad-cam++": lambda net, photo: explained("grad-cam++")(net, photo, layer="conv2"),
    "layer-cam": lambda net, photo: explained("layer-cam")(net, photo, layer="conv2"),
    "score-cam": lambda net, photo: explained("score-cam")(net, photo, layer="conv2", batch=3),
    "ablation-cam": lambda net, photo: explained("ablation-cam")(net, photo, layer="conv2", batch=3),
    "eigen-cam": lambda net, photo: explained("eigen-cam")(net, photo, layer="conv2"),
    "gradient-shap": lambda net, photo: explained("gradient-shap")(net, photo, samples=5, noise=0.1),
    "guided grad-cam": lambda net, photo: explained("guided-grad-cam")(net, photo, layer="conv2"),
    "lrp": lambda net, photo: explained("lrp")(net, photo),
    "rise": lambda net, photo: explained("rise")(net, photo, masks=20, occluder="noise"),
    "dream": lambda net, photo: dream(net, photo, steps=2, octaves=2),
    "dream of a sum": lambda net, photo: dream(net, photo, layer="conv2 + 2*relu:1", steps=2, octaves=1),
    "dream of a unit": lambda net, photo: dream(net, photo, layer="conv2:1", steps=2, octaves=1, jitter=3),
    "invert": lambda net, photo: invert(net, photo, layer="conv2", steps=2),
    "fgsm": lambda net, photo: fgsm(net, photo),
    "fgsm towards": lambda net, photo: fgsm(net, photo, target=other(net, photo)),
    "pgd": lambda net, photo: pgd(net, photo, steps=2),
    "pgd towards": lambda net, photo: pgd(net, photo, target=other(net, photo), steps=2),
}


def other(net, photo):
    return (predict(net, photo).numbers[0]["top"][0]["class"] + 1) % 4


KINDS = [
    pytest.param(torch.float32, 1e-6, id="float32, and no float64 there"),
    pytest.param(torch.float64, 1e-12, id="float64", marks=pytest.mark.slow),
]


@pytest.mark.slow
@pytest.mark.parametrize(("dtype", "tolerance"), KINDS)
@pytest.mark.parametrize("make", RECIPES.values(), ids=RECIPES)
def test_a_recipe_has_the_same_result_elsewhere(make, dtype, tolerance):
    expected = told(make(network("cpu", dtype), PHOTO))
    with elsewhere(float64=dtype == torch.float64) as device:
        close(told(make(network(device, dtype), PHOTO)), expected, tolerance)


@pytest.mark.parametrize("make", [predict, saliency, occlusion, pgd, invert, dream], ids=lambda make: make.__name__)
def test_a_network_of_a_fixed_size_and_a_photo_that_is_elsewhere_already(make):
    options = {"steps": 2} if make in (pgd, invert, dream) else {}
    options |= {"layer": "0"} if make in (invert, dream) else {}
    expected = told(make(network("cpu", kind=fixed), PHOTO, **options))
    with elsewhere(float64=False) as device:
        close(told(make(network(device, kind=fixed), PHOTO.to(device), **options)), expected, 1e-6)


@pytest.mark.parametrize("rule", ["gradient", "guided", "deconvnet", "redirected"])
def test_every_layer_and_its_slope_are_the_same_elsewhere(rule):
    def read(net, x):
        x = x.to(net.device).requires_grad_()
        found = net.read(x, net.layers, rule)
        assert {y.device for y in found.values()} == {net.device}
        slopes = [torch.autograd.grad(y.square().sum(), x, retain_graph=True)[0] for y in found.values()]
        return {name: y.detach().cpu() for name, y in found.items()}, [slope.cpu() for slope in slopes]

    x = noise(2, 3, 20, 26, dtype=torch.float32)
    expected = read(network("cpu"), x)
    with elsewhere(float64=False) as device:
        close(read(network(device), x), expected, 1e-6)


def test_receptive_fields_are_the_same_elsewhere():
    here = network("cpu")
    calculated = {name: layer.field for name, layer in here.layers.items()}
    measured = {name: here._measured_field(here.layers[name]) for name in ("conv1", "add")}
    with elsewhere(float64=False) as device:
        there = network(device)
        assert {name: layer.field for name, layer in there.layers.items()} == calculated
        assert {name: there._measured_field(there.layers[name]) for name in measured} == measured
        assert there.receptive_field("mean") == here.receptive_field("mean")
        assert repr(there) == repr(here)


def test_the_equations_parts_combine_elsewhere():
    def path(device):
        net = network(device)
        loss = mean(
            slope_of(net, energy("add") - score([1, 2, 3]), compose(roll(3), lucid())),
            slope_of(net, -0.5 * energy("conv1"), shake(pad=2, jitter=4, border="reflect")),
        )
        image = Pixels(noise(3, 3, 24, 24, dtype=torch.float32).to(device))
        steps = argmin(
            image, chunked(loss, 2), optimizer=normalized(0.02), constraint=box(), steps=4, key=Key(0, [4, 0, 9]),
            stop=lambda pictures, rows, seen: (rows == 1).to(seen.values.device) | (seen.values < -100),
        )  # fmt: skip
        return [(step.pictures.cpu(), step.values.cpu(), step.alive) for step in steps]

    expected = path("cpu")
    with elsewhere(float64=False) as device:
        close(path(device), expected, 1e-6)


def test_fourier_coefficients_start_from_a_picture_elsewhere():
    x = noise(2, 3, 10, 12, dtype=torch.float32)
    with elsewhere(float64=False) as device:
        image = Fourier([0, 1], (10, 12), start=x.to(device), device=device)
        torch.testing.assert_close(image().detach().cpu(), x.clamp(0.002, 0.998))
        image.assign(x[[1]].to(device), torch.tensor([0]))
        torch.testing.assert_close(image()[0].detach().cpu(), x[1].clamp(0.002, 0.998))
        (slope,) = image.pull(torch.ones(2, 3, 10, 12, device=device))
        assert slope.device == ELSEWHERE


@pytest.mark.parametrize("make", IMAGES.values(), ids=IMAGES)
def test_every_parameterization_has_the_same_pictures_and_slopes_elsewhere(make):
    def path(device):
        image = make([4, 0], (16, 18), device=device)
        steps = argmin(
            image, slope_of(network(device), energy("add"), over_noise() if image().shape[1] == 4 else as_is),
            optimizer=adam(0.01), steps=2, key=Key(0, [4, 0]),
        )  # fmt: skip
        return [(step.pictures.cpu(), step.values.cpu()) for step in averaged(steps)]

    expected = path("cpu")
    with elsewhere(float64=False) as device:
        close(path(device), expected, 1e-6)


@pytest.mark.parametrize("make", [Laplacian, Phase, Shared], ids=lambda make: make.__name__)
def test_other_parameters_start_from_a_picture_elsewhere(make):
    x = noise(2, 3, 10, 12, dtype=torch.float32)
    with elsewhere(float64=False) as device:
        image = make([0, 1], (10, 12), start=x.to(device), device=device)
        torch.testing.assert_close(image().detach().cpu(), x.clamp(0.002, 0.998))
        if make is not Phase:
            image.assign(x[[1]].to(device), torch.tensor([0]))
            torch.testing.assert_close(image()[0].detach().cpu(), x[1].clamp(0.002, 0.998))


# ------------------------------------------------------------------------------------------------ the device itself


REFUSED = {
    "a sum": lambda there, here: there + here,
    "a number here that is no operand of a pointwise one": lambda there, here: torch.stack([there[0, 0], here[0, 0]]),
    "values that are written": lambda there, here: there.__setitem__(torch.tensor([0]), here[:1]),
    "indices that are gathered by": lambda there, here: there.gather(1, here.long()),
    "rows that are copied by index": lambda there, here: there.index_copy(0, torch.tensor([0]), there[:1]),
    "an index into what is here": lambda there, here: here[there[0].long()],
    "a convolution's weight": lambda there, here: F.conv2d(there[None, None], here[None, None]),
    "a concatenation": lambda there, here: torch.cat([there, here]),
    "an addition in place": lambda there, here: here.add_(there),
    "a generator": lambda there, here: torch.rand(3, device=there.device, generator=torch.Generator()),
    "NumPy": lambda there, here: there.numpy(),
}


@pytest.mark.parametrize("mixed", REFUSED.values(), ids=REFUSED)
def test_what_a_gpu_refuses_is_refused(mixed):
    here = torch.eye(3)
    with elsewhere() as device:
        with pytest.raises(RuntimeError, match=r"device|subclasses"):
            mixed(here.to(device), here)
        assert torch.equal(here, torch.eye(3))


def test_a_recipe_that_mixes_devices_is_found_out():
    with elsewhere() as device:
        net = network(device)
        x = noise(1, 3, 20, 20, dtype=torch.float32)
        wrong = compose(lambda pictures, rows, draw: (pictures * torch.ones(20), torch.arange(len(pictures))))
        with pytest.raises(RuntimeError, match="same device"):
            slope_of(net, energy("conv1"), wrong)(x.to(device), torch.arange(1), Key(0, [0], step=0))


def test_what_a_gpu_allows_is_allowed():
    here = noise(3, 4)
    with elsewhere() as device:
        there = here.to(device)
        assert there.device == device and isinstance(there, Tensor)
        assert there.tolist() == here.tolist() and there[1, 2].item() == here[1, 2].item() and bool(there.any())
        assert torch.equal((there * torch.tensor(2.0)).cpu(), 2 * here)
        assert torch.equal(there[torch.tensor([2, 0])].cpu(), here[[2, 0]])
        there[torch.tensor([True, False, False])] = 7
        there[1].mul_(2)
        assert there[0].tolist() == [7] * 4 and torch.equal(there[1].cpu(), 2 * here[1])
        assert torch.equal(torch.tensor([1.5, 2], device=device).cpu(), torch.tensor([1.5, 2]))
        back = torch.zeros(3, 4, dtype=torch.float64).copy_(there)
        assert type(back) is Tensor and torch.equal(back, there.cpu())


def test_doubles_are_refused_where_there_are_none():
    with elsewhere(float64=False) as device:
        assert noise(3).to(device, torch.float32).dtype == torch.float32
        for wrong in (lambda: noise(3).to(device), lambda: torch.ones(3, device=device).double()):
            with pytest.raises(TypeError, match=r"there is no torch\.float64 on this device"):
                wrong()

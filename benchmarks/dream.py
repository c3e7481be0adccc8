"""One DeepDream gradient of inception5h's mixed4c at 1024 x 575 px, by the plan and in float32.

What costs there is local response normalization, which PyTorch computes through avg_pool3d. As a banded 1x1 convolution
it is the same number, which the end of this benchmark says in float64.
"""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.byhand import frozen
from benchmarks.timing import Claim, Contestant, Report, Table, race
from phosphene.core.networks.network import Network
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.objectives import gradient
from phosphene.core.optimization.terms import energy
from phosphene.core.pictures.files import open_photo
from phosphene.models.specs import load

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
MODEL, PHOTO = DATA / "models" / "inception5h.py", DATA / "images" / "sky.jpg"
LAYER, HEIGHT, WIDTH = "mixed4c", 575, 1024

OURS_32 = "phosphene, float32"
OURS, PLAIN, FLOOR = "phosphene", "plain loop, as everybody writes it", "by hand, banded and channels last"


class _Enough(Exception):
    pass


def _plain(model: nn.Module, x: Tensor) -> Tensor:
    """The gradient of half the mean square of LAYER by a forward pass that a hook ends."""
    kept: list[Tensor] = []

    def keep(module: nn.Module, inputs: tuple, output: Tensor) -> None:
        kept.append(output)
        raise _Enough

    hook = model.get_submodule(LAYER).register_forward_hook(keep)
    leaf = x.detach().requires_grad_()
    try:
        model((leaf - 117 / 255) * 255)
    except _Enough:
        pass
    finally:
        hook.remove()
    return torch.autograd.grad(-0.5 * kept[0].square().mean(), leaf)[0]


def _same(x: Tensor, kernel: int, value: float = 0.0) -> Tensor:
    """TensorFlow's padding for a stride of 2."""
    pads = [max((-(-n // 2) - 1) * 2 + kernel - n, 0) for n in (x.shape[3], x.shape[2])]
    return F.pad(x, [half for p in pads for half in (p // 2, p - p // 2)], value=value)


def _by_hand(model: nn.Module) -> Callable[[Tensor], Tensor]:
    """The same layers up to LAYER, with banded normalization and channels last throughout."""
    bands = {
        c: (torch.ones(c, c).triu(-5).tril(5) * 0.0011 / 11)[:, :, None, None] for c in (64, 192)
    }  # window 11, alpha .0011, k 2, beta 1/2
    offsets = {c: torch.full((c,), 2.0) for c in bands}

    def norm(x: Tensor) -> Tensor:
        c = x.shape[1]
        return x * F.conv2d(x.square(), bands[c], offsets[c]).rsqrt()

    def pool(x: Tensor) -> Tensor:
        return F.max_pool2d(_same(x, 3, float("-inf")), 3, 2)

    def step(x: Tensor) -> Tensor:
        leaf = x.detach().requires_grad_()
        y = ((leaf - 117 / 255) * 255).contiguous(memory_format=torch.channels_last)
        y = norm(pool(F.relu(model.conv2d0(_same(y, 7)))))
        y = pool(norm(F.relu(model.conv2d2(F.relu(model.conv2d1(y))))))
        y = pool(model.mixed3b(model.mixed3a(y)))
        y = model.mixed4c(model.mixed4b(model.mixed4a(y)))
        return torch.autograd.grad(-0.5 * y.square().mean(), leaf)[0]

    return step


def _steps(step: Callable[[], object], many: int) -> Contestant:
    def run(tick: Callable[[], None]) -> None:
        tick()
        for _ in range(many):
            step()
            tick()

    return run


def _apart(a: Tensor, b: Tensor) -> float:
    return ((a - b).norm() / b.norm()).item()


def _exactness(network: Network, part: Tensor) -> str:
    """How far the rewritten normalization is from PyTorch's in float64, on a part of the picture."""
    part = part.double()
    rewritten = Network(network.model.double(), mean=network.mean, std=network.std, size=network.size)
    leaf = part.clone().requires_grad_()
    y = rewritten.read(leaf, [LAYER])[LAYER]
    slope = torch.autograd.grad(-0.5 * y.square().mean(), leaf)[0]
    seen: list[Tensor] = []
    hook = network.model.get_submodule(LAYER).register_forward_hook(lambda m, i, output: seen.append(output))
    try:
        with torch.no_grad():
            network.model((part - 117 / 255) * 255)
    finally:
        hook.remove()
    values, slopes = _apart(y.detach(), seen[0]), _apart(slope, _plain(network.model, part))
    network.model.float()
    return (
        f"In float64, on {part.shape[2]} x {part.shape[3]} px of it, the rewrite is {values:.1e} of {LAYER}'s norm "
        f"away from PyTorch's normalization, and {slopes:.1e} of the gradient's norm."
    )


def run(repeats: int, quick: bool) -> Report:
    """The race, and how exact the rewrite is."""
    if not MODEL.is_file():
        return Report(notes=["Left out: inception5h is not here (the shared test data, models/inception5h.py)."])
    network, exact = (load(f"{MODEL}:build", device="cpu", precision=name) for name in ("auto", "float32"))
    frozen(network.model)
    picture = open_photo(PHOTO) if PHOTO.is_file() else torch.rand(1, 3, HEIGHT, WIDTH)
    picture = picture.float()
    part = picture[..., 200:360, 400:624]
    if quick:
        picture = part
    by_plan, objective = (gradient(one.planned("picture"), -energy(LAYER)) for one in (network, exact))
    rows, key = torch.arange(1), Key(step=0)
    hand = _by_hand(network.model)
    many = 2 if quick else 3
    seconds = race(
        {
            OURS: _steps(lambda: by_plan(picture, rows, key), many),
            OURS_32: _steps(lambda: objective(picture, rows, key), many),
            PLAIN: _steps(lambda: _plain(network.model, picture), many),
            FLOOR: _steps(lambda: hand(picture), many),
        },
        repeats,
    )
    height, width = picture.shape[2:]
    table = Table(f"A DeepDream gradient of {LAYER}, inception5h, {width} x {height} px, seconds", seconds)
    claims = [
        Claim("in float32, a gradient is had at least 1.9 times as fast as by the plain loop",
              seconds[PLAIN].over(seconds[OURS_32]), 1.9)
    ]  # fmt: skip
    if network.plans["picture"].precision == "bfloat16":
        claims.append(Claim("by its plan, at least 3 times as fast", table.ratio(PLAIN), 3.0))
    cosine = F.cosine_similarity(
        by_plan(picture, rows, key)[1].flatten(), objective(picture, rows, key)[1].flatten(), 0
    )
    apart = _apart(objective(picture, rows, key)[1], _plain(network.model, picture))
    notes = [
        _exactness(network, part),
        f"In float32 this program's gradient and the plain one differ by {apart:.1e} of their norm: a few ReLUs near "
        "zero flip.",
        f"The plan is: {network.plans['picture']}. Between its gradient and float32's the cosine is {cosine:.4f}.",
    ]
    if not PHOTO.is_file():
        notes.append("The picture is noise: sky.jpg is not here.")
    return Report([table], claims, notes)

"""DeepDream on inception5h's mixed4c at 1024 x 575 px: a gradient, an octave's steps, tiles, and a large photograph.

What costs there is local response normalization, which PyTorch computes through avg_pool3d. As a banded 1x1 convolution
it is the same number, which the end of this benchmark says in float64.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.byhand import frozen
from benchmarks.memory import peak
from benchmarks.timing import Claim, Contestant, Finding, Report, Rows, Table, race
from phosphene.core.networks.network import Network
from phosphene.core.optimization.engine import Objective
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.objectives import gradient
from phosphene.core.optimization.terms import energy
from phosphene.core.pictures.files import open_photo
from phosphene.dreaming import dream
from phosphene.models.specs import load

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
MODEL, PHOTO = DATA / "models" / "inception5h.py", DATA / "images" / "sky.jpg"
LAYER, HEIGHT, WIDTH = "mixed4c", 575, 1024

LARGE, TILE = (4096, 3072), 512

OURS_32 = "phosphene, float32"
BARE, TILED, NOTEBOOK = "its gradient alone", "phosphene, by tiles", "the notebook's loop in PyTorch"
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


def _notebook(model: nn.Module, photo: Tensor, steps: int) -> Contestant:
    """One octave of google/deepdream's notebook, line by line in PyTorch."""

    def run(tick: Callable[[], None]) -> None:
        random, x = torch.Generator().manual_seed(0), photo.clone()
        tick()
        for _ in range(steps):
            down, across = (torch.randint(-32, 33, (2,), generator=random)).tolist()
            x = x.roll((down, across), (2, 3))
            g = -_plain(model, x)
            x = (x + 1.5 / 255 / g.abs().mean() * g).roll((-down, -across), (2, 3)).clamp(0, 1)
            tick()

    return run


def _octave(network: Network, photo: Tensor, steps: int, **options: Any) -> Contestant:
    """The same by the recipe; what comes before the first step and after the last is not timed."""

    def run(tick: Callable[[], None]) -> None:
        for _ in dream(network, photo[0], layer=LAYER, octaves=1, steps=steps, **options):
            tick()

    return run


def _bare(objective: Objective, photo: Tensor, steps: int) -> Contestant:
    """The gradient alone, of a picture that is shifted as in a dream."""

    def run(tick: Callable[[], None]) -> None:
        tick()
        for step in range(steps):
            objective(photo.roll((step, -step), (2, 3)), torch.arange(1), Key(step=step))
            tick()

    return run


def _octaves(network: Network, exact: Network, photo: Tensor, repeats: int, quick: bool) -> tuple[Table, list[Claim]]:
    """An octave's steps beside the notebook's, the bare gradient, and by tiles."""
    steps, tile = (2, 64) if quick else (6, TILE)
    objective = gradient(network.planned("picture"), -energy(LAYER))
    seconds = race(
        {
            OURS: _octave(network, photo, steps, tile="none"),
            OURS_32: _octave(exact, photo, steps, tile="none"),
            BARE: _bare(objective, photo, steps),
            TILED: _octave(network, photo, steps, tile=tile),
            NOTEBOOK: _notebook(network.model, photo, steps),
        },
        repeats,
    )
    height, width = photo.shape[2:]
    table = Table(f"A step of an octave of {LAYER}, inception5h, {width} x {height} px, seconds", seconds)
    claims = [
        Claim("in float32, a step is taken at least 2 times as fast as by the notebook's loop in PyTorch",
              seconds[NOTEBOOK].over(seconds[OURS_32]), 2.0),
        Claim("a step takes at most 1.10 times as long as its gradient",
              seconds[OURS].over(seconds[BARE]), 1.10, False),
        Claim(f"by tiles of {tile} px, it takes at most 1.35 times as long as without",
              seconds[TILED].over(seconds[OURS]), 1.35, False),
    ]  # fmt: skip
    if network.plans["picture"].precision == "bfloat16":
        claims.append(Claim("by its plan, at least 3 times as fast", seconds[NOTEBOOK].over(seconds[OURS]), 3.0))
    return table, claims


def _large(quick: bool) -> tuple[Rows, Finding]:
    """The memory that a dream of a large photograph takes, by the command line in a process of its own."""
    width, height = (640, 480) if quick else LARGE
    with tempfile.TemporaryDirectory() as folder:
        photo = Path(folder) / "large.png"
        values = torch.randint(0, 256, (height // 16, width // 16, 3), generator=torch.Generator().manual_seed(0))
        Image.fromarray(values.to(torch.uint8).numpy()).resize((width, height)).save(photo)
        found = peak(["dream", str(photo), "--steps", "1", "--out", str(Path(folder) / "dream.png")])
    words = f"{found / 1e9:.2f} GB"
    table = Rows(
        f"Peak resident memory of a dream, {width} x {height} px, 4 octaves",
        ("network", "peak"),
        [("embedded:photo", words)],
    )
    return table, Finding(f"a dream of {width} x {height} px stays below 3 GB", found < 3e9, words)


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
    steps, further = _octaves(network, exact, picture, repeats, quick)
    rows_of_memory, finding = _large(quick)
    notes = [
        _exactness(network, part),
        f"In float32 this program's gradient and the plain one differ by {apart:.1e} of their norm: a few ReLUs near "
        "zero flip.",
        f"The plan is: {network.plans['picture']}. Between its gradient and float32's the cosine is {cosine:.4f}.",
    ]
    if not PHOTO.is_file():
        notes.append("The picture is noise: sky.jpg is not here.")
    return Report([table, steps, rows_of_memory], [*claims, *further, finding], notes)

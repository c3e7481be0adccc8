"""PGD beside loops by hand, torchattacks and foolbox: all steps on one network, until pictures are fooled on another.

And DDN, FMN and C&W beside adversarial-library's, at the same steps.

Without an early stop all do the same work: 40 steps on 32 pictures of 64 px on resnet18, untrained (what it says
doesn't matter to the time, and its normalization works all the same). With one, the time that each takes until as many
pictures are fooled: CIFAR-10's 200 images on a trained network, where its weights are at hand (../shared/data).
"""

import importlib.util
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

import phosphene
from benchmarks.byhand import frozen
from benchmarks.minimal import here, library, pairs, pictures, there
from benchmarks.timing import Claim, Contestant, Finding, Report, Rows, Table, bfloat16_instructions, race
from phosphene.adversarial.victims import Victim
from phosphene.core.networks.network import Network
from phosphene.core.networks.plan import PURPOSES, REWRITES, Plan
from phosphene.core.networks.rewrites import StridedConvolution
from phosphene.core.units.labelled import read_labelled
from phosphene.models.specs import load

BATCH, SIDE, STEPS, EPS = 32, 64, 40, 8 / 255
OURS, LOW, UNFOLDED = "phosphene", "phosphene, directions in bfloat16", "phosphene, not folded"
FLOOR, PLAIN = "loop by hand, same rewrites", "loop by hand"
DATA = Path(__file__).resolve().parents[2] / "shared" / "data"

Model = Callable[[Tensor], Tensor]


def run(repeats: int, quick: bool) -> Report:
    """The races and what must come out of them."""
    tables, claims, notes = _all_steps(repeats, quick)
    if DATA.is_dir():
        table, more = _until_fooled(repeats, quick)
        tables, claims = [*tables, table], [*claims, *more]
        table, more = _smallest(repeats, quick)
        tables, claims = [*tables, table], [*claims, *more]
    else:
        notes.append(f"No early stop was measured: {DATA} is not there.")
    return Report(tables, claims, notes)


def _all_steps(repeats: int, quick: bool) -> tuple[list[Table | Rows], list[Claim | Finding], list[str]]:
    network = load("torchvision:resnet18?weights=none", device="cpu", precision="float32")
    model = _Normalized(frozen(network.model), network)
    steps, batch = (2, 4) if quick else (STEPS, BATCH)
    x = torch.rand(batch, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    labels = model(x).argmax(1)
    unfolded = network.following(dict.fromkeys(PURPOSES, Plan("float32", True, ()))).planned("search")
    rewritten = _rewritten(model).to(memory_format=torch.channels_last)
    contestants: dict[str, Contestant] = {
        OURS: _once(lambda: _ours(Victim(network.planned("search")), x, labels, steps)),
        UNFOLDED: _once(lambda: _ours(Victim(unfolded), x, labels, steps)),
        FLOOR: _once(lambda: _by_hand(rewritten, x, labels, steps, torch.channels_last)),
        PLAIN: _once(lambda: _by_hand(model, x, labels, steps)),
    }
    if bfloat16_instructions():
        contestants[LOW] = _once(lambda: _ours(_low(network), x, labels, steps))
    peers = _peers(model, steps)
    contestants |= {name: _once(lambda attack=attack: attack(x, labels)) for name, attack in peers.items()}
    for contestant in contestants.values():  # what is found out once about a network is not part of a step
        contestant(lambda: None)
    seconds = race(contestants, repeats)
    claims: list[Claim | Finding] = [
        Claim("at most 1.05 of the same rewrites by hand", seconds[OURS].over(seconds[FLOOR]), 1.05, at_least=False),
        Claim("with batch normalization folded 1.15 times as fast", seconds[UNFOLDED].over(seconds[OURS]), 1.15),
    ]  # fmt: skip
    claims += [Claim(f"1.2 times as fast as {name}", seconds[name].over(seconds[OURS]), 1.2) for name in peers]
    if LOW in seconds:
        floor = seconds[PLAIN].over(seconds[LOW])
        claims.append(Claim("with directions in bfloat16 1.7 times as fast as the plain loop", floor, 1.7))
    title = f"PGD without an early stop, {batch} pictures of {SIDE} px, resnet18, seconds for {steps} steps"
    return [Table(title, seconds)], claims, _missing(peers)


def _until_fooled(repeats: int, quick: bool) -> tuple[Rows, list[Claim | Finding]]:
    network = load(f"{DATA / 'models' / 'cifar_resnet20.py'}:build", device="cpu", precision="float32")
    model, search = _Normalized(frozen(network.model), network), network.planned("search")
    data = read_labelled(DATA / "cifar10_test_200.npz", network)
    rows = slice(8) if quick else slice(None)
    x, labels = data.pixels(rows), data.labels[rows]
    successes: dict[str, float] = {}

    def found(name: str, attack: Callable[[], Tensor]) -> Contestant:
        def contestant(tick: Callable[[], None]) -> None:
            tick()
            pictures = attack()
            tick()
            successes[name] = float((model(pictures).argmax(1) != labels).float().mean())

        return contestant

    victim = Victim(search)
    contestants = {OURS: found(OURS, lambda: phosphene.attacks.pgd(victim, x, labels, eps=EPS).outcome.inputs)}
    peers = _peers(model, STEPS)
    contestants |= {n: found(n, lambda attack=attack: attack(x, labels)) for n, attack in peers.items()}
    seconds = race(contestants, repeats)
    table = Rows(
        f"PGD until a picture is fooled, {len(x)} pictures, cifar_resnet20, 8/255, at most {STEPS} steps",
        ("contestant", "seconds (least to most)", "not named rightly"),
        [(name, one.written(), f"{100 * successes[name]:.1f} %") for name, one in seconds.items()],
    )
    claims: list[Claim | Finding] = []
    for name in peers:
        claims.append(Claim(f"5 times as fast as {name} at equal success", seconds[name].over(seconds[OURS]), 5))
        words = f"{100 * successes[OURS]:.1f} % and {100 * successes[name]:.1f} %"
        claims.append(Finding(f"no less success than {name}", successes[OURS] >= successes[name], words))
    return table, claims


def _smallest(repeats: int, quick: bool) -> tuple[Rows, list[Claim | Finding]]:
    lib, steps = library(), 10 if quick else 40
    network = load(f"{DATA / 'models' / 'cifar_resnet20.py'}:build", device="cpu", precision="float32")
    x, labels = pictures("cifar_resnet20", 8 if quick else 32)
    rows, claims = [], []
    for pair in pairs(steps):
        if (pair.name, pair.norm) not in (("ddn", "l2"), ("fmn", "l2"), ("cw", "l2")):
            continue
        contestants = {OURS: _once(partial(here, pair, network.planned("search"), x, labels))}
        if lib is not None:
            contestants["adversarial-library"] = _once(partial(there, pair, lib, network, x, labels))
        seconds = race(contestants, repeats)
        rows += [(f"{pair.name}, {name}", one.written()) for name, one in seconds.items()]
        claims += [
            Claim(f"{pair.name} at least as fast as {name}'s", seconds[name].over(seconds[OURS]), 1)
            for name in list(contestants)[1:]
        ]
    title = f"The smallest change in l2, {len(x)} pictures, cifar_resnet20, {steps} steps"
    return Rows(title, ("attack", "seconds (least to most)"), rows), claims


class _Normalized(nn.Module):
    """The model behind its normalization, as peers want it."""

    def __init__(self, model: nn.Module, network: Network) -> None:
        super().__init__()
        self.model = model
        self.mean, self.std = (nn.Buffer(torch.tensor(v).view(3, 1, 1)) for v in (network.mean, network.std))
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        said: Tensor = self.model((x - self.mean) / self.std)
        return said


class _Unstrided(nn.Module):
    """A strided convolution whose gradient is one without strides."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.conv = conv

    def forward(self, x: Tensor) -> Tensor:
        conv = self.conv
        seen: Tensor = StridedConvolution.apply(x, conv.weight, conv.bias, conv.stride[0], conv.padding)
        return seen


def _rewritten(model: _Normalized) -> nn.Module:
    """A copy of a torchvision resnet with batch normalization folded into the convolutions, the first unstrided."""
    import copy

    other = copy.deepcopy(model)
    for block in [other.model, *other.model.modules()]:
        for conv, norm in (("conv1", "bn1"), ("conv2", "bn2"), ("0", "1")):
            pair = getattr(block, conv, None), getattr(block, norm, None)
            if isinstance(pair[0], nn.Conv2d) and isinstance(pair[1], nn.BatchNorm2d):
                setattr(block, conv, fuse_conv_bn_eval(*pair))
                setattr(block, norm, nn.Identity())
    other.model.conv1 = _Unstrided(other.model.conv1)
    return other


def _low(network: Network) -> Victim:
    """Directions in bfloat16, successes in float32."""
    plan = {"search": Plan("bfloat16", True, REWRITES)}
    return Victim(network.following({**network.plans, **plan}).planned("search"), rival=network.planned("search"))


def _once(attack: Callable[[], Any]) -> Contestant:
    def contestant(tick: Callable[[], None]) -> None:
        tick()
        attack()
        tick()

    return contestant


def _ours(victim: Victim, x: Tensor, labels: Tensor, steps: int) -> None:
    options = {"steps": steps, "random_start": False, "until_fooled": False}
    for _ in phosphene.attacks.pgd(victim, x, labels, eps=EPS, **options):
        pass


def _by_hand(
    model: Model, x: Tensor, labels: Tensor, steps: int, layout: torch.memory_format = torch.contiguous_format
) -> None:
    moved = x.clone(memory_format=layout)
    for _ in range(steps):
        leaf = moved.requires_grad_()
        loss = F.cross_entropy(model(leaf), labels, reduction="sum")
        (gradient,) = torch.autograd.grad(loss, leaf)
        moved = (leaf.detach() + EPS / 10 * gradient.sign()).clamp(x - EPS, x + EPS).clamp(0, 1)


def _peers(model: nn.Module, steps: int) -> dict[str, Callable[[Tensor, Tensor], Tensor]]:
    """Those that are installed."""
    found: dict[str, Callable[[Tensor, Tensor], Tensor]] = {}
    if importlib.util.find_spec("torchattacks"):
        import torchattacks

        found["torchattacks"] = torchattacks.PGD(model, eps=EPS, alpha=EPS / 10, steps=steps, random_start=False)
    if importlib.util.find_spec("foolbox"):
        import foolbox

        peer = foolbox.PyTorchModel(model, bounds=(0, 1))
        pgd = foolbox.attacks.LinfPGD(abs_stepsize=EPS / 10, steps=steps, random_start=False)
        found["foolbox"] = lambda x, labels: pgd(peer, x, labels, epsilons=EPS)[1]
    return found


def _missing(peers: dict[str, Any]) -> list[str]:
    """What would have to be installed."""
    missing = [name for name in ("torchattacks", "foolbox") if name not in peers]
    return [f"Not measured: {', '.join(missing)}; pip install --no-deps {' '.join(missing)}."] if missing else []

"""Attacks that look for the smallest change, beside adversarial-library's, with as many passes: who ends nearer?

Networks and pictures are those of `../shared/data`: CIFAR's 200 with two adversarially and a plainly trained network,
and 200 digits with one that is proven robust. A median is over the pictures that the network is right about; one that
is not fooled counts as infinitely far. The library needs `pip install --no-deps adv-lib`; it imports visdom, of which
nothing is used here.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from benchmarks.cache import DATA, network_of
from benchmarks.timing import Finding, Report, Rows
from phosphene.adversarial.norms import Norm, size
from phosphene.adversarial.tensors import attacks
from phosphene.adversarial.victims import Victim
from phosphene.core.networks.network import Network
from phosphene.models.torchvision import import_torchvision

NETWORKS = ("cifar_cnn_a_adv", "cifar_cnn_a_mix", "cifar_resnet20", "mnist_cnn")
P: dict[Norm, float] = {"linf": torch.inf, "l2": 2, "l1": 1, "l0": 0}


@dataclass(frozen=True)
class Pair:
    """One attack here and there, with as many forward passes at most.

    Attributes:
        name, norm: of the attack.
        ours: its options.
        theirs: from the library to a function (model, x, labels) -> inputs.
        compared: whether the median here may be no larger.
    """

    name: str
    norm: Norm
    ours: dict[str, Any]
    theirs: Callable[[ModuleType], Callable[[nn.Module, Tensor, Tensor], Tensor]]
    compared: bool = True


def pairs(steps: int) -> list[Pair]:
    """All of them, for so many steps: the passes at the input and at the end, three or 20, are among those here."""
    near: list[Norm] = ["linf", "l2", "l1"]
    return [
        Pair("ddn", "l2", {"steps": steps - 3}, lambda lib: partial(lib.ddn, steps=steps + 1, levels=None)),
        *(
            Pair("fmn", norm, {"steps": steps - 3}, lambda lib, p=P[norm]: partial(lib.fmn, norm=p, steps=steps + 1))
            for norm in near
        ),
        Pair("fmn", "l0", {"steps": steps}, lambda lib: partial(lib.fmn, norm=0, steps=steps + 1)),
        Pair("cw", "l2", {"steps": steps}, lambda lib: partial(lib.carlini_wagner_l2, max_iterations=steps)),
        Pair("sigma_zero", "l0", {"steps": steps - 20}, lambda lib: partial(lib.sigma_zero, num_steps=steps + 1)),
        Pair(
            "fab", "linf", {"steps": 5 * steps // 9}, lambda lib: partial(lib.fab, norm=torch.inf, n_iter=steps), False
        ),
        Pair("deepfool", "l2", {}, lambda lib: partial(lib.df, norm=2), False),
    ]


class Fed(nn.Module):
    """The model with its preprocessing: what the library attacks."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.model = network.model.eval()
        self.mean, self.std = (torch.tensor(v).view(-1, 1, 1) for v in (network.mean, network.std))
        for parameter in self.parameters():
            parameter.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of pictures in [0, 1]."""
        logits: Tensor = self.model((x - self.mean) / self.std)
        return logits


def library() -> ModuleType | None:
    """adversarial-library's attacks, if it is there."""
    import_torchvision()
    sys.modules.setdefault("visdom", ModuleType("visdom")).__dict__.setdefault("Visdom", object)
    try:
        from adv_lib import attacks as theirs
    except ImportError:
        return None
    module: ModuleType = theirs
    return module


@dataclass(frozen=True)
class Ended:
    """Where an attack ended, over the pictures that the network is right about."""

    distances: Float[Tensor, " m"]
    passes: str

    @property
    def median(self) -> float:
        return float(self.distances.median())

    @property
    def mean(self) -> str:
        """Of those that were fooled, and how many those are."""
        fooled = self.distances[self.distances.isfinite()]
        return f"{fooled.mean():.4g} ({len(fooled)} of {len(self.distances)})"


def here(pair: Pair, network: Network | nn.Module, x: Tensor, labels: Int[Tensor, " n"]) -> Ended:
    """This program's."""
    found = getattr(attacks, pair.name)(Victim(network), x, labels, norm=pair.norm, **pair.ours).outcome
    passes = f"{found.forwards.double().mean():.0f} / {found.backwards.double().mean():.0f}"
    distances = torch.where(found.success, found.distances, torch.inf)
    return Ended(distances[~found.before], passes)


def there(pair: Pair, lib: ModuleType, network: Network, x: Tensor, labels: Int[Tensor, " n"]) -> Ended:
    """The library's; judged from what it returns."""
    model = Fed(network)
    found = pair.theirs(lib)(model, x.contiguous(), labels).detach()
    with torch.no_grad():
        right, fooled = model(x).argmax(1) == labels, model(found).argmax(1) != labels
    distances = torch.where(fooled, size(found - x, pair.norm), torch.inf)
    return Ended(distances[right], "")


def optimality(distances: Float[Tensor, " m"], best: Float[Tensor, " m"]) -> float:
    """How much of what the nearest known inputs take away from the curve of accuracy over the radius it takes away.

    Sum of max(e - d, 0) over that of e - d*, e the largest d* (AttackBench, Cinà et al. 2025, arXiv:2404.19460).
    """
    end = best.max()
    return float((end - distances).clamp(min=0).sum() / (end - best).sum().clamp(min=1e-12))


def run(quick: bool, net: str = "", methods: str = "") -> Report:
    """The tables and what must come out of them."""
    lib = library()
    if lib is None:
        return Report(
            notes=["adversarial-library is not there (pip install --no-deps adv-lib), so nothing was compared."]
        )
    many, steps = (8, 20) if quick else (200, 100)
    chosen = [pair for pair in pairs(steps) if not methods or pair.name in methods.split(",")]
    tables, claims = [], []
    for name in net.split(",") if net else NETWORKS[: 1 if quick else None]:
        network = network_of(name)
        own = Fed(network) if network.grey else network.planned("search")  # a network's pictures have three channels
        x, labels = pictures(name, many)
        ended = {}
        for pair in chosen:
            ours, theirs = here(pair, own, x, labels), there(pair, lib, network, x, labels)
            ended |= {(pair.name, pair.norm, "phosphene"): ours, (pair.name, pair.norm, "adversarial-library"): theirs}
            print(f"{name}, {pair.name} in {pair.norm}: {ours.median:.4g} and {theirs.median:.4g}", file=sys.stderr)
            if pair.compared:
                words = f"{ours.median:.6g} and {theirs.median:.6g}"
                sentence = f"on {name} {pair.name} in {pair.norm} ends no further in the median than the library's"
                claims.append(Finding(sentence, ours.median <= theirs.median, words))
        heads = ("attack", "median", "mean (fooled)", "optimality", "forwards / backwards")
        tables.append(Rows(f"Distances on {name}, {many} pictures", heads, _rows(ended)))
    note = f"{steps} steps; optimality is beside the nearest input of all attacks in that norm, for each picture."
    return Report(tables, claims, [note])


def _rows(ended: dict[tuple[str, Norm, str], Ended]) -> list[tuple[str, ...]]:
    """A line for each attack, beside all of its norm."""
    rows = []
    for (name, norm, whose), one in ended.items():
        best = torch.stack([other.distances for (_, same, _), other in ended.items() if same == norm]).amin(0)
        share = f"{optimality(one.distances, best):.3f}"
        rows.append((f"{name} {norm}, {whose}", f"{one.median:.4g}", one.mean, share, one.passes))
    return rows


def pictures(network: str, many: int) -> tuple[Float[Tensor, "n c h w"], Int[Tensor, " n"]]:
    """CIFAR's or digits, and their classes."""
    file = DATA / ("mnist.npz" if network == "mnist_cnn" else "cifar10_test_200.npz")
    if not file.is_file():
        raise SystemExit(f"this benchmark needs the pictures {file.name}, which are not in {file.parent}")
    found = np.load(file)
    if network == "mnist_cnn":
        x, labels = torch.from_numpy(found["X_test"][:many])[:, None], found["y_test"]
    else:
        x, labels = torch.from_numpy(found["X"][:many]).permute(0, 3, 1, 2), found["y"]
    return x.float().div(255).contiguous(), torch.from_numpy(labels[:many]).long()

"""How often three networks can be fooled, and with how many passes, beside AutoAttack's own code (measured elsewhere).

And how often a network can be whose robustness is proven: no attack may find more than that. The 200 pictures of
CIFAR-10, the digits and the networks lie beside the project in `../shared/data`; nothing else is read.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from benchmarks.timing import Finding, Report, Rows
from phosphene.adversarial.evaluation.ensembles import ENSEMBLES
from phosphene.adversarial.evaluation.evaluate import Evaluation
from phosphene.adversarial.evaluation.report import Report as Outcome
from phosphene.core.errors import Mistake
from phosphene.core.options import shown
from phosphene.core.units.labelled import LabelledPictures, read_labelled
from phosphene.models.specs import load

DATA = Path(__file__).resolve().parents[1] / ".." / "shared" / "data"

ROBUST = (7822, 1900)
"""Forward and backward passes that AutoAttack makes with a picture that stays robust: 1 + 101 + 909 + 1810 + 5001, its
FAB asking twice at each step; and 100 back in each of 19 descents. With others nearly every pass goes back, too."""


@dataclass(frozen=True)
class Row:
    """A network at a radius, and what AutoAttack's code found there: robust accuracy, forward passes of a picture."""

    network: str
    eps: float
    accuracy: float
    forwards: float

    @property
    def backwards(self) -> float:
        """AutoAttack's, about: its code counts none."""
        robust = self.accuracy / 100
        return self.forwards - robust * (ROBUST[0] - ROBUST[1])


ROWS = (
    Row("cifar_cnn_a_adv", 2 / 255, 50.5, 3997), Row("cifar_cnn_a_adv", 8 / 255, 12.5, 1050),
    Row("cifar_cnn_a_mix", 2 / 255, 53.0, 4202), Row("cifar_cnn_a_mix", 8 / 255, 7.5, 674),
    Row("cifar_resnet20", 1 / 255, 15.0, 1270), Row("cifar_resnet20", 2 / 255, 0.0, 103),
)  # fmt: skip
"""AutoAttack standard, l-inf, its authors' code."""


def share(ensemble: str, row: Row) -> float:
    """The part of AutoAttack's forward passes that an ensemble may make."""
    return 1 / 8 if ensemble == "fast" and row.network != "cifar_resnet20" else 2 / 3


def run(quick: bool) -> Report:
    """Every row by both ensembles.

    Raises:
        Mistake: the test data is not there.
    """
    if not (DATA / "cifar10_test_200.npz").is_file():
        raise Mistake(f"the test data is not in {DATA}")
    findings = [_digits(quick)]
    lines: list[list[str]] = []
    for ensemble in ("fast", "standard"):
        for row in ROWS[1:2] if quick else ROWS:
            line, found = _said(ensemble, row, _evaluated(ensemble, row, 20 if quick else 200))
            print(", ".join(line), file=sys.stderr)
            lines.append(line)
            findings += [] if quick else found
    headings = ["ensemble", "network", "robust", "forwards", "backwards", "AutoAttack", "its forwards", "of them"]
    return Report([Rows("200 pictures of CIFAR-10, l-inf; passes of a picture", headings, lines)], findings, [])


def _evaluated(ensemble: str, row: Row, many: int) -> Outcome:
    network = load(f"{DATA / 'models' / row.network}.py:build", device="cpu", precision="float32")
    data = read_labelled(str(DATA / "cifar10_test_200.npz"), network).first(many)
    evaluation = Evaluation(network, data, norm="linf", radii=[row.eps], entries=ENSEMBLES[ensemble], batch=200)
    for _ in evaluation:
        pass
    return Outcome(evaluation)


def _digits(quick: bool) -> Finding:
    """MNIST's test set by a network that is proven to keep 94.2 % of it within .1 (Wong & Kolter 2018)."""
    network = load(f"{DATA / 'models' / 'mnist_cnn'}.py:build", device="cpu", precision="float32")
    with np.load(DATA / "mnist.npz") as file:
        x, y = torch.from_numpy(file["X_test"]), torch.from_numpy(file["y_test"])
    x, y = (one[:200] if quick else one for one in (x[:, None].expand(-1, 3, -1, -1), y.long()))
    data = LabelledPictures([str(i) for i in range(len(x))], x, y, {i: str(i) for i in range(10)})
    evaluation = Evaluation(network, data, norm="linf", radii=[0.1], entries=ENSEMBLES["fast"], batch=500)
    for _ in evaluation:
        pass
    outcome = Outcome(evaluation)
    found, (forwards, _) = 100 * outcome.robust(outcome.ledger.worst[0]).value, outcome.passes
    words = f"{found:.2f} % of {len(x)}, with {forwards:.0f} forwards a digit"
    print(words, file=sys.stderr)
    return Finding("fast on mnist_cnn at .1 leaves at least the 94.2 % that are proven", found >= 94.2, words)


def _said(ensemble: str, row: Row, outcome: Outcome) -> tuple[list[str], list[Finding]]:
    """A line of the table, and what must hold of it."""
    accuracy, (forwards, backwards) = 100 * outcome.robust(outcome.ledger.worst[0]).value, outcome.passes
    at, part = f"{row.network} at {shown(row.eps)}", share(ensemble, row)
    line = [
        ensemble, at, f"{accuracy:.1f} %", f"{forwards:.0f}", f"{backwards:.0f}",
        f"{row.accuracy:.1f} %", f"{row.forwards:.0f}", f"{100 * forwards / row.forwards:.1f} %",
    ]  # fmt: skip
    found = f"{accuracy:.1f} % with {forwards:.0f} and {backwards:.0f} passes"
    limits = [accuracy <= row.accuracy + 1e-9, forwards <= part * row.forwards]
    sentence = f"{ensemble} on {at}: at most {row.accuracy:.1f} % with at most {part * row.forwards:.0f} forwards"
    if part == 1 / 8:
        limits.append(backwards <= row.backwards / 4)
        sentence += f" and {row.backwards / 4:.0f} backwards"
    return line, [Finding(sentence, all(limits), found)]

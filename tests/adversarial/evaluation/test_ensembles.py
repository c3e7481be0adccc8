"""Names of attacks, and what each ensemble is."""

import numpy as np
import pytest
import torch

from phosphene.adversarial.evaluation.ensembles import FAST, STANDARD, ensemble
from phosphene.adversarial.evaluation.evaluate import Evaluation
from phosphene.adversarial.evaluation.report import Report
from phosphene.core.errors import Mistake, Note
from phosphene.core.units.labelled import LabelledPictures, read_labelled
from phosphene.models.specs import load


def test_an_ensemble_has_a_name_and_so_does_every_attack():
    assert ensemble("fast", "linf") == FAST
    assert [(one.name, one.attack, one.options, one.once) for one in ensemble("pgd, fgsm", "l2")] == [
        ("pgd", "pgd", {}, False), ("fgsm", "fgsm", {}, False),
    ]  # fmt: skip


def test_standard_is_autoattack_in_its_order_and_budgets():
    assert [one.record() for one in STANDARD] == [
        {"name": "apgd-ce", "attack": "apgd", "loss": "ce", "steps": 100, "restarts": 5},
        {"name": "apgd-t", "attack": "apgd", "loss": "targeted-dlr", "targets": 9, "steps": 100},
        {"name": "fab-t", "attack": "fab", "targets": 9, "steps": 100},
        {"name": "square", "attack": "square", "queries": 5000, "patience": 3.0},
    ]


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
def test_both_ensembles_know_every_norm_but_l0(norm):
    assert ensemble("standard", norm) == STANDARD and ensemble("fast", norm) == FAST
    with pytest.raises(Mistake, match="'l0' is not a valid value for norm of apgd-ce"):
        ensemble("standard", "l0")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("pdg", "no attack 'pdg'; did you mean 'pdpgd' or 'pgd'"),
        ("standart", "no attack 'standart'; did you mean 'standard'?"),
        (" , ", "names no attack; there are standard, fast, "),
        ("pgd,fgsm,pgd", "pgd is named twice; once is enough"),
    ],
)
def test_another_name_is_told(words, said):
    with pytest.raises(Mistake, match=said):
        ensemble(words, "linf")


def test_a_norm_that_an_attack_does_not_know_is_told():
    with pytest.raises(Mistake, match="'l0' is not a valid value for norm of a3"):
        ensemble("fast", "l0")


@pytest.mark.slow
@pytest.mark.parametrize(("eps", "accuracy", "forwards", "backwards"), [(2, 0.505, 3997, 960), (8, 0.125, 1050, 308)])
def test_fast_is_as_strong_as_autoattack_with_an_eighth_of_its_passes(data, eps, accuracy, forwards, backwards):
    """What AutoAttack's own code found with the same 200 pictures of CIFAR-10."""
    network = load(f"{data / 'models' / 'cifar_cnn_a_adv.py'}:build", device="cpu", precision="float32")
    pictures = read_labelled(str(data / "cifar10_test_200.npz"), network)
    found = Evaluation(network, pictures, norm="linf", radii=[eps / 255], entries=FAST, batch=200)
    for _ in found:
        pass
    outcome = Report(found)
    assert outcome.robust(found.ledger.worst[0]).value <= accuracy
    assert outcome.passes[0] <= forwards / 8 and outcome.passes[1] <= backwards / 4


def test_that_the_fast_one_finds_less_in_l1_is_said():
    with pytest.warns(Note, match="in l1 fast leaves about 3 % more pictures than standard"):
        assert ensemble("fast", "l1") is FAST


@pytest.mark.slow
def test_no_attack_goes_below_what_is_proven_and_they_find_what_pgd_finds(data):
    """Of 10,000 digits 94.2 % are proven within .1; PGD-20 leaves 95.4 % of the first 1000 (Wong & Kolter 2018)."""
    network = load(f"{data / 'models' / 'mnist_cnn.py'}:build", device="cpu", precision="float32")
    with np.load(data / "mnist.npz") as file:
        digits = torch.from_numpy(file["X_test"][:1000])[:, None].expand(-1, 3, -1, -1)
        labels = torch.from_numpy(file["y_test"][:1000]).long()
    pictures = LabelledPictures([str(i) for i in range(1000)], digits, labels, {i: str(i) for i in range(10)})
    found = Evaluation(network, pictures, norm="linf", radii=[0.1], entries=FAST, batch=500)
    for _ in found:
        pass
    assert 0.942 <= Report(found).robust(found.ledger.worst[0]).value <= 0.954

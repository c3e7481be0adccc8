"""The recipe of `embedded:photo-robust`, for pictures of one's own: the network, the course, and the file.

Without a network of one's own, the architecture of `embedded:photo` is trained from nothing; batch normalization is
folded into its convolutions in the end, as it is in the embedded ones.
"""

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

import torch
from torch import nn

from phosphene.adversarial.training import Course, Training
from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from phosphene.core.optimization.training.pictures import Examples
from phosphene.core.options import shown
from phosphene.core.units.labelled import LabelledPictures
from phosphene.models.photo import Photo, folded
from phosphene.models.preparing import cast
from phosphene.models.specs import named_device, named_dtype
from phosphene.models.trained import trained_bytes

LEAST_SIDE = 32  # of pictures that the architecture of our own is made for
FRESH, TUNED = 0.1, 0.01
"""Peaks of the learning rate: of a network that is trained from nothing, and of one that knows something already."""


def numbered(data: LabelledPictures, network: Network | None) -> tuple[Examples, list[str]]:
    """The pictures with labels that leave no number out, and what the classes are called.

    Args:
        network: that is to be trained, if it is somebody's; its classes are those of the pictures.
    Raises:
        Mistake: the network has other classes, or the pictures are not square.
    """
    numbers = sorted(data.classes)
    if network is not None and numbers != list(range(network.classes)):
        raise Mistake(
            f"{network.name} tells {network.classes} classes apart, and there are pictures of {len(numbers)}; "
            "give a network with as many outputs as classes, or leave --net out to train one from nothing"
        )
    _, channels, height, width = data.pictures.shape
    if height != width or channels != 3:
        raise Mistake(f"the pictures have {channels} channels and {width} x {height} px; square ones in RGB are needed")
    labels = torch.bucketize(data.labels, torch.tensor(numbers))
    return Examples(data.pictures, labels), [data.classes[number] or str(number) for number in numbers]


def untrained(
    examples: Examples, names: Sequence[str], size: int, seed: int = 0, device: str = "auto", precision: str = "auto"
) -> Network:
    """The architecture of `embedded:photo` with random weights, for pictures of this size and these classes.

    Args:
        device, precision: as for `load`.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model: nn.Module = Photo(len(names), norm=True)
    values = examples.pictures.transpose(0, 1).flatten(1).double() / 255
    mean, std = ([round(one, 3) for one in of.tolist()] for of in (values.mean(1), values.std(1)))
    model = cast(model, named_device(device), named_dtype(precision))
    facts: dict[str, Any] = {"mean": mean, "std": [one or 1.0 for one in std], "size": size, "labels": list(names)}
    return Network(model, name="photo", precision=precision, **facts)


def robust_course(
    examples: Examples, *, epochs: int, eps: float, size: int, grows: bool, rate: float, flip: bool, batch: int
) -> Course:
    """How `embedded:photo-robust` was trained, for pictures of another size and number.

    Its pictures had 64 px, in the first 3 of 8 epochs 48; crops of 58 to 64 out of a border of 4; and its average went
    over half an epoch.

    Args:
        size: of the pictures that the network sees.
        grows: whether the network takes smaller ones at first.
    """
    own, small = examples.pictures.shape[-1], 3 * size // 4
    first = 3 * epochs // 8 if grows and small >= LEAST_SIDE else 0
    sides = (small,) * first + (size,) * (epochs - first)
    batches = max(len(examples.labels) // batch, 1)
    return Course(
        sides, eps, rate, crops=(own - 3 * own // 32, own), pad=own // 16, flip=flip, batch=batch,
        decay=max(1 - 2 / batches, 0.0),
    )  # fmt: skip


def weights_file(training: Training, names: Sequence[str], net: str | None, about: str = "", **more: Any) -> bytes:
    """The best weights so far as a file, whose header says what they are.

    Args:
        names: of the classes.
        net: the spec of somebody's network, without folders; None for ours.
        about: a sentence on them; by default on how often they are right.
        more: for the record of the training.
    """
    network, best = training.network, training.best_epoch
    assert best is not None
    state: Mapping[str, Any] = training.best[1]
    if net is None:
        model = Photo(len(names), norm=True)
        model.load_state_dict(state)
        state = folded(model).state_dict()
    course, held = training.course, len(training.held.labels)
    how = f"trained against changes of {shown(course.radius)}" if course.radius else "trained without attacks"
    attacked = f", and {100 * best.robust:.1f} % under PGD-20" if course.radius else ""
    right = f"of {held} pictures that were held out, {100 * best.clean:.1f} % are named rightly"
    about = about or f"{how}: {right}{attacked}"
    facts = {"mean": network.mean, "std": network.std, "input_size": course.sides[-1], "labels": list(names)}
    made = {
        "eps": course.radius, "sides": course.sides, "seed": training.seed, "rate": course.peak, "batch": course.batch,
        "pictures": len(training.examples.labels), "held out": held, "epochs": len(training.epochs),
        "kept epoch": best.number, "clean": best.clean, "pgd20": best.robust, "phosphene": version("phosphene"),
    } | more  # fmt: skip
    made |= {} if training.part is None else {"part": str(training.part)}
    whose = {"architecture": "photo"} if net is None else {"net": net}
    return trained_bytes(state, facts | {"about": about} | whose | {"training": made})

"""An album: a folder of somebody's own pictures, on which the embedded network is trained further to dream *them*.

What a dream shows is what a network has been taught to see; google/deepdream's dogs are those of ImageNet. So all
layers of `embedded:photo` are trained further to tell the classes of an album apart: its folders, or where there are
none, clusters of the network's own codes (as Caron et al. 2018, arXiv:1807.05520, train on clusters). It begins with
its batch normalization put back, whose statistics are the album's, and with a last layer that is right as often as the
network's codes are: the class whose mean code is the nearest (Snell et al. 2017, arXiv:1703.05175, eq. 8),

    -|x - m_c|^2 / 2 = m_c . x - |m_c|^2 / 2 - |x|^2 / 2,

which is linear in the code x but for a term that all classes share. From there on the features change, not only what is
read from them.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn
from torch.nn import functional as F

from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from phosphene.core.paths import given_path, is_folder
from phosphene.core.pictures.eight_bit import fraction
from phosphene.core.pictures.fitting import fit
from phosphene.core.units.clusters import clustered
from phosphene.core.units.photographs import pictures_in
from phosphene.core.units.squares import Watched, read_squares
from phosphene.models.embedded import embedded
from phosphene.models.photo import unfolded
from phosphene.models.preparing import cast
from phosphene.models.specs import named_device, named_dtype
from phosphene.models.trained import ARCHITECTURES

NAME = "photo"
"""Of the embedded network."""

SIDE = 96
"""Pixels of the pictures that are kept in memory, of which parts are shown to the network."""

LEAST, MOST_CLUSTERS = 2, 20
"""Pictures of a class, one to train on and one that is held out; and clusters, where their number is not given."""

MOST_TIMES = 8
"""How often a picture of a small class is shown in an epoch."""

SOME = 512
"""Pictures of which statistics are taken."""

BEST_LAYER = "mixed5a"
"""Where dreams show the most of an album: below it are textures, above it things are no longer whole."""

RATE = 0.03
"""The highest learning rate."""

SEEN, EPOCHS, BATCH = 18_000, (5, 60), 32
"""Pictures in all, from how many to how many epochs they may take, and pictures at a time.

Three times as many make dreams poorer: the features that are left are those few that tell the classes apart best.
"""

FEW, UNEQUAL = 20, 10
"""Pictures of a class, and how many times as many another one has, of which a word is said."""

SHARPNESS = 10
"""What the last layer begins with: so many times the squared distances within classes are one in its logits."""


@dataclass(frozen=True, eq=False)
class Album:
    """Pictures and what they show.

    Attributes:
        pictures: of 8 bits.
        labels: the number of each one's class.
        classes: what they are called.
        files: of the pictures, within the folder.
        clusters: the classes are clusters, and no folders.
        notes: a sentence for everything that is left out.
    """

    pictures: UInt8[Tensor, "n 3 side side"]
    labels: Int[Tensor, " n"]
    classes: list[str]
    files: list[str]
    clusters: bool
    notes: list[str]


def read_album(
    folder: str | Path, clusters: int | None = None, seed: int = 0, watched: Watched = lambda files: files
) -> Album:
    """Read an album: each folder in it is a class; where there are none, or their number is given, clusters are.

    Args:
        clusters: how many; then folders do not count.
        seed: of the clusters.
        watched: for whoever wants to show how far the reading is.
    Raises:
        Mistake: it is no folder, or has too few pictures or classes.
    """
    path = given_path(folder, "album")
    if not is_folder(path):
        raise Mistake(f"{path} is not a folder; give one with a folder of pictures for each class, or with pictures")
    files = pictures_in([path])
    called = {file: Path(file).relative_to(path).parts for file in files}
    in_folders = clusters is None and any(len(parts) > 1 for parts in called.values())
    notes = [f"{file} is left out, as it is in no folder of a class" for file in files if len(called[file]) == 1]
    notes = notes if in_folders else []
    used = [file for file in files if not in_folders or len(called[file]) > 1]
    pictures, kept, refused = read_squares(used, SIDE, watched)
    notes += refused
    if len(kept) < 2 * LEAST:
        why = f": {notes[0]}" if notes else ""
        raise Mistake(f"{path} has {_many(len(kept))} that can be used, and {2 * LEAST} or more are needed{why}")
    if not in_folders:
        labels = _clusters(pictures, clusters, seed)
        names = [f"cluster {i + 1}" for i in range(int(labels.max()) + 1)]
        return Album(pictures, labels, names, ["/".join(called[file]) for file in kept], True, notes)
    return _by_folder(path, pictures, kept, [called[file][0] for file in kept], notes)


def _by_folder(
    path: Path, pictures: UInt8[Tensor, "n 3 side side"], files: Sequence[str], folders: Sequence[str], notes: list[str]
) -> Album:
    """The pictures of those folders that have enough of them.

    Raises:
        Mistake: there are fewer than two such folders.
    """
    many = Counter(folders)
    there = sorted(one.name for one in path.iterdir() if is_folder(one) and not one.name.startswith("."))
    classes = [name for name in there if many[name] >= LEAST]
    if len(classes) < 2:
        alone = f"one folder that has {LEAST} pictures or more, '{classes[0]}'" if classes else "no such folder"
        raise Mistake(
            f"the folders in {path} are its classes, {LEAST} or more with {LEAST} pictures or more each, and there is "
            f"{alone}; give --clusters 2 to have the pictures told apart without folders"
        )
    few = [f"folder {name} is left out, as it has {_many(many[name])}" for name in there if name not in classes]
    rows = [row for row, folder in enumerate(folders) if folder in classes]
    labels = torch.tensor([classes.index(folders[row]) for row in rows])
    kept = [Path(files[row]).relative_to(path).as_posix() for row in rows]
    return Album(pictures[rows], labels, classes, kept, False, notes + few)


def _many(pictures: int) -> str:
    return f"{pictures or 'no'} picture{'s' * (pictures != 1)}"


def _clusters(pictures: UInt8[Tensor, "n 3 side side"], count: int | None, seed: int) -> Int[Tensor, " n"]:
    """The number of each picture's cluster, of the directions of the network's codes; none has a single picture.

    The square root of half the pictures is how many there are by default, 2 to 20. A picture that is alone goes to the
    nearest of the other clusters.

    Raises:
        Mistake: there are too few pictures for so many, or they are all alike.
    """
    most = len(pictures) // LEAST
    if count is not None and count > most:
        raise Mistake(f"{_many(len(pictures))} are too few for {count} clusters; give --clusters {most} or fewer")
    codes = F.normalize(_codes(pictures), dim=1)
    wanted = count or min(max(round(math.sqrt(len(pictures) / 2)), 2), MOST_CLUSTERS)
    members = [one for one in clustered(codes, wanted, seed, "an album without folders") if len(one) >= LEAST]
    if len(members) < 2:
        raise Mistake(f"the {len(pictures)} pictures do not fall into {LEAST} clusters or more; give them in folders")
    means = torch.stack([codes[one].mean(0) for one in members])
    labels = torch.cdist(codes, means).argmin(1)
    for number, one in enumerate(members):
        labels[one] = number
    return labels


# ---------------------------------------------------------------------------------------------------- the network


@torch.no_grad()
def _codes(pictures: UInt8[Tensor, "n 3 side side"]) -> Float[Tensor, "n channels"]:
    """What the embedded network's last layer reads."""
    model, facts = embedded(NAME)
    network = Network(model, **facts)
    model.classifier = nn.Identity()
    return torch.cat([model.eval()(_shown(network, some)) for some in pictures.split(128)])


def _shown(network: Network, pictures: UInt8[Tensor, "n 3 side side"]) -> Float[Tensor, "n 3 h w"]:
    """What the network is given for them."""
    return network.normalization(fit(fraction(pictures, 255), network.size))


@torch.no_grad()
def beginning(
    pictures: UInt8[Tensor, "n 3 side side"], labels: Int[Tensor, " n"], classes: Sequence[str], device: str = "auto",
    precision: str = "auto",
) -> Network:  # fmt: skip
    """The embedded network with batch normalization, and a last layer for these classes that knows their mean codes.

    Args:
        pictures: to train on; their statistics are the network's.
        device, precision: as for `load`.
    """
    model, facts = embedded(NAME)
    network = Network(model, **facts)
    codes = _codes(pictures)
    model.classifier = nearest_mean(codes, labels, len(classes))
    some = torch.arange(0, len(pictures), math.ceil(len(pictures) / SOME))
    trained = unfolded(model, ARCHITECTURES[NAME](len(classes), norm=True), _shown(network, pictures[some]))
    ready = cast(trained, named_device(device), named_dtype(precision))
    return Network(ready, precision=precision, name="the album's network", **facts | {"labels": list(classes)})


@torch.no_grad()
def nearest_mean(codes: Float[Tensor, "n channels"], labels: Int[Tensor, " n"], many: int) -> nn.Linear:
    """The linear layer whose largest logit is that of the class whose mean code is the nearest.

    s (m_c . x - |m_c|^2 / 2), where s is such that the squared distances of codes x from their own class's mean m_c
    are `SHARPNESS` on average.
    """
    means = torch.stack([codes[labels == one].mean(0) for one in range(many)])
    within = (codes - means[labels]).square().sum(1).mean()
    sharp = SHARPNESS / within.clamp_min(1e-12)
    layer = nn.Linear(codes.shape[1], many)
    layer.weight.copy_(sharp * means)
    layer.bias.copy_(-sharp * means.square().sum(1) / 2)
    return layer


def evened(labels: Int[Tensor, " n"]) -> Int[Tensor, " rows"]:
    """The rows of an epoch: of small classes several times, up to `MOST_TIMES`, so that none has far fewer than half
    of the largest."""
    many = labels.bincount()
    times = (many.max() // (2 * many).clamp_min(1)).clamp(1, MOST_TIMES)
    return torch.arange(len(labels)).repeat_interleave(times[labels])


# ------------------------------------------------------------------------------------------------------ the course


def course(many: int, epochs: int | None, batch: int, side: int) -> dict[str, Any]:
    """How many epochs of pictures of which size, what is cut out of them, and how many at a time.

    By default some `SEEN` pictures are shown in all, in 5 to 60 epochs.

    Args:
        many: pictures of an epoch.
        side: of the network's input.
    """
    if epochs is None:
        epochs = min(max(round(SEEN / many), EPOCHS[0]), EPOCHS[1])
    return {
        "sides": (side,) * epochs, "crops": (SIDE // 2, SIDE), "pad": SIDE // 16, "batch": batch,
        "decay": max(1 - 2 * batch / many, 0.5),
    }  # fmt: skip


def remarks(found: Album) -> list[str]:
    """What is to be said about an album that has few pictures, or classes of very different sizes."""
    many = found.labels.bincount()
    few, most = int(many.argmin()), int(many.argmax())
    said = []
    if len(found.labels) < FEW * len(found.classes):
        all_of_them = f"{_many(len(found.labels))} are few for {len(found.classes)} classes"
        said.append(f"{all_of_them}; of {FEW} or more each, dreams show more")
    if many[most] > UNEQUAL * many[few]:
        each = f"{found.classes[most]} has {_many(int(many[most]))} and {found.classes[few]} {int(many[few])}"
        said.append(f"class {each}; those of small classes are shown several times an epoch")
    return said

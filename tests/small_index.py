"""A small index: sixty generated pictures of four classes, read by a small network, in a folder of their own."""

import numpy as np
import torch

from phosphene.core.pictures.eight_bit import to_pil
from phosphene.dataset.index import index
from tests.small import convnet

CLASSES = {0: "tabby cat, mouser", 1: "zebra", 2: "crane, wading bird", 3: "crane, lifting machine"}


def small_pictures(folder, many=60, size=(20, 24)):
    """Gratings, one orientation a class, with noise: folder/CLASS/NNN.png; the files."""
    generator = np.random.default_rng(0)
    y, x = np.mgrid[: size[0], : size[1]]
    files = []
    for number in range(many):
        label = number % 4
        angle, phase = label * np.pi / 4, generator.uniform(0, 6)
        wave = 0.5 + 0.35 * np.sin(0.9 * (np.cos(angle) * x + np.sin(angle) * y) + phase)
        colours = np.clip(wave[None] + generator.normal(0, 0.08, (3, *size)), 0, 1)
        file = folder / str(label) / f"{number:03d}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        to_pil(torch.from_numpy(colours).float()).save(file)
        files.append(file)
    return sorted(files)


def small_network():
    """conv1 to conv3 with rectifiers, four classes, 16 x 16 px, float32."""
    return convnet(torch.float32, size=16)


def small_index(folder, layers=("relu1", "relu2", "logits"), many=60, k=9):
    """An index of `small_network` over `small_pictures`; folder/photos and folder/photos.index. A reader of it."""
    small_pictures(folder / "photos", many)
    return index(
        small_network(), folder / "photos", folder / "photos.index", layers=layers, count=k, shard=16, batch=8
    )  # fmt: skip

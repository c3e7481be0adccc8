"""The 100-class Tiny-ImageNet archive as arrays, decoded once and kept in an ignored cache."""

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from phosphene.core.optimization.training.pictures import Examples

ARCHIVE = Path(__file__).resolve().parents[2] / "shared" / "data" / "tiny_imagenet_100.tar.xz"
CACHE = Path(__file__).resolve().parent / "cache"


def decode(archive: Path) -> dict[str, np.ndarray]:
    """Read the archive once, front to back: seeking in an xz stream decompresses it again."""
    found: dict[str, list] = {"train": [], "val": []}
    with tarfile.open(archive) as tar:
        for member in tar:
            if member.name.endswith("labels.json"):
                names = json.load(tar.extractfile(member))
            elif member.isfile():
                part, wnid, _ = member.name.split("/")
                picture = Image.open(io.BytesIO(tar.extractfile(member).read())).convert("RGB")
                found[part].append((wnid, np.asarray(picture).transpose(2, 0, 1)))
    order = {wnid: index for index, wnid in enumerate(names)}
    arrays = {"labels": np.array(list(names.values()))}
    for part, items in found.items():
        arrays[f"{part}_pictures"] = np.stack([picture for _, picture in items])
        arrays[f"{part}_classes"] = np.array([order[wnid] for wnid, _ in items])
    return arrays


def tiny_imagenet(archive: Path = ARCHIVE) -> tuple[Examples, Examples, list[str]]:
    """Training pictures, validation pictures, 64 px and 8 bits, and the 100 labels in order."""
    CACHE.mkdir(exist_ok=True)
    file = CACHE / "tiny_imagenet_100.npz"
    if not file.exists():
        np.savez(file, **decode(archive))
    arrays = np.load(file)
    train, val = (
        Examples(torch.from_numpy(arrays[f"{part}_pictures"]), torch.from_numpy(arrays[f"{part}_classes"]))
        for part in ("train", "val")
    )
    return train, val, [str(label) for label in arrays["labels"]]

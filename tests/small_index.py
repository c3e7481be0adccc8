"""A small index: sixty generated pictures of four classes, read by a small network, in a folder of their own."""

import json

import numpy as np
import torch

from phosphene.core.index.index import Index
from phosphene.core.index.layout import BANDS, BINS, FORMAT, QUANTILES
from phosphene.core.networks.fingerprint import network_sha256
from phosphene.core.pictures.eight_bit import to_pil
from phosphene.core.units.inputs import feed
from tests.small import convnet

CLASSES = {0: "tabby cat, mouser", 1: "zebra", 2: "crane, wading bird", 3: "crane, lifting machine"}


def small_pictures(folder, many=60, size=(20, 24)):
    """Gratings, one orientation a class, with noise: folder/CLASS/NN.png; the files."""
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
    import pyarrow as pa
    import pyarrow.parquet as pq

    files, network = small_pictures(folder / "photos", many), small_network()
    where = folder / "photos.index"
    where.mkdir()
    fed = torch.cat([feed(network, str(file)) for file in files])
    with torch.no_grad():
        read = {name: y.numpy() for name, y in network.planned("reading").read(fed, list(layers)).items()}
    facts = {
        "format": FORMAT,
        "network": {"name": network.name, "spec": network.name, "loads": False, "sha256": network_sha256(network)},
        "fit": "crop", "k": k, "threshold": 0.0, "counts": {"images": many, "broken": 0, "given": many},
        "layers": {}, "classes": CLASSES, "source": {"kind": "files", "path": str(folder / "photos")},
    }  # fmt: skip
    thumbnails = []
    for picture in fed:
        to_pil(picture).save(where / "t.jpg", quality=90)
        thumbnails.append((where / "t.jpg").read_bytes())
    (where / "t.jpg").unlink()
    names = [str(file.relative_to(folder / "photos")) for file in files]
    labels = np.array([int(file.parent.name) for file in files], np.int32)
    pq.write_table(
        pa.table({
            "number": np.arange(many), "id": names, "file": names, "label": labels,
            "offset": np.full(many, -1), "size": np.full(many, -1),
            "height": np.full(many, 20, np.int32), "width": np.full(many, 24, np.int32), "thumbnail": thumbnails,
        }),
        where / "images.parquet", row_group_size=16,
    )  # fmt: skip
    for name, y in read.items():
        facts["layers"][name] = {"file": name, "units": y.shape[1], "shape": list(y.shape[1:])}
        _layer(where, name, y, labels, k, network)
    (where / "index.json").write_text(json.dumps(facts))
    return Index.open(where)


def _layer(where, name, y, labels, k, network):
    import pyarrow as pa
    import pyarrow.parquet as pq

    from phosphene.core.index.boxes import seen_box

    flat, units = y.reshape(*y.shape[:2], -1), y.shape[1]
    peaks, lows, codes = flat.max(2), flat.min(2), flat.mean(2)
    np.save(where / f"{name}.peaks.npy", np.ascontiguousarray(peaks.T))
    np.save(where / f"{name}.codes.npy", codes.astype(np.float16))
    with np.errstate(invalid="ignore"):
        correlations = np.nan_to_num(np.corrcoef(peaks.T.astype(np.float64))).astype(np.float32)
    np.save(where / f"{name}.correlations.npy", correlations)
    rows = []
    for unit in range(units):
        p = peaks[:, unit].astype(np.float64)
        above = [i for i in np.argsort(p, kind="stable") if p[i] > 0]
        orders = {
            "strongest": np.argsort(-p, kind="stable"), "weakest": np.lexsort((p, lows[:, unit])),
            "median": np.argsort(abs(p - np.median(p)), kind="stable"), "threshold": above,
        }  # fmt: skip
        for band, order in orders.items():
            for rank, image in enumerate(order[:k]):
                values = flat[image, unit]
                at = int(values.argmin() if band == "weakest" else values.argmax())
                row, column = divmod(at, y.shape[3]) if y.ndim == 4 else (-1, -1)
                position = (row, column) if y.ndim == 4 else None
                box = seen_box(network.receptive_field(name) if y.ndim == 4 else None, position, network.size)
                rows.append((unit, BANDS.index(band), rank, int(image), float(values[at]), row, column, *box, False))
    columns = "unit band rank image value row column top left bottom right clipped".split()
    pq.write_table(
        pa.table(dict(zip(columns, map(list, zip(*rows, strict=True)), strict=True))),
        where / f"{name}.exemplars.parquet",
    )
    means = np.stack([np.maximum(codes[labels == c], 0).mean(0) for c in range(4)])
    best, top = means.argmax(0), means.max(0)
    rest = (means.sum(0) - top) / 3
    near = correlations - 2 * np.eye(units, dtype=np.float32)
    histogram = [np.histogram(p, BINS, (p.min(), max(p.max(), p.min() + 1e-6)))[0] for p in peaks.T]
    lists = {"quantiles": np.quantile(peaks, QUANTILES, 0).T.astype(np.float32), "histogram": np.stack(histogram)}
    table = {
        "mean": peaks.mean(0), "deviation": peaks.std(0), "lowest": lows.min(0),
        "share": (peaks > 0).mean(0, np.float32),
        "dead": (peaks <= 0).all(0), "selectivity": ((top - rest) / np.maximum(top + rest, 1e-12)).astype(np.float32),
        "best_class": best.astype(np.int64), "nearest": near.argmax(1), "correlation": near.max(1),
    }  # fmt: skip
    table |= {key: pa.FixedSizeListArray.from_arrays(one.ravel(), one.shape[1]) for key, one in lists.items()}
    pq.write_table(pa.table(table), where / f"{name}.units.parquet")

"""Train `embedded:photo`: `python -m training.photo` (again, after an interruption, it goes on where it was).

Stochastic gradient descent with Nesterov's momentum and label smoothing, in two cycles of the learning rate: a long one
on crops of many sizes, whose pictures grow on the way because small ones are cheaper, and a short one on plain crops,
which is what the network is asked about later. What is shipped is the exponential moving average of the weights, with
batch normalization folded into the convolutions.
"""

import argparse
import copy
import json
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from phosphene.models.photo import ConvRelu, Photo
from training.tiny_imagenet import CACHE, Pictures, tiny_imagenet

BATCH, WEIGHT_DECAY, SEED = 128, 5e-4, 0
MEAN, STD = (0.48, 0.448, 0.398), (0.277, 0.269, 0.282)


@dataclass(frozen=True)
class Cycle:
    """One rise and fall of the learning rate.

    Attributes:
        sides: of the pictures, epoch by epoch.
        peak: the highest rate.
        crops: the range of crop sizes, in pixels of the padded picture.
        pad: pixels of mirrored border before cropping.
        decay: of the weights' moving average.
    """

    sides: tuple[int, ...]
    peak: float
    crops: tuple[int, int]
    pad: int
    decay: float


CYCLES = (
    Cycle(sides=(48,) * 7 + (64,) * 9, peak=0.2, crops=(48, 68), pad=6, decay=0.998),
    Cycle(sides=(64,) * 6, peak=0.06, crops=(64, 64), pad=4, decay=0.99),
)
WEIGHTS = Path(__file__).resolve().parents[1] / "src" / "phosphene" / "models" / "weights"


def normalized(pictures: Tensor) -> Tensor:
    """uint8 pictures to what the network is fed, channels last."""
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (MEAN, STD))
    return ((pictures.float() / 255 - mean) / std).contiguous(memory_format=torch.channels_last)


def augmented(pictures: Tensor, cycle: Cycle, side: int, draw: torch.Generator) -> Tensor:
    """Crop (one size a batch, a place for each picture), mirror half of them, resize to `side`."""
    padded = F.pad(pictures.float(), [cycle.pad] * 4, mode="reflect")
    crop = int(torch.randint(cycle.crops[0], cycle.crops[1] + 1, (), generator=draw))
    rows, columns = torch.randint(0, padded.shape[-1] - crop + 1, (2, len(pictures)), generator=draw)
    flips = torch.rand(len(pictures), generator=draw) < 0.5
    cut = [
        x[:, r : r + crop, c : c + crop].flip(2) if flip else x[:, r : r + crop, c : c + crop]
        for x, r, c, flip in zip(padded, rows.tolist(), columns.tolist(), flips.tolist(), strict=True)
    ]
    return normalized(F.interpolate(torch.stack(cut), side, mode="bilinear", antialias=True))


def folded(model: Photo) -> Photo:
    """The same function without batch normalization."""
    model = copy.deepcopy(model).eval()
    for module in model.modules():
        if isinstance(module, ConvRelu) and module.norm is not None:
            module.conv, module.norm = fuse_conv_bn_eval(module.conv, module.norm), None
    return model


@torch.inference_mode()
def accuracy(model: nn.Module, data: Pictures) -> float:
    """Top-1 in per cent, float32."""
    model.eval()
    hits = sum(
        int((model(normalized(x)).argmax(1) == y).sum())
        for x, y in zip(data.pictures.split(250), data.classes.split(250), strict=True)
    )
    return 100 * hits / len(data.classes)


def train(precision: torch.dtype) -> tuple[Photo, dict]:
    """The averaged model and what is to be said about its training; goes on from the last finished epoch."""
    data, val, _ = tiny_imagenet()
    torch.manual_seed(SEED)
    model = Photo(norm=True).to(memory_format=torch.channels_last)
    checkpoint, done, seconds = CACHE / "photo.pt", 0, 0.0
    saved = torch.load(checkpoint, weights_only=True) if checkpoint.exists() else None
    if saved:
        done, seconds = saved["epoch"], saved["seconds"]
        model.load_state_dict(saved["model"])
    steps, before = len(data.classes) // BATCH, 0
    for cycle in CYCLES:
        first, before = before, before + len(cycle.sides)
        if done > before or (done == before and cycle is not CYCLES[-1]):
            continue
        average = torch.optim.swa_utils.AveragedModel(
            model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(cycle.decay), use_buffers=True
        )
        optimizer = torch.optim.SGD(
            model.parameters(), cycle.peak, momentum=0.9, nesterov=True, weight_decay=WEIGHT_DECAY
        )
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, cycle.peak, total_steps=len(cycle.sides) * steps, pct_start=0.25
        )
        state = {"model": model, "average": average, "optimizer": optimizer, "schedule": schedule}
        if saved and done > first:
            for name, part in state.items():
                part.load_state_dict(saved[name])
        for epoch in range(max(done, first), before):
            start, total, side = time.time(), 0.0, cycle.sides[epoch - first]
            draw = torch.Generator().manual_seed(SEED + 1000 * epoch + 1)
            model.train()
            for rows in torch.randperm(len(data.classes), generator=draw)[: steps * BATCH].split(BATCH):
                x = augmented(data.pictures[rows], cycle, side, draw)
                with torch.autocast("cpu", torch.bfloat16, enabled=precision is torch.bfloat16):
                    logits = model(x).float()
                loss = F.cross_entropy(logits, data.classes[rows], label_smoothing=0.1)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
                average.update_parameters(model)
                total += loss.item()
            seconds += time.time() - start
            kept = {name: part.state_dict() for name, part in state.items()}
            torch.save(kept | {"epoch": epoch + 1, "seconds": seconds}, checkpoint)
            print(f"epoch {epoch + 1}, {side} px: loss {total / steps:.3f}, {seconds / 60:.1f} min", flush=True)
            if epoch % 4 == 3 or epoch == before - 1:
                print(f"    top-1 {accuracy(average.module, val):.2f} %", flush=True)
    return average.module, {"minutes": round(seconds / 60, 1), "epochs": before}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--float32", action="store_true", help="where the processor has no bfloat16 instructions")
    options = parser.parse_args()
    model, facts = train(torch.float32 if options.float32 else torch.bfloat16)
    _, val, labels = tiny_imagenet()
    halves = {name: value.half().contiguous() for name, value in folded(model).state_dict().items()}
    shipped = Photo()
    shipped.load_state_dict({name: value.float() for name, value in halves.items()})
    facts["top1"] = round(accuracy(shipped, val), 2)
    WEIGHTS.mkdir(exist_ok=True)
    about = f"a small Inception trained on 100 classes of Tiny ImageNet, 64 px, {facts['top1']:.1f} % top-1"
    spec = {"mean": MEAN, "std": STD, "input_size": 64, "labels": labels, "about": about}
    save_file(halves, WEIGHTS / "photo.safetensors", {"spec": json.dumps(spec)})
    print(json.dumps(facts))


if __name__ == "__main__":
    main()

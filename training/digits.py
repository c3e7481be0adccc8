"""Train `embedded:digits`: `python -m training.digits`, a few minutes on two cores.

Adam with one rise and fall of the learning rate, on digits that are shifted, turned, scaled and slanted a little. What
is shipped is the exponential moving average of the weights, with batch normalization folded into the convolutions.
"""

import argparse
import json
import time

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from phosphene.models.digits import Digits
from phosphene.models.photo import folded
from training.photo import WEIGHTS
from training.tiny_imagenet import ARCHIVE

MNIST = ARCHIVE.with_name("mnist.npz")
EPOCHS, BATCH, PEAK, SEED = 8, 128, 3e-3, 0
MEAN, STD = (0.1307,), (0.3081,)
ATTACK = 0.1  # l-inf radius of the attack on the first 1,000 test digits
WORDS = "zero one two three four five six seven eight nine".split()


def mnist(part: str) -> tuple[Tensor, Tensor]:
    """(n, 1, 28, 28) digits in [0, 1], white on black, and what they are; `part` is "train" or "test"."""
    arrays = np.load(MNIST)
    return torch.from_numpy(arrays[f"X_{part}"])[:, None] / 255, torch.from_numpy(arrays[f"y_{part}"]).long()


def normalized(digits: Tensor) -> Tensor:
    """What the network is fed, channels last."""
    return ((digits - MEAN[0]) / STD[0]).contiguous(memory_format=torch.channels_last)


def augmented(digits: Tensor, draw: torch.Generator) -> Tensor:
    """Each digit shifted by up to 2 px, and turned, scaled and slanted by up to .15."""
    n = len(digits)
    change = torch.empty(n, 2, 3).uniform_(-0.15, 0.15, generator=draw)
    return F.grid_sample(digits, F.affine_grid(torch.eye(2, 3) + change, (n, 1, 28, 28), False), align_corners=False)


@torch.inference_mode()
def accuracy(model: nn.Module, digits: Tensor, classes: Tensor) -> float:
    """Top-1 in per cent, float32."""
    model.eval()
    hits = sum(
        int((model(normalized(x)).argmax(1) == y).sum())
        for x, y in zip(digits.split(500), classes.split(500), strict=True)
    )
    return 100 * hits / len(classes)


def attacked(model: nn.Module, digits: Tensor, classes: Tensor, radius: float, steps: int = 20) -> Tensor:
    """The digits after projected gradient ascent of the cross entropy in the l-inf ball, from the digits themselves."""
    moved = digits
    for _ in range(steps):
        moved = moved.detach().requires_grad_()
        (slope,) = torch.autograd.grad(F.cross_entropy(model(normalized(moved)), classes, reduction="sum"), moved)
        moved = (moved + radius / 4 * slope.sign()).clamp(digits - radius, digits + radius).clamp(0, 1)
    return moved.detach()


def train() -> Digits:
    """The averaged model."""
    digits, classes = mnist("train")
    torch.manual_seed(SEED)
    draw = torch.Generator().manual_seed(SEED + 1)
    model = Digits(norm=True).to(memory_format=torch.channels_last)
    average = torch.optim.swa_utils.AveragedModel(
        model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.995), use_buffers=True
    )
    optimizer = torch.optim.AdamW(model.parameters(), PEAK, weight_decay=0.01)
    steps = len(classes) // BATCH
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, PEAK, total_steps=EPOCHS * steps, pct_start=0.25)
    for epoch in range(EPOCHS):
        start, total = time.time(), 0.0
        model.train()
        for rows in torch.randperm(len(classes), generator=draw)[: steps * BATCH].split(BATCH):
            loss = F.cross_entropy(model(normalized(augmented(digits[rows], draw))), classes[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            average.update_parameters(model)
            total += loss.item()
        print(f"epoch {epoch + 1}: loss {total / steps:.4f}, {time.time() - start:.0f} s", flush=True)
    return average.module


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    start = time.time()
    halves = {name: value.half().contiguous() for name, value in folded(train()).state_dict().items()}
    seconds = time.time() - start
    shipped = Digits()
    shipped.load_state_dict({name: value.float() for name, value in halves.items()})
    digits, classes = mnist("test")
    top1 = accuracy(shipped, digits, classes)
    first = slice(1000)
    robust = accuracy(shipped, attacked(shipped, digits[first], classes[first], ATTACK), classes[first])
    about = f"a small convolutional network for handwritten digits (MNIST), 28 px grey, {top1:.1f} % top-1"
    spec = {"mean": MEAN, "std": STD, "input_size": 28, "labels": WORDS, "about": about}
    save_file(halves, WEIGHTS / "digits.safetensors", {"spec": json.dumps(spec)})
    print(json.dumps({"top1": round(top1, 2), "pgd20": round(robust, 1), "minutes": round(seconds / 60, 1)}))


if __name__ == "__main__":
    main()

"""Train `embedded:photo` and `embedded:photo-robust`: `python -m training.photo [photo-robust]`.

Stochastic gradient descent with Nesterov's momentum and label smoothing. `photo` is trained in two cycles of the
learning rate: a long one on crops of many sizes, whose pictures grow on the way because small ones are cheaper, and a
short one on plain crops, which is what the network is asked about later. `photo-robust` starts from `photo` and sees
adversarial pictures alone: one sign step from a random start (Wong et al. 2020, "Fast is better than free",
arXiv:2001.03994), with a radius that grows at the start. What is shipped is the exponential moving average of the
weights, with batch normalization folded into the convolutions. After an interruption, the same command goes on after
the last finished epoch.
"""

import argparse
import copy
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
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
        radius: of the attack in the l-inf norm, pictures in [0, 1]; zero trains on the pictures as they are.
    """

    sides: tuple[int, ...]
    peak: float
    crops: tuple[int, int]
    pad: int
    decay: float
    radius: float = 0.0


CYCLES = {
    "photo": (
        Cycle(sides=(48,) * 7 + (64,) * 9, peak=0.2, crops=(48, 68), pad=6, decay=0.998),
        Cycle(sides=(64,) * 6, peak=0.06, crops=(64, 64), pad=4, decay=0.99),
    ),
    "photo-robust": (
        Cycle(sides=(48,) * 6 + (64,) * 10, peak=0.1, crops=(58, 64), pad=4, decay=0.995, radius=4 / 255),
    ),
}
GROWTH = 0.3  # the share of a cycle over which the radius grows to its value
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


def bounds(radius: float) -> tuple[Tensor, Tensor, Tensor]:
    """A radius, black and white in the network's own units, (3, 1, 1) each."""
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (MEAN, STD))
    return radius / std, -mean / std, (1 - mean) / std


def attacked(loss: Callable[[Tensor], Tensor], x: Tensor, radius: float) -> Tensor:
    """The pictures after one sign step of 1.25 times the radius from a random start, uniform in the ball."""
    ball, black, white = bounds(radius)
    start = (x + ball * (2 * torch.rand_like(x) - 1)).clamp(black, white).requires_grad_()
    (slope,) = torch.autograd.grad(loss(start), start)
    moved = start.detach() + 1.25 * ball * slope.sign()
    return moved.clamp(x - ball, x + ball).clamp(black, white).contiguous(memory_format=torch.channels_last)


def pgd(model: nn.Module, x: Tensor, y: Tensor, radius: float, steps: int = 20) -> Tensor:
    """The pictures after projected gradient ascent of the cross entropy, steps of a quarter of the radius."""
    ball, black, white = bounds(radius)
    moved = (x + ball * (2 * torch.rand_like(x) - 1)).clamp(black, white)
    for _ in range(steps):
        moved.requires_grad_()
        (slope,) = torch.autograd.grad(F.cross_entropy(model(moved), y, reduction="sum"), moved)
        moved = (moved.detach() + ball / 4 * slope.sign()).clamp(x - ball, x + ball).clamp(black, white)
    return moved


def folded(model: Photo) -> Photo:
    """The same function without batch normalization."""
    model = copy.deepcopy(model).eval()
    for module in model.modules():
        if isinstance(module, ConvRelu) and module.norm is not None:
            module.conv, module.norm = fuse_conv_bn_eval(module.conv, module.norm), None
    return model


@torch.no_grad()
def unfolded(model: Photo, x: Tensor) -> Photo:
    """The same function with batch normalization, whose statistics are those of the pictures `x`.

    Each filter gets the norm that PyTorch's initialization would give it: what a learning rate means depends on it.
    """
    trained = Photo(norm=True)
    trained.classifier.load_state_dict(model.classifier.state_dict())
    outputs: dict[str, Tensor] = {}
    pairs = {n: (m, trained.get_submodule(n)) for n, m in model.named_modules() if isinstance(m, ConvRelu)}
    hooks = [
        m.conv.register_forward_hook(lambda _, __, y, name=n: outputs.update({name: y})) for n, (m, _) in pairs.items()
    ]
    model.eval()(x)
    for hook in hooks:
        hook.remove()
    for name, (old, new) in pairs.items():
        variance, mean = torch.var_mean(outputs[name], (0, 2, 3))
        scale = 3**-0.5 / old.conv.weight.flatten(1).norm(dim=1).clamp_min(1e-6)
        new.conv.weight.copy_(old.conv.weight * scale.view(-1, 1, 1, 1))
        new.norm.running_mean.copy_((mean - old.conv.bias) * scale)
        new.norm.running_var.copy_(variance * scale**2)
        new.norm.weight.copy_((variance + new.norm.eps / scale**2).sqrt())
        new.norm.bias.copy_(mean)
    return trained


def accuracy(model: nn.Module, data: Pictures, radius: float = 0.0) -> float:
    """Top-1 in per cent, float32; with a radius, of the pictures after PGD-20."""
    model.eval()
    torch.manual_seed(SEED)
    hits = 0
    for pictures, y in zip(data.pictures.split(250), data.classes.split(250), strict=True):
        x = normalized(pictures)
        with torch.inference_mode(not radius):
            hits += int((model(pgd(model, x, y, radius) if radius else x).argmax(1) == y).sum())
    return 100 * hits / len(data.classes)


def start(name: str, data: Pictures) -> Photo:
    """`photo` starts from nothing, `photo-robust` from `photo`."""
    if name == "photo":
        return Photo(norm=True)
    plain = Photo()
    plain.load_state_dict({k: v.float() for k, v in load_file(WEIGHTS / "photo.safetensors").items()})
    return unfolded(plain, normalized(data.pictures[torch.arange(0, len(data.pictures), 50)]))


def train(name: str, precision: torch.dtype) -> tuple[Photo, dict]:
    """The averaged model and what is to be said about its training; goes on from the last finished epoch."""
    data, val, _ = tiny_imagenet()
    torch.manual_seed(SEED)
    model = start(name, data).to(memory_format=torch.channels_last)
    checkpoint, done, seconds = CACHE / f"{name}.pt", 0, 0.0
    saved = torch.load(checkpoint, weights_only=True) if checkpoint.exists() else None
    if saved:
        done, seconds = saved["epoch"], saved["seconds"]
        model.load_state_dict(saved["model"])
    steps, before = len(data.classes) // BATCH, 0
    for cycle in CYCLES[name]:
        first, before = before, before + len(cycle.sides)
        if done > before or (done == before and cycle is not CYCLES[name][-1]):
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
            began, total, side = time.time(), 0.0, cycle.sides[epoch - first]
            draw = torch.Generator().manual_seed(SEED + 1000 * epoch + 1)
            torch.manual_seed(epoch)
            model.train()
            for rows in torch.randperm(len(data.classes), generator=draw)[: steps * BATCH].split(BATCH):
                x = augmented(data.pictures[rows], cycle, side, draw)

                def objective(x: Tensor, y: Tensor = data.classes[rows]) -> Tensor:
                    with torch.autocast("cpu", torch.bfloat16, enabled=precision is torch.bfloat16):
                        logits = model(x).float()
                    return F.cross_entropy(logits, y, label_smoothing=0.1)

                if cycle.radius:
                    grown = schedule.last_epoch / (GROWTH * len(cycle.sides) * steps)
                    x = attacked(objective, x, cycle.radius * min(1.0, grown))
                loss = objective(x)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
                average.update_parameters(model)
                total += loss.item()
            seconds += time.time() - began
            kept = {name: part.state_dict() for name, part in state.items()}
            torch.save(kept | {"epoch": epoch + 1, "seconds": seconds}, checkpoint)
            print(f"epoch {epoch + 1}, {side} px: loss {total / steps:.3f}, {seconds / 60:.1f} min", flush=True)
            if epoch % 4 == 3 or epoch == before - 1:
                print(f"    top-1 {accuracy(average.module, val):.2f} %", flush=True)
                if cycle.radius:
                    some = Pictures(val.pictures[::10], val.classes[::10])
                    print(
                        f"    PGD-20 at 2/255, 500 pictures: {accuracy(average.module, some, 2 / 255):.2f} %",
                        flush=True,
                    )
    return average.module, {"minutes": round(seconds / 60, 1), "epochs": before}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("network", nargs="?", default="photo", choices=CYCLES)
    parser.add_argument("--float32", action="store_true", help="where the processor has no bfloat16 instructions")
    options = parser.parse_args()
    model, facts = train(options.network, torch.float32 if options.float32 else torch.bfloat16)
    _, val, labels = tiny_imagenet()
    halves = {name: value.half().contiguous() for name, value in folded(model).state_dict().items()}
    shipped = Photo()
    shipped.load_state_dict({name: value.float() for name, value in halves.items()})
    facts["top1"] = round(accuracy(shipped, val), 2)
    facts["pgd20_at_2_255"] = round(accuracy(shipped, val, 2 / 255), 2)
    WEIGHTS.mkdir(exist_ok=True)
    about = f"a small Inception trained on 100 classes of Tiny ImageNet, 64 px, {facts['top1']:.1f} % top-1"
    if options.network == "photo-robust":
        about += f"; trained adversarially, {facts['pgd20_at_2_255']:.1f} % under PGD-20 at 2/255"
    spec = {"mean": MEAN, "std": STD, "input_size": 64, "labels": labels, "about": about}
    save_file(halves, WEIGHTS / f"{options.network}.safetensors", {"spec": json.dumps(spec)})
    print(json.dumps(facts))


if __name__ == "__main__":
    main()

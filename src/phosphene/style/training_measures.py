"""What a style network is worth, on pictures that it has not seen, beside what it replaces.

In a style: content and style losses of the photographs themselves, of what the network makes of them in one pass, and
of an optimization of each (Gatys et al. 2015, arXiv:1508.06576) that makes the very same loss small. Larger: likeness
to the pictures that were made smaller, beside bicubic interpolation's, in pixels (PSNR, SSIM) and in features.
"""

from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from phosphene.core.networks.preprocessing import working_dtype
from phosphene.core.optimization.training.steps import adam
from phosphene.core.pictures.eight_bit import fraction, levels
from phosphene.core.pictures.likeness import psnr, ssim
from phosphene.style.style_net import StyleNet, larger
from phosphene.style.training import Course, Look, smaller, variation

STEPS, RATE = 100, 0.02
"""Of each optimization: Adam's, from the photograph."""

Numbers = dict[str, dict[str, float]]


def measured(
    net: StyleNet, look: Look, course: Course, photos: Float[Tensor, "n 3 h w"], steps: int = STEPS
) -> Numbers:
    """Mean losses: of the photographs, of the network's pictures, of an optimization's.

    Args:
        photos: those that it was not trained on.
        steps: of the optimization.
    """
    network = look.network
    x = photos.to(network.device, working_dtype(network))
    with torch.no_grad():
        made = torch.cat([net.to(x)(one) for one in x.split(1)])
    optimized = torch.cat([_optimized(look, course, one, steps) for one in x.split(1)])
    ways = {"photograph": x, "network": made, f"optimization, {steps} steps": optimized}
    return {way: _losses(look, course, y, x) for way, y in ways.items()}


@torch.no_grad()
def _losses(look: Look, course: Course, y: Tensor, x: Tensor) -> dict[str, float]:
    """Means over pictures, one at a time."""
    rows = []
    for one, photo in zip(y.split(1), x.split(1), strict=True):
        content, style = look.losses(one, look.features(photo))
        rows.append(torch.stack([course.content_weight * content + style + course.tv * variation(one), content, style]))
    whole, content, style = torch.cat(rows, 1).double().mean(1).tolist()
    return {"loss": whole, "content": content, "style": style}


def _optimized(look: Look, course: Course, photo: Float[Tensor, "1 3 h w"], steps: int) -> Float[Tensor, "1 3 h w"]:
    """The picture that an optimization from the photograph comes to."""
    y, content = photo.clone().requires_grad_(), look.features(photo)
    first, second = torch.zeros_like(photo), torch.zeros_like(photo)
    for step in range(steps):
        with ExitStack() as until:
            found, style = look.losses(y, content, until)
            y.grad = None
            (course.content_weight * found + style + course.tv * variation(y)).sum().backward()
        adam([y], [first], [second], step, RATE)
        with torch.no_grad():
            y.clamp_(0, 1)
    return y.detach()


@torch.no_grad()
def measured_larger(net: StyleNet, look: Look, course: Course, photos: Float[Tensor, "n 3 h w"]) -> Numbers:
    """Likeness to the photographs of what is made of small ones, by bicubic interpolation and by the network."""
    network, times = look.network, net.shape.upscale
    x = photos.to(network.device, working_dtype(network))
    small = fraction(levels(smaller(x, times).float()), 255).to(x)
    every = {"bicubic": larger(small, times), "network": torch.cat([net.to(x)(one) for one in small.split(1)])}
    found: Numbers = {}
    for way, made in every.items():
        pairs = list(zip(made.split(1), x.split(1), strict=True))
        likeness = [torch.cat([of(one, photo) for one, photo in pairs]).mean().item() for of in (psnr, ssim)]
        content = _losses(look, course, made, x)["content"]
        found[way] = {"psnr": likeness[0], "ssim": likeness[1], "content": content}
    return found


def card(record: Mapping[str, Any], name: str) -> str:
    """What stands beside a style network, in Markdown."""
    made = record["training"]
    lines = [f"# {record['about']}", ""]
    lines += [f"{made['source']}", ""] if "source" in made else []
    by = f"features of `{made['network']}` (content {made['content layer']}"
    by += f"; style {', '.join(made['style layers'])})" if made["style layers"] else ")"
    lines += [
        f"A network that does it in one pass (Johnson et al. 2016, arXiv:1603.08155): `phosphene stylize PHOTO --with "
        f"{name}`. Trained on {made['pictures']:,} pictures of {made['size']} px, {made['epochs']} epochs, batches of "
        f"{made['batch']}, seed {made['seed']}, by {by}, content weight {made['content weight']:g}.", "",
        f"Measured on {record['measured on']} pictures that it was not trained on:", "",
    ]  # fmt: skip
    rows = _likeness if "bicubic" in record["measured"] else _loss_rows
    return "\n".join([*lines, *rows(record["measured"]), ""])


def _loss_rows(ways: Mapping[str, Mapping[str, float]]) -> list[str]:
    rows = [f"| {way} | {one['loss']:.4f} | {one['content']:.4f} | {one['style']:.4f} |" for way, one in ways.items()]
    return ["| picture | loss | content | style |", "|---|---|---|---|", *rows]


def _likeness(ways: Mapping[str, Mapping[str, float]]) -> list[str]:
    rows = [f"| {way} | {one['psnr']:.2f} dB | {one['ssim']:.3f} | {one['content']:.3f} |" for way, one in ways.items()]
    words = (
        "PSNR and SSIM reward a blur, which is the mean of all that could have been there; what looks sharp and is "
        "not exactly what was there costs more. By features, as by the eye, it is the other way round."
    )
    return ["| way | PSNR | SSIM | error of the features |", "|---|---|---|---|", *rows, "", words]

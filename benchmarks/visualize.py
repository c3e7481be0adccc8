"""Channels of GoogLeNet's inception4a, 128 px pictures, lucid's transforms: one, and 64 in one batch.

The network is untrained (its speed does not depend on its weights). This program is run by its plan, and by its plan
in float32; in the loop by hand batch normalization is folded by hand. torch-lucent is float32; it enlarges what
it feeds to 224 px by default; `fixed_image_size=140` gives it the same input as this program's. It never freezes the
weights, so it differentiates with respect to them too; its user can do that for it, which is a row of its own.

MaCo is raced too, beside Horama, its authors' own: the same frozen network, picture, magnitude spectrum, number and
size of parts, size of the network's input and noise. Its parts go through torchvision's roi_align.
"""

import contextlib
import copy
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.byhand import channels_by_hand, folded, forward_and_backward, frozen
from benchmarks.timing import Claim, Contestant, Report, Spread, Table, race
from phosphene.core.networks.network import Network
from phosphene.core.optimization.parameterizations.phase import natural_spectrum
from phosphene.features.visualize import visualize
from phosphene.models.specs import load
from phosphene.models.torchvision import import_torchvision

NETWORK = "torchvision:googlenet?weights=none&init_weights=False&aux_logits=False"
LAYER = "inception4a"
SIDE, VIEW, MANY = 128, 140, 64
PARTS = "conv1 maxpool1 conv2 conv3 maxpool2 inception3a inception3b maxpool3 inception4a".split()

SAME = "lucent, same input"
FROZEN = "lucent, same input, weights frozen"
ENLARGED = "lucent as it comes, 224 px"
ONE_BY_ONE = "lucent, same input, one by one"
IN_BATCH = "lucent, same input, in one batch"
OURS, OURS_32 = "phosphene", "phosphene, float32"
BY_HAND, FLOOR = "loop by hand, float32, folded", "forward and backward alone, float32, folded"

HORAMA = "Horama, weights frozen"
PARTS_SIDE, PARTS_FROM, PARTS_TO, PARTS_NOISE = 224, 0.25, 0.3, 0.01  # a picture's side: there the spectra are the same


def _lucent(model: nn.Module, many: int, steps: int, freeze: bool = False, size: int | None = VIEW) -> Contestant:
    from lucent.optvis import objectives, param, render

    def run(tick: Callable[[], None]) -> None:
        mine = copy.deepcopy(model).eval().requires_grad_(not freeze)  # lucent never takes its hooks off again

        def image() -> tuple[list, Callable]:
            parameters, pictures = param.image(SIDE, batch=many)

            def shown() -> torch.Tensor:  # render_vis asks for it once in the beginning and then in every step
                tick()
                return pictures()

            return parameters, shown

        objective = objectives.Objective.sum([objectives.channel(LAYER, i, batch=i) for i in range(many)])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            render.render_vis(
                mine, objective, image, thresholds=(steps,), show_image=False, progress=False, fixed_image_size=size
            )

    return run


def _sampled(image: Tensor, boxes: Tensor, output_size: tuple[int, int]) -> Tensor:
    """Horama's roi_align by grid_sample, for where torchvision's operators can't be loaded (its own way is slow there).

    Equal to it where parts are no larger than `output_size`, so that each place takes one sample, inside the picture.
    """
    height, width = image.shape[2:]
    middle, half = (boxes[:, 1:3] + boxes[:, 3:5]) / 2, (boxes[:, 3:5] - boxes[:, 1:3]) / 2
    size = boxes.new_tensor([width - 1, height - 1])
    matrix = torch.diag_embed(2 * half / size)
    matrix = torch.cat([matrix, (2 * middle / size - 1)[:, :, None]], 2)
    grid = F.affine_grid(matrix, [len(boxes), 3, *output_size], align_corners=False)
    return F.grid_sample(image.expand(len(boxes), -1, -1, -1), grid, align_corners=True)


@contextlib.contextmanager
def horama_at_home() -> Iterator[Callable]:
    """Horama's maco with this program's magnitude spectrum, where it would fetch its own."""
    import_torchvision()
    from horama import common, maco

    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        np.save(Path(folder) / "spectrum_decorrelated.npy", natural_spectrum().numpy())
        stack.enter_context(contextlib.chdir(folder))
        stack.enter_context(contextlib.redirect_stderr(stack.enter_context(open(os.devnull, "w"))))
        if not compiled():
            stack.enter_context(mock.patch.object(common, "roi_align", _sampled))
        yield maco


def compiled() -> bool:
    """Whether torchvision's own operators are there."""
    return hasattr(torch.ops.torchvision, "roi_align")


def by_horama(network: Network, unit: int, *, side: int, parts: int, steps: int, tick: Callable[[], None]) -> Tensor:
    """A class image, (3, side, side)."""
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (network.mean, network.std))
    model = frozen(copy.deepcopy(network.model).float())

    def objective(views: Tensor) -> Tensor:
        tick()
        return model((views - mean) / std)[:, unit].mean()

    # what it draws is u (box[1] - box[0]) + box[1], so that these bounds come out
    box = 2 * PARTS_FROM - PARTS_TO, PARTS_FROM
    with horama_at_home() as maco:
        picture, _ = maco(
            objective, total_steps=steps, image_size=side, model_input_size=min(network.size), noise=PARTS_NOISE,
            values_range=(0, 1), crops_per_iteration=parts, box_size=box, device="cpu",
        )  # fmt: skip
    return picture.detach()


def parts_of_ours() -> dict[str, float]:
    """The same for this program's `visualize(..., preset="maco")`."""
    return {"crop_from": PARTS_FROM, "crop_to": PARTS_TO, "noise": PARTS_NOISE * (1 + 1 / 12) ** 0.5}  # + uniform noise


def _maco(repeats: int, quick: bool) -> tuple[Table, list[Claim], list[str]]:
    """The race with Horama."""
    network, exact = load(NETWORK, device="cpu"), load(NETWORK, device="cpu", precision="float32")
    steps, parts = (3, 2) if quick else (16, 6)

    def ours(network: Network) -> Contestant:
        def run(tick: Callable[[], None]) -> None:
            for _ in visualize(
                network, ["logits:0"], preset="maco", size=PARTS_SIDE, steps=steps, views=parts, **parts_of_ours()
            ):  # fmt: skip
                tick()

        return run

    def horama(tick: Callable[[], None]) -> None:
        by_horama(exact, 0, side=PARTS_SIDE, parts=parts, steps=steps, tick=tick)

    contestants: dict[str, Contestant] = {OURS: ours(network), OURS_32: ours(exact), HORAMA: horama}
    seconds = race(contestants, repeats)
    table = Table(f"MaCo of a class, {PARTS_SIDE} px, {parts} parts a step, seconds a step", seconds)
    claims = [
        Claim(f"MaCo {words} is ahead of Horama", seconds[HORAMA].over(seconds[mine]), 1)
        for mine, words in ((OURS, "by its plan"), (OURS_32, "in float32"))
    ]
    notes = [] if compiled() else [
        "torchvision's compiled operators can't be loaded here: Horama's roi_align was done by grid_sample."
    ]  # fmt: skip
    return table, claims, notes


def run(repeats: int, quick: bool) -> Report:
    """The races and what must come out of them."""
    network, exact = load(NETWORK, device="cpu"), load(NETWORK, device="cpu", precision="float32")
    model = frozen(folded(network.model))
    truncated = nn.Sequential(*(getattr(model, part) for part in PARTS))

    opening = (
        0 if quick else 16
    )  # its first steps lead blocked units past their rectifiers, once in a climb of hundreds

    def ours(network: Network, many: int, steps: int) -> Contestant:
        units = [f"{LAYER}:0-{many - 1}"]

        def run(tick: Callable[[], None]) -> None:
            for step in visualize(network, units, size=SIDE, steps=steps + opening, preset="lucid"):
                if step.index >= opening:
                    tick()

        return run

    def by_hand(many: int, steps: int) -> Contestant:
        return lambda tick: channels_by_hand(
            truncated, range(many), side=SIDE, steps=steps, mean=network.mean, std=network.std, tick=tick
        )

    def floor(many: int, steps: int) -> Contestant:
        x = torch.rand(many, 3, VIEW, VIEW).contiguous(memory_format=torch.channels_last)
        return lambda tick: forward_and_backward(truncated, x, steps, tick)

    steps, few, many = (4, 2, 4) if quick else (64, 12, MANY)
    one, batch = (
        {
            OURS: ours(network, n, length), OURS_32: ours(exact, n, length),
            BY_HAND: by_hand(n, length), FLOOR: floor(n, length),
        }
        for n, length in ((1, steps), (many, few))
    )  # fmt: skip
    notes = [
        f"One step is a move of all pictures; {steps} steps of one channel, {few} of the batch in each repeat, this "
        f"program's after its first {opening}."
    ]
    try:
        import lucent  # noqa: F401
    except ImportError:
        return Report(_tables(many, race(one, repeats), race(batch, repeats)), (), [*notes, "torch-lucent is missing."])

    one |= {
        SAME: _lucent(network.model, 1, steps),
        FROZEN: _lucent(network.model, 1, steps, freeze=True),
        ENLARGED: _lucent(network.model, 1, steps, size=None),
    }
    batch[IN_BATCH] = _lucent(network.model, many, few)
    singly, together = race(one, repeats), race(batch, repeats)
    together[ONE_BY_ONE] = singly[SAME].times(many)
    notes.append(
        f"lucent's {many} channels one by one are {many} times its one channel of the same repeat; in one batch it "
        "draws one transform for all of them."
    )
    tables = _tables(many, singly, together)
    best = IN_BATCH if together[IN_BATCH].median < together[ONE_BY_ONE].median else ONE_BY_ONE
    claims = []
    for mine, least, least_many, words in ((OURS_32, 2, 3.8, "in float32"), (OURS, 2.8, 6, "by its plan")):
        if mine == OURS_32 or network.plans["picture"].precision == "bfloat16":
            each, all_of_them = singly[SAME].over(singly[mine]), together[ONE_BY_ONE].over(together[mine])
            beside = "times as fast as lucent at the same input"
            claims.append(Claim(f"{words}, one channel is at least {least} {beside}", each, least))
            words = f"{words}, {many} channels are at least {least_many} {beside}, one by one"
            claims.append(Claim(words, all_of_them, least_many))
    for what, seconds in (("one channel", singly), ("a batch", together)):
        words = f"in float32, {what} takes at most 1.10 times as long as the loop by hand"
        claims.append(Claim(words, seconds[OURS_32].over(seconds[BY_HAND]), 1.10, at_least=False))
    notes.append(f"The plan is: {network.plans['picture']}.")
    notes.append(f"For many channels lucent's best way is: {best.removeprefix('lucent, same input, ')}.")
    try:
        table, more, words = _maco(repeats, quick)
    except ImportError:
        return Report(tables, claims, [*notes, "Horama is missing."])
    return Report([*tables, table], [*claims, *more], [*notes, *words])


def _tables(many: int, one: dict[str, Spread], batch: dict[str, Spread]) -> list[Table]:
    return [
        Table(f"One channel of {LAYER}, {SIDE} px, seconds a step", one),
        Table(f"{many} channels of {LAYER} in one batch, {SIDE} px, seconds a step", batch),
    ]

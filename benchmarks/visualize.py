"""Channels of GoogLeNet's inception4a, 128 px pictures, lucid's transforms: one, and 64 in one batch.

The network is untrained (its speed does not depend on its weights). This program is run by its plan, and by its plan
in float32; in the loop by hand batch normalization is folded by hand. torch-lucent is float32; it enlarges what
it feeds to 224 px by default; `fixed_image_size=140` gives it the same input as this program's. It never freezes the
weights, so it differentiates with respect to them too; its user can do that for it, which is a row of its own.
"""

import copy
import warnings
from collections.abc import Callable

import torch
from torch import nn

from benchmarks.byhand import channels_by_hand, folded, forward_and_backward, frozen
from benchmarks.timing import Claim, Contestant, Report, Spread, Table, race
from phosphene.core.network import Network
from phosphene.features.visualize import visualize
from phosphene.models.load import load

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


def run(repeats: int, quick: bool) -> Report:
    """The two races and what must come out of them."""
    network, exact = load(NETWORK, device="cpu"), load(NETWORK, device="cpu", precision="float32")
    model = frozen(folded(network.model))
    truncated = nn.Sequential(*(getattr(model, part) for part in PARTS))

    def ours(network: Network, many: int, steps: int) -> Contestant:
        units = [f"{LAYER}:0-{many - 1}"]

        def run(tick: Callable[[], None]) -> None:
            for _ in visualize(network, units, size=SIDE, steps=steps, robustness="lucid"):
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
    notes = [f"One step is a move of all pictures; {steps} steps of one channel, {few} of the batch in each repeat."]
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
    return Report(tables, claims, notes)


def _tables(many: int, one: dict[str, Spread], batch: dict[str, Spread]) -> list[Table]:
    return [
        Table(f"One channel of {LAYER}, {SIDE} px, seconds a step", one),
        Table(f"{many} channels of {LAYER} in one batch, {SIDE} px, seconds a step", batch),
    ]

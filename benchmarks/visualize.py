"""Channels of GoogLeNet's inception4a, 128 px pictures, lucid's transforms: one, and 64 in one batch.

The network is untrained (its speed does not depend on its weights), everything is float32. torch-lucent enlarges what
it feeds to 224 px by default; `fixed_image_size=140` gives it the same input as this program's. It never freezes the
weights, so it differentiates with respect to them too; its user can do that for it, which is a row of its own.
"""

import copy
import warnings
from collections.abc import Callable

import torch
from torch import nn

from benchmarks.byhand import channels_by_hand, forward_and_backward, frozen
from benchmarks.timing import Claim, Contestant, Report, Spread, Table, race
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
OURS, BY_HAND, FLOOR = "phosphene", "loop by hand", "forward and backward alone"


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
    network = load(NETWORK, device="cpu")
    model = frozen(copy.deepcopy(network.model))
    truncated = nn.Sequential(*(getattr(model, part) for part in PARTS))

    def ours(many: int, steps: int) -> Contestant:
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
    one: dict[str, Contestant] = {OURS: ours(1, steps), BY_HAND: by_hand(1, steps), FLOOR: floor(1, steps)}
    batch: dict[str, Contestant] = {OURS: ours(many, few), BY_HAND: by_hand(many, few), FLOOR: floor(many, few)}
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
    claims = [
        Claim("one channel is painted at least 1.9 times as fast as by lucent at the same input",
              tables[0].ratio(SAME), 1.9),
        Claim(f"{many} channels in one batch are painted at least 3.4 times as fast as by lucent one by one",
              tables[1].ratio(ONE_BY_ONE), 3.4),
        Claim("one channel takes at most 1.10 times as long as the loop by hand", _own(singly), 1.10, at_least=False),
        Claim("a batch takes at most 1.10 times as long as the loop by hand", _own(together), 1.10, at_least=False),
    ]  # fmt: skip
    notes.append(f"For many channels lucent's best way is: {best.removeprefix('lucent, same input, ')}.")
    return Report(tables, claims, notes)


def _own(seconds: dict[str, Spread]) -> Spread:
    return seconds[OURS].over(seconds[BY_HAND])


def _tables(many: int, one: dict[str, Spread], batch: dict[str, Spread]) -> list[Table]:
    return [
        Table(f"One channel of {LAYER}, {SIDE} px, seconds a step", one),
        Table(f"{many} channels of {LAYER} in one batch, {SIDE} px, seconds a step", batch),
    ]

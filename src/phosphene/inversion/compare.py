"""Every prior at the same error of the code: what is different between the pictures is the priors' own.

A picture by one prior can always be made to look better than another's by meeting the code less exactly. Here all meet
it alike, and beside each is said how like the photograph it is, and how much of the difference the code can't see: that
part was chosen by the prior alone.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

import torch

from phosphene.core.errors import Mistake, did_you_mean
from phosphene.core.networks.network import Network
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.objectives import gradient
from phosphene.core.optimization.steps import Step
from phosphene.core.options import Bounds, Seed, Steps, Weight, Words
from phosphene.core.pictures.files import Photo
from phosphene.core.pictures.likeness import psnr, ssim
from phosphene.core.pictures.sheets import grid
from phosphene.core.results.recipes import recipe
from phosphene.core.results.results import Panel, Result, Run
from phosphene.core.units.inputs import Fit, feed
from phosphene.inversion.bisection import off
from phosphene.inversion.codes import chosen_layers, read_codes
from phosphene.inversion.equal_error import DEEP, STOPPED, TOLERANCE, WEIGHTED, Painted, Question, Search
from phosphene.inversion.judge import apart, judge_of
from phosphene.inversion.unseen import unseen

EVERY = "none,shifts,l2,l6,tv,tv2,high-pass,bilateral,wavelets,natural,natural-match,decoder,deep-prior"
"""Their names; written out, so that a picture's record tells which there were when it was made."""

SUSPICIOUS = 0.5
"""The part of a difference that the code can't see from which on a warning is given."""


@dataclass(frozen=True)
class Compared(Step):
    """What each prior made so far, by its name, and the error that all are to reach."""

    painted: dict[str, Painted] = field(default_factory=dict)
    target: float = 0.0


@recipe("picture", uses=("scikit-image",))
def compare_priors(
    network: Network,
    photo: Photo,
    *,
    layer: str | Sequence[str] | None = None,
    priors: Annotated[str, Words("the priors, by their names, separated by commas")] = EVERY,
    error: Annotated[
        float,
        Bounds(0, 10),
        Words("the normalized error that all are to reach; 0 takes a quarter more than the strictest can"),
    ] = 0.0,
    steps: Annotated[Steps, Words("how many moves, each time that a weight is tried")] = 200,
    rounds: Annotated[int, Bounds(0, 50), Words("how often another weight is tried")] = 8,
    rate: Weight = 0.05,
    fit: Fit = "crop",
    seed: Seed = 0,
) -> Run:
    """Show what each prior paints that LAYER can't tell from PHOTO, all at the same error of the code.

    Args:
        network: the network to read.
        photo: a path, `skimage:NAME`, or pixels.
        layer: whose activations are the code, one layer; by default one above the middle.
        rate: adam's step.
        fit: how the photograph becomes the network's input.
        seed: of the start, which is the same for all.
    """
    fed = feed(network, photo, fit)
    name, *further = chosen_layers(network, layer)
    if further or name not in network.layers:
        raise Mistake(f"priors are compared at one layer, not at {' and '.join([name, *further])}")
    (code,) = read_codes(network, fed, [name])
    asked = Question(network, name, fed, code.values, steps, rate, seed)
    chosen, left_out = _possible(asked, _chosen(priors))
    search = Search(asked, chosen, rounds, error)
    network.allowance.check_made(len(chosen), asked.size)
    network.allowance.check_steps(search.total, len(chosen), asked.size, 1)

    def path() -> Iterator[Step]:
        for step in search.steps():
            yield Compared(step.index, step.pictures, step.values, step.alive, painted=dict(search.painted),
                           target=search.target)  # fmt: skip

    def finish(step: Step) -> Result:
        assert isinstance(step, Compared)
        if not step.painted:
            raise Mistake("no prior has been followed to its end yet, so there is nothing to compare")
        return _side_by_side(asked, chosen, step, left_out)

    return Run(path(), total=search.total, names=[name], finish=finish, shown=lambda step: grid(step.pictures))


def _chosen(names: str) -> list[str]:
    """The priors of these names.

    Raises:
        Mistake: one is none of them, or there is no name.
    """
    known = [*STOPPED, *WEIGHTED]
    chosen = list(dict.fromkeys(name for name in (part.strip() for part in names.split(",")) if name))
    unknown = next((name for name in chosen if name not in known), None)
    if unknown is not None or not chosen:
        near = did_you_mean(unknown or "", known) or f"; there are {', '.join(known)}"
        raise Mistake(f"there is no prior '{unknown or names}' to be shown beside others{near}")
    return chosen


def _possible(asked: Question, names: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Those that this network and this size allow, and why others are left out.

    Raises:
        Mistake: there is none.
    """
    possible, left_out = [], {}
    for name in names:
        try:
            if name in WEIGHTED:
                asked.prior(name)
            elif name == DEEP:
                asked.ascent(parameterization=DEEP).begin(asked.network, Key(asked.seed), asked.size)
            possible.append(name)
        except Mistake as mistake:
            left_out[name] = str(mistake)
    if not possible:
        raise Mistake("; ".join(left_out.values()))
    return possible, left_out


# ------------------------------------------------------------------------------------------------------- the figure


def _side_by_side(asked: Question, chosen: Sequence[str], step: Compared, left_out: dict[str, str]) -> Result:
    names = [name for name in chosen if name in step.painted]
    pictures = torch.stack([step.painted[name].picture for name in names]).float() / 255
    fed, judge = asked.fed.float().cpu(), judge_of(asked.network)
    far = apart(judge, pictures, fed).tolist()
    signal, structure = psnr(pictures, fed).clamp(max=99).tolist(), ssim(pictures, fed).tolist()
    free = unseen(asked.network, asked.layer, asked.fed, pictures.to(asked.fed) - asked.fed).tolist()
    facts = {
        name: _facts(name, step) | {"psnr": signal[i], "ssim": structure[i]} | {judge.name: far[i], "unseen": free[i]}
        for i, name in enumerate(names)
    }
    # seconds are other ones every time, and stand in no file
    seconds = (f"{name} {_seconds(asked, name, step.painted[name]):.2g}" for name in names)
    asked.network.tell(f"each prior's picture made alone takes, in seconds: {', '.join(seconds)}")
    for one in facts.values():
        if one["unseen"] > SUSPICIOUS:
            one["warning"] = (
                f"{one['unseen']:.0%} of its difference to the photograph is nothing that {asked.layer} can see, and "
                "was painted by the prior alone"
            )
    panels: list[Panel] = [("the network's input", fed)]
    panels += [
        (_caption(name, facts[name], judge.name), picture[None]) for name, picture in zip(names, pictures, strict=True)
    ]
    why = f"; left out: {', '.join(left_out)}" if left_out else ""
    return Result(
        image=grid(torch.cat([fed, pictures])), names=[asked.layer], panels=[panels], input=fed,
        numbers=[{"layer": asked.layer, "error": step.target, "priors": facts, "left out": dict(left_out)}],
        title=f"{asked.layer} of {asked.network.name} under every prior, at an error of {step.target:.3g} (apart: to "
        f"{judge.name}){why}",
    )  # fmt: skip


def _facts(name: str, step: Compared) -> dict[str, Any]:
    made = step.painted[name]
    how = {"steps": made.stopped} if made.weight is None else {"weight": made.weight}
    near = off(made.error, step.target) <= TOLERANCE
    return how | {"error": made.error, "reached": near}


def _caption(name: str, facts: dict[str, Any], judge: str) -> str:
    """`tv 7.19: error 0.0988; 16.6 dB, SSIM 0.46, apart 0.74; 64% unseen`."""
    how = f"{facts['weight']:.3g}" if "weight" in facts else f"after {facts['steps']} steps"
    error = f"error {facts['error']:.3g}" + ("" if facts["reached"] else ", not the wanted one")
    like = f"{facts['psnr']:.1f} dB, SSIM {facts['ssim']:.2f}, apart {facts[judge]:.2f}"
    warned = " (the prior's own)" if "warning" in facts else ""
    return f"{name} {how}: {error}; {like}; {facts['unseen']:.0%} unseen{warned}"


def _seconds(asked: Question, name: str, made: Painted) -> float:
    """How long this prior's picture takes when it is made alone: one step, as often as there were steps."""
    steps = asked.steps if made.stopped is None else made.stopped
    picture, rows, key = asked.fed, torch.zeros(1, dtype=torch.long), Key(asked.seed)
    term = asked.distance(1) + asked.prior(name) if name in WEIGHTED else asked.distance(1)
    objective = gradient(asked.network, term)
    began = time.monotonic()
    objective(picture, rows, key)
    return steps * (time.monotonic() - began)

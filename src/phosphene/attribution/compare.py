"""The same question to every method: their pictures side by side.

What does not apply to a network (attention rollout to a convolutional one, rules for rectifiers where there are none)
is left out, and said.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch

from phosphene.attribution.asking import fed_together, question
from phosphene.attribution.explaining import drawn, file_names
from phosphene.attribution.maps import Explainer, Growing, Maps
from phosphene.core.engine import NotFinite, Step
from phosphene.core.errors import Mistake, check_range
from phosphene.core.feeding import Fit
from phosphene.core.figures import grid
from phosphene.core.network import Network
from phosphene.core.pictures import Photo
from phosphene.core.provenance import recipe
from phosphene.core.results import Panel, Result, Run
from phosphene.core.terms import Score

PART = 100  # of the progress, for each method


@dataclass(frozen=True)
class Compared(Step):
    """What the methods found so far, and why some found nothing."""

    maps: Mapping[str, Maps] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)


def comparison(methods: Sequence[Explainer]) -> Callable[..., Run]:
    """The recipe that asks all of these."""

    @recipe("search")
    def compare(
        network: Network,
        photos: Photo | Sequence[Photo],
        *,
        target: str | int | None = None,
        against: str | int | None = None,
        unit: str | None = None,
        score: Score | None = None,
        masks: int = 1000,
        fit: Fit = "crop",
        batch: int = 16,
    ) -> Run:
        """Show what every method says, side by side, each with its usual options.

        Args:
            network: who is asked.
            photos: one or several: a path, `skimage:NAME`, or pixels.
            target: a class; by default what the network says, of each photograph its own.
            against: another class: why the target rather than this one.
            unit: instead of a class, a unit LAYER:UNIT or a sum of units.
            score: of a class: the logit, log p or p; by default what is usual for each method.
            masks: how many of them RISE takes, which takes longest.
            fit: how a photograph becomes the network's input.
            batch: so many pictures go through the network at a time.
        """
        check_range("batch", batch, 1)
        check_range("masks", masks, 1)
        fed = fed_together(network, photos, fit)
        asked = {
            usual: question(network, fed, target=target, against=against, unit=unit, score=usual, batch=batch)
            for usual in {score or one.about.score for one in methods}
        }
        some = asked[score or methods[0].about.score]
        named = not target is against is unit is None
        names = file_names(photos, "all", [unit.stem for unit in some.units] if named else None)
        shown = fed.float().cpu()

        def steps() -> Iterator[Compared]:
            maps: dict[str, Maps] = {}
            left_out: dict[str, str] = {}

            def at(part: float) -> Compared:
                return Compared(
                    math.floor(part * PART), shown, torch.zeros(len(fed)), maps=dict(maps), left_out=dict(left_out)
                )

            for i, one in enumerate(methods):
                # each is run for what it is usually run for, so that it says what it says alone
                own = asked[score or one.about.score].to(network.planned(one.about.purpose))
                try:
                    made = one.method(own, fed, **({"masks": masks} if one.about.name == "rise" else {}))
                    if isinstance(made, Growing):
                        for done, maps[one.about.name] in made.steps:
                            yield at(i + 0.99 * done / made.total)
                    else:
                        maps[one.about.name] = made if isinstance(made, Maps) else Maps(made)
                except NotFinite:
                    raise
                except Mistake as mistake:
                    left_out[one.about.name] = str(mistake)
                yield at(i + 1)

        def finish(step: Step) -> Result:
            assert isinstance(step, Compared)
            found = [one for one in methods if one.about.name in step.maps]
            maps = [step.maps[one.about.name] for one in found]
            pictures = [
                drawn(m.values, one.about, shown, one.about.show, "own") for one, m in zip(found, maps, strict=True)
            ]
            sheets = [grid(torch.cat([shown[i : i + 1], *(p[i : i + 1] for p in pictures)])) for i in range(len(fed))]
            panels: list[list[Panel]] = []
            for i in range(len(fed)):
                pairs = zip(found, pictures, strict=True)
                panels.append([("what was fed", shown[i : i + 1]), *((o.about.name, p[i : i + 1]) for o, p in pairs)])
            facts = [
                {one.about.name: m.facts[i] if m.facts else {} for one, m in zip(found, maps, strict=True)}
                for i in range(len(fed))
            ]
            title = some.words(0) if len(fed) == 1 else "every method"
            why = f"; left out: {', '.join(step.left_out)}" if step.left_out else ""
            return Result(
                image=torch.cat(sheets), names=names, panels=panels, input=shown,
                numbers=[
                    {"target": some.units[i].short, "words": some.words(i), "methods": facts[i],
                     "left out": dict(step.left_out)} for i in range(len(fed))
                ],
                title=f"{title} of {network.name}{why}",
                further_values={o.about.name: m.values.float().cpu().numpy() for o, m in zip(found, maps, strict=True)},
            )  # fmt: skip

        return Run(steps(), total=PART * len(methods), names=names, finish=finish)

    return compare

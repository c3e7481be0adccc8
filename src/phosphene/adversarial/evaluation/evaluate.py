"""An evaluation: the attacks of an ensemble on a data set, the worst case of each picture, at several radii.

Accuracy without any attack comes first. A picture that the network is wrong about is reported apart and never attacked.
From the smallest radius on, each attack is made on the pictures that are still robust, many at a time, and a picture
that fools within a radius fools within all larger ones, so that nothing is looked for twice. A minimal attack says
something about every radius at once and is made once; its distances are the curve between the radii.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from phosphene.adversarial.adaptive import bpda, eot
from phosphene.adversarial.evaluation.ensembles import Entry
from phosphene.adversarial.evaluation.ledger import Ledger
from phosphene.adversarial.evaluation.parts import Part, decided, part
from phosphene.adversarial.evaluation.store import Memory, Parts
from phosphene.adversarial.norms import Norm
from phosphene.adversarial.problems import Problems, problems
from phosphene.adversarial.searches import Search
from phosphene.adversarial.victims import Victim
from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from phosphene.core.networks.preprocessing import working_dtype
from phosphene.core.optimization.keys import Key
from phosphene.core.results.provenance import network_record, versions
from phosphene.core.units.labelled import LabelledPictures


@dataclass(frozen=True)
class Stage:
    """One attack at one radius; without a radius at all of them."""

    entry: Entry
    eps: float | None


class Evaluation:
    """The robustness of a network on a data set: an iterator over how much of the work is done, in forward passes.

    Args:
        network: who is attacked.
        data: pictures with their classes.
        norm, radii: within which distance pictures may be changed.
        entries: the attacks, in this order.
        curve: a minimal attack that is made at the end, for the radii between; None for none.
        batch: so many pictures at a time, which is also what a part is.
        seed: of all random numbers.
        draws: of a network that draws random numbers itself: the mean over so many draws is attacked (`adaptive.eot`),
            and a picture counts as what it is taken for most often; 0 for one that answers the same each time.
        straight: a module without a useful gradient, which attacks pass straight (`adaptive.bpda`).
        parts: where what is done is kept; what is there already is not done again.
    Raises:
        Mistake: there is no picture, no radius, or a radius that is not above 0; the network answers no classes.
    """

    def __init__(
        self,
        network: Network,
        data: LabelledPictures,
        *,
        norm: Norm,
        radii: Sequence[float],
        entries: Sequence[Entry],
        curve: Entry | None = None,
        batch: int = 64,
        seed: int = 0,
        draws: int = 0,
        straight: str | None = None,
        parts: Parts | None = None,
    ) -> None:
        _check(network, radii)
        self.network, self.data, self.norm, self.radii = network, data, norm, sorted(set(radii))
        self.entries, self.curve, self.batch, self.seed, self.draws = tuple(entries), curve, batch, seed, draws
        self.straight, self.parts = straight, parts or Memory()
        self._attacked = network if straight is None else _network(bpda(network, straight))
        self.ledger: Ledger | None = None
        self.doing = "clean"
        once = [Stage(one, None) for one in self.entries if one.once]
        ball = [Stage(one, eps) for eps in self.radii for one in self.entries if not one.once]
        self.stages = [*once, *ball, *([Stage(curve, None)] if curve else [])]
        self._steps = self._run()

    def __iter__(self) -> Iterator[float]:
        return self

    def __next__(self) -> float:
        return next(self._steps)

    @property
    def total(self) -> float:
        """About so many forward passes are made if every picture stays robust."""
        right = len(self.data) if self.ledger is None else int(self.ledger.right.sum())
        return len(self.data) + right * sum(stage.entry.passes for stage in self.stages)

    @property
    def of(self) -> dict[str, Any]:
        """All that the outcome depends on, by words that say what is another."""
        digest = hashlib.sha256(self.data.pictures.numpy().tobytes())
        digest.update(self.data.labels.numpy().tobytes() + "\n".join(self.data.names).encode(errors="surrogateescape"))
        network = self.network
        plans = {purpose: network.plan_for(purpose).record() for purpose in ("reading", "search")}
        return {
            "network": {**network_record(network), "plan": plans}, "data set": digest.hexdigest(),
            "norm": self.norm, "eps": self.radii, "attacks": [one.record() for one in self.entries],
            "curve": self.curve and self.curve.record(), "seed": self.seed, "batch": self.batch,
            "--eot": self.draws, "--bpda": self.straight,
            "version": versions(), "device": network.device.type, "number of threads": torch.get_num_threads(),
        }  # fmt: skip

    # ------------------------------------------------------------------------------------------------ the work

    def _run(self) -> Iterator[float]:
        done = 0.0
        clean = []
        for name, rows in self._chunks("clean", torch.arange(len(self.data))):
            clean.append(self.parts.get(name) or self._kept(name, self._read(rows)))
            done += len(rows)
            yield done
        self.ledger = ledger = Ledger(_joined(clean), self.radii)
        right = int(ledger.right.sum())
        for number, stage in enumerate(self.stages):
            self.doing = stage.entry.name if stage.eps is None else f"{stage.entry.name} {255 * stage.eps:.3g}/255"
            ledger.begin(stage.entry.name, stage.eps)
            left = ledger.left(stage.eps)
            done += stage.entry.passes * (right - len(left))
            yield done
            for name, rows in self._chunks(f"{number:02}", left):
                found = self.parts.get(name)
                if found is None or not torch.equal(found.rows, rows):
                    search = self._search(stage, rows)
                    for step in search:
                        yield done + len(rows) * min(step.index, stage.entry.passes)
                    originals = self.data.pixels(rows.tolist())
                    found = self._kept(name, part(search, rows, originals, stage.eps, self.norm))
                ledger.add(found)
                done += stage.entry.passes * len(rows)
                yield done

    def _chunks(self, stage: str, rows: Int[Tensor, " n"]) -> Iterator[tuple[str, Int[Tensor, " m"]]]:
        for index, some in enumerate(rows.split(self.batch) if len(rows) else ()):
            yield f"{stage}-{index:06}", some

    def _kept(self, name: str, found: Part) -> Part:
        self.parts.put(name, found)
        return found

    def victim(self) -> Victim:
        """Who is attacked, counted anew: run as fast as it can be, and asked as it is whether it is really fooled."""
        reading, search = self._attacked.planned("reading"), self._attacked.planned("search")
        rounded = working_dtype(self.network) != torch.float32
        victim = Victim(
            search, rival=reading if reading.plan != search.plan else None,
            through=(lambda x: x.float().to(x.dtype)) if rounded else None, blind=True,
        )  # fmt: skip
        return eot(victim, self.draws, self.seed) if self.draws else victim

    def asked(self, rows: Int[Tensor, " m"]) -> tuple[Tensor, Tensor]:
        """Some pictures as the network takes them, and their classes."""
        pictures = self.data.pixels(rows.tolist())
        return pictures.to(self.network.device, working_dtype(self.network)), self.data.labels[rows]

    def _read(self, rows: Int[Tensor, " m"]) -> Part:
        """What the network says without any attack."""
        victim = self.victim()
        x, labels = self.asked(rows)
        given: Problems = problems(victim, x, labels, norm=self.norm, eps=0.0)
        answers = victim.answers(x, given.rows, judged=True)
        said, wrong, undecided = decided(given, x.cpu().float(), answers, given.reached(answers, given.rows))
        return Part(
            rows, x.cpu().float(), wrong, said, undecided,
            given.margin(answers, given.rows).cpu().double(), torch.zeros(len(rows), dtype=torch.float64),
            victim.forwards.clone(), victim.backwards.clone(),
        )  # fmt: skip

    def _search(self, stage: Stage, rows: Int[Tensor, " m"]) -> Search:
        x, labels = self.asked(rows)
        recipe = stage.entry.recipe
        radius: dict[str, Any] = {} if stage.eps is None else {"enough" if recipe.minimal else "eps": stage.eps}
        return recipe.attack(
            self.victim(), x, labels, norm=self.norm, key=Key(self.seed, rows.tolist()), **radius,
            **stage.entry.options,
        )  # fmt: skip


def _network(found: Any) -> Network:
    assert isinstance(found, Network)  # what is made of a network is one
    return found


def _joined(parts: Sequence[Part]) -> Part:
    return Part(**{name: torch.cat([getattr(one, name) for one in parts]) for name in Part.__dataclass_fields__})


def _check(network: Network, radii: Sequence[float]) -> None:
    if not network.head.has_probabilities:
        raise Mistake(f"{network.name} ends in plain numbers; how often it is right can be said of classes alone")
    if not radii or min(radii) <= 0:
        given = f"{min(radii):g}" if radii else "nothing"
        raise Mistake(f"{given} is not a valid value for eps: each radius must be above 0")

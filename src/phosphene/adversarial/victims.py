"""Who is attacked: its answers and their gradients, counted picture by picture."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from copy import copy

import torch
from jaxtyping import Float, Int
from torch import Tensor

from phosphene.adversarial.goals import LOGITS
from phosphene.core.errors import Note
from phosphene.core.networks.head import SOFTMAX, Head, head_of
from phosphene.core.networks.network import Network
from phosphene.core.networks.trials import alike
from phosphene.core.optimization.engine import Evaluation, NotFinite, Objective
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.objectives import NoGradient, pulled

Classifier = Callable[[Tensor], Float[Tensor, "n classes"]]
"""A batch of inputs (pictures in [0, 1], or any tensors) to logits, whatever makes them; differentiable where gradients
are needed."""

Measured = Callable[[Tensor, Int[Tensor, " n"]], Tensor]
"""(answers, rows) -> numbers of each picture, (n,) or (n, k)."""


class Counts:
    """How often each problem was asked.

    Args:
        also: counts all of it, too.

    Attributes:
        forwards, backwards: (problems), one way, and back.
    """

    def __init__(self, also: "Counts | None" = None) -> None:
        self.forwards = self.backwards = torch.zeros(0, dtype=torch.long)
        self._also = also

    def add(self, rows: Int[Tensor, " n"], forwards: int = 1, backwards: int = 0) -> None:
        """These problems were asked so often."""
        self.forwards = _more(self.forwards, rows, forwards)
        self.backwards = _more(self.backwards, rows, backwards)
        if self._also is not None:
            self._also.add(rows, forwards, backwards)


def _more(counts: Tensor, rows: Tensor, times: int) -> Tensor:
    many = max(len(counts), int(rows.max()) + 1 if len(rows) else 0)
    longer = torch.nn.functional.pad(counts, (0, many - len(counts)))
    return longer.index_add(0, rows.cpu(), torch.full((len(rows),), times))


class Victim:
    """A network, or any callable that gives logits; it counts how often it is read.

    Attacks see inputs as pictures, (n, c, h, w); others, (n, ...), are given to them as (n, d, 1, 1).

    Args:
        classifier: whose answers are to be changed.
        through: what becomes of pictures before they are read, such as rounding; the gradient passes it unchanged.
        rival: another that says whether a goal is really reached, where `classifier` is only nearly it (a plan in
            bfloat16); None where it is itself.
        shape: of one input, where that is not (c, h, w).
        blind: a gradient that is cut off is 0, and no mistake: attacks go on, and find what they find without one.
    """

    def __init__(
        self,
        classifier: Network | Classifier,
        *,
        through: Callable[[Tensor], Tensor] | None = None,
        rival: Network | Classifier | None = None,
        shape: tuple[int, ...] | None = None,
        blind: bool = False,
    ) -> None:
        self.classifier, self.through, self.rival, self.shape = classifier, through, rival, shape
        self.blind, self.counts = blind, Counts()
        self._problems: Tensor | None = None
        self._told: set[str] = set()
        self._looked: list[bool] = []

    @classmethod
    def of(cls, victim: "Victim | Network | Classifier") -> "Victim":
        """The victim itself, or one made of a network or a callable."""
        return victim if isinstance(victim, Victim) else cls(victim)

    def among(self, problems: Int[Tensor, " m"]) -> "Victim":
        """The same, asked about these problems alone, numbered anew; counted where they were counted before."""
        other, problems = copy(self), problems.cpu()  # where it is counted
        other._problems = problems if self._problems is None else self._problems[problems]
        return other

    def shaped(self, shape: tuple[int, ...]) -> "Victim":
        """The same, for inputs of this shape; counted together."""
        other = copy(self)
        other.shape = shape
        return other

    def counted_anew(self) -> "Victim":
        """The same, counted by itself from here on, and where it was counted before as well."""
        other = copy(self)
        other.counts = Counts(self.counts)
        return other

    @property
    def forwards(self) -> Int[Tensor, " problems"]:
        """How often each problem's picture went through it, in all attacks on it."""
        return self._own(self.counts.forwards)

    @property
    def backwards(self) -> Int[Tensor, " problems"]:
        """How often a gradient came back."""
        return self._own(self.counts.backwards)

    @property
    def head(self) -> Head:
        """What its outputs mean; those of a callable are logits of a softmax."""
        return self.classifier.head if isinstance(self.classifier, Network) else SOFTMAX

    @property
    def name(self) -> str:
        """For messages."""
        return self.classifier.name if isinstance(self.classifier, Network) else "the victim"

    def tell(self, sentence: str) -> None:
        """Say something about it that a person should know; once."""
        if isinstance(self.classifier, Network):
            self.classifier.tell(sentence)
        elif sentence not in self._told:
            self._told.add(sentence)
            warnings.warn(Note(sentence), stacklevel=2)

    def compare(self, answers: Tensor, pictures: Float[Tensor, "n c h w"], rows: Int[Tensor, " n"], layer: str) -> None:
        """Tell if a function says something else of the same pictures when it is asked again; this is not counted."""
        if isinstance(self.classifier, Network):  # they are read with the same random numbers, and told about
            return
        other = copy(self)
        other.counts = Counts()
        with torch.random.fork_rng(devices=[]):
            again = other.answers(pictures, rows, layer, judged=True)
        if not alike(answers, again, answers.dtype):
            self.tell(
                f"{self.name} answers differently each time (training mode, or noise), and what fools it once may not "
                "do so again; model.eval() ends the first, phosphene.Network(model) the second"
            )

    def _own(self, counts: Tensor) -> Tensor:
        if self._problems is None:
            return counts
        most = int(self._problems.max()) + 1 if len(self._problems) else 0
        return torch.nn.functional.pad(counts, (0, max(0, most - len(counts))))[self._problems]

    def _count(self, rows: Tensor, backwards: int = 0) -> None:
        own = rows.cpu() if self._problems is None else self._problems[rows.cpu()]
        self.counts.add(own, 1, backwards)

    def answers(
        self, pictures: Float[Tensor, "n c h w"], rows: Int[Tensor, " n"], layer: str = LOGITS, judged: bool = False
    ) -> Tensor:
        """What it says of pictures, without gradients.

        Args:
            layer: whose activations.
            judged: by the rival, if there is one.
        """
        self._count(rows)
        who = self.rival if judged and self.rival is not None else self.classifier
        with torch.no_grad():
            return self._said(who, pictures, layer)

    def logits(self, pictures: Float[Tensor, "n c h w"], rows: Int[Tensor, " n"]) -> Float[Tensor, "n classes"]:
        """The logits of pictures, without gradients."""
        return self.answers(pictures, rows)

    def objective(self, measure: Measured, layer: str = LOGITS) -> Objective:
        """The numbers (n) that `measure` makes of the answers, and their gradients; the answers come along."""

        def objective(pictures: Tensor, rows: Tensor, key: Key) -> Evaluation:
            self._count(rows, 1)
            with self._reading(pictures, layer) as (x, answers):
                values = measure(answers, rows)
                found = self._pulled(values, x)
            return Evaluation(values.detach(), found, {layer: answers.detach()})

        return objective

    def gradients(
        self, pictures: Float[Tensor, "n c h w"], rows: Int[Tensor, " n"], measure: Measured, layer: str = LOGITS
    ) -> tuple[Tensor, Float[Tensor, "n k"], Float[Tensor, "n k c h w"]]:
        """Of k numbers of each picture: (answers, the numbers, the gradient of each), from one forward pass."""
        with self._reading(pictures, layer) as (x, answers):
            values = measure(answers, rows)
            k = values.shape[1]
            every = [self._pulled(values[:, j], x, again=j + 1 < k) for j in range(k)]
        self._count(rows, k)
        return answers.detach(), values.detach(), torch.stack(every, 1)

    def _pulled(self, values: Tensor, x: Tensor, again: bool = False) -> Tensor:
        """The gradient, with 0 where there is none."""
        try:
            return _clean(pulled(values, x, self.name, again=again))
        except NoGradient:
            if not self.blind:
                raise
            return torch.zeros_like(x)

    @contextmanager
    def _reading(self, pictures: Tensor, layer: str) -> Iterator[tuple[Tensor, Tensor]]:
        """(leaf, answers) while gradients are taken."""
        with torch.inference_mode(False), torch.enable_grad(), ExitStack() as until:
            mine = not pictures.is_inference() and isinstance(self.classifier, Network)  # a callable may write into it
            x = (pictures.detach() if mine else pictures.detach().clone()).requires_grad_()
            yield x, self._said(self.classifier, x, layer, until)

    def _said(self, who: Network | Classifier, x: Tensor, layer: str, until: ExitStack | None = None) -> Tensor:
        seen = x if self.through is None else x + (self.through(x.detach()) - x).detach()
        if isinstance(who, Network):
            answers = who.read(seen, [layer], until=until)[layer]
            answers = self.head.flat(answers) if layer == LOGITS else answers
        else:
            answers = who(seen if self.shape is None else seen.reshape(len(seen), *self.shape))
            self._look(answers)
        answers = answers.to(x.dtype) if answers.is_floating_point() else answers  # of a network in float64, too
        if not _finite(answers):
            raise NotFinite(f"{self.name} answers what is not a finite number; an attack can't go on from there")
        return answers

    def _look(self, answers: Tensor) -> None:
        """Tell if the answers of a function are probabilities."""
        if not self._looked:
            self._looked.append(True)
            if answers.dim() == 2 and head_of(answers.detach(), None, None).kind == "probabilities":
                self.tell(
                    f"{self.name} answers with probabilities, and is attacked as if they were logits, whose gradients "
                    "are larger; give their logarithm"
                )


def _finite(x: Tensor) -> bool:
    """Whether all numbers are finite, by one sum; an overflow of the sum itself is looked into."""
    return bool(x.detach().sum().isfinite()) or bool(x.detach().isfinite().all())


def _clean(gradient: Tensor) -> Tensor:
    """The gradient with 0 where it is not finite: no way is known there."""
    return gradient if gradient.sum().isfinite() else torch.nan_to_num(gradient, 0.0, 0.0, 0.0)

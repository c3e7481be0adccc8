"""Attacks that know the defence: gradients where there are none, and the mean of those that are another every time.

What can't be differentiated is passed straight (backward pass differentiable approximation: Athalye et al. 2018,
arXiv:1802.00420, section 4): forward through the defence, y = g(x), backward as if it were a surrogate s,

    y = s(x) + stop_gradient(g(x) - s(x)),    s(x) = x where nothing better is known.

Of a defence that draws random numbers the mean over many draws is attacked (expectation over transformation: Athalye et
al. 2018, arXiv:1707.07397), and what it says of a picture is what it says most often.
"""

import struct
import zlib
from collections.abc import Callable
from contextlib import ExitStack
from copy import copy
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from phosphene.adversarial.victims import Classifier, Victim
from phosphene.core.errors import Mistake, check_range, did_you_mean
from phosphene.core.networks.network import Network
from phosphene.core.networks.restoring import drawing, same_random_numbers
from phosphene.core.results.intervals import wilson

Part = Callable[[Tensor], Tensor]
"""A part of a network: one tensor to another."""


@dataclass(frozen=True, eq=False)
class Straight:
    """A function that is itself forward; backward as if it were the surrogate, or not there at all.

    Attributes:
        part: what is passed straight; it is never differentiated.
        surrogate: a differentiable function with a result of the same shape; None for the input itself.
        name: of the part, for messages.
    """

    part: Part
    surrogate: Part | None = None
    name: str = "it"

    def __call__(self, x: Tensor) -> Tensor:
        """What the part makes of x.

        Raises:
            Mistake: the surrogate, or the identity, makes another shape.
        """
        with torch.no_grad():
            y = self.part(x.detach())
        way = x if self.surrogate is None else self.surrogate(x)
        if y.shape != way.shape:
            given = "its input has" if self.surrogate is None else "the surrogate makes"
            raise Mistake(
                f"{self.name} makes {tuple(y.shape)} where {given} {tuple(way.shape)}, so it can't be passed straight; "
                "give a surrogate that makes the same shape, or a module around it that keeps the shape"
            )
        return way + (y - way).detach()


def passed_straight(victim: Victim) -> bool:
    """Whether a module of it is passed straight, so that its gradient is not its own."""
    who = victim.classifier
    model = who.model if isinstance(who, Network) else who
    parts = model.modules() if isinstance(model, nn.Module) else ()
    return any(isinstance(vars(part).get("forward"), Straight) for part in parts)


def bpda(classifier: Network | Classifier, module: str, surrogate: Part | None = None) -> Network | Classifier:
    """The same network, one module of which is passed straight; what is given stays as it is.

    The modules on the way to it are copied, their parameters and all others are shared.

    Args:
        classifier: a network, or a module.
        module: its name, as in `named_modules`.
        surrogate: as which it goes backward; None for the identity, which needs a module that keeps the shape.
    Raises:
        Mistake: a function, which has no modules; a module that there is not.
    """
    if isinstance(classifier, Network):
        return classifier.of(_passing(classifier.model, module, surrogate))
    if not isinstance(classifier, nn.Module):
        raise Mistake(
            "the victim is a function, which has no modules to be passed straight; write Straight(part) around that "
            "part of it which has no gradient"
        )
    return _passing(classifier, module, surrogate)


def _passing(model: nn.Module, module: str, surrogate: Part | None) -> nn.Module:
    """A copy of the model, one module of which is passed straight."""
    names = [name for name, _ in model.named_modules() if name]
    if module not in names:
        where = did_you_mean(module, names) or (f"; there are {', '.join(names[:8])}" if names else "; it has none")
        raise Mistake(f"there is no module '{module}' to be passed straight{where}")
    root = inner = _shared_copy(model)
    for step in module.split("."):
        child = _shared_copy(inner._modules[step])
        inner._modules[step] = child
        inner = child
    inner.__dict__["forward"] = Straight(_own_forward(inner), surrogate, module)
    return root


def _shared_copy(module: nn.Module | None) -> nn.Module:
    """A module of its own that shares its parameters, buffers and children."""
    assert module is not None
    other = copy(module)
    other.__dict__["_modules"] = dict(module._modules)
    return other


def _own_forward(module: nn.Module) -> Part:
    """Its forward, as one of this very copy."""
    return module.__dict__.get("forward") or type(module).forward.__get__(module)


class Expected(Victim):
    """A victim that says the mean of what it says with so many draws of its random numbers.

    The mean of logits is, but for a number that all classes share, the mean of log p.
    """

    draws: int
    seed: int

    @property
    def plain(self) -> Victim:
        """The victim whose draws these are, counted together."""
        plain = Victim(self.classifier)
        vars(plain).update({name: value for name, value in vars(self).items() if name in vars(plain)})
        return plain

    def _count(self, rows: Tensor, backwards: int = 0) -> None:
        for _ in range(self.draws):
            super()._count(rows, backwards)

    def _said(self, who: Network | Classifier, x: Tensor, layer: str, until: ExitStack | None = None) -> Tensor:
        once = super()._said

        def ask(one: Network | Classifier, pictures: Tensor) -> Tensor:
            return once(one, pictures, layer, until)

        return torch.stack([_drawn(ask, who, x, self.seed, draw) for draw in range(self.draws)]).mean(0)


def eot(victim: Victim | Network | Classifier, draws: int = 20, seed: int = 0) -> Victim:
    """The victim that answers with the mean over draws of its random numbers; so its gradient is the mean one.

    The draws of a picture are made of the picture and the seed: an attack sees others at each step, and yet comes to
    the same end another time. Each counts as a reading. All are held in memory at a time until the gradient is there.

    Args:
        victim: one that answers differently each time; of any other, all draws are the same.
        draws: how many (Athalye et al. 2018 take 30 for random resizing).
        seed: others for another seed.
    """
    check_range("draws", draws, 1)
    plain = Victim.of(victim)
    expected = Expected(plain.classifier)
    vars(expected).update(vars(plain))
    expected.draws, expected.seed = draws, seed
    return expected


@dataclass(frozen=True)
class Votes:
    """What a network that draws random numbers said of pictures, again and again.

    Attributes:
        counts: how often it said each class.
        reads: how often each picture was read.
    """

    counts: Int[Tensor, "n classes"]
    reads: int

    @property
    def classes(self) -> Int[Tensor, " n"]:
        """What each picture is taken for most often."""
        return self.counts.argmax(1)

    def right(self, labels: Int[Tensor, " n"]) -> Bool[Tensor, " n"]:
        """Whether most often for its class: this is what counts as right."""
        return self.classes == labels.cpu()

    def intervals(self, labels: Int[Tensor, " n"]) -> Float[Tensor, "n 2"]:
        """The 95 % interval (Wilson) of how often each is taken for its class."""
        own = self.counts.gather(1, labels.cpu()[:, None])[:, 0].tolist()
        return torch.tensor([wilson(hits, self.reads) for hits in own]).view(-1, 2)

    def undecided(self, labels: Int[Tensor, " n"]) -> Bool[Tensor, " n"]:
        """Whether so many reads don't tell: one half lies within the interval."""
        low, high = self.intervals(labels).unbind(1)
        return (low <= 0.5) & (high >= 0.5)


def majority(
    victim: Victim | Network | Classifier, x: Float[Tensor, "n ..."], reads: int = 100, seed: int = 1
) -> Votes:
    """What a network that draws random numbers takes each picture for, most often of so many reads.

    Args:
        seed: another than the attack's, so that nothing is won by fooling the draws that it saw.
    """
    check_range("reads", reads, 1)
    who = victim.plain if isinstance(victim, Expected) else Victim.of(victim)
    rows = torch.arange(len(x))

    def ask(one: Network | Classifier, pictures: Tensor) -> Tensor:
        other = copy(who)
        other.classifier = one
        return other.answers(pictures, rows[: len(pictures)])

    every = [_drawn(ask, who.classifier, x, seed, draw) for draw in range(reads)]
    counts = torch.zeros(len(x), who.head.classes(every[0].shape[1]), dtype=torch.long)
    for answers in every:
        counts[rows, who.head.decided(answers).cpu()] += 1
    return Votes(counts, reads)


def _drawn(
    ask: Callable[[Network | Classifier, Tensor], Tensor], who: Network | Classifier, x: Tensor, seed: int, draw: int
) -> Tensor:
    """What is answered with the random numbers of this draw, which are made of the pictures themselves.

    A network that answers differently each time reads one picture at a time, each with its own; a function gets those
    of the whole batch.
    """
    if isinstance(who, Network):
        if who.deterministic:
            return ask(who, x)
        every = []
        for one in x.split(1):
            with drawing(_number(one, seed, draw)):
                every.append(ask(who, one))
        return torch.cat(every)
    with drawing(_number(x, seed, draw)), same_random_numbers():
        return ask(who, x)


def _number(x: Tensor, seed: int, draw: int) -> int:
    x = x.detach() + 0.0  # -0 and 0 are the same picture
    return zlib.crc32(x.cpu().contiguous().numpy().tobytes(), zlib.crc32(struct.pack("<qq", seed, draw)))
